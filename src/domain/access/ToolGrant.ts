/** The tools of one server that somebody may reach, and the two ways in which grants come together. */

/** Tools by `{server}-{tool}` or their bare name. */
export type NamedTools = "all" | ReadonlySet<string>

/** These, or what both of two grants admit. */
export type ToolGrant = NamedTools | { readonly both: readonly [ToolGrant, ToolGrant] }

/** All tools, or those of a list; an empty list admits none. */
export const grantOf = (tools: ReadonlyArray<string> | undefined): NamedTools =>
  tools === undefined ? "all" : new Set(tools)

export const eitherOf = (one: NamedTools | undefined, other: NamedTools): NamedTools => {
  if (one === undefined || other === "all") return other
  return one === "all" ? one : new Set([...one, ...other])
}

export const bothOf = (one: ToolGrant, other: ToolGrant): ToolGrant => {
  if (one === "all") return other
  return other === "all" ? one : { both: [one, other] }
}

/** Whether a grant admits one tool, by its own name or by `{server}{separator}{tool}`. */
export const grantsTool = (grant: ToolGrant, server: string, tool: string, separator: string): boolean => {
  if (grant === "all") return true
  if ("both" in grant) return grant.both.every((one) => grantsTool(one, server, tool, separator))
  return grant.has(tool) || grant.has(`${server}${separator}${tool}`)
}

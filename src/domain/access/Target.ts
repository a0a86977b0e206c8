/** The target of a client, from `/mcp/:target`: everything the user may reach, one group of theirs, or one server. */
export type Target =
  | { readonly kind: "all" }
  | { readonly kind: "group"; readonly name: string }
  | { readonly kind: "server"; readonly name: string }

export const targetText = (target: Target): string => (target.kind === "all" ? "*" : `${target.kind}:${target.name}`)

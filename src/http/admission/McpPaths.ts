/**
 * The paths of the MCP endpoint: `/mcp`, `/mcp/:target`, `/:user/mcp`, `/:user/mcp/:target`. A user in the path never
 * identifies anyone: it must be the authenticated user. And those of the deprecated HTTP+SSE transport, `/sse`,
 * `/sse/:target` and `/messages`; they are known also where it is turned off, so that a client which tries them is
 * authenticated like any other and told where to go.
 */
export interface McpPath {
  /** The endpoint of the HTTP+SSE transport that was addressed. */
  readonly old?: "sse" | "messages"
  readonly user?: string
  readonly target?: string
}

const decode = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** `undefined` for every other path. */
export const matchPath = (path: string): McpPath | undefined => {
  const segments = path.split("/").slice(1).map(decode)
  if (segments.at(-1) === "") segments.pop()
  if (segments.length > 3 || segments.some((segment) => segment === undefined || segment === "")) return undefined
  const [first, second, third] = segments
  if (first === "mcp" && second === undefined) return {}
  if (first === "messages" && second === undefined) return { old: "messages" }
  if (first === "sse" && third === undefined)
    return second === undefined ? { old: "sse" } : { old: "sse", target: second }
  if (first === "mcp" && second !== undefined && third === undefined) return { target: second }
  if (second !== "mcp" || first === undefined || first === "api" || first === "admin") return undefined
  return third === undefined ? { user: first } : { user: first, target: third }
}

/** The end of a name or a URI: a server, and what that server calls it. */
export interface Route {
  readonly server: string
  readonly name: string
}

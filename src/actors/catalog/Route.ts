/** Where a name or a URI leads: a server and what that server calls it. */
export interface Route {
  readonly server: string
  readonly name: string
}

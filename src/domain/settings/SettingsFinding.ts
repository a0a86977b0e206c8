/** One thing that is wrong with the settings, or worth a warning. */
export interface SettingsFinding {
  /** E.g. `mcpServers.github.headers.Authorization`; empty for the document itself. */
  readonly path: string
  readonly reason: string
}

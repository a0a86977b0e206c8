/** One thing that is wrong with the settings, or worth a warning. */
export interface SettingsFinding {
  /** E.g. `mcpServers.github.headers.Authorization`; empty for the document itself. */
  readonly path: string
  readonly reason: string
}

/** `a.b[0].c`; a key that is not a plain word is quoted. */
export const pathText = (path: ReadonlyArray<PropertyKey>): string =>
  path
    .map((key) =>
      typeof key === "number"
        ? `[${key}]`
        : /^[\w$@-]+$/.test(String(key))
          ? `.${String(key)}`
          : `[${JSON.stringify(String(key))}]`
    )
    .join("")
    .replace(/^\./, "")

/**
 * The places of a server's configuration that may hold templates, and the user's tokens that they name.
 *
 * One walk serves the checks at load and the question which tokens the server is entitled to, so that the two cannot
 * disagree.
 */
import { contextNames, contextReferences, parseTemplate, userTokens } from "./Expansion.ts"
import type { ServerConfig } from "./ServerConfig.ts"

export interface TemplateField {
  readonly place: "url" | "command" | "args" | "cwd" | "env" | "headers" | "openapi"
  /** Below the server's entry, e.g. `headers.Authorization`. */
  readonly path: string
  readonly text: string
}

/** Every text of a server's configuration that is expanded. An inline OpenAPI document is data and is not expanded. */
export const templateFields = (config: ServerConfig): ReadonlyArray<TemplateField> => {
  const fields: Array<TemplateField> = []
  const add = (place: TemplateField["place"], path: string, text: string | undefined): void => {
    if (text !== undefined) fields.push({ place, path, text })
  }
  add("url", "url", config.url)
  add("command", "command", config.command)
  add("cwd", "cwd", config.cwd)
  config.args?.forEach((text, index) => add("args", `args[${index}]`, text))
  for (const [name, text] of Object.entries(config.env ?? {})) add("env", `env.${name}`, text)
  for (const [name, text] of Object.entries(config.headers ?? {})) add("headers", `headers.${name}`, text)
  const openapi = (value: unknown, path: string): void => {
    if (typeof value === "string") add("openapi", path, value)
    else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) openapi(inner, `${path}.${name}`)
    }
  }
  for (const [name, value] of Object.entries(config.openapi ?? {})) {
    if (name !== "schema") openapi(value, `openapi.${name}`)
  }
  return fields
}

/** The stored names of the user's tokens that the templates of a server refer to. */
export const referencedTokens = (config: ServerConfig): ReadonlySet<string> =>
  new Set(templateFields(config).flatMap((field) => userTokens(parseTemplate(field.text))))

/** Whether the server gets a folder for each user. */
export const namesFolder = (config: ServerConfig): boolean =>
  templateFields(config).some(({ text }) => contextReferences(parseTemplate(text)).includes(contextNames.folder))

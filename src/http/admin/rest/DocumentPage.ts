/** The contract as a page to read, made of the document: without a script, and without anything from another site. */
import type { OpenApi } from "effect/http-api"
import { operationsAt } from "./Document.ts"

export const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const style = `body { font: 1em/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color-scheme: light dark }
code, pre { background: #8882; padding: 0 .2em; overflow-wrap: anywhere }
pre { padding: .5em; overflow-x: auto; white-space: pre }
details { margin: .5em 0; border-left: 3px solid #8884; padding-left: .8em }
summary { cursor: pointer } summary code { font-weight: 600 }
td, th { text-align: left; vertical-align: top; padding: .1em .8em .1em 0 }`

/** Backquotes are code; an empty line begins a paragraph. */
const prose = (text: string): string =>
  text
    .split(/\n\n+/)
    .map((paragraph) => `<p>${escaped(paragraph).replace(/`([^`]+)`/g, "<code>$1</code>")}</p>`)
    .join("\n")

const schemaText = (schema: unknown): string => `<pre>${escaped(JSON.stringify(schema, null, 2))}</pre>`

type Operation = OpenApi.OpenAPISpecOperation

const parameters = ({ parameters }: Operation): string => {
  if (parameters === undefined || parameters.length === 0) return ""
  const rows = parameters.map(
    ({ in: place, name, required, schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(place)}${required ? "" : ", optional"}</td><td><code>${escaped(JSON.stringify(schema))}</code></td></tr>`
  )
  return `<table>${rows.join("")}</table>`
}

const contents = (content: Readonly<Record<string, { readonly schema?: unknown }>> | undefined): string =>
  Object.entries(content ?? {})
    .map(([type, { schema }]) => `<p><code>${escaped(type)}</code></p>${schemaText(schema)}`)
    .join("")

const operationOf = (method: string, path: string, operation: Operation): string => {
  const body = operation.requestBody === undefined ? "" : `<p>Body</p>${contents(operation.requestBody.content)}`
  const answers = Object.entries(operation.responses)
    .filter(([status]) => Number(status) < 300)
    .map(([status, response]) => `<p>Answer ${escaped(status)}</p>${contents(response.content)}`)
  return `<details id="${escaped(operation.operationId)}"><summary><code>${method.toUpperCase()} ${escaped(path)}</code> ${escaped(operation.summary ?? "")}</summary>
${prose(operation.description ?? "")}${parameters(operation)}${body}${answers.join("")}</details>`
}

export const pageOf = (document: OpenApi.OpenAPISpec): string => {
  const sections = document.tags.map(({ description, name }) => {
    const operations = Object.keys(document.paths).flatMap((path) =>
      operationsAt(document, path).flatMap(([method, operation]) =>
        operation.tags.includes(name) ? [operationOf(method, path, operation)] : []
      )
    )
    return `<h2>${escaped(name)}</h2>\n${prose(description ?? "")}\n${operations.join("\n")}`
  })
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(document.info.title)} API</title>
<style>${style}</style>
<h1>${escaped(document.info.title)} API</h1>
${prose(document.info.description ?? "")}
<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI ${escaped(document.openapi)}).</p>
${sections.join("\n")}
</html>
`
}

/**
 * The configuration that each client wants for an HTTP server with a bearer key, as its vendor documents it: for the
 * command line, and for the dashboard in browsers.
 *
 * Links carry no key: a link ends up in browser histories and chat logs. VS Code asks for the key itself (a password
 * input); the others read it from the environment variable `MCPHUB_KEY`.
 */
import { documentFor, entryFor, vscodeInput } from "./ClientEntries.ts"

export const clients = {
  claude: "Claude Code",
  cursor: "Cursor",
  vscode: "Visual Studio Code",
  opencode: "opencode",
  gemini: "Gemini CLI",
  codex: "Codex",
  curl: "curl"
} as const

export type ClientName = keyof typeof clients

export interface Snippet {
  /** The place for the text. */
  readonly where: string
  readonly text: string
  readonly link?: string | undefined
}

/** The hub's address for people, of its address for clients. */
export const siteOf = (mcpUrl: string): string => mcpUrl.replace(/\/mcp$/, "")

const json = (value: unknown): string => JSON.stringify(value, null, 2)

/** Of the text in UTF-8, by what browsers have as well. */
const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** A text or a truth is written in TOML as in JSON. */
const tomlLine = ([name, value]: readonly [string, unknown]): string => `${name} = ${JSON.stringify(value)}`

/** Quotes any address for a POSIX shell. */
const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const makers: Readonly<Record<ClientName, (url: string) => Snippet>> = {
  claude: (url) => ({
    where: "Run this, and start Claude Code where MCPHUB_KEY holds your key:",
    // In single quotes: it is the client that reads the variable, so that its settings do not hold the key.
    text: `claude mcp add --transport http mcphub ${shellQuoted(url)} --header 'Authorization: Bearer \${MCPHUB_KEY}'`
  }),
  cursor: (url) => {
    const config = encodeURIComponent(base64(JSON.stringify(entryFor("cursor", url))))
    return {
      where: "Add this to ~/.cursor/mcp.json, and start Cursor where MCPHUB_KEY holds your key:",
      text: json(documentFor("cursor", url)),
      link: `cursor://anysphere.cursor-deeplink/mcp/install?name=mcphub&config=${config}`
    }
  },
  vscode: (url) => {
    const named = { name: "mcphub", ...entryFor("vscode", url), inputs: [vscodeInput] }
    return {
      where: "Save this as .vscode/mcp.json; VS Code asks for the key and keeps it:",
      text: json(documentFor("vscode", url)),
      link: `vscode:mcp/install?${encodeURIComponent(JSON.stringify(named))}`
    }
  },
  opencode: (url) => ({
    where: "Add this to opencode.json, and start opencode where MCPHUB_KEY holds your key:",
    text: json(documentFor("opencode", url))
  }),
  gemini: (url) => ({
    where: "Run this, and start Gemini CLI where MCPHUB_KEY holds your key:",
    text: `gemini mcp add -s user -t http -H 'Authorization: Bearer $MCPHUB_KEY' mcphub ${shellQuoted(url)}`
  }),
  codex: (url) => ({
    where:
      "Add this to ~/.codex/config.toml, and start Codex where MCPHUB_KEY holds your key. Without `required` Codex goes on " +
      "without the hub's tools when it is a second late, or the key is wrong:",
    text: ["[mcp_servers.mcphub]", ...Object.entries(entryFor("codex", url)).map(tomlLine)].join("\n")
  }),
  curl: (url) => ({
    where: "Try it where MCPHUB_KEY holds your key:",
    text:
      `curl -sS ${shellQuoted(url)} -H "Authorization: Bearer $MCPHUB_KEY" -H 'Content-Type: application/json' ` +
      `-H 'Accept: application/json, text/event-stream' -H 'Mcp-Session-Id: session-curl-1' ` +
      `-d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'`
  })
}

export const snippet = (client: ClientName, url: string): Snippet => makers[client](url)

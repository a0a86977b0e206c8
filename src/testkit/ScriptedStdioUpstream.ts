/**
 * A stdio MCP server that misbehaves on demand: a real child program, run by the same runtime as the hub.
 *
 * `config(script)` is an entry for `mcpServers`; the environment carries the script to the program. Its tools:
 * - `set-context { project }`, `get-data`: state of this very process;
 * - `echo { text }`, `pid`, `cwd`, `env`, `meta`, `initialize`, `received`: the input it was given;
 * - `hang`: never answers, and remembers cancellations; `cancelled` lists the cancelled ids;
 * - `late { ms }`: answers after that time, cancelled or not; `twice`: answers twice;
 * - `progress { steps }`, `log { text }`: notifications during the call;
 * - `ask { message }`: asks the client (elicitation) during the call and returns its answer, naming the call when
 *   `related` is true;
 * - `noise`, `large { bytes }`, `flood { bytes }`: garbage lines on stdout, one long answer, stderr;
 * - `ping` (pings the hub), `exit { code }`, `deaf` (stops reading stdin), `changed` (sends `tools/list_changed`).
 */
import { runtimeCommand } from "../cli/sample/RuntimeCommand.ts"
import type { ServerConfig } from "../domain/servers/ServerConfig.ts"

export interface StdioScript {
  /** Exits with this code instead of answering initialize, after writing `lastWords` to stderr. */
  readonly exitAtStart?: number | undefined
  readonly lastWords?: string | undefined
  /** Never answers initialize. */
  readonly silent?: boolean | undefined
  /** The reaction to `server/discover`, which it does not know: silence or exit; a refusal when absent. */
  readonly discover?: "silent" | "exit" | undefined
  /** Answers initialize with this JSON-RPC error message. */
  readonly refuse?: string | undefined
  /** The revision to answer with; the client's own when absent. */
  readonly protocolVersion?: string | undefined
  readonly ignoreSigterm?: boolean | undefined
  readonly ignoreStdinEnd?: boolean | undefined
  /** Starts a child of its own that ignores SIGTERM; the answer of `pid` holds its pid. */
  readonly grandchild?: boolean | undefined
  /** Bytes written to stderr before anything else. */
  readonly floodStderr?: number | undefined
  /** Prints lines that are not JSON-RPC around every answer. */
  readonly noise?: boolean | undefined
}

/** The variable that carries the script. */
export const scriptVariable = "STDIO_SCRIPT"

export const config = (script: StdioScript = {}, more: Partial<ServerConfig> = {}): ServerConfig => ({
  type: "stdio",
  ...runtimeCommand(new URL("./stdio-upstream.ts", import.meta.url)),
  ...more,
  env: { ...more.env, [scriptVariable]: JSON.stringify(script) }
})

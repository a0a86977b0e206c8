/** Openings of sessions at a scripted server: the sessions that opened it, and an answer that a test gives by hand. */
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import type { ScriptedHttp } from "../../../../src/testkit/ScriptedHttpUpstream.ts"

/** Whose openings a server has seen, in order. */
export const openedBy = (server: ScriptedHttp) =>
  server.calls("initialize").map((one) => one.headers["x-mcphub-user-id"])

/** An ordinary answer to initialize, with a session of its own id where one is given. */
export const introduce = (call: ScriptedCall, sessionId?: unknown): void => {
  if (typeof sessionId === "string") call.response.setHeader("mcp-session-id", sessionId)
  call.result({
    protocolVersion: call.params["protocolVersion"],
    capabilities: { tools: {} },
    serverInfo: { name: "scripted", version: "1.0.0" }
  })
}

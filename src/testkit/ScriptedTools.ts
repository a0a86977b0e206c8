import type { Script } from "./ScriptedCall.ts"

export const builtinTools: Readonly<Record<string, Script>> = {
  /** Answers with its own arguments. */
  echo: (call) => call.content(call.arguments),
  /** Answers with the headers of this request. */
  whoami: (call) => call.content({ ...call.received.headers }),
  /** Keeps a project name in the session. */
  "set-context": (call) => {
    call.session?.state.set("project", call.arguments["project"])
    call.content({ project: call.arguments["project"] })
  },
  /** Answers with the session's project, and the number of times it was read. */
  "get-data": (call) => {
    const state = call.session?.state
    const count = Number(state?.get("count") ?? 0) + 1
    state?.set("count", count)
    call.content({ project: state?.get("project") ?? null, count })
  }
}

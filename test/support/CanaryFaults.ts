/**
 * Every fault of the HTTP servers of a canary matrix. Whatever a server does, it repeats everything it was told while
 * it does it, so that each failure is an occasion for a leak.
 */
import { faults, type Script, type ScriptedCall } from "../../src/testkit/index.ts"
import { ownersIn } from "./CanarySearch.ts"
import type { Canaries } from "./Canaries.ts"
import { tell } from "./CanaryServers.ts"

/** All that a server was told with a call: whatever identifies the user, and what they asked. */
const spill = ({ arguments: args, received: { headers, path } }: ScriptedCall): string =>
  JSON.stringify({ ...args, path, headers })

const resultOf = (id: unknown, text: string): object => ({
  jsonrpc: "2.0",
  id,
  result: { content: [{ type: "text", text }], structuredContent: { text } }
})

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Script =>
  (call) =>
    call.body(code, "application/json", spill(call), headers)

const redirect =
  (code: number, elsewhere: string): Script =>
  (call) =>
    call.body(code, "text/plain", spill(call), { location: `${elsewhere}?${encodeURIComponent(spill(call))}` })

/** The last calls that a server took, so that it can mistake one for another. */
const recent = 50

const othersAnswer = (canaries: Canaries, taken: Array<ScriptedCall>): Script => {
  const ownerOf = (call: ScriptedCall) => ownersIn(canaries, String(call.arguments["text"]))[0]
  return (call) => {
    const other = taken.findLast((one) => one.id !== call.id && ownerOf(one) !== ownerOf(call))
    if (other === undefined) return call.answer(resultOf("nobody's", spill(call)))
    // Under the other one's id both the other one's answer and this one's, neither of which is for anybody.
    const both = [resultOf(other.id, spill(other)), resultOf(other.id, spill(call))]
    if (!String(call.received.headers.accept).includes("text/event-stream")) return call.answer(both[0]!)
    for (const message of both) call.event(message)
    call.end()
  }
}

/** Codes of a call that a server fails in this way; where a server is given up for a while, the code says that instead. */
export const codes: Readonly<Record<string, ReadonlyArray<number>>> = {
  refuse: [-32000],
  hang: [1408],
  dieBeforeHeaders: [1409],
  dieInBody: [1409],
  dieInStream: [1409],
  webPage: [1502],
  noJson: [1502],
  wrongId: [1502],
  othersAnswer: [1409, 1502],
  unauthorized: [1502],
  forbidden: [1502],
  forbiddenError: [-32000, 1502],
  notFound: [1409, 1502],
  busy: [1503],
  unavailable: [1503],
  redirected: [1502],
  redirectedForGood: [1502],
  echoError: [-32000],
  strayId: [1408],
  garbage: [1408],
  exit: [1409]
}

/** The tools of one server; `elsewhere` is where its redirects point. */
export const tools = (canaries: Canaries, elsewhere: string): Readonly<Record<string, Script>> => {
  const taken: Array<ScriptedCall> = []
  const scripts: Readonly<Record<string, Script>> = {
    tell,
    refuse: (call) => call.error(-32000, "Refused"),
    echo: (call) => call.content({ text: spill(call) }),
    echoError: (call) => call.error(-32000, spill(call), { said: spill(call) }),
    hang: faults.hang,
    dieBeforeHeaders: faults.dieBeforeHeaders,
    dieInBody: (call) => {
      call.response.writeHead(200, { "content-type": "application/json", "content-length": "100000" })
      call.response.write(`{"jsonrpc":"2.0","result":${spill(call)}`, () => call.die())
    },
    dieInStream: (call) => {
      call.event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: spill(call) } })
      call.response.write(`data: ${spill(call)}`, () => call.die())
    },
    webPage: (call) => call.body(200, "text/html", `<html>${spill(call)}</html>`),
    noJson: (call) => call.body(200, "application/json", spill(call).slice(0, -1)),
    wrongId: (call) => call.answer(resultOf("nobody's", spill(call))),
    othersAnswer: othersAnswer(canaries, taken),
    unauthorized: status(401, { "www-authenticate": "Bearer" }),
    forbidden: status(403),
    forbiddenError: (call) =>
      call.body(
        403,
        "application/json",
        JSON.stringify({ jsonrpc: "2.0", id: call.id, error: { code: -32000, message: spill(call) } })
      ),
    notFound: status(404),
    busy: status(429, { "retry-after": "1" }),
    unavailable: status(503, { "retry-after": "1" }),
    redirected: redirect(302, elsewhere),
    redirectedForGood: redirect(308, elsewhere)
  }
  return Object.fromEntries(
    Object.entries(scripts).map(([name, script]): [string, Script] => [
      name,
      (call) => {
        taken.push(call)
        if (taken.length > recent) taken.shift()
        return script(call)
      }
    ])
  )
}

/** What may go wrong with a call, for each kind of server. */
export const ofStdio = ["refuse", "echo", "echoError", "strayId", "garbage", "hang", "exit"]
export const ofHttp = ["echo", ...Object.keys(codes).filter((name) => !["strayId", "garbage", "exit"].includes(name))]

/** Faults that end by the clock only. */
export const endless: ReadonlySet<string> = new Set(["hang", "strayId", "garbage"])

/**
 * The servers of a fuzzing run: ordinary ones over HTTP in both eras, which say something else at the moment that a step
 * has named for this user. The stdio ones are programs of their own.
 */
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { metaKeys } from "../../src/domain/protocol/eras/RequestMeta.ts"
import { type ScriptedCall, ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import * as SayingServer from "../http/support/SayingServer.ts"
import * as StatelessUpstream from "../support/StatelessUpstream.ts"
import { markOf } from "./Exchange.ts"
import { withId } from "./Messages.ts"
import type { Era, Headers, Said, Way } from "./Steps.ts"

export interface Saying {
  readonly way: Way
  readonly said: Said
  readonly status?: number
  readonly headers?: Headers
}

/** Servers that nobody has spoken to: what fails once is asked again only after a pause, so there are many. */
const strangers = 150
const silentStrangers = 10
/** Milliseconds after which an unanswered question holds up nothing. */
const questionMs = 200

/** Whether something in it is a question that the client might be asked. */
export const asks = (said: Said): boolean =>
  said.some((one) => /"method":"(elicitation|sampling|roots)\//.test(Buffer.from(one).toString("latin1")))

const lines = (said: Said): Buffer =>
  Buffer.concat(said.flatMap((one) => [Buffer.from("data: "), one, Buffer.from("\n\n")]))

export const make = Effect.fnUntraced(function* (folder: string, names: ReadonlyMap<string, string>) {
  const told = { messages: 0 }
  /** By user and method. */
  const sayings = new Map<string, Saying>()
  const streams: Record<Era, Map<string, Set<ScriptedCall>>> = { stateful: new Map(), stateless: new Map() }
  /** By user: what waits for the answer to a question. */
  const waiting = new Map<string, () => void>()
  const userOf = (call: ScriptedCall): string => String(call.received.headers["x-mcphub-user-id"])

  const perform = (call: ScriptedCall, saying: Saying, otherwise: () => void): void => {
    const { headers = [], said, status = 200, way } = saying
    told.messages += way === "body" ? 1 : said.length
    if (way === "body") {
      call.response.writeHead(status, { "content-type": "application/json", ...Object.fromEntries(headers) })
      return void call.response.end(withId(said[0]!, call.id))
    }
    call.open()
    call.raw(withId(lines(said), call.id))
    if (way === "broken") return call.die()
    if (!asks(said)) return otherwise()
    const user = userOf(call)
    const go = () => {
      clearTimeout(timer)
      waiting.delete(user)
      otherwise()
    }
    const timer = setTimeout(go, questionMs)
    waiting.set(user, go)
  }

  /** The method as the script has it, unless something else is to be said to this user. */
  const orSay =
    (method: string, script: (call: ScriptedCall) => void) =>
    (call: ScriptedCall): void => {
      const saying = sayings.get(`${userOf(call)} ${method}`)
      if (saying === undefined) script(call)
      else perform(call, saying, () => script(call))
    }

  const listening = (era: Era, call: ScriptedCall): void => {
    const user = userOf(call)
    const open = streams[era].get(user) ?? new Set()
    streams[era].set(user, open.add(call))
    call.response.once("close", () => open.delete(call))
    call.open()
  }

  const after = (call: ScriptedCall) =>
    call.content({ name: "after", mark: markOf(names.get(userOf(call)) ?? "nobody") })
  const tools = { say: orSay("tools/call", after), echo: (call: ScriptedCall) => call.content(call.arguments) }
  const listed = Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } }))
  const list = orSay("tools/list", (call) =>
    call.result({ resultType: "complete", tools: listed, ttlMs: 0, cacheScope: "public" })
  )
  const answered = (call: ScriptedCall) => {
    call.status(202)
    waiting.get(userOf(call))?.()
  }

  const stateful = yield* ScriptedHttpUpstream.make({
    tools,
    keep: 10,
    methods: {
      "": answered,
      "tools/list": list,
      GET: (call) => listening("stateful", call),
      initialize: orSay("initialize", (call) => {
        if (!call.response.headersSent) call.response.setHeader("mcp-session-id", randomUUID())
        call.result({
          protocolVersion: call.params["protocolVersion"],
          capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } },
          serverInfo: { name: "fuzzing", version: "1" }
        })
      }),
      "server/discover": orSay("initialize", (call) => call.error(-32601, "Method not found"))
    },
    sessions: false
  })
  const stateless = yield* StatelessUpstream.make({
    tools,
    methods: {
      "tools/list": list,
      "server/discover": orSay("initialize", (call) =>
        call.result({
          resultType: "complete",
          supportedVersions: ["2026-07-28"],
          capabilities: { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true }, logging: {} },
          ttlMs: 0,
          cacheScope: "public",
          _meta: { [metaKeys.serverInfo]: { name: "fuzzing", version: "1" } }
        })
      ),
      "subscriptions/listen": (call) => {
        listening("stateless", call)
        call.event({
          jsonrpc: "2.0",
          method: "notifications/subscriptions/acknowledged",
          params: { notifications: call.params["notifications"], _meta: { [metaKeys.subscriptionId]: call.id } }
        })
      }
    },
    keep: 10
  })

  const words = join(folder, "words")
  mkdirSync(words)
  const urls = { stateful: stateful.url, stateless: stateless.url }
  const eras = ["stateful", "stateless", undefined] as const
  const http = Array.from({ length: strangers }, (_, at) => {
    const era = eras[at % eras.length]
    return [`stranger-${at}`, { url: urls[era ?? "stateful"], ...(era === undefined ? {} : { era }) }] as const
  })
  const script = 'read -r line; cat "$WORDS/$MCPHUB_USER_ID"; exec cat > /dev/null'
  const stdio = Array.from({ length: silentStrangers }, (_, at) => {
    const era = eras[at % 2]!
    return [`silent-${at}`, { command: "/bin/sh", args: ["-c", script], env: { WORDS: words }, era }] as const
  })
  const main = {
    "http-stateful": { url: stateful.url, era: "stateful" },
    "http-stateless": { url: stateless.url, era: "stateless" }
  }
  const processes = {
    "stdio-stateful": SayingServer.config({ era: "stateful" }),
    "stdio-stateless": SayingServer.config({ era: "stateless" })
  }

  return {
    told,
    usual: { main: Object.keys(main), processes: Object.keys(processes) },
    settings: { mcpServers: { ...main, ...processes, ...Object.fromEntries([...http, ...stdio]) } },
    /** The name of one of the servers that introduce themselves. */
    stranger: (transport: "http" | "stdio", at: number) =>
      transport === "http" ? `stranger-${at % strangers}` : `silent-${at % silentStrangers}`,
    /** From now on this user hears this, wherever the method is asked for. */
    say: (user: string, method: string, saying: Saying) => void sayings.set(`${user} ${method}`, saying),
    /** What this user's next child says, to a first request which has the id 1. */
    write: (user: string, said: Said) =>
      writeFileSync(join(words, user), withId(Buffer.concat(said.flatMap((one) => [one, Buffer.from("\n")])), 1)),
    silence: (user: string, method: string) => void sayings.delete(`${user} ${method}`),
    /** The streams of this user that belong to no call. */
    streams: (user: string, era: Era): ReadonlyArray<ScriptedCall> => [...(streams[era].get(user) ?? [])],
    push: (call: ScriptedCall, said: Said) => {
      told.messages += said.length
      call.raw(withId(lines(said), call.id))
    }
  }
})

export type Servers = Effect.Success<ReturnType<typeof make>>

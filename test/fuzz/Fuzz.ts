/**
 * The real hub between a client and servers of which one side says anything at all, message after message. After each of
 * them the hub must still run and be ready, the call must have ended within its deadline, and another user must get
 * their own answer and hear nothing else. A message that breaks one of these is made as small as it still breaks it.
 */
import * as fc from "fast-check"
import { Effect, Exit, Redacted, Scope } from "effect"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { type HubUser, McpClient, RawHttp, ScriptedHttpUpstream, type ScriptedCall } from "../../src/testkit/index.ts"
import { requestOf } from "../http/support/StatelessClient.ts"
import * as SayingServer from "../http/support/SayingServer.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as StatelessUpstream from "../support/StatelessUpstream.ts"
import { shown, type Step, step } from "./Messages.ts"

export interface FuzzOptions {
  readonly seed: number
  readonly messages: number
  /** What is said meanwhile, for a long run. */
  readonly tell?: (line: string) => void
}

export interface FuzzResult {
  readonly messages: number
  /** The smallest steps that break the hub, and how. */
  readonly broken: string | undefined
}

/** Milliseconds that a call may take: the hub's own limit, and what a busy machine adds. */
const limitMs = 2_000
const patienceMs = limitMs + 10_000

const key = (letter: string) => Redacted.make(`mcphub_${letter.repeat(64)}`)
const ada = { key: key("a") }
const bo = { key: key("b") }
const capabilities: JsonObject = { elicitation: { form: {} }, sampling: {}, roots: {} }

/** What the servers say next in place of a list. */
interface Said {
  list: Uint8Array | undefined
}

const say = (call: ScriptedCall): void => {
  const bytes = SayingServer.withId(Buffer.from(String(call.arguments["base64"]), "base64"), call.id)
  if (call.arguments["as"] !== "event") return call.body(200, "application/json", bytes as never)
  call.open()
  call.raw(Buffer.concat([Buffer.from("data: "), bytes, Buffer.from("\n\n")]))
  call.content({ name: "after" })
}

const start = Effect.gen(function* () {
  const said: Said = { list: undefined }
  const tools = { say, echo: (call: ScriptedCall) => call.content(call.arguments) }
  const listing = (call: ScriptedCall) => {
    const bytes = said.list
    if (bytes === undefined) {
      const listed = Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } }))
      return call.result({ resultType: "complete", tools: listed, ttlMs: 0, cacheScope: "public" })
    }
    said.list = undefined
    call.body(200, "application/json", SayingServer.withId(bytes, call.id) as never)
  }
  const methods = { "tools/list": listing }
  const stateful = yield* ScriptedHttpUpstream.make({ tools, methods, keep: 10 })
  const stateless = yield* StatelessUpstream.make({ tools, methods })
  const hub = yield* HubProcess.make({
    settings: {
      mcpServers: {
        "http-stateful": { url: stateful.url, era: "stateful" },
        "http-stateless": { url: stateless.url, era: "stateless" },
        "stdio-stateful": SayingServer.config({ era: "stateful" }),
        "stdio-stateless": SayingServer.config({ era: "stateless" })
      }
    },
    provision: HubProcess.withKeys([
      { username: "ada", key: Redacted.value(ada.key) },
      { username: "bo", key: Redacted.value(bo.key) }
    ]),
    env: { REQUEST_TIMEOUT: String(limitMs), LIST_TIMEOUT: String(limitMs), FAIR_SHARE: "0", LOG_REQUESTS: "off" }
  })
  const http = yield* RawHttp.make(hub.origin)
  const connected = (user: Pick<HubUser, "key">) => McpClient.connect(http, user, { capabilities })
  const open = new Map<string, McpClient.McpClient>()
  return { hub, http, said, open, sessions: { ada: yield* connected(ada), bo: yield* connected(bo) } }
})

/** Ada's session with one server, kept from step to step: what was said before is a part of its state. */
const sessionAt = Effect.fnUntraced(function* ({ http, open }: Running, path: string) {
  const session = open.get(path) ?? (yield* McpClient.connect(http, ada, { path, capabilities }))
  open.set(path, session)
  return session
})

type Running = Effect.Success<typeof start>

/** Sends what ada's side has to send for the step, and reads the answer to its end. */
const send = (running: Running, { as, by, bytes, client }: Step) => {
  const { http, open, said, sessions } = running
  if (by === "client") {
    const own = client === "stateful" ? sessions.ada.headers : requestOf(ada, "tools/call", { name: "x" }).headers
    return http.send({ path: "/mcp", headers: own, body: SayingServer.withId(bytes, 1) })
  }
  const isList = as === "list" && by.startsWith("http")
  if (isList) said.list = bytes
  const method = isList ? "tools/list" : "tools/call"
  const args = { base64: Buffer.from(bytes).toString("base64"), as }
  const params = isList ? {} : { name: "say", arguments: args }
  const path = `/mcp/${by}`
  if (client === "stateless") return http.send(requestOf(ada, method, params, { path, capabilities }))
  return Effect.tap(
    Effect.flatMap(sessionAt(running, path), (session) => session.send({ jsonrpc: "2.0", id: 1, method, params })),
    ({ status }) => Effect.sync(() => void (status === 404 && open.delete(path)))
  )
}

class Broken extends Error {}

const inTime = <A, E>(effect: Effect.Effect<A, E>, what: string): Effect.Effect<A, E | Broken> =>
  Effect.timeoutOrElse(effect, { duration: patienceMs, orElse: () => Effect.fail(new Broken(what)) })

const check = Effect.fnUntraced(function* (running: Running, one: Step, count: number) {
  const marker = `of-bo-${count}`
  const answer = yield* inTime(Effect.exit(send(running, one)), "the call did not end within its deadline")
  if (running.hub.hasEnded())
    return yield* Effect.fail(new Broken(`the hub ended: ${running.hub.stderr().slice(-2_000)}`))
  const told = Exit.isSuccess(answer) ? answer.value.text : ""
  if (told.includes("of-bo-")) return yield* Effect.fail(new Broken("ada was told what is bo's"))
  const bos = yield* inTime(
    Effect.exit(running.sessions.bo.callTool("http-stateful-echo", { marker })),
    "the other user's call did not end"
  )
  if (Exit.isFailure(bos)) return yield* Effect.fail(new Broken(`the other user got no answer: ${String(bos.cause)}`))
  if (JSON.stringify(bos.value) !== JSON.stringify({ marker })) {
    return yield* Effect.fail(new Broken(`the other user got ${JSON.stringify(bos.value)}`))
  }
  if (count % 50 === 0) {
    const ready = yield* HubProcess.get(`${running.hub.origin}/readyz`)
    if (ready.status !== 200) return yield* Effect.fail(new Broken(ready.text))
  }
})

export const fuzz = async ({ messages, seed, tell = () => {} }: FuzzOptions): Promise<FuzzResult> => {
  let scope = Scope.makeUnsafe()
  let running: Running | undefined
  let count = 0
  const close = async () => {
    const old = scope
    scope = Scope.makeUnsafe()
    running = undefined
    await Effect.runPromise(Scope.close(old, Exit.void))
  }
  const property = fc.asyncProperty(step, async (one) => {
    running ??= await Effect.runPromise(Scope.provide(start, scope))
    count++
    if (count % 1_000 === 0) tell(`${count} messages`)
    try {
      await Effect.runPromise(check(running, one, count))
    } catch (error) {
      // Whatever is wrong with this hub must not be taken for the next message's doing.
      await close()
      throw error
    }
  })
  try {
    const details = await fc.check(property, { seed, numRuns: messages, endOnFailure: false })
    const [found] = details.counterexample ?? []
    const why = details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance)
    return {
      messages: count,
      broken: details.failed
        ? `seed ${seed}, path ${details.counterexamplePath}\n${found === undefined ? "" : shown(found)}\n${why}`
        : undefined
    }
  } finally {
    await close()
  }
}

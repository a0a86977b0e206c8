/** Servers that repeat, in every form, the secrets they were given: nobody finds one in an error, a log or an audit row. */
import process from "node:process"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { RequestLog } from "../../../../src/actors/observing/RequestLog.ts"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { Environment } from "../../../../src/domain/config/Environment.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { requestOf } from "../../support/StatelessClient.ts"
import { errorWith, formsOf } from "./programs/EchoedForms.ts"

const { args = [], command } = runtimeCommand(new URL("./programs/echoing.ts", import.meta.url))

const tokens = { ada: `ghp_16/C7e+42F29'ada"c6912E7710c8%38=`, bo: `ghp_42/Zq+9x7K1'bo"d01e55A9f3b2%77=` } as const
/** The operator's, by which the hub itself is let in. */
const serviceKey = "hub-service/key+71F0a%22e9"
const secrets = [...Object.values(tokens), serviceKey]

/** What nobody may find: the forms themselves and, where a form hides it within more, a good part of each. */
const traces = secrets.flatMap((secret) => {
  const forms = formsOf(secret)
  return [secret.slice(0, 12), secret.slice(-12), ...Object.values(forms), ...Object.values(forms).map(middleOf)]
})

function middleOf(form: string): string {
  return form.slice(form.length / 2 - 8, form.length / 2 + 8)
}

/** A hub whose log the test reads, with servers that repeat what they were given. */
const start = Effect.gen(function* () {
  let log = ""
  const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void (log += chunk)) })
  const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
  const replace = Layer.mergeAll(Layer.fresh(RequestLog.layer), Logging.layer({ level: "Debug" })).pipe(
    Layer.provideMerge(output)
  )
  const given: Array<string> = []
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      say: (call) => {
        const secret = String(call.received.headers["x-github"])
        given.push(secret)
        const { code, data, message } = errorWith(secret)
        call.error(code, message, data)
      },
      operator: (call) => {
        const secret = String(call.received.headers["x-service"]).slice("Key ".length)
        given.push(secret)
        const { code, data, message } = errorWith(secret)
        call.error(code, message, data)
      }
    }
  })
  const env = { GITHUB: "${USER_GITHUB_TOKEN}" }
  const hub = yield* TestHub.make({
    servers: {
      web: { url: upstream.url, headers: { "X-Github": "${USER_GITHUB_TOKEN}", "X-Service": "Key ${SERVICE_KEY}" } },
      child: { command, args, env },
      dying: { command, args: [...args, "dying"], env }
    },
    config: { logRequests: "all" },
    replace
  }).pipe(Effect.provideService(Environment, { ...process.env, SERVICE_KEY: serviceKey }))
  const keys = Context.get(hub.services, HubKeys)
  for (const name of ["ada", "bo"] as const) {
    yield* keys.setTokens({ keyId: hub[name].row.id }, { GITHUB_TOKEN: Redacted.make(tokens[name]) })
  }
  const rows = Effect.andThen(
    Context.get(hub.services, AuditTrail).flush,
    Context.get(hub.services, AuditLog).find({ limit: 1_000 })
  )
  return { given, hub, log: () => log, rows }
})

const foundIn = (text: string): ReadonlyArray<string> => traces.filter((trace) => text.includes(trace))

describe("a server that repeats a secret in its errors", () => {
  it.live("A33: gives it away in no form, in no revision, over HTTP or as a child, by its words or its last ones", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { given, hub, log, rows } = yield* start
        const said: Array<string> = []
        for (const name of ["ada", "bo"] as const) {
          const client = yield* hub.connect(hub[name])
          for (const tool of ["web-say", "web-operator", "child-say"]) {
            const params = { name: tool, arguments: {} }
            const { text } = yield* client.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
            const { error } = JSON.parse(text)
            assert.match(error.message, /^plain <redacted>; url <redacted>; .*; basic \S*<redacted>/, tool)
            assert.strictEqual(error.data.forms.plain, "<redacted>", tool)
            assert.deepStrictEqual(Object.keys(error.data.named), ["<redacted>"], tool)
            said.push(text)
          }
          const stateless = yield* hub.http.send(requestOf(hub[name], "tools/call", { name: "web-say", arguments: {} }))
          assert.include(stateless.text, "plain <redacted>")
          said.push(stateless.text)
          const dead = yield* client.send({
            jsonrpc: "2.0",
            id: 2,
            method: "tools/call",
            params: { name: "dying-say", arguments: {} }
          })
          assert.include(dead.text, "<redacted>")
          said.push(dead.text)
        }
        // It is the users' own that the servers were given and repeated.
        assert.deepStrictEqual([...new Set(given)].sort(), [...secrets].sort())
        const audited = JSON.stringify(yield* rows)
        assert.include(audited, "web-say")
        said.push(audited)
        return { log, said }
      })
    ).pipe(
      // The log is complete when the hub is gone.
      Effect.tap(({ log, said }) =>
        Effect.sync(() => {
          for (const text of said) assert.deepStrictEqual(foundIn(text), [], text)
          assert.include(log(), "tools/call")
          assert.deepStrictEqual(foundIn(log()), [])
          // And the traces are such as would be found.
          for (const secret of secrets) assert.isAtLeast(foundIn(JSON.stringify(errorWith(secret))).length, 15)
        })
      )
    )
  )
})

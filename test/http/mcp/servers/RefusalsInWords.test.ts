/** Servers that refuse with an HTTP error status, or before they have read an id, and say why. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import * as OddServers from "../../support/OddServers.ts"

const tokens = { ada: "canary-token-of-ada/71F0", bo: "canary-token-of-bo/9x7K" } as const

const rpc = (id: unknown, message: string) => JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message } })

/** Bodies that say it in the ways of servers, proxies and frameworks in use; `$W` stands for the words. */
const bodies: Readonly<Record<string, readonly [type: string, body: (words: string) => string]>> = {
  "an error without an id": ["application/json", (words) => rpc(null, words)],
  "an error with an id of its own": ["application/json", (words) => rpc("server-error", words)],
  "a text": ["text/plain", (words) => words],
  "an OAuth error": [
    "application/json",
    (words) => JSON.stringify({ error: "invalid_token", error_description: words })
  ],
  "a problem": ["application/problem+json", (words) => JSON.stringify({ title: "Bad", detail: words, status: 400 })],
  "a framework's list": ["application/json", (words) => JSON.stringify({ detail: [{ msg: 1, message: words }] })],
  "a page": ["text/html", (words) => `<html><head><title>${words}</title></head><body>no</body></html>`]
}

const words = "The quota of this plan is used up"

/** A server that refuses calls as it is told, and repeats the token it was given. */
const start = Effect.fnUntraced(function* (era: (typeof OddServers.eras)[number]) {
  const refuse = (call: ScriptedCall, { how, said, status }: Record<string, unknown>) => {
    const [type, body] = bodies[String(how)]!
    call.body(Number(status), type, body(`${String(said)} ${String(call.received.headers["x-github"])}`))
  }
  const options = { tools: { refuse: (call: ScriptedCall) => refuse(call, call.arguments) } }
  const upstream = yield* era === "stateless" ? StatelessUpstream.make(options) : ScriptedHttpUpstream.make(options)
  const hub = yield* TestHub.make({
    servers: { odd: { url: upstream.url, era, headers: { "X-Github": "${USER_GITHUB_TOKEN}" } } }
  })
  const keys = Context.get(hub.services, HubKeys)
  for (const name of ["ada", "bo"] as const) {
    yield* keys.setTokens({ keyId: hub[name].row.id }, { GITHUB_TOKEN: Redacted.make(tokens[name]) })
  }
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { ada, bo, hub, refuse, upstream }
})

describe("a server that refuses with an error status and says why", () => {
  for (const era of OddServers.eras) {
    it.live(`field A12: is heard in its own words, without a secret in them, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub } = yield* start(era)
        for (const [user, client] of [
          [hub.ada, ada] as const,
          [hub.bo, bo] as const,
          [hub.ada, "stateless"] as const
        ]) {
          for (const how of Object.keys(bodies)) {
            for (const status of [400, 401, 403, 422, 500, 503]) {
              const { error } = yield* OddServers.call(hub, user, client, "refuse", { how, said: words, status })
              assert.include(error?.message, words, `${how} ${status}`)
              assert.include(error.message, "<redacted>", how)
              assert.notMatch(JSON.stringify(error), /canary|71F0|9x7K/)
            }
          }
        }
        const long = `${"word ".repeat(500)}\u001b[31m\nend`
        const { error } = yield* OddServers.call(hub, hub.ada, ada, "refuse", {
          how: "a text",
          said: long,
          status: 500
        })
        assert.isBelow(error.message.length, 400)
        assert.notMatch(error.message, /\p{Cc}/u)
      })
    )
  }

  it.live("field A12: at initialize is named with its words in its state and in the list that misses it", () =>
    Effect.gen(function* () {
      for (const status of [400, 500]) {
        const { ada, bo, hub, refuse, upstream } = yield* start("stateful")
        upstream.script("initialize", (call) => refuse(call, { how: "an error without an id", said: words, status }))
        for (const client of [ada, bo]) {
          const { data, message } = yield* Effect.flip(client.request("tools/list"))
          assert.include(message, words)
          assert.notInclude(message + JSON.stringify(data), "canary")
        }
        const [{ reason, state }] = (yield* Context.get(hub.services, UpstreamHealth).status) as [any]
        assert.strictEqual(state, "failed")
        assert.include(reason, `${words} <redacted>`)
      }
    })
  )

  for (const id of ["null", '"server-error"']) {
    it.live(`field A12: over stdio with the id ${id} says so of its first request, at once`, () =>
      Effect.gen(function* () {
        const program = new URL("./programs/refusing.ts", import.meta.url)
        const { args = [], command } = runtimeCommand(program)
        const odd = {
          command,
          args: [...args, id, `${words} ${tokens.ada}`],
          env: { TOKEN: tokens.ada },
          era: "stateful"
        }
        const hub = yield* TestHub.make({ servers: { odd: odd as never } })
        const ada = yield* hub.connect(hub.ada)
        assert.include((yield* Effect.flip(ada.request("tools/list"))).message, `${words} <redacted>`)
      })
    )
  }
})

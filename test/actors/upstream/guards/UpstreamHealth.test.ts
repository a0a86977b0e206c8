import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { ServerStates } from "../../../../src/actors/upstream/guards/ServerStates.ts"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { config } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import { callTool } from "../support/HttpCalls.ts"
import { type Servers, upstreams } from "../support/UpstreamSessions.ts"

/** Two users' sessions with these servers, and what is known of one of them. */
const hubWith = Effect.fnUntraced(function* (servers: Servers, initTimeout = 10_000) {
  const hub = yield* upstreams(servers, { initTimeout })
  const health = yield* Effect.provideContext(UpstreamHealth, hub.services)
  const status = (name: string) =>
    Effect.map(health.status, (all) => {
      const { connections, reason, state } = all.find((one) => one.name === name)!
      return { connections, reason, state }
    })
  const states = yield* Effect.provideContext(ServerStates, hub.services)
  return { session: hub.session, status, states: states.all, change: hub.change, health }
})

describe("the state of a server", () => {
  it.live("is failed, with the reason, once its process has died in a call, until it is back", () =>
    Effect.gen(function* () {
      const hub = yield* hubWith({ notes: config() })
      const ada = yield* hub.session("ada")
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 0, reason: undefined, state: "unknown" })
      const connection = yield* ada.get("notes")
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 1, reason: undefined, state: "connected" })
      yield* Effect.flip(callTool(connection, ada.context(), "exit", { code: 3 }))
      yield* ada.nextClosed
      const gone = yield* eventually(hub.status("notes"), ({ connections }) => connections === 0)
      assert.deepStrictEqual(gone, { connections: 0, reason: 'Server "notes" exited with code 3', state: "failed" })
      yield* ada.get("notes")
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 1, reason: undefined, state: "connected" })
      yield* ada.end
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 0, reason: undefined, state: "unknown" })
    }).pipe(Effect.scoped)
  )

  it.live("stays connected while bo is, though ada cannot open it, and says why she could not", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const entry = { url: server.url, headers: { Authorization: "Bearer ${USER_NOTES_TOKEN}" } }
      const hub = yield* hubWith({ notes: entry })
      const bo = yield* hub.session("bo", { tokens: { NOTES_TOKEN: "canary-bo" } })
      const ada = yield* hub.session("ada")
      yield* Effect.flip(ada.get("notes"))
      assert.strictEqual((yield* hub.status("notes")).state, "unknown", "that she has no token says nothing about it")
      yield* bo.get("notes")
      yield* Effect.flip(ada.get("notes"))
      const { connections, reason, state } = yield* hub.status("notes")
      assert.deepStrictEqual({ connections, state }, { connections: 1, state: "connected" })
      assert.include(reason, "NOTES_TOKEN")
      assert.notInclude(reason, "canary")
    }).pipe(Effect.scoped)
  )

  it.live("is what it was before when ada, who waited for it, has left", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const server = yield* ScriptedHttpUpstream.make({
        methods: { initialize: () => void Deferred.doneUnsafe(arrived, Effect.void) }
      })
      const hub = yield* hubWith({ notes: { url: server.url } })
      const ada = yield* hub.session("ada")
      yield* Effect.forkChild(Effect.ignoreCause(ada.get("notes")))
      yield* Deferred.await(arrived)
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 0, reason: undefined, state: "connecting" })
      yield* ada.end
      assert.deepStrictEqual(yield* hub.status("notes"), { connections: 0, reason: undefined, state: "unknown" })
      assert.deepStrictEqual(hub.states(), [])
    }).pipe(Effect.scoped)
  )

  it.live("field D2: knows nothing of what its name stood for before the settings changed", () =>
    Effect.gen(function* () {
      const hub = yield* hubWith({ notes: { url: "http://127.0.0.1:1/mcp" } })
      const ada = yield* hub.session("ada")
      yield* Effect.flip(ada.get("notes"))
      hub.health.tools("notes", 12)
      const before = (yield* hub.health.status)[0]!
      assert.deepStrictEqual([before.state, before.tools], ["failed", 12])
      yield* hub.change({ notes: config() })
      const after = (yield* hub.health.status)[0]!
      assert.deepStrictEqual([after.state, after.reason, after.tools], ["unknown", undefined, undefined])
    }).pipe(Effect.scoped)
  )

  it.live("says of a process that never answers what it wrote and what to do", () =>
    Effect.gen(function* () {
      const hub = yield* hubWith({ notes: config({ silent: true, lastWords: "waiting for a licence" }) }, 400)
      const ada = yield* hub.session("ada")
      const error = yield* Fiber.join(yield* Effect.forkChild(Effect.flip(ada.get("notes"))))
      assert.match(error.message, /still starting after 400 ms/)
      const { reason, state } = yield* eventually(hub.status("notes"), (status) => status.state === "failed")
      assert.strictEqual(state, "failed")
      assert.match(reason ?? "", /within 1600 ms; .*INIT_TIMEOUT.*waiting for a licence/)
    }).pipe(Effect.scoped)
  )
})

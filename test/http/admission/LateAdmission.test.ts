/**
 * Clients that have left before the hub knows whose key they sent: the hub must not begin anything that only they could
 * end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect } from "effect"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { Sessions } from "../../../src/actors/registry/Sessions.ts"
import { UserLimits } from "../../../src/actors/limits/UserLimits.ts"
import { EventStreams } from "../../../src/http/wire/EventStreams.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"
import * as RudeClients from "../../../src/testkit/RudeClients.ts"
import * as EventTransportClient from "../support/EventTransportClient.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({})
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const principals = Context.get(hub.services, Principals)
  const metrics = Context.get(hub.services, HubMetrics)
  const sockets = Effect.sync(() => metrics.value("mcphub_client_sockets"))
  const { authenticate, peek } = principals

  /** A GET of a client that is gone, as far as the hub's sockets can tell, before its key is known. */
  const getAndLeave = Effect.fnUntraced(function* (path: string, headers: Readonly<Record<string, string>>) {
    const asked = yield* Deferred.make<void>()
    const gone = yield* Deferred.make<void>()
    const admitted = yield* Deferred.make<void>()
    const slow: Partial<Principals["Service"]> = {
      peek: () => undefined,
      authenticate: (key) =>
        Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gone)).pipe(
          Effect.andThen(authenticate(key)),
          Effect.ensuring(Deferred.succeed(admitted, undefined))
        )
    }
    const before = yield* sockets
    const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
    Object.assign(principals, slow)
    yield* RudeClients.write(socket, { method: "GET", path, headers })
    yield* Deferred.await(asked)
    Object.assign(principals, { authenticate, peek })
    socket.destroy()
    assert.strictEqual(yield* eventually(sockets, (open) => open === before, { every: "10 millis" }), before)
    yield* Deferred.succeed(gone, undefined)
    yield* Deferred.await(admitted)
  })
  return { getAndLeave, hub }
})

describe("a client that has gone while its key was looked up", () => {
  it.live("A34: holds no stream and no place among its user's sessions over HTTP+SSE", () =>
    Effect.gen(function* () {
      const { getAndLeave, hub } = yield* start
      const bo = yield* EventTransportClient.connect(hub, hub.bo)
      const limits = Context.get(hub.services, UserLimits)
      const streams = Context.get(hub.services, EventStreams)
      yield* getAndLeave("/sse", EventTransportClient.headersOf(hub.ada))
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
      const taken = [hub.ada, hub.bo].map(({ user }) => limits.taken(user.id, "sessions"))
      assert.deepStrictEqual([taken, streams.count()], [[0, 1], 1])
    })
  )

  it.live("does not keep the session in use whose event stream it asked for", () =>
    Effect.gen(function* () {
      const { getAndLeave, hub } = yield* start
      const sessions = Context.get(hub.services, Sessions)
      const ada = yield* hub.connect(hub.ada)
      const bo = yield* hub.connect(hub.bo)
      yield* getAndLeave("/mcp", {
        ...EventTransportClient.headersOf(hub.ada),
        accept: "text/event-stream",
        "mcp-session-id": ada.sessionId!
      })
      assert.property(yield* bo.request("tools/list"), "tools")
      const open = (yield* sessions.list).map(({ streams, username }) => [username, streams])
      assert.deepStrictEqual(open.sort(), [
        ["ada", 0],
        ["bo", 0]
      ])
    })
  )
})

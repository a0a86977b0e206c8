/** The event stream through the whole hub, over sockets: who gets which, and how it ends with the viewer's rights. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Roles } from "../../../../src/domain/identity/Roles.ts"
import { SignIns } from "../../../../src/domain/identity/SignIns.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { mostReadersOfUser } from "../../../../src/http/admin/live/LiveFeed.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
import { cookieOf, operators } from "../../support/ApiViewers.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.gen(function* () {
  const { hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const open = (path: string, headers: Readonly<Record<string, string>>) =>
    hub.http.open({ method: "GET", path, headers })
  const keyOf = (user: "ada" | "bo") => ({ authorization: `Bearer ${Redacted.value(hub[user].key)}` })
  return { hold, hub, open, keyOf }
})

/** A stream that has begun, with its snapshot. */
const begun = Effect.fnUntraced(function* (opening: ReturnType<Effect.Success<typeof start>["open"]>) {
  const stream = yield* opening
  assert.strictEqual(stream.status, 200)
  assert.match(stream.headers["content-type"]!, /^text\/event-stream/)
  const first = yield* stream.event
  assert.strictEqual(first.event, "snapshot")
  return { stream, text: first.data, data: JSON.parse(first.data) }
})

describe("the event stream", () => {
  it.live("gives a user their own things, operators everybody's, and nobody else anything", () =>
    Effect.gen(function* () {
      const { hold, hub, keyOf, open } = yield* start
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* bo.callTool("files-echo", { n: 1 })
      const held = yield* hold(ada, { args: { secret: "canary-argument" } })
      const { adminUser, auditorUser } = yield* operators(hub)
      const own = yield* begun(open("/api/me/events", keyOf("ada")))
      assert.deepStrictEqual([own.data.sessions.length, own.data.requests.length], [1, 1])
      assert.deepInclude(own.data.requests[0].why, { kind: "server", server: "files" })
      for (const mark of [hub.bo.user.id, '"bo"', "canary"]) assert.notInclude(own.text, mark)
      const other = yield* begun(open("/api/me/events", keyOf("bo")))
      assert.deepStrictEqual([other.data.sessions.length, other.data.requests.length], [1, 0])
      for (const mark of [hub.ada.user.id, '"ada"', ada.sessionId, "files-hold"]) assert.notInclude(other.text, mark)
      for (const user of [adminUser, auditorUser]) {
        const all = yield* begun(open("/api/admin/events", yield* cookieOf(hub, user.id)))
        assert.strictEqual(all.data.sessions.length, 2)
        for (const mark of [ada.sessionId, bo.sessionId, "canary"]) assert.notInclude(all.text, mark)
        const next = yield* all.stream.event
        assert.strictEqual(next.event, "delta")
      }
      for (const [headers, status] of [
        [{}, 401],
        [keyOf("ada"), 403],
        [{ cookie: `mcphub_session=mcphub_signin_${"0".repeat(64)}` }, 401]
      ] as const) {
        const refused = yield* hub.http.send({ method: "GET", path: "/api/admin/events", headers })
        assert.strictEqual(refused.status, status)
        assert.match(refused.headers["content-type"]!, /^application\/problem\+json/)
        assert.notInclude(refused.text, "sessions")
      }
      held.call.content({ done: true })
      yield* held.answer
    }).pipe(Effect.scoped)
  )

  it.live("ends within a second of the key that opened it, and bo's goes on", () =>
    Effect.gen(function* () {
      const { hub, keyOf, open } = yield* start
      const ada = yield* begun(open("/api/me/events", keyOf("ada")))
      const bo = yield* begun(open("/api/me/events", keyOf("bo")))
      yield* Context.get(hub.services, HubKeys).revoke(hub.ada.row.id)
      const at = performance.now()
      yield* ada.stream.ended
      assert.isAtMost(performance.now() - at, 1_500)
      assert.strictEqual((yield* bo.stream.event).event, "delta")
      assert.strictEqual((yield* bo.stream.event).event, "delta")
    }).pipe(Effect.scoped)
  )

  it.live("ends with the sign-in, the role or the user behind it, each alone", () =>
    Effect.gen(function* () {
      const { hub, open } = yield* start
      const { adminUser, auditorUser } = yield* operators(hub)
      const services = hub.services
      const everybody = (user: typeof adminUser) =>
        Effect.flatMap(cookieOf(hub, user.id), (cookie) => begun(open("/api/admin/events", cookie)))
      const [admin, auditor] = [yield* everybody(adminUser), yield* everybody(auditorUser)]
      const own = yield* begun(open("/api/me/events", yield* cookieOf(hub, auditorUser.id)))
      yield* Context.get(services, Roles).set(auditorUser.id, "user")
      yield* auditor.stream.ended
      // Their own things stay theirs to see.
      assert.strictEqual((yield* own.stream.event).event, "delta")
      yield* Context.get(services, SignIns).revokeAll(auditorUser.id)
      yield* own.stream.ended
      assert.strictEqual((yield* admin.stream.event).event, "delta")
      yield* Context.get(services, Users).setActive(adminUser.id, false)
      yield* admin.stream.ended
    }).pipe(Effect.scoped)
  )

  it.live("is open so many times for a user, until one is closed; bo's are counted apart", () =>
    Effect.gen(function* () {
      const { hub, keyOf, open } = yield* start
      const first = yield* begun(open("/api/me/events", keyOf("ada")))
      for (let n = 1; n < mostReadersOfUser; n++) yield* begun(open("/api/me/events", keyOf("ada")))
      const refused = yield* hub.http.send({ method: "GET", path: "/api/me/events", headers: keyOf("ada") })
      assert.deepStrictEqual([refused.status, JSON.parse(refused.text).kind], [429, "TooManyStreams"])
      assert.isDefined(refused.headers["retry-after"])
      yield* begun(open("/api/me/events", keyOf("bo")))
      yield* first.stream.abandon
      let again = yield* open("/api/me/events", keyOf("ada"))
      // The hub hears of the closed socket in its own time.
      while (again.status === 429) again = yield* open("/api/me/events", keyOf("ada"))
      assert.strictEqual((yield* again.event).event, "snapshot")
    }).pipe(Effect.scoped)
  )
})

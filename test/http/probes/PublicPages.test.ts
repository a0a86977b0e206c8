import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Sessions } from "../../../src/actors/registry/Sessions.ts"
import { holdingUpstream } from "../support/HoldingUpstream.ts"
import { stateless } from "../support/StatelessRequests.ts"
import { TestHub } from "../../../src/testkit/index.ts"

describe("pages that need no key", () => {
  it.live("A38: name no session, user, key or request, while sessions, streams and calls are open", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const sessions = Context.get(hub.services, Sessions)
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* ada.stream
      yield* bo.callTool("files-echo", { b: 1 })
      yield* Effect.exit(bo.callTool("files-no-such-tool-canary"))
      yield* stateless(hub, hub.bo)("tools/list")
      const held = yield* hold(ada)
      const live = yield* sessions.list
      assert.isAtLeast(live.length, 3)
      const secrets = [
        ...live.flatMap(({ sessionId, userId, username }) => [sessionId, userId, `"${username}"`]),
        ...upstream.sessions.keys(),
        ...upstream.received.map(({ headers }) => String(headers["x-mcphub-request-id"])),
        ada.sessionId,
        bo.sessionId,
        hub.ada.row.id,
        hub.bo.row.id,
        "mcphub_0",
        "canary"
      ]
      for (const path of [
        "/livez",
        "/readyz",
        "/health",
        "/api/health",
        "/metrics",
        "/",
        "/sessions",
        "/api/sessions"
      ]) {
        const { status, text, headers } = yield* hub.http.send({ method: "GET", path })
        assert.include([200, 404], status, path)
        for (const secret of secrets) assert.notInclude(text + JSON.stringify(headers), secret, path)
      }
      const metrics = (yield* hub.http.send({ method: "GET", path: "/metrics" })).text
      assert.match(metrics, /^mcphub_sessions(\{[^}]*\})? [3-9]/m)
      assert.notMatch(metrics, /(user|session|key)(_?id)?="/i)
      held.call.content({})
      yield* held.answer
    })
  )
})

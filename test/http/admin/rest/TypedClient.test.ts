import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { RestApi } from "../../../../src/http/admin/rest/api/RestApi.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
import { cookieOf, operators } from "../../support/ApiViewers.ts"

/** A client made of the contract alone, as a program would use it. */
const clientOf = (url: string, headers: Readonly<Record<string, string>>) =>
  HttpApiClient.make(RestApi, {
    baseUrl: new URL(url).origin,
    transformClient: HttpClient.mapRequest(HttpClientRequest.setHeaders(headers))
  }).pipe(Effect.provide(FetchHttpClient.layer))

describe("a client made of the contract", () => {
  it.live("reads what the hub answers, and its problems as typed errors", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: { url: "http://127.0.0.1:9/mcp" } } })
      const { adminUser } = yield* operators(hub)
      const ada = yield* clientOf(hub.url, { authorization: `Bearer ${Redacted.value(hub.ada.key)}` })
      const bo = yield* clientOf(hub.url, { "x-mcphub-key": Redacted.value(hub.bo.key) })
      const admin = yield* clientOf(hub.url, yield* cookieOf(hub, adminUser.id))

      assert.strictEqual((yield* ada.me.show()).username, "ada")
      const made = yield* ada.me.createKey({ payload: { name: "laptop", days: 3 } })
      const first = yield* ada.me.keys({ query: { limit: 1 } })
      const second = yield* ada.me.keys({ query: { limit: 1, cursor: first.next! } })
      assert.deepStrictEqual(
        [...first.items, ...second.items].map(({ id }) => id).sort(),
        [made.id, hub.ada.row.id].sort()
      )
      assert.isNull(second.next)
      const missing = yield* Effect.flip(bo.me.key({ params: { id: made.id } }))
      assert.deepInclude(missing, { _tag: "NotFound", kind: "KeyNotFound", status: 404 })
      const forbidden = yield* Effect.flip(ada.users.list({ query: {} }))
      assert.strictEqual(forbidden._tag, "Forbidden")

      const shown = yield* admin.users.show({ params: { id: hub.bo.user.id } })
      const change = { params: { id: hub.bo.user.id }, payload: { role: "auditor" as const } }
      const changed = yield* admin.users.change({ ...change, headers: { "if-match": shown.headers.etag } })
      assert.strictEqual(changed.body.role, "auditor")
      const stale = yield* Effect.flip(admin.users.change({ ...change, headers: { "if-match": shown.headers.etag } }))
      assert.strictEqual(stale._tag, "Stale")
      const unguarded = yield* Effect.flip(admin.users.change({ ...change, headers: {} }))
      assert.strictEqual(unguarded._tag, "PreconditionMissing")
      assert.deepStrictEqual(
        (yield* bo.servers.list({ query: {} })).items.map(({ name }) => name),
        ["files"]
      )
      const toggled = yield* admin.servers.toggle({ params: { server: "files" }, query: { enabled: false } })
      assert.deepInclude(toggled.body.config, { enabled: false })
      assert.strictEqual((yield* bo.live.stats()).users, 4)
      assert.isAbove((yield* bo.live.audit({ query: { limit: 5 } })).items.length, 0)
    }).pipe(Effect.scoped)
  )
})

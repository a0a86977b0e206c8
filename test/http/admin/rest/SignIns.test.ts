import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import { Roles } from "../../../../src/domain/identity/Roles.ts"
import { type Browser, browser, type Doors, hubWithPasswords, signedIn, viewerOf } from "../../support/Visitors.ts"

const headersOf = (hub: Doors, own: Browser) =>
  Effect.map(viewerOf(hub, own), (viewer) => ({ "x-mcphub-csrf": Option.getOrThrow(viewer).csrf }))

describe("sign-ins over the admin API", () => {
  it.live("A37: each user sees and ends their own; another's is as unknown as none", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const [one, two, bos] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
      const listed = yield* one.ask("GET", "/api/me/sign-ins")
      assert.strictEqual(listed.status, 200, listed.text)
      const seen = JSON.parse(listed.text)
      assert.deepStrictEqual(seen.items.map(({ isThis }: { isThis: boolean }) => isThis).sort(), [false, true])
      assert.notMatch(JSON.stringify(seen), /mcphub_signin_|sha256/)
      const [bosOwn] = JSON.parse((yield* bos.ask("GET", "/api/me/sign-ins")).text).items
      assert.deepInclude(bosOwn, { way: "password", userAgent: "Test Browser 1", isThis: true })
      const headers = yield* headersOf(hub, one)
      const end = (id: string, given: Record<string, string> = headers) =>
        Effect.map(one.ask("DELETE", `/api/me/sign-ins/${id}`, { headers: given }), ({ status }) => status)
      const other = seen.items.find(({ isThis }: { isThis: boolean }) => !isThis).id
      assert.strictEqual(yield* end(other, {}), 403)
      assert.strictEqual(yield* end(bosOwn.id), 404)
      assert.strictEqual(yield* end("00000000-0000-4000-8000-000000000000"), 404)
      assert.strictEqual(yield* end(other), 204)
      assert.strictEqual(yield* end(other), 404)
      assert.strictEqual((yield* two.ask("GET", "/api/me")).status, 401)
      assert.strictEqual((yield* one.ask("GET", "/api/me")).status, 200)
      assert.strictEqual((yield* bos.ask("GET", "/api/me")).status, 200)
    })
  )

  it.live("A37: a link to sign in is made by a signed-in admin alone, and signs its user in once", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const bos = hub.bo.user.id
      const [adas, auditor] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
      yield* Context.get(hub.services, Roles).set(bos, "auditor")
      const link = (own: Browser) =>
        Effect.flatMap(headersOf(hub, own), (headers) => own.ask("POST", `/api/users/${bos}/sign-in-link`, { headers }))
      assert.strictEqual((yield* link(adas)).status, 403)
      assert.strictEqual((yield* link(auditor)).status, 403)
      yield* hub.users.setAdmin(hub.ada.user.id, true)
      const made = yield* link(adas)
      assert.strictEqual(made.status, 201, made.text)
      assert.strictEqual(made.headers["cache-control"], "no-store")
      const code = JSON.parse(made.text).link.split("/").at(-1)
      const own = browser(hub.http)
      assert.strictEqual((yield* own.ask("POST", "/signin/once", { form: { code } })).status, 303)
      assert.strictEqual(JSON.parse((yield* own.ask("GET", "/api/me")).text).username, "bo")
    })
  )
})

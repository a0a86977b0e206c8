import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Roles } from "../../../../src/domain/identity/Roles.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { type HubUser, RudeClients, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { asking, byKey, cookieOf, operators } from "../../support/ApiViewers.ts"

const text = (key: Redacted.Redacted<string>) => Redacted.value(key)

describe("whoever asks the admin API", () => {
  it.live("is known by their key alone, in a header", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const { ada, bo } = hub
      const me = yield* byKey(hub, ada.key)("GET /api/me")
      assert.strictEqual(me.status, 200, me.text)
      assert.deepStrictEqual(
        { ...me.json, version: "" },
        {
          userId: ada.user.id,
          username: "ada",
          role: "user",
          via: "key",
          mayChange: false,
          csrf: null,
          version: ""
        }
      )
      assert.strictEqual(me.headers["cache-control"], "no-store")
      assert.notInclude(me.text, bo.user.id)

      const other = yield* asking(hub, { "x-mcphub-key": text(bo.key) })("GET /api/me")
      assert.strictEqual(other.json.username, "bo")

      const both = asking(hub, { authorization: `Bearer ${text(ada.key)}`, "x-mcphub-key": text(bo.key) })
      const conflict = yield* both("GET /api/me")
      assert.strictEqual(conflict.status, 400)
      assert.strictEqual(conflict.json.kind, "ConflictingKeys")

      const ask = asking(hub)
      for (const path of [`GET /api/me?key=${text(ada.key)}`, "GET /api/me"]) {
        const nobody = yield* ask(path)
        assert.strictEqual(nobody.status, 401, path)
        assert.strictEqual(nobody.json.kind, "NotSignedIn")
        assert.strictEqual(nobody.headers["content-type"], "application/problem+json")
        assert.include(nobody.headers["www-authenticate"], "Bearer")
      }
    }).pipe(Effect.scoped)
  )

  it.live("is told the same of a wrong and of a revoked key, and has to wait after many", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ config: { wrongKeysPerMinute: 3 } })
      const keys = Context.get(hub.services, HubKeys)
      yield* Effect.orDie(keys.revoke(hub.ada.row.id))
      const wrong = asking(hub, { authorization: `Bearer mcphub_${"0".repeat(64)}` })
      const first = yield* byKey(hub, hub.ada.key)("GET /api/me")
      const second = yield* wrong("GET /api/me")
      assert.strictEqual(first.status, 401)
      assert.strictEqual(first.text, second.text)
      yield* wrong("GET /api/me")
      const late = yield* wrong("GET /api/me")
      assert.strictEqual(late.status, 429)
      assert.isAbove(Number(late.headers["retry-after"]), 0)
      assert.strictEqual((yield* byKey(hub, hub.bo.key)("GET /api/me")).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live(
    "is known by the cookie of their sign-in while it holds, and proves with its csrf that a change comes from the hub's page",
    () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make()
        const { ada, bo } = hub
        const signedIn = yield* cookieOf(hub, ada.user.id)
        const bosCsrf = (yield* cookieOf(hub, bo.user.id))["x-mcphub-csrf"]
        const me = yield* asking(hub, signedIn)("GET /api/me")
        assert.deepStrictEqual([me.json.username, me.json.via], ["ada", "cookie"])
        assert.strictEqual(me.json.csrf, signedIn["x-mcphub-csrf"])
        assert.strictEqual((yield* asking(hub, signedIn)("POST /api/me/keys", { body: {} })).status, 201)

        const cookie = { cookie: signedIn.cookie }
        assert.strictEqual((yield* asking(hub, cookie)("GET /api/me")).status, 200)
        for (const csrf of [undefined, "", "wrong", bosCsrf]) {
          const headers = csrf === undefined ? cookie : { ...cookie, "x-mcphub-csrf": csrf }
          const forged = yield* asking(hub, headers)("POST /api/me/keys", { body: {} })
          assert.strictEqual(forged.status, 403, String(csrf))
          assert.strictEqual(forged.json.kind, "CsrfMissing")
        }
        // A wrong key is not made good by a cookie.
        const wrong = yield* asking(hub, { ...cookie, authorization: "Bearer mcphub_0123456789abcdef" })("GET /api/me")
        assert.strictEqual(wrong.status, 401)

        const unknown = yield* asking(hub, { cookie: "mcphub_session=unknown" })("GET /api/me")
        assert.strictEqual(unknown.json.kind, "SignInEnded")
        const users = Context.get(hub.services, Users)
        yield* Effect.orDie(users.setActive(ada.user.id, false))
        const gone = yield* asking(hub, cookie)("GET /api/me")
        assert.strictEqual(gone.status, 401)
        assert.strictEqual(gone.text, unknown.text)
      }).pipe(Effect.scoped)
  )

  it.live("has the role that is theirs now; a key changes nothing for others, whoever it belongs to", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const { admin, adminUser, auditor } = yield* operators(hub)
      const shown = (answer: { json: any }) => [answer.json.role, answer.json.mayChange]
      assert.deepStrictEqual(shown(yield* admin("GET /api/me")), ["admin", true])
      assert.deepStrictEqual(shown(yield* auditor("GET /api/me")), ["auditor", false])
      const { key } = yield* Effect.orDie(Context.get(hub.services, HubKeys).create({ userId: adminUser.id }))
      assert.deepStrictEqual(shown(yield* byKey(hub, key)("GET /api/me")), ["admin", false])
      yield* Effect.orDie(Context.get(hub.services, Users).setAdmin(adminUser.id, false))
      assert.deepStrictEqual(shown(yield* admin("GET /api/me")), ["user", false])
      assert.deepStrictEqual(shown(yield* byKey(hub, key)("GET /api/me")), ["user", false])
    }).pipe(Effect.scoped)
  )
})

describe("the admin API", () => {
  for (const basePath of ["", "/hub"]) {
    it.live(`describes itself, and answers with a problem where there is nothing, base path "${basePath}"`, () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ config: { basePath } })
        const ask = asking(hub)
        const document = yield* ask(`GET ${basePath}/api/openapi.json`)
        assert.strictEqual(document.status, 200)
        assert.match(document.json.openapi, /^3\.1/)
        assert.deepStrictEqual(document.json.servers, [{ url: basePath === "" ? "/" : basePath }])
        assert.property(document.json.paths, "/api/me")
        assert.property(document.json.components.securitySchemes, "cookie")
        const { get, patch } = document.json.paths["/api/users/{id}"]
        assert.match(get.description, /auditors/)
        assert.match(patch.description, /signed in/)
        assert.notProperty(get, "security")
        const page = yield* ask(`GET ${basePath}/api/docs`)
        assert.match(page.headers["content-type"]!, /^text\/html/)
        assert.include(page.text, "GET /api/me</code>")
        // It works where nothing else can be reached, and runs nothing.
        assert.notMatch(page.text, /<script|<link|src=|https?:/)

        const nothing = yield* ask(`GET ${basePath}/api/nothing`)
        assert.strictEqual(nothing.status, 404)
        assert.strictEqual(nothing.headers["content-type"], "application/problem+json")
        assert.strictEqual(nothing.json.kind, "NoSuchRoute")
        // Probes are no part of it.
        assert.strictEqual((yield* ask(`GET ${basePath}/api/health`)).json.status, "ok")
        const foreign = yield* ask(`GET ${basePath}/api/me`, { headers: { host: "evil.example" } })
        assert.strictEqual(foreign.status, 403)
      }).pipe(Effect.scoped)
    )
  }
})

describe("a body under way to the admin API", () => {
  it.live("A51: makes nothing when the key it came with has ended; bo's half is served", () =>
    Effect.gen(function* () {
      const admitted: Array<string> = []
      const roles = Roles.of({
        of: (userId) => Effect.sync(() => (admitted.push(userId), "user" as const)),
        set: () => Effect.void,
        all: Effect.succeed(new Map())
      })
      const hub = yield* TestHub.make({ replace: Layer.succeed(Roles, roles) })
      const keys = Context.get(hub.services, HubKeys)
      const half = Effect.fnUntraced(function* ({ key, user }: HubUser) {
        const body = JSON.stringify({ name: "another" })
        const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
        socket.write(
          `POST /api/me/keys HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${text(key)}\r\n` +
            `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`
        )
        yield* eventually(
          Effect.sync(() => admitted),
          (all) => all.includes(user.id),
          { every: "1 millis" }
        )
        return Effect.suspend(() => {
          socket.write(body.slice(5))
          return RudeClients.statusLine(socket)
        })
      })
      const [ada, bo] = [yield* half(hub.ada), yield* half(hub.bo)]
      yield* Effect.orDie(keys.revoke(hub.ada.row.id))
      const asks = byKey(hub, hub.ada.key)
      yield* eventually(asks("GET /api/me"), ({ status }) => status === 401, { every: "1 millis" })
      assert.match(yield* ada, /^HTTP\/1.1 401 /)
      assert.match(yield* bo, /^HTTP\/1.1 20[01] /)
      const made = yield* Effect.orDie(keys.list)
      assert.deepStrictEqual(
        made.filter(({ name }) => name === "another").map(({ userId }) => userId),
        [hub.bo.user.id]
      )
    }).pipe(Effect.scoped)
  )
})

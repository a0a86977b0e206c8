/** The REST interface of 2.6.0: who may do what, and by which credential. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { decodeJwt, SignJWT } from "jose"
import { SignIns } from "../../../../src/domain/identity/SignIns.ts"
import { asking, type Asking } from "../../support/ApiViewers.ts"
import { hubWithFile, password, secret } from "../../support/LegacyHub.ts"

describe("the interface of 2.6.0", () => {
  it.live("defect 15, defect 13: every route asks who it is, and plain users and keys change nothing of others", () =>
    Effect.gen(function* () {
      const { admin, anybody, ada, bo, hub, people, read, users } = yield* hubWithFile
      const before = JSON.stringify(read())
      const own = [
        "GET /api/auth/me",
        "GET /api/config/runtime",
        "GET /api/oauth/keys",
        "GET /api/keys",
        "POST /api/keys"
      ]
      const more = ["GET /api/env-templates", "GET /api/user-env-vars", "GET /api/user/groups", "GET /api/servers"]
      const reading = ["users", "users/list", "stats", "activities", "user-keys"].map(
        (path) => `GET /api/admin/${path}`
      )
      const changing = [
        "POST /api/servers",
        "PUT /api/servers/wiki",
        "DELETE /api/servers/wiki",
        "POST /api/servers/wiki/toggle",
        "POST /api/servers/wiki/tools/x/toggle",
        "PUT /api/servers/wiki/tools/x/description",
        "GET /api/admin/settings-file",
        "PUT /api/admin/settings-file",
        `PUT /api/admin/users/${hub.bo.user.id}/active`,
        `DELETE /api/admin/users/${hub.bo.user.id}`,
        `PUT /api/admin/users/${hub.ada.user.id}/admin`
      ]
      const body = {
        name: "evil",
        config: { command: "id" },
        enabled: false,
        isActive: false,
        isAdmin: true,
        description: "x"
      }
      for (const call of [...own, ...more, ...reading, ...changing]) {
        const sent = call.startsWith("GET") ? {} : { body }
        const { json, status } = yield* anybody(call, sent)
        assert.deepStrictEqual(
          [status, json],
          [401, { success: false, message: "No valid authentication found" }],
          call
        )
      }
      // Not even the key of an admin.
      yield* users.setAdmin(hub.bo.user.id, true)
      for (const call of changing) {
        const sent = call.startsWith("GET") ? {} : { body }
        for (const one of [ada, bo, people.auditor]) {
          const { json, status } = yield* one(call, sent)
          assert.deepStrictEqual([status, json], [403, { success: false, message: "Admin access required" }], call)
        }
      }
      for (const call of reading) {
        assert.strictEqual((yield* ada(call)).status, 403)
        for (const one of [bo, people.auditor, admin]) assert.strictEqual((yield* one(call)).status, 200)
      }
      assert.strictEqual(JSON.stringify(read()), before)
      assert.isFalse((yield* users.byId(hub.ada.user.id)).isAdmin)
    }).pipe(Effect.scoped)
  )

  it.live(
    "A37: nobody but an admin who has signed in makes, changes, switches or removes a group, not even their own",
    () =>
      Effect.gen(function* () {
        const { ada, admin, bo, hub, login, people, users } = yield* hubWithFile
        const group = { name: "work", servers: ["wiki"] }
        const made = yield* admin("POST /api/user/groups", { body: { ...group, userId: hub.ada.user.id } })
        assert.strictEqual(made.status, 201)
        const at = `/api/user/groups/${made.json.data.id}`
        const listOf = (one: Asking) => Effect.map(one("GET /api/user/groups"), ({ json }) => json.data)
        const serversOf = (one: Asking) =>
          Effect.map(one("GET /api/servers"), ({ json }) => json.data.map(({ name }: any) => name))
        const before = yield* listOf(ada)
        assert.strictEqual(before.length, 1)
        // Not even the key of an admin.
        yield* users.setAdmin(hub.bo.user.id, true)
        const signedIn = asking(hub, { "x-auth-token": (yield* login("ada")).json.token })
        const tries = [
          ["POST /api/user/groups", { name: "all", servers: ["github", "wiki"] }],
          [`PUT ${at}`, { servers: ["github", "wiki"] }],
          [`PATCH ${at}/active`, { isActive: false }],
          [`DELETE ${at}`, undefined]
        ] as const
        for (const [call, body] of tries) {
          for (const one of [ada, signedIn, bo, people.auditor]) {
            const { json, status } = yield* one(call, { body })
            assert.deepStrictEqual(
              [status, json],
              [403, { error: "Groups limit what a user reaches; an admin changes them, with the token of a login" }],
              call
            )
          }
        }
        assert.deepStrictEqual(yield* listOf(ada), before)
        assert.deepStrictEqual(yield* listOf(signedIn), before)
        assert.deepStrictEqual(yield* serversOf(ada), ["wiki"])
        assert.deepStrictEqual(yield* listOf(bo), [])
        assert.strictEqual((yield* admin(`PUT ${at}`, { body: { servers: ["github"] } })).status, 200)
        assert.deepStrictEqual(yield* serversOf(ada), ["github"])
        assert.deepStrictEqual(yield* listOf(bo), [])
      }).pipe(Effect.scoped)
  )

  it.live(
    "defect 14: a login's token is short-lived, signed with the hub's own secret, and ends with its sign-in",
    () =>
      Effect.gen(function* () {
        const { admin, anybody, hub, login, people, token, users } = yield* hubWithFile
        const claims = decodeJwt(token)
        assert.strictEqual(claims.exp! - claims.iat!, 3_600)
        assert.deepStrictEqual((yield* admin("GET /api/auth/me")).json, {
          success: true,
          data: { username: "grace", isAdmin: true }
        })
        const { json } = yield* login("ada")
        assert.deepInclude(json, {
          success: true,
          message: "Login successful",
          user: { username: "ada", isAdmin: false }
        })
        const ada = asking(hub, { "x-auth-token": json.token })
        assert.strictEqual((yield* ada("GET /api/auth/me")).json.data.username, "ada")
        assert.notInclude(token + JSON.stringify(claims), "mcphub_signin_")

        for (const [name, given] of [
          ["ada", "wrong"],
          ["nobody", password],
          ["bo", password],
          ["admin", "admin123"]
        ] as const) {
          const refused = yield* login(name, given)
          assert.deepStrictEqual(
            [refused.status, refused.json],
            [401, { success: false, message: "Invalid credentials" }]
          )
          assert.isUndefined(refused.headers["set-cookie"])
        }
        assert.strictEqual((yield* anybody("POST /api/auth/login", { body: {} })).status, 400)
        assert.strictEqual((yield* anybody("POST /api/auth/login", { body: "{" })).status, 400)

        const forged = (key: string, over: object = {}) =>
          Effect.promise(() =>
            new SignJWT({ ...claims, ...over }).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(key))
          )
        const adaAsAdmin = { user: { ...(decodeJwt(json.token)["user"] as object), isAdmin: true } }
        const bad = [
          yield* forged("your-secret-key-change-this"),
          yield* forged(secret, { exp: 1 }),
          yield* forged(secret, { aud: "else" }),
          // Another's name on a sign-in that is not theirs, with the right secret even.
          yield* forged(secret, { user: { ...(claims["user"] as object), id: hub.bo.user.id } }),
          `${token.split(".").slice(0, 2).join(".")}.`,
          "mcphub",
          ""
        ]
        for (const one of bad) {
          assert.strictEqual((yield* asking(hub, { "x-auth-token": one })("GET /api/auth/me")).status, 401, one)
          assert.strictEqual((yield* anybody(`GET /api/auth/me?token=${one}`)).status, 401)
        }
        // What a token says of its rights is never believed.
        const proud = yield* forged(secret, { ...decodeJwt(json.token), ...adaAsAdmin })
        assert.isFalse((yield* asking(hub, { "x-auth-token": proud })("GET /api/auth/me")).json.data.isAdmin)

        yield* users.setActive(hub.ada.user.id, false)
        assert.strictEqual((yield* ada("GET /api/auth/me")).status, 401)
        assert.strictEqual((yield* login("ada")).status, 401)
        yield* Context.get(hub.services, SignIns).revokeAll(people.adminUser.id)
        assert.strictEqual((yield* admin("GET /api/auth/me")).status, 401)
      }).pipe(Effect.scoped)
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import * as Password from "../../../src/domain/identity/Password.ts"
import { idleMs } from "../../../src/domain/identity/SignIns.ts"
import { browser, hubWithPasswords, passwords, securityEvents, signedIn, viewerOf } from "../support/Visitors.ts"

const passwordPath = "/api/signin/password"
const ofAda = { username: "ada", password: passwords.ada }

describe("sign-in with a password", () => {
  it.live("gives each user a cookie of their own, which no script reads, and out again", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const [adas, bos] = [browser(hub.http), yield* signedIn(hub, "bo")]
      const answer = yield* adas.ask("POST", passwordPath, { body: ofAda })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(JSON.parse(answer.text), { userId: hub.ada.user.id, username: "ada" })
      assert.match(
        answer.headers["set-cookie"]!,
        /^mcphub_session=mcphub_signin_[0-9a-f]{64}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/
      )
      assert.strictEqual(answer.headers["cache-control"], "no-store")
      const viewer = Option.getOrThrow(yield* viewerOf(hub, adas))
      assert.strictEqual(viewer.userId, hub.ada.user.id)
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, bos)).userId, hub.bo.user.id)
      const [own] = yield* hub.signIns.listByUser(hub.ada.user.id)
      assert.deepInclude(own, { way: "password", userAgent: "Test Browser 1", expiresAt: own!.createdAt + idleMs })
      assert.isNotNull((yield* hub.users.byId(hub.ada.user.id)).lastLoginAt)

      // By cookie alone nobody is signed out: another site's page can make a browser send that.
      assert.strictEqual((yield* adas.ask("POST", "/api/signin/out")).status, 403)
      const bosCsrf = Option.getOrThrow(yield* viewerOf(hub, bos)).csrf
      const headers = { "x-mcphub-csrf": bosCsrf }
      assert.strictEqual((yield* adas.ask("POST", "/api/signin/out", { headers })).status, 403)
      const cookie = adas.cookies.get("mcphub_session")!
      const out = yield* adas.ask("POST", "/api/signin/out", { headers: { "x-mcphub-csrf": viewer.csrf } })
      assert.strictEqual(out.status, 204)
      assert.isFalse(adas.cookies.has("mcphub_session"))
      assert.isTrue(Option.isNone(yield* hub.signIns.viewer(Redacted.make(cookie))))
      assert.isTrue(Option.isSome(yield* viewerOf(hub, bos)))
      assert.strictEqual((yield* adas.ask("POST", "/api/signin/out")).status, 204)

      const events = yield* securityEvents(hub)
      assert.deepStrictEqual(
        events.map(({ errorKind, method, outcome, userId, username }) => [
          username,
          userId,
          method,
          errorKind,
          outcome
        ]),
        [
          ["bo", hub.bo.user.id, "sign-in password", "signed_in", "completed"],
          ["ada", hub.ada.user.id, "sign-in password", "signed_in", "completed"],
          ["ada", hub.ada.user.id, "sign-in cookie", "signed_out", "completed"]
        ]
      )
      assert.strictEqual(events[0]?.target, "127.0.0.1")
      assert.notMatch(JSON.stringify(events), /mcphub_signin_|horse/)
    })
  )

  it.live("by https the cookie never travels in clear, and below a base path it goes nowhere else", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords({ basePath: "/hub", publicUrl: "https://hub.example.com" })
      const answer = yield* browser(hub.http).ask("POST", `/hub${passwordPath}`, { body: ofAda })
      assert.include(answer.headers["set-cookie"], "; Path=/hub; HttpOnly; Secure; SameSite=Lax")
      const plain = yield* hubWithPasswords()
      const forwarded = yield* browser(plain.http).ask("POST", passwordPath, {
        body: ofAda,
        headers: { "x-forwarded-proto": "https" }
      })
      assert.include(forwarded.headers["set-cookie"], "; Secure")
    })
  )

  it.live("A37: an unknown name, a wrong password, an old hub's and a deactivated user have one answer", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = browser(hub.http)
      const cy = yield* Effect.orDie(hub.users.add({ username: "cy" }))
      const old = yield* Effect.orDie(hub.users.add({ username: "old" }))
      const bcrypt = "$2b$10$abcdefghijklmnopqrstuuHtPlLoHWhPPo0J4pWbTgW8XeVGuPEe6"
      yield* hub.users.setPasswordDigest(old.id, Redacted.make(bcrypt))
      yield* hub.users.setActive(hub.bo.user.id, false)
      const given = [
        ["nobody", passwords.ada],
        ["ada", passwords.bo],
        ["bo", passwords.bo],
        [cy.username, passwords.ada],
        [old.username, bcrypt]
      ] as const
      const answers = yield* Effect.forEach(given, ([username, password]) =>
        own.ask("POST", passwordPath, { body: { username, password } })
      )
      assert.deepStrictEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1)
      assert.strictEqual(answers[0]?.status, 401)
      assert.strictEqual(answers[0]?.headers["content-type"], "application/problem+json")
      assert.isUndefined(answers[0]?.headers["set-cookie"])
      const events = yield* securityEvents(hub)
      assert.deepStrictEqual(
        events.map(({ errorKind, outcome, username }) => [username, errorKind, outcome]),
        ["unknown", "ada", "bo", "cy", "old"].map((name) => [name, "sign_in_refused", "refused"])
      )
      // What was typed as a name may be a password.
      assert.notInclude(JSON.stringify(events), "nobody")
    })
  )

  it.live("A37: who is deactivated, removed or revoked is not signed in from the next request on; the other is", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const [adas, bos] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
      const csrf = Option.getOrThrow(yield* viewerOf(hub, adas)).csrf
      yield* hub.users.setActive(hub.ada.user.id, false)
      const change = adas.ask("PUT", passwordPath, {
        body: { current: passwords.ada, password: "another password" },
        headers: { "x-mcphub-csrf": csrf }
      })
      assert.strictEqual((yield* change).status, 401)
      assert.isTrue(Option.isSome(yield* viewerOf(hub, bos)))
      yield* hub.users.remove(hub.bo.user.id)
      assert.isTrue(Option.isNone(yield* viewerOf(hub, bos)))
      yield* hub.users.setActive(hub.ada.user.id, true)
      assert.strictEqual((yield* change).status, 401)
      assert.isTrue(Password.isKnown(Option.getOrThrow(yield* hub.users.passwordDigest(hub.ada.user.id))))
    })
  )

  it.live("a changed password ends the user's other sign-ins, and the old one opens nothing", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const [one, two, bos] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
      const headers = { "x-mcphub-csrf": Option.getOrThrow(yield* viewerOf(hub, one)).csrf }
      const next = "a new password of ada"
      const put = (body: unknown) => one.ask("PUT", passwordPath, { body, headers })
      const complete = { current: passwords.ada, password: next }
      const bosToken = { "x-mcphub-csrf": Option.getOrThrow(yield* viewerOf(hub, bos)).csrf }
      for (const given of [{}, bosToken]) {
        const without = yield* one.ask("PUT", passwordPath, { body: complete, headers: given })
        assert.strictEqual(without.status, 403)
        assert.include(without.text, "CsrfMissing")
      }
      assert.strictEqual((yield* put({ password: next })).status, 403)
      assert.strictEqual((yield* put({ current: passwords.bo, password: next })).status, 403)
      assert.strictEqual((yield* put({ current: passwords.ada, password: "short" })).status, 422)
      assert.isTrue(Option.isSome(yield* viewerOf(hub, two)))
      assert.strictEqual((yield* put({ current: passwords.ada, password: next })).status, 204)
      assert.isTrue(Option.isSome(yield* viewerOf(hub, one)))
      assert.isTrue(Option.isNone(yield* viewerOf(hub, two)))
      assert.isTrue(Option.isSome(yield* viewerOf(hub, bos)))
      const again = browser(hub.http)
      assert.strictEqual((yield* again.ask("POST", passwordPath, { body: ofAda })).status, 401)
      const body = { username: "ada", password: next }
      assert.strictEqual((yield* again.ask("POST", passwordPath, { body })).status, 200)
    })
  )

  it.live("who signs in again in the same browser has one sign-in, not two", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = yield* signedIn(hub, "ada")
      const before = own.cookies.get("mcphub_session")!
      yield* own.ask("POST", passwordPath, { body: { username: "bo", password: passwords.bo } })
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, own)).username, "bo")
      assert.isTrue(Option.isNone(yield* hub.signIns.viewer(Redacted.make(before))))
    })
  )
})

describe("guessing of passwords", () => {
  it.live("A35: is told to wait, however many come at once; nobody else's name or right password is", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = browser(hub.http)
      const guess = (n: number) => own.ask("POST", passwordPath, { body: { username: "ada", password: `guess ${n}` } })
      const answers = yield* Effect.forEach(
        Array.from({ length: 24 }, (_, n) => n),
        guess,
        { concurrency: "unbounded" }
      )
      const told = answers.filter(({ status }) => status === 429)
      assert.strictEqual(answers.filter(({ status }) => status === 401).length, 10)
      assert.strictEqual(told.length, 14)
      for (const { headers } of told) assert.match(headers["retry-after"]!, /^[1-9]\d?$/)
      assert.strictEqual((yield* own.ask("POST", passwordPath, { body: ofAda })).status, 429)
      yield* signedIn(hub, "bo")
      const events = yield* securityEvents(hub)
      const throttled = events.filter(({ errorKind }) => errorKind === "sign_in_throttled")
      assert.strictEqual(throttled.length, 1)
    })
  )

  it.effect("A35: counts once, whether it comes by the dashboard's route or by that of 2.6.0", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = browser(hub.http)
      const routes = [passwordPath, "/api/auth/login"] as const
      const guess = (path: string) => own.ask("POST", path, { body: { username: "ada", password: "a guess" } })
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => routes[n % 2]!),
        guess
      )
      assert.strictEqual(answers.filter(({ status }) => status === 401).length, 10)
      for (const path of routes) {
        const right = yield* own.ask("POST", path, { body: ofAda })
        assert.strictEqual(right.status, 429, path)
        assert.match(right.headers["retry-after"]!, /^[1-9]\d?$/)
        const bos = yield* browser(hub.http).ask("POST", path, { body: { username: "bo", password: passwords.bo } })
        assert.strictEqual(bos.status, 200, path)
        assert.notInclude(bos.text, "ada")
      }
    })
  )

  it.effect(
    "A35: keeps nobody who is signed in from changing their password; their own wrong ones count for them",
    () =>
      Effect.gen(function* () {
        const hub = yield* hubWithPasswords()
        const [adas, bos] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
        const changing = Effect.fnUntraced(function* (own: typeof adas, current: string, password: string) {
          const headers = { "x-mcphub-csrf": Option.getOrThrow(yield* viewerOf(hub, own)).csrf }
          return yield* own.ask("PUT", passwordPath, { body: { current, password }, headers })
        })
        const stranger = browser(hub.http)
        const guesses = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, n) => ({ username: ["ada", "bo", "x", "y"][n % 4], password: "a guess" })),
          (body) => stranger.ask("POST", passwordPath, { body }),
          { concurrency: "unbounded" }
        )
        assert.isTrue(guesses.some(({ status }) => status === 429))
        assert.strictEqual((yield* changing(adas, passwords.ada, "a new one of ada")).status, 204)

        const wrong = yield* Effect.replicateEffect(changing(bos, passwords.ada, "a new one of bo"), 12)
        assert.deepStrictEqual(
          wrong.map(({ status }) => status),
          [...Array<number>(10).fill(403), 429, 429]
        )
        assert.strictEqual((yield* changing(bos, passwords.bo, "a new one of bo")).status, 429)
        assert.strictEqual((yield* changing(adas, "a new one of ada", "another of ada")).status, 204)
      })
  )

  it.live("a right password does not count, however often it comes", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      yield* Effect.replicateEffect(signedIn(hub, "ada"), 12, { discard: true })
    })
  )
})

describe("requests at the door", () => {
  it.live("A37: a page of another site signs nobody in or out, and malformed bodies are said to be that", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = browser(hub.http)
      const post = (headers: Record<string, string>) => own.ask("POST", passwordPath, { body: ofAda, headers })
      assert.strictEqual((yield* post({ "sec-fetch-site": "cross-site" })).status, 403)
      assert.strictEqual((yield* post({ "sec-fetch-site": "same-site" })).status, 403)
      assert.strictEqual((yield* post({ origin: "https://evil.example" })).status, 403)
      assert.strictEqual((yield* post({ "content-type": "text/plain" })).status, 415)
      const plain = { origin: "http://localhost:1", "content-type": "application/json" }
      const body = JSON.stringify(ofAda)
      assert.strictEqual((yield* hub.http.send({ path: passwordPath, headers: plain, body })).status, 403)
      const json = { "content-type": "application/json" }
      for (const text of ["", "[]", "null", "{", `{"username":"ada"}`, `{"username":["ada"],"password":"x"}`]) {
        const answer = yield* hub.http.send({ path: passwordPath, headers: json, body: text })
        assert.strictEqual(answer.status, 400, text)
        assert.notInclude(answer.text, "SyntaxError")
      }
      const large = JSON.stringify({ ...ofAda, more: "x".repeat(70_000) })
      assert.strictEqual((yield* hub.http.send({ path: passwordPath, headers: json, body: large })).status, 413)
      assert.strictEqual((yield* hub.http.send({ method: "GET", path: "/api/signin/none" })).status, 404)
      assert.strictEqual(own.cookies.size, 0)
      // A program that is no browser sends no such headers.
      assert.strictEqual((yield* hub.http.send({ path: passwordPath, headers: json, body })).status, 200)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option, Redacted } from "effect"
import { codePath, SignInCodes } from "../../../src/domain/identity/SignInCodes.ts"
import {
  browser,
  type Doors,
  hubWithPasswords,
  passwords,
  securityEvents,
  signedIn,
  viewerOf
} from "../support/Visitors.ts"

const once = "/signin/once"

const linkFor = (hub: Doors, name: "ada" | "bo") =>
  Effect.orDie(Context.get(hub.services, SignInCodes).issue({ userId: hub[name].user.id, purpose: "link" }))

describe("a one-time link", () => {
  it.live("signs its user in once, by what its page sends, however often it was looked at before", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords({ basePath: "/hub" })
      const [adas, bos] = [yield* linkFor(hub, "ada"), yield* linkFor(hub, "bo")]
      const code = Redacted.value(adas.code)
      // Programs that look at links in messages.
      for (const method of ["GET", "HEAD", "GET"]) {
        assert.strictEqual((yield* hub.http.send({ method, path: `/hub${codePath(adas.code)}` })).status, 200)
      }
      const own = browser(hub.http)
      const page = yield* own.ask("GET", `/hub${codePath(adas.code)}`)
      assert.include(page.text, `<form method="post" action="../once">`)
      assert.include(page.text, `name="code" value="${code}"`)
      assert.notInclude(page.text, "<script")
      assert.include(page.headers["content-security-policy"], "form-action 'self'")
      assert.strictEqual(page.headers["cache-control"], "no-store")
      // With "no-referrer" the browser would send the form from the origin "null".
      assert.strictEqual(page.headers["referrer-policy"], "same-origin")
      const both = yield* Effect.all(
        [own, browser(hub.http)].map((one) => one.ask("POST", `/hub${once}`, { form: { code } })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(both.map(({ status }) => status).sort(), [303, 403])
      const entered = both.find(({ status }) => status === 303)!
      assert.strictEqual(entered.headers["location"], "../admin/")
      assert.include(entered.headers["set-cookie"], "Path=/hub; HttpOnly; SameSite=Lax")
      const cookie = /mcphub_session=([^;]+)/.exec(entered.headers["set-cookie"]!)![1]!
      assert.strictEqual(Option.getOrThrow(yield* hub.signIns.viewer(Redacted.make(cookie))).username, "ada")
      const refused = both.find(({ status }) => status === 403)!
      assert.isUndefined(refused.headers["set-cookie"])
      assert.include(refused.text, "mcphub user signin-link")
      const events = yield* securityEvents(hub)
      assert.deepStrictEqual(events.map(({ errorKind, method, username }) => [username, method, errorKind]).sort(), [
        ["ada", "sign-in once", "signed_in"],
        ["unknown", "sign-in once", "sign_in_refused"]
      ])
      assert.notInclude(JSON.stringify(events), code.slice(-16))
      const next = browser(hub.http)
      yield* next.ask("POST", `/hub${once}`, { form: { code: Redacted.value(bos.code) } })
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, next)).username, "bo")
    })
  )

  it.live("lets its user choose a password, which ends other sign-ins; a bad one uses nothing up", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const [before, bos] = [yield* signedIn(hub, "ada"), yield* signedIn(hub, "bo")]
      const code = Redacted.value((yield* linkFor(hub, "ada")).code)
      const own = browser(hub.http)
      const short = yield* own.ask("POST", once, { form: { code, password: "short" } })
      assert.strictEqual(short.status, 422)
      assert.include(short.text, "12 to 1000 characters")
      assert.include(short.text, `action="once"`)
      const chosen = "chosen by ada herself"
      assert.strictEqual((yield* own.ask("POST", once, { form: { code, password: chosen } })).status, 303)
      assert.isTrue(Option.isSome(yield* viewerOf(hub, own)))
      assert.isTrue(Option.isNone(yield* viewerOf(hub, before)))
      assert.isTrue(Option.isSome(yield* viewerOf(hub, bos)))
      const sign = (password: string) =>
        browser(hub.http).ask("POST", "/api/signin/password", { body: { username: "ada", password } })
      assert.strictEqual((yield* sign(passwords.ada)).status, 401)
      assert.strictEqual((yield* sign(chosen)).status, 200)
    })
  )

  it.live("whoever came by one may set a password without the lost one; whoever came by password may not", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const own = browser(hub.http)
      yield* own.ask("POST", once, { form: { code: Redacted.value((yield* linkFor(hub, "bo")).code) } })
      const headers = { "x-mcphub-csrf": Option.getOrThrow(yield* viewerOf(hub, own)).csrf }
      const body = { password: "a new one of bo's" }
      assert.strictEqual((yield* own.ask("PUT", "/api/signin/password", { body, headers })).status, 204)
    })
  )

  it.effect(
    "A35: wrong attempts from its address keep no right one out, nor does it open more than its user's door",
    () =>
      Effect.gen(function* () {
        const hub = yield* hubWithPasswords()
        const guesser = browser(hub.http)
        const wrong = `mcphub_once_${"0".repeat(64)}`
        // With a password to work on, which costs nothing for a wrong code.
        const form = { code: wrong, password: "a password to work on" }
        const guesses = yield* Effect.replicateEffect(guesser.ask("POST", once, { form }), 40, {
          concurrency: "unbounded"
        })
        assert.strictEqual(guesses.filter(({ status }) => status === 403).length, 30)
        const told = guesses.filter(({ status }) => status === 429)
        assert.strictEqual(told.length, 10)
        for (const { headers } of told) assert.match(headers["retry-after"]!, /^[1-9]\d?$/)
        // By password nobody comes in from there now.
        const body = { username: "bo", password: passwords.bo }
        assert.strictEqual((yield* browser(hub.http).ask("POST", "/api/signin/password", { body })).status, 429)
        for (const name of ["ada", "bo"] as const) {
          const own = browser(hub.http)
          const code = Redacted.value((yield* linkFor(hub, name)).code)
          const chosen = { code, password: `chosen by ${name} now` }
          assert.strictEqual((yield* own.ask("POST", once, { form: chosen })).status, 303, name)
          const viewer = Option.getOrThrow(yield* viewerOf(hub, own))
          assert.strictEqual(viewer.username, name)
          assert.strictEqual((yield* own.ask("POST", once, { form: { code } })).status, 429)
        }
        assert.strictEqual(guesser.cookies.size, 0)
        const kinds = (yield* securityEvents(hub)).map(({ errorKind }) => errorKind)
        assert.strictEqual(kinds.filter((kind) => kind === "sign_in_throttled").length, 1)
      })
  )

  it.live("A37: of another site's form, of a user who is gone, or with markup in it does nothing", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithPasswords()
      const code = Redacted.value((yield* linkFor(hub, "ada")).code)
      const own = browser(hub.http)
      const foreign = { "sec-fetch-site": "cross-site" }
      assert.strictEqual((yield* own.ask("POST", once, { form: { code }, headers: foreign })).status, 403)
      assert.strictEqual((yield* own.ask("POST", once, { body: { code } })).status, 415)
      for (const odd of ["%3Cscript%3E", "x", `mcphub_signin_${"0".repeat(64)}`, `${code}%00`, `${code}x`]) {
        const page = yield* own.ask("GET", `${once}/${odd}`)
        assert.strictEqual(page.status, 403, odd)
        assert.notInclude(page.text, "script")
      }
      const korean = yield* own.ask("GET", `${once}/x`, { headers: { "accept-language": "ko-KR,ko" } })
      assert.include(korean.text, "로그인되지 않았습니다")
      assert.include(korean.text, `<a href="../../admin/">`)
      yield* hub.users.setActive(hub.ada.user.id, false)
      assert.strictEqual((yield* own.ask("POST", once, { form: { code } })).status, 403)
      yield* hub.users.setActive(hub.ada.user.id, true)
      assert.strictEqual((yield* own.ask("POST", once, { form: { code } })).status, 403)
      assert.strictEqual(own.cookies.size, 0)
    })
  )
})

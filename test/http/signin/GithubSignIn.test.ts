import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { SignInSettings } from "../../../src/domain/access/SignInSettings.ts"
import { HubSecrets } from "../../../src/domain/config/HubSecrets.ts"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import * as Github from "../support/GithubDouble.ts"
import { pathOf } from "../support/OpenIdProvider.ts"
import { type Browser, browser, hubWithPasswords, securityEvents, viewerOf } from "../support/Visitors.ts"

const ada: Github.Person = { id: 583_231, login: "ada-hub", organizations: ["acme"] }
const bo: Github.Person = { id: 583_232, login: "bo-hub", organizations: [] }

const hubWithGithub = (rules: SignInSettings["github"], secret = Github.clientSecret) =>
  Effect.gen(function* () {
    const github = yield* Github.make
    const secrets = Effect.map(HubSecrets, (none) => ({
      ...none,
      githubClientId: Github.clientId,
      githubClientSecret: Redacted.make(secret),
      githubUrl: github.url
    }))
    const hub = yield* hubWithPasswords(
      { publicUrl: "http://hub.test" },
      { replace: Layer.effect(HubSecrets, secrets) }
    )
    yield* hub.setSettings({ mcpServers: {}, systemConfig: { signIn: { github: rules } } })
    const begin = Effect.fnUntraced(function* (own: Browser, person: Github.Person) {
      const begun = yield* own.ask("GET", "/api/signin/github")
      return pathOf(yield* github.authorize(begun.headers["location"]!, person))
    })
    const signIn = (own: Browser, person: Github.Person) =>
      Effect.flatMap(begin(own, person), (back) => own.ask("GET", back))
    return { ...hub, begin, signIn, groups: Context.get(hub.services, Groups) }
  })

describe("sign-in with GitHub", () => {
  it.live("knows people by GitHub's number for them, and asks for organizations where a rule needs them", () =>
    Effect.gen(function* () {
      const rules = [{ claim: "organizations", has: "acme", group: { name: "acme", servers: ["files"] } }]
      const hub = yield* hubWithGithub({ newUsers: true, rules })
      const [adas, bos] = [browser(hub.http), browser(hub.http)]
      const begun = new URL((yield* adas.ask("GET", "/api/signin/github")).headers["location"]!)
      assert.strictEqual(begun.searchParams.get("scope"), "read:user user:email read:org")
      assert.strictEqual((yield* hub.signIn(adas, ada)).status, 303)
      assert.strictEqual((yield* hub.signIn(bos, bo)).status, 303)
      const [first, second] = [
        Option.getOrThrow(yield* viewerOf(hub, adas)),
        Option.getOrThrow(yield* viewerOf(hub, bos))
      ]
      assert.deepInclude(first, { username: "ada-hub", isAdmin: false, role: "user" })
      assert.strictEqual(second.username, "bo-hub")
      const active = (userId: typeof first.userId) =>
        Effect.map(hub.groups.listByUser(userId), (all) => all.map(({ isActive, name }) => [name, isActive]))
      assert.deepStrictEqual(yield* active(first.userId), [["acme", true]])
      assert.deepStrictEqual(yield* active(second.userId), [["acme", false]])
      // Renamed at GitHub, and out of the organization.
      const again = browser(hub.http)
      yield* hub.signIn(again, { ...ada, login: "ada-renamed", organizations: [] })
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, again)).userId, first.userId)
      assert.deepStrictEqual(yield* active(first.userId), [["acme", false]])
      const events = yield* securityEvents(hub)
      assert.deepStrictEqual(new Set(events.map(({ method }) => method)), new Set(["sign-in github"]))
      assert.notMatch(JSON.stringify(events), /gho_|secret/)
    })
  )

  it.live("lets nobody new in by default, takes nobody's name over, and knows an old hub's users", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithGithub({})
      const own = browser(hub.http)
      assert.strictEqual((yield* hub.signIn(own, ada)).status, 403)
      assert.isFalse(own.cookies.has("mcphub_session"))
      const known = yield* hub.users.fromGithub({ githubId: String(ada.id), login: ada.login })
      assert.strictEqual((yield* hub.signIn(own, ada)).status, 303)
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, own)).userId, known.id)
      yield* hub.setSettings({ mcpServers: {}, systemConfig: { signIn: { github: { newUsers: true } } } })
      const imp = browser(hub.http)
      const refused = yield* hub.signIn(imp, { id: 1, login: "ada" })
      assert.strictEqual(refused.status, 403)
      assert.include(refused.text, "Another user is named")
      assert.isFalse(imp.cookies.has("mcphub_session"))
    })
  )

  it.live("A37: an answer counts once and in its own browser; GitHub's refusals under 200 let nobody in", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithGithub({ newUsers: true })
      const own = browser(hub.http)
      const back = yield* hub.begin(own, bo)
      assert.strictEqual((yield* browser(hub.http).ask("GET", back)).status, 403)
      const headers = { cookie: `mcphub_flow=${own.cookies.get("mcphub_flow")!}` }
      assert.strictEqual((yield* own.ask("GET", back)).status, 303)
      assert.strictEqual((yield* hub.http.send({ method: "GET", path: back, headers })).status, 403)
      for (const change of [
        (url: string) => url.replace(/state=[^&]+/, "state=other"),
        (url: string) => url.replace(/code=[^&]+/, "code=guessed")
      ]) {
        const stranger = browser(hub.http)
        const bad = change(yield* hub.begin(stranger, ada))
        assert.strictEqual((yield* stranger.ask("GET", bad)).status, 403)
        assert.isFalse(stranger.cookies.has("mcphub_session"))
      }
      const wrong = yield* hubWithGithub({ newUsers: true }, "not the secret")
      assert.strictEqual((yield* wrong.signIn(browser(wrong.http), ada)).status, 403)
      const without = yield* hubWithPasswords()
      assert.strictEqual((yield* browser(without.http).ask("GET", "/api/signin/github")).status, 404)
    })
  )
})

import { createHash } from "node:crypto"
import { createServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { Environment } from "../../../src/domain/config/Environment.ts"
import type { OpenIdProvider } from "../../../src/domain/access/SignInSettings.ts"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import * as OpenId from "../support/OpenIdProvider.ts"
import { browser, hubWithPasswords, securityEvents, viewerOf } from "../support/Visitors.ts"

const host = "hub.test"
const callback = (name: string): string => `http://${host}/api/signin/oidc/${name}/callback`

const rules: OpenIdProvider["rules"] = [
  { claim: "groups", has: "operators", role: "admin" },
  { claim: "groups", has: "guests", role: "auditor" },
  { claim: "groups", has: "staff", group: { name: "tools", servers: ["files"] } }
]

/** A hub with two providers, `one` and `two`; people are known by both. */
const hubWithProviders = (change: Partial<OpenIdProvider> = {}) =>
  Effect.gen(function* () {
    const redirects = () => [callback("one"), callback("two")]
    const [one, two] = [yield* OpenId.make(redirects), yield* OpenId.make(redirects)]
    const providerAt = (issuer: string): OpenIdProvider => ({
      issuer,
      clientId: OpenId.clientId,
      clientSecret: "${OIDC_SECRET_OF_TEST}",
      scopes: ["profile", "email", "groups"],
      newUsers: true,
      rules,
      ...change
    })
    const signIn = { providers: { one: providerAt(one.issuer), two: { ...providerAt(two.issuer), title: "Two" } } }
    const hub = yield* hubWithPasswords(
      { publicUrl: `http://${host}` },
      { replace: Layer.succeed(Environment, { OIDC_SECRET_OF_TEST: OpenId.clientSecret }) }
    )
    yield* hub.setSettings({ mcpServers: {}, systemConfig: { signIn } })
    return { ...hub, one, two, groups: Context.get(hub.services, Groups) }
  })

describe("sign-in at an OpenID provider", () => {
  it.live("makes each person one user, with the role and the groups that the rules make of what is said of them", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithProviders()
      const options = JSON.parse((yield* browser(hub.http).ask("GET", "/api/signin/options")).text)
      assert.deepStrictEqual(options, {
        password: true,
        github: false,
        oidc: [
          { name: "one", title: "one" },
          { name: "two", title: "Two" }
        ]
      })
      const [adas, bos] = [browser(hub.http), browser(hub.http)]
      const entered = yield* OpenId.signInAt(adas, hub.one, "one", "ada")
      assert.strictEqual(entered.status, 303, entered.text)
      assert.strictEqual(entered.headers["location"], "/admin/")
      assert.deepStrictEqual([...adas.cookies.keys()], ["mcphub_session"])
      yield* OpenId.signInAt(bos, hub.one, "one", "bo")
      const [ada, bo] = [Option.getOrThrow(yield* viewerOf(hub, adas)), Option.getOrThrow(yield* viewerOf(hub, bos))]
      assert.deepInclude(ada, { username: "ada.oidc", isAdmin: true, role: "user" })
      assert.deepInclude(bo, { username: "bo.oidc", isAdmin: false, role: "auditor" })
      const groupsOf = (userId: typeof ada.userId) =>
        Effect.map(hub.groups.listByUser(userId), (all) =>
          all.map(({ isActive, name, servers }) => ({ isActive, name, servers }))
        )
      assert.deepStrictEqual(yield* groupsOf(ada.userId), [{ isActive: true, name: "tools", servers: ["files"] }])
      // Without any group bo would reach every server.
      assert.deepStrictEqual(yield* groupsOf(bo.userId), [{ isActive: false, name: "tools", servers: ["files"] }])
      const again = browser(hub.http)
      yield* OpenId.signInAt(again, hub.one, "one", "ada")
      assert.strictEqual(Option.getOrThrow(yield* viewerOf(hub, again)).userId, ada.userId)
      const events = yield* securityEvents(hub)
      assert.deepStrictEqual(
        events.map(({ errorKind, method, username }) => [username, method, errorKind]),
        ["ada.oidc", "bo.oidc", "ada.oidc"].map((name) => [name, "sign-in oidc one", "signed_in"])
      )
      assert.notMatch(JSON.stringify(events), /example\.com|secret/)
    })
  )

  it.live("the same name at another provider is somebody else, and nobody becomes a user of the hub by a name", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithProviders()
      const own = browser(hub.http)
      yield* OpenId.signInAt(own, hub.one, "one", "ada")
      const taken = yield* OpenId.signInAt(browser(hub.http), hub.two, "two", "ada")
      assert.strictEqual(taken.status, 403)
      const imp = browser(hub.http)
      const refused = yield* OpenId.signInAt(imp, hub.one, "one", "imp")
      assert.strictEqual(refused.status, 403)
      assert.isFalse(imp.cookies.has("mcphub_session"))
      assert.include(refused.text, "another user of the name")
      assert.include(refused.headers["content-type"], "text/html")
      const events = yield* securityEvents(hub)
      assert.strictEqual(events.filter(({ errorKind }) => errorKind === "sign_in_refused").length, 2)
    })
  )

  it.live("lets in nobody new where the settings do not say so, and nobody who is deactivated", () =>
    Effect.gen(function* () {
      const hub = yield* hubWithProviders({ newUsers: false })
      const own = browser(hub.http)
      const before = (yield* hub.users.list).length
      assert.strictEqual((yield* OpenId.signInAt(own, hub.one, "one", "bo")).status, 403)
      assert.strictEqual((yield* hub.users.list).length, before)
      assert.strictEqual(own.cookies.has("mcphub_session"), false)
      const open = yield* hubWithProviders()
      yield* OpenId.signInAt(browser(open.http), open.one, "one", "bo")
      const bo = yield* open.users.byName("bo.oidc")
      yield* open.users.setActive(bo.id, false)
      const late = browser(open.http)
      assert.strictEqual((yield* OpenId.signInAt(late, open.one, "one", "bo")).status, 403)
      assert.isTrue(Option.isNone(yield* viewerOf(open, late)))
    })
  )

  it.live(
    "A37: an answer counts once, in the browser that began, at the provider where it began, and as it was made",
    () =>
      Effect.gen(function* () {
        const hub = yield* hubWithProviders()
        const own = browser(hub.http)
        const begin = Effect.fnUntraced(function* (name: "one" | "two") {
          const begun = yield* own.ask("GET", `/api/signin/oidc/${name}`)
          const to = new URL(begun.headers["location"]!)
          assert.strictEqual(to.searchParams.get("code_challenge_method"), "S256")
          assert.strictEqual(to.searchParams.get("redirect_uri"), callback(name))
          return OpenId.pathOf(yield* hub[name].signIn(to.href, "bo"))
        })
        const back = yield* begin("one")
        const flow = own.cookies.get("mcphub_flow")!
        const headers = { cookie: `mcphub_flow=${flow}` }
        const statusOf = (path: string, given: Record<string, string> = headers) =>
          Effect.map(hub.http.send({ method: "GET", path, headers: given }), ({ status }) => status)
        // Another browser, another provider's callback, a changed state, an answer without the issuer's name.
        assert.strictEqual(yield* statusOf(back, {}), 403)
        assert.strictEqual(yield* statusOf(back.replace("/oidc/one/", "/oidc/two/")), 403)
        assert.strictEqual(yield* statusOf(back, { cookie: `mcphub_flow=${flow.slice(0, -4)}AAAA` }), 403)
        // A flow of somebody's own making: everything fits but the seal.
        const verifier = "a-verifier-of-at-least-forty-three-characters-made-up"
        const made = { state: "made", nonce: "made", verifier, redirectUri: callback("one"), endsAt: 9_999_999_999_999 }
        const to = new URL((yield* browser(hub.http).ask("GET", "/api/signin/oidc/one")).headers["location"]!)
        to.searchParams.set("state", made.state)
        to.searchParams.set("nonce", made.nonce)
        to.searchParams.set("code_challenge", createHash("sha256").update(verifier).digest("base64url"))
        const forged = OpenId.pathOf(yield* hub.one.signIn(to.href, "bo"))
        const plain = { cookie: `mcphub_flow=${encodeURIComponent(JSON.stringify(made))}` }
        assert.strictEqual(yield* statusOf(forged, plain), 403)
        const entered = yield* own.ask("GET", back)
        assert.strictEqual(entered.status, 303, entered.text)
        // Whoever has the address and the cookie comes too late.
        assert.strictEqual(yield* statusOf(back), 403)

        for (const change of [
          (url: string) => url.replace(/state=[^&]+/, "state=other"),
          (url: string) => url.replace(/iss=[^&]+/, `iss=${encodeURIComponent(hub.two.issuer)}`),
          (url: string) => url.replace(/&iss=[^&]+/, ""),
          (url: string) => url.replace(/code=[^&]+/, "code=guessed"),
          (url: string) => url.replace(/code=[^&]+/, "error=access_denied")
        ]) {
          const stranger = browser(hub.http)
          const begun = yield* stranger.ask("GET", "/api/signin/oidc/one")
          const good = OpenId.pathOf(yield* hub.one.signIn(begun.headers["location"]!, "bo"))
          const bad = change(good)
          assert.notStrictEqual(bad, good)
          assert.strictEqual((yield* stranger.ask("GET", bad)).status, 403, bad)
          // The flow has ended by it.
          assert.strictEqual((yield* stranger.ask("GET", good)).status, 403)
          assert.isFalse(stranger.cookies.has("mcphub_session"))
        }
      })
  )

  it.live("a provider that lies about its issuer, leads elsewhere or does not answer lets nobody in", () =>
    Effect.gen(function* () {
      let metadata: Record<string, unknown> = {}
      const asked: Array<string> = []
      const issuer = yield* OpenId.listening(
        createServer((request, response) => {
          asked.push(request.url!)
          response.setHeader("content-type", "application/json")
          response.end(JSON.stringify(metadata))
        })
      )
      const hub = yield* hubWithPasswords()
      const begin = Effect.fnUntraced(function* (given: Record<string, unknown>) {
        metadata = given
        // Metadata are remembered by issuer.
        const name = `p${asked.length}`
        const at = `${issuer}/${name}`
        const providers = { [name]: { issuer: at, clientId: "hub" } }
        yield* hub.setSettings({ mcpServers: {}, systemConfig: { signIn: { providers } } })
        return yield* browser(hub.http).ask("GET", `/api/signin/oidc/${name}`)
      })
      assert.strictEqual((yield* begin({ issuer: "https://other.example" })).status, 502)
      const own = { issuer: `${issuer}/p1`, authorization_endpoint: "http://10.0.0.1/authorize" }
      assert.strictEqual((yield* begin(own)).status, 502)
      assert.strictEqual((yield* begin({ issuer: `${issuer}/p2` })).status, 502)
      const answer = yield* begin({ issuer: `${issuer}/p3`, authorization_endpoint: `${issuer}/authorize` })
      assert.strictEqual(answer.status, 302)
      assert.strictEqual((yield* browser(hub.http).ask("GET", "/api/signin/oidc/none")).status, 404)
      assert.strictEqual((yield* browser(hub.http).ask("GET", "/api/signin/oidc/constructor")).status, 404)
    })
  )
})

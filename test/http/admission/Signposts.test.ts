import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js"
import { TestHub } from "../../../src/testkit/index.ts"

/** Of a client that would sign in, if there were a sign-in. */
const signIn = {
  redirectUrl: "http://localhost:1/callback",
  clientMetadata: { redirect_uris: ["http://localhost:1/callback"] },
  clientInformation: () => undefined,
  saveClientInformation: () => {},
  tokens: () => undefined,
  saveTokens: () => {},
  redirectToAuthorization: () => {
    throw new Error("a browser was opened")
  },
  saveCodeVerifier: () => {},
  codeVerifier: () => "x"
}

const connecting = {
  "1.x": (url: URL) =>
    new ClientV1({ name: "v1", version: "1" }).connect(new TransportV1(url, { authProvider: signIn }) as any),
  "2.x": (url: URL) =>
    new ClientV2({ name: "v2", version: "1" }).connect(new TransportV2(url, { authProvider: signIn }) as any)
}

const saysWhatToDo = (text: string) => {
  assert.include(text, "Authorization: Bearer mcphub_")
  assert.include(text, "mcphub key create")
}

const discovery = [
  "/.well-known/oauth-protected-resource",
  "/.well-known/oauth-protected-resource/mcp",
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-authorization-server/mcp/files",
  "/.well-known/openid-configuration",
  "/mcp/.well-known/openid-configuration"
]

describe("a client without a key", () => {
  for (const basePath of ["", "/hub"]) {
    it.live(`field B6: that looks for a sign-in reads what to do instead, base path "${basePath}"`, () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ config: { basePath } })
        const asked = [
          ...discovery.map((path) => ({ method: "GET", path, status: 404 })),
          ...["/register", "/token", "/oauth/token"].map((path) => ({ method: "POST", path, status: 400 })),
          { method: "GET", path: "/authorize?client_id=x", status: 400 }
        ]
        for (const { method, path, status } of asked) {
          // Clients look at the root; a proxy may send on what is below the base path alone.
          for (const prefix of new Set(["", basePath])) {
            const body = method === "POST" ? "{}" : undefined
            const answer = yield* hub.http.send({ method, path: prefix + path, body })
            assert.strictEqual(answer.status, status, prefix + path)
            assert.strictEqual(answer.headers["content-type"], "application/json")
            const { error, error_description } = JSON.parse(answer.text)
            assert.isString(error)
            saysWhatToDo(error_description)
          }
        }
        for (const path of ["/", `${basePath}/`, "/nowhere", "/apis/nothing"]) {
          for (const method of ["GET", "POST"]) {
            const answer = yield* hub.http.send({ method, path, body: method === "POST" ? "{}" : undefined })
            assert.strictEqual(answer.status, 404)
            assert.include(JSON.parse(answer.text).error_description, `ends in ${basePath}/mcp,`)
          }
        }
      })
    )
  }

  for (const [generation, connect] of Object.entries(connecting)) {
    it.live(`field B6: prints it, as the SDK ${generation} does, and opens no browser`, () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make()
        const failure = yield* Effect.flip(Effect.tryPromise({ try: () => connect(new URL(hub.url)), catch: String }))
        saysWhatToDo(failure)
      })
    )
  }

  it.live("field B6: that is a person with a browser meets a page, which repeats nothing of the address", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ config: { basePath: "/hub" } })
      const accept = "text/html,application/xhtml+xml,*/*;q=0.8"
      for (const [path, status] of [
        ["/hub/mcp", 401],
        ["/authorize?state=canary", 400]
      ] as const) {
        const page = yield* hub.http.send({ method: "GET", path, headers: { accept } })
        assert.strictEqual(page.status, status)
        assert.match(page.headers["content-type"]!, /^text\/html/)
        assert.include(page.headers["content-security-policy"], "default-src 'none'")
        assert.strictEqual(page.headers["referrer-policy"], "no-referrer")
        assert.include(page.text, "/hub/mcp")
        saysWhatToDo(page.text.replaceAll(/<\/?code>/g, ""))
        assert.notInclude(page.text, "canary")
      }
      for (const path of ["/", "/hub", "/hub/?key=mcphub_canary0123456789"]) {
        const away = yield* hub.http.send({ method: "GET", path, headers: { accept } })
        assert.deepStrictEqual([away.status, away.headers["location"], away.text], [302, "/hub/admin/", ""])
        assert.strictEqual(away.headers["referrer-policy"], "no-referrer")
      }
      // With a key the endpoint is what it is, and for programs it is never a page.
      const events = { accept: "text/event-stream" }
      const program = yield* hub.http.send({ method: "GET", path: "/hub/mcp", headers: events })
      assert.strictEqual(program.status, 401)
      assert.strictEqual(program.headers["content-type"], "application/json")
      for (const path of ["/hub/livez", "/hub/readyz", "/hub/health"]) {
        assert.strictEqual((yield* hub.http.send({ method: "GET", path, headers: { accept } })).status, 200)
      }
    })
  )
})

/** Connections and child processes after a user's token has changed, and those that an operator restarts. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Redacted } from "effect"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { type HubUser, type McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { config } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"

type Hub = Effect.Success<ReturnType<typeof TestHub.make>>

const setToken = (hub: Hub, { user }: HubUser, name: string, value: string) =>
  Context.get(hub.services, HubKeys).setTokens({ userId: user.id }, { [name]: Redacted.make(value) })

const child = (client: McpClient.McpClient) =>
  Effect.gen(function* () {
    const env = (yield* client.callTool("files-env")) as { readonly value: Readonly<Record<string, string>> }
    const { value } = (yield* client.callTool("files-pid")) as { readonly value: { readonly pid: number } }
    return { pid: value.pid, token: env.value["TOKEN"] }
  })

const stdio = { ...config(), env: { ...config().env, TOKEN: "${USER_GITHUB_TOKEN}" } }

const authorization = { Authorization: "Bearer ${USER_GITHUB_TOKEN}" }

describe("a token that has changed", () => {
  it.live("field D3: is in ada's child process from the next request on, and bo's goes on as it was", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: stdio } })
      const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
      const [adas, bos] = [yield* child(ada), yield* child(bo)]
      assert.deepStrictEqual([adas.token, bos.token], ["canary-ada-github", "canary-bo-github"])
      // One that the server does not receive changes nothing.
      yield* setToken(hub, hub.ada, "JIRA_TOKEN", "canary-ada-jira")
      yield* setToken(hub, hub.ada, "GITHUB_TOKEN", "canary-ada-renewed")
      const renewed = yield* eventually(child(ada), ({ token }) => token === "canary-ada-renewed")
      assert.strictEqual(renewed.token, "canary-ada-renewed")
      assert.notStrictEqual(renewed.pid, adas.pid)
      yield* setToken(hub, hub.ada, "JIRA_TOKEN", "canary-ada-other")
      assert.deepStrictEqual(yield* child(bo), bos)
      assert.deepStrictEqual(yield* child(ada), renewed)
    })
  )

  for (const isolation of ["session", "user"] as const) {
    it.live(`field D3: has a call in flight end on its old connection, over HTTP, isolation ${isolation}`, () =>
      Effect.gen(function* () {
        const held = yield* Deferred.make<ScriptedCall>()
        const server = yield* ScriptedHttpUpstream.make({
          tools: { hold: (call) => void Deferred.doneUnsafe(held, Effect.succeed(call)) }
        })
        const hub = yield* TestHub.make({ servers: { files: { url: server.url, headers: authorization, isolation } } })
        const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
        yield* bo.callTool("files-echo", { n: 0 })
        const holding = yield* Effect.forkChild(ada.callTool("files-hold"))
        const call = yield* Deferred.await(held)
        yield* setToken(hub, hub.ada, "GITHUB_TOKEN", "canary-ada-renewed")
        const initialized = (token: string) =>
          server.calls("initialize").filter(({ headers }) => headers["authorization"] === `Bearer ${token}`).length
        yield* eventually(ada.callTool("files-echo", { n: 1 }), () => initialized("canary-ada-renewed") > 0)
        assert.deepStrictEqual([initialized("canary-ada-renewed"), initialized("canary-bo-github")], [1, 1])
        assert.strictEqual(server.calls("DELETE").length, 0)
        call.content({ done: true })
        assert.deepStrictEqual(yield* Fiber.join(holding), { done: true })
        yield* bo.callTool("files-echo", { n: 1 })
        assert.strictEqual(initialized("canary-bo-github"), 1)
        if (isolation === "session") {
          const left = yield* server.await(({ httpMethod }) => httpMethod === "DELETE")
          assert.strictEqual(left.headers["mcp-session-id"], call.received.headers["mcp-session-id"])
        }
      })
    )
  }
})

describe("a server that an operator restarts", () => {
  it.live("field D3: has a new process for ada at once, and for bo where all are meant", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: stdio } })
      const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
      const [adas, bos] = [yield* child(ada), yield* child(bo)]
      const sessions = Context.get(hub.services, Sessions)
      const hanging = yield* Effect.forkChild(Effect.flip(ada.callTool("files-hang")))
      yield* eventually(
        Effect.map(sessions.list, (all) => all.reduce((sum, { inFlight }) => sum + inFlight, 0)),
        (inFlight) => inFlight === 1
      )
      assert.strictEqual(yield* sessions.restart("files", hub.ada.user.id), 1)
      assert.strictEqual((yield* Fiber.join(hanging)).code, 1409)
      assert.notStrictEqual((yield* child(ada)).pid, adas.pid)
      assert.strictEqual((yield* child(bo)).pid, bos.pid)
      assert.strictEqual(yield* sessions.restart("files", undefined), 2)
      assert.notStrictEqual((yield* child(bo)).pid, bos.pid)
      assert.strictEqual(yield* sessions.restart("files", hub.ada.user.id), 0)
    })
  )

  it.live("field D3: is connected to anew where sessions share the connection", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: server.url, isolation: "shared", context: "none" } } })
      const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
      for (const client of [ada, bo]) yield* client.callTool("files-echo", { n: 1 })
      assert.strictEqual(server.calls("initialize").length, 1)
      assert.strictEqual(yield* Context.get(hub.services, Sessions).restart("files", undefined), 2)
      for (const client of [ada, bo]) yield* client.callTool("files-echo", { n: 2 })
      assert.strictEqual(server.calls("initialize").length, 2)
    })
  )
})

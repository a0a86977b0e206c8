/** JSON-RPC ids are the client's own: however many requests share one, each POST gets the answer to its own body. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import { McpClient, RawHttp, ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import * as HubProcess from "../support/HubProcess.ts"

it.live(
  "twelve parallel POSTs on one session, all with id 1, and twelve of another user: each gets its own answer",
  () =>
    Effect.gen(function* () {
      const allArrived = yield* Deferred.make<void>()
      let waiting = 0
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: {
          // Answers only when all twenty-four are here, the last one first.
          meet: (call) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const place = ++waiting
                if (place === 24) yield* Deferred.succeed(allArrived, undefined)
                yield* Deferred.await(allArrived)
                for (let turn = place; turn < 24; turn++) yield* Effect.yieldNow
                call.content({ said: call.arguments["text"], user: call.received.headers["x-mcphub-user-id"] })
              })
            )
        }
      })
      const users = [
        { username: "ada", id: "0a0a0a0a-0000-4000-8000-00000000000a", key: `mcphub_${"ada-".repeat(10)}` },
        { username: "bo", id: "0b0b0b0b-0000-4000-8000-00000000000b", key: `mcphub_${"bo--".repeat(10)}` }
      ]
      const hub = yield* HubProcess.make({
        settings: { mcpServers: { hall: { url: upstream.url } } },
        provision: { users: users.map(({ id, key, username }) => ({ username, id, keys: [{ key }] })) }
      })
      const http = yield* RawHttp.make(hub.origin)
      const calls = yield* Effect.forEach(users, (user) =>
        Effect.map(McpClient.connect(http, { key: Redacted.make(user.key) }), (client) =>
          Array.from({ length: 12 }, (_, index) => ({ client, user, text: `${user.username} ${index}` }))
        )
      )
      const answers = yield* Effect.forEach(
        calls.flat(),
        ({ client, text, user }) =>
          Effect.map(
            client.send({
              jsonrpc: "2.0",
              id: 1,
              method: "tools/call",
              params: { name: "hall-meet", arguments: { text } }
            }),
            (answer) => ({ answer, text, user })
          ),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(answers, 24)
      for (const { answer, text, user } of answers) {
        assert.strictEqual(answer.status, 200)
        const body = JSON.parse(answer.text)
        assert.strictEqual(body.id, 1)
        assert.deepStrictEqual(body.result.structuredContent, { said: text, user: user.id })
      }
    }).pipe(Effect.scoped),
  patience
)

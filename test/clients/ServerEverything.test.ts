/**
 * `@modelcontextprotocol/server-everything`, as published, behind the hub: a server of the 2025 revisions only, over HTTP
 * and over stdio, used by clients of both eras.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "./Answering.ts"
import { served } from "../conformance/Served.ts"
import { ClientHub } from "./ClientHub.ts"

layer(ClientHub.layer, { excludeTestServices: true, timeout: "60 seconds" })("server-everything", (it) => {
  for (const server of ["everything", "everything-stdio"] as const) {
    for (const line of served.statelessClients ? (["1.x", "2.x"] as const) : (["1.x"] as const)) {
      describe(`${server === "everything" ? "over HTTP" : "over stdio"} with the SDK's ${line} client`, () => {
        it.effect("lists the tools it offers a client that can sample and elicit, and calls them", () =>
          Effect.gen(function* () {
            const { ada, endpoint } = yield* ClientHub
            const own = yield* connect(line, endpoint(server), ada)
            const names = yield* own.toolNames
            assert.includeMembers(
              [...names],
              ["echo", "get-sum", "trigger-elicitation-request", "trigger-sampling-request"]
            )
            assert.strictEqual((yield* own.call("echo", { message: "hello" })).text, "Echo: hello")
            assert.include((yield* own.call("get-sum", { a: 20, b: 22 })).text, "42")
          })
        )

        it.effect("reports the progress of a long operation", () =>
          Effect.gen(function* () {
            const { ada, endpoint } = yield* ClientHub
            const own = yield* connect(line, endpoint(server), ada)
            const { progress } = yield* own.call("trigger-long-running-operation", { duration: 1, steps: 3 })
            // A 2026 client reports the rounds it answers as progress of its own, before the server's.
            assert.deepEqual([...progress].slice(-3), [1, 2, 3])
          })
        )

        it.effect("elicits from the user whose call it is, and from nobody else", () =>
          Effect.gen(function* () {
            const { ada, bo, endpoint } = yield* ClientHub
            const [adas, bos] = yield* Effect.all([ada, bo].map((person) => connect(line, endpoint(server), person)))
            const [answer, echoed] = yield* Effect.all(
              [adas!.call("trigger-elicitation-request"), bos!.call("echo", { message: "mine" })],
              { concurrency: 2 }
            )
            assert.isFalse(answer!.isError, answer!.text)
            assert.include(answer!.text, "provided the requested information")
            assert.strictEqual(echoed!.text, "Echo: mine")
            assert.deepEqual([adas!.asked, bos!.asked], [["elicitation/create"], []])
          })
        )

        it.effect("samples from the model of the user whose call it is", () =>
          Effect.gen(function* () {
            const { ada, bo, endpoint } = yield* ClientHub
            const [adas, bos] = yield* Effect.all([ada, bo].map((person) => connect(line, endpoint(server), person)))
            const [adasAnswer, bosAnswer] = yield* Effect.all(
              [adas!, bos!].map((own) =>
                own.call("trigger-sampling-request", { prompt: "Who says so?", maxTokens: 20 })
              ),
              { concurrency: 2 }
            )
            assert.include(adasAnswer!.text, "ada says so")
            assert.include(bosAnswer!.text, "bo says so")
            assert.notInclude(adasAnswer!.text, "bo says so")
            assert.deepEqual([adas!.asked, bos!.asked], [["sampling/createMessage"], ["sampling/createMessage"]])
          })
        )
      })
    }
  }
})

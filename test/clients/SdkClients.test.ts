/**
 * The official SDK's clients of both lines on upstreams of both eras, through the hub's own program: whatever a client
 * speaks, it gets what the server offers, and two users who act at the same time never meet.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect, type Line } from "./Answering.ts"
import { served } from "../conformance/Served.ts"
import { ClientHub } from "./ClientHub.ts"

const combinations: ReadonlyArray<{
  readonly line: Line
  readonly server: "old" | "new"
  /** The tools that ask: by a request of their own in 2025, by `input_required` in 2026. */
  readonly elicits: string
  readonly samples: string
}> = (["1.x", "1.x over SSE", "2.x"] as const)
  .flatMap(
    (line) =>
      [
        { line, server: "old", elicits: "test_elicitation", samples: "test_sampling" },
        {
          line,
          server: "new",
          elicits: "test_input_required_result_elicitation",
          samples: "test_input_required_result_sampling"
        }
      ] as const
  )
  .filter(
    ({ line, server }) => (served.statelessClients || line !== "2.x") && (served.statelessUpstreams || server === "old")
  )

const argumentsOf: Readonly<Record<string, Record<string, unknown>>> = {
  test_elicitation: { message: "Who are you?" },
  test_sampling: { prompt: "Who says so?" }
}

layer(ClientHub.layer, { excludeTestServices: true, timeout: "60 seconds" })("the SDK's clients", (it) => {
  for (const { elicits, line, samples, server } of combinations) {
    const [client, upstream] = [line === "2.x" ? "2026" : "2025", server === "old" ? "2025" : "2026"]

    describe(`${line} (${client}) on a ${upstream} upstream`, () => {
      it.effect("lists tools and calls one with Unicode in its arguments", () =>
        Effect.gen(function* () {
          const { ada, endpoint } = yield* ClientHub
          const own = yield* connect(line, endpoint(server), ada)
          const names = yield* own.toolNames
          assert.includeMembers([...names], ["echo", "test_simple_text", elicits, samples])
          const { isError, text } = yield* own.call("echo", { text: "Grüße, 世界 🙂" })
          assert.isFalse(isError)
          assert.strictEqual(text, "Grüße, 世界 🙂")
          assert.strictEqual((yield* own.call("spoken_revision")).text, upstream)
        })
      )

      it.effect("gets a prompt, a resource and completions", () =>
        Effect.gen(function* () {
          const { ada, endpoint } = yield* ClientHub
          const own = yield* connect(line, endpoint(server), ada)
          const prompt = yield* own.prompt("test_prompt_with_arguments", { arg1: "one", arg2: "two" })
          assert.include(JSON.stringify(prompt), "arg1='one', arg2='two'")
          assert.include(JSON.stringify(yield* own.read("test://template/123/data")), "Data for ID: 123")
          const completions = yield* own.complete("test_prompt_with_arguments", "arg1", "test")
          assert.deepEqual([...completions], ["testValue1", "testValue2"])
        })
      )

      // Over SSE this line forgets progress that it reads in one piece with the answer; test/http has what the hub sends.
      if (line !== "1.x over SSE") {
        it.effect("hears the progress of its own call, in order", () =>
          Effect.gen(function* () {
            const { ada, bo, endpoint } = yield* ClientHub
            const [adas, bos] = yield* Effect.all([ada, bo].map((person) => connect(line, endpoint(server), person)))
            const called = yield* Effect.all(
              [
                adas!.call("test_tool_with_progress"),
                bos!.call("test_tool_with_progress"),
                bos!.call("echo", { text: "x" })
              ],
              { concurrency: 3 }
            )
            assert.deepEqual(
              called.map(({ progress }) => progress),
              [[0, 50, 100], [0, 50, 100], []]
            )
          })
        )
      }

      it.effect("reports a tool's error as a result", () =>
        Effect.gen(function* () {
          const { ada, endpoint } = yield* ClientHub
          const own = yield* connect(line, endpoint(server), ada)
          const { isError, text } = yield* own.call("test_error_handling")
          assert.isTrue(isError)
          assert.include(text, "intentionally")
        })
      )

      for (const [question, tool, method] of [
        ["a form", elicits, "elicitation/create"],
        ["its model", samples, "sampling/createMessage"]
      ] as const) {
        it.effect(`answers a tool that asks for ${question}: each user only their own call's`, () =>
          Effect.gen(function* () {
            const { ada, bo, endpoint } = yield* ClientHub
            const [adas, bos] = yield* Effect.all([ada, bo].map((person) => connect(line, endpoint(server), person)))
            const [adasAnswer, bosAnswer] = yield* Effect.all(
              [adas!, bos!].map((own) => own.call(tool, argumentsOf[tool])),
              { concurrency: 2 }
            )
            assert.include(adasAnswer!.text, "ada")
            assert.notInclude(adasAnswer!.text, "bo")
            assert.include(bosAnswer!.text, "bo")
            assert.notInclude(bosAnswer!.text, "ada")
            assert.deepEqual([adas!.asked, bos!.asked], [[method], [method]])
          })
        )
      }
    })
  }
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { ask } from "../../support/StatelessClient.ts"
import { memoryOf, until } from "../../support/Memory.ts"

const text = "x".repeat(100_000)

describe("a call that a client has left to be asked", () => {
  it.live(
    "A85: answers into its user's memory, beyond whose bound the retry hears that the answer is lost; bo has his",
    () =>
      Effect.gen(function* () {
        const answers: Array<() => void> = []
        const upstream = yield* ScriptedHttpUpstream.make({
          tools: {
            impatient: (call) => {
              call.event({ jsonrpc: "2.0", id: 7, method: "elicitation/create", params: { message: "Which?" } })
              answers.push(() => call.content({ text }))
            }
          }
        })
        // An eighth is for such calls: one answer fits, two do not.
        const hub = yield* TestHub.make({
          servers: { files: { url: upstream.url } },
          config: { maxMemoryPerUser: 2_500_000, maxAnswerBytesPerUser: 2_500_000, maxUpstreamBytes: 1_000_000 }
        })
        const { retained } = memoryOf(hub.services)
        const held = ({ user }: typeof hub.ada) => retained.heldBy(user.id).parked
        const call = { name: "files-impatient", arguments: {} }
        const options = { capabilities: { elicitation: {} } }
        const begin = (who: typeof hub.ada) =>
          Effect.map(ask(hub.http, who, "tools/call", call, options), ({ result }) => {
            assert.strictEqual(result.resultType, "input_required")
            return { ...call, requestState: result.requestState, inputResponses: {} }
          })
        const [first, second] = [yield* begin(hub.ada), yield* begin(hub.ada)]
        const bos = yield* begin(hub.bo)
        for (const answer of answers) answer()
        yield* until(() => held(hub.ada) > 200_000 && held(hub.bo) > 200_000)
        yield* until(() => retained.refused("parked") === 1)
        assert.isAtMost(held(hub.ada), retained.bounds.parked)
        const retried = yield* Effect.forEach([first, second], (retry) =>
          ask(hub.http, hub.ada, "tools/call", retry, options)
        )
        const [lost] = retried.filter(({ error }) => error !== undefined)
        assert.deepInclude(lost!.error.data, { kind: "answer_lost", retryable: false, origin: "hub" })
        assert.strictEqual(lost!.error.code, 1409)
        assert.lengthOf(
          retried.filter(({ result }) => result?.structuredContent?.text === text),
          1
        )
        const his = yield* ask(hub.http, hub.bo, "tools/call", bos, options)
        assert.strictEqual(his.result.structuredContent.text, text)
        yield* until(() => held(hub.ada) === 0 && held(hub.bo) === 0)
      })
  )
})

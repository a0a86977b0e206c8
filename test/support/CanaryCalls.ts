/**
 * Calls of the users of a canary matrix, each checked when it is answered: it has one outcome, its own, and says
 * nothing of anybody else.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { type McpClient, type RawHttp, RudeClients } from "../../src/testkit/index.ts"
import type { Canaries } from "./Canaries.ts"
import { endless } from "./CanaryFaults.ts"
import type { HttpUpstream, Server } from "./CanaryServers.ts"
import type { CanaryUser } from "./CanaryUsers.ts"
import { eventually } from "./Eventually.ts"

export interface Session {
  readonly user: CanaryUser
  readonly client: McpClient.McpClient
}

/** What became of one call. */
export interface Outcome {
  /** Of HTTP; 0 where there was no connection to the hub. */
  readonly status: number
  /** As it came. */
  readonly text: string
  /** What was asked, "arg" turned into "res". */
  readonly expected: string
  readonly result?: { readonly structuredContent?: Readonly<Record<string, unknown>> }
  readonly error?: { readonly code: number; readonly data?: Readonly<Record<string, unknown>> }
}

/** The messages in a whole answer. */
const messagesOf = ({ headers, text }: RawHttp.RawAnswer): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  String(headers["content-type"]).startsWith("text/event-stream")
    ? Array.from(text.matchAll(/^data: (.+)$/gm), (match) => JSON.parse(match[1]!))
    : [JSON.parse(text)]

/** The answer of `tell`, to the very call. */
export const assertTold = (outcome: Outcome, server: Server, user: CanaryUser): void =>
  assert.deepStrictEqual(
    outcome.result?.structuredContent,
    { text: outcome.expected, user: server.knowsUser ? user.id : null },
    outcome.text
  )

export const make = (canaries: Canaries) => {
  let ids = 0
  let taken = 0

  const message = ({ user }: Session, server: string, tool: string, purpose: string) => {
    const id = ++ids
    const text = `${canaries.plant(user.owner, purpose)} ${id}`
    const limit = endless.has(tool) ? { "mcphub/timeoutMs": 1_000 } : {}
    const params = { name: `${server}-${tool}`, arguments: { text }, _meta: limit }
    return { text, body: { jsonrpc: "2.0", id, method: "tools/call", params } }
  }

  /** Calls once, with an argument planted as `purpose`. */
  const once = (session: Session, server: string, tool: string, purpose = `arg${server}`): Effect.Effect<Outcome> =>
    Effect.gen(function* () {
      const { body, text } = message(session, server, tool, purpose)
      const expected = text.replace("arg", "res")
      const exit = yield* Effect.exit(session.client.send(body))
      if (Exit.isFailure(exit)) return { status: 0, text: "", expected }
      const answer = exit.value
      const { owner } = session.user
      const where = `${owner}'s ${server}-${tool} was answered ${answer.text}`
      const found = canaries.foundIn(JSON.stringify(answer))
      assert.isTrue(
        found.every((name) => name.startsWith(`${owner}-`)),
        where
      )
      if (answer.status !== 200) {
        assert.deepStrictEqual(found, [], where)
        return { status: answer.status, text: answer.text, expected }
      }
      taken++
      const responses = messagesOf(answer).filter((one) => "result" in one || "error" in one)
      assert.lengthOf(responses, 1, where)
      const outcome: Outcome = { status: 200, text: answer.text, expected, ...responses[0] }
      assert.strictEqual(responses[0]!["id"], body.id, where)
      // A failure may repeat what this user asked, and none of the credentials it was asked with.
      const repeated = canaries.foundIn(JSON.stringify(outcome.error ?? {}))
      assert.isTrue(
        repeated.every((name) => name === `${owner}-${purpose}`),
        where
      )
      return outcome
    })

  /** As a client calls that comes again when the hub says so, which it does while its database has much to do. */
  const insist = (...args: Parameters<typeof once>) =>
    eventually(once(...args), ({ status }) => status !== 503, { deadline: "60 seconds" })

  /** Asks something that hangs, and goes away once the server has the question; again, until the server got to hear it. */
  const abandon = (origin: string, session: Session, server: HttpUpstream) =>
    Effect.gen(function* () {
      const { body, text } = message(session, server.name, "hang", `arg${server.name}`)
      const { headers, path } = session.client
      const socket = yield* RudeClients.socketTo(origin)
      yield* RudeClients.write(socket, { method: "POST", path, headers: { ...headers }, body: JSON.stringify(body) })
      const arrived = server.now().await((received) => JSON.stringify(received.body ?? {}).includes(text))
      const answered = yield* Effect.raceFirst(Effect.as(arrived, undefined), RudeClients.statusLine(socket))
      if (answered === undefined || answered.startsWith("HTTP/1.1 200")) taken++
      return answered === undefined
    }).pipe(Effect.scoped, (asked) => eventually(asked, (isHeard) => isHeard, { deadline: "60 seconds" }))

  return {
    once,
    insist,
    abandon,
    /** Calls that the hub has taken, whatever came of them. */
    taken: () => taken
  }
}

/**
 * A server beside those of a canary matrix that floods: the message it repeats without end holds a secret of the one
 * user in whose session it is told to.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import type { Canaries } from "./Canaries.ts"
import type { Session } from "./CanaryCalls.ts"
import { ownersIn } from "./CanarySearch.ts"
import { loudHttp } from "./LoudHttp.ts"

/** Its entry in the settings. */
export const start = Effect.map(ScriptedHttpUpstream.make(loudHttp()), ({ url }) => ({ url, isolation: "session" }))

/** Runs the calls while the server shouts at one user and others listen; the streams of those have nothing of it. */
export const during = Effect.fnUntraced(function* <A, E, R>(
  canaries: Canaries,
  [loud, ...others]: ReadonlyArray<Session>,
  calls: Effect.Effect<A, E, R>
) {
  const quiet = others.filter(({ user }) => user.owner !== loud!.user.owner).slice(0, 3)
  const shout = ({ client, user }: Session, ms: number) => {
    const params = { level: "info", data: canaries.plant(user.owner, "argloud") }
    const text = JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params })
    return client.callTool("loud-shout", { ms, text })
  }
  const heardFirst = Effect.fnUntraced(function* ({ next }: { readonly next: Effect.Effect<unknown, unknown> }) {
    return ownersIn(canaries, JSON.stringify(yield* next))
  })
  for (const { client } of [loud!, ...quiet]) yield* client.callTool("loud-echo")
  const streams = yield* Effect.forEach([loud!, ...quiet], ({ client }) => client.stream)
  const shouting = yield* Effect.forkChild(Effect.forever(shout(loud!, 200)))
  assert.deepStrictEqual(yield* heardFirst(streams[0]!), [loud!.user.owner])
  const answered = yield* calls
  assert.isUndefined(shouting.pollUnsafe(), "it shouts from the first call to the last")
  // The first that the others hear is what their own server says now.
  for (const [index, session] of quiet.entries()) {
    yield* shout(session, 50)
    assert.deepStrictEqual(yield* heardFirst(streams[index + 1]!), [session.user.owner])
  }
  return answered
})

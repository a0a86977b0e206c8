import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import type { Repositories } from "../../../src/domain/storage/Repositories.ts"
import { RequestId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import { type InFlightRequest, InFlightRequests } from "../../../src/domain/records/InFlightRequests.ts"
import { stores } from "../../support/Identity.ts"

const now = Date.UTC(2026, 2, 29, 1, 30)

const requestOf = (username: string, sessionId: string, startedAt = now): InFlightRequest => ({
  requestId: RequestId.make(`user-${username}-${randomUUID()}`),
  userId: UserId.make(randomUUID()),
  username,
  keyId: randomUUID(),
  sessionId: SessionId.make(sessionId),
  method: "tools/call",
  server: "files",
  // A client may send anything as a name.
  target: "files-write\u0000",
  startedAt
})

for (const [place, store] of stores) {
  describe(`Requests in flight ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((live) => {
      const it = {
        effect: <E>(name: string, test: () => Effect.Effect<void, E, Repositories>) =>
          live.effect(name, () => Effect.provide(test(), TestClock.layer()))
      }

      it.effect("of a hub that has fallen silent are taken, those of one that still writes are not", () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(now)
          const requests = yield* InFlightRequests
          const [gone, busy, next] = [randomUUID(), randomUUID(), randomUUID()]
          const [lost, running] = [requestOf("ada", randomUUID()), requestOf("bo", randomUUID())]
          const [earlier, done] = [requestOf("ada", randomUUID(), now - 1), requestOf("ada", randomUUID())]
          yield* requests.write(gone, { started: [lost, done, earlier], ended: [] })
          yield* requests.write(gone, { started: [], ended: [done.requestId] })
          yield* requests.write(busy, { started: [running], ended: [] })
          yield* TestClock.adjust("10 seconds")
          yield* requests.write(busy, { started: [], ended: [] })
          assert.deepStrictEqual(yield* requests.takeSilent(next, now), [])
          assert.deepStrictEqual(yield* requests.takeSilent(next, now + 1), [earlier, lost])
          assert.deepStrictEqual(yield* requests.takeSilent(next, now + 1), [])
          assert.deepStrictEqual(yield* requests.takeSilent(busy, now + 20_000), [])
          assert.deepStrictEqual(yield* requests.takeSilent(next, now + 20_000), [running])
        })
      )
    })
  })
}

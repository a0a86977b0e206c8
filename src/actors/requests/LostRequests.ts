/**
 * Makes sure that no request disappears with a killed hub. What runs for more than a second is written down, once a
 * second and in one transaction for all of it; most requests have ended by then and cost nothing. What a hub has left,
 * once it has been silent for a while, is recorded by another one, or by the next, as of unknown outcome, in the log and
 * in the audit trail. It is never sent again.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer } from "effect"
import { type InFlightRequest, InFlightRequests } from "../../domain/records/InFlightRequests.ts"
import { AuditTrail } from "../observing/AuditTrail.ts"
import { RequestLog } from "../observing/RequestLog.ts"
import { type RequestRecord, RequestTracker } from "./RequestTracker.ts"

const writeEvery = "1 second"
/** Milliseconds a request runs before it is worth a row. */
const worthWriting = 1_000
/** Milliseconds between two signs of life while there are rows, and until a hub without one counts as gone. */
const signOfLife = 5_000
const silence = 15_000
const deadline = "3 seconds"

const rowOf = (record: RequestRecord): InFlightRequest => ({
  requestId: record.requestId,
  userId: record.userId,
  username: record.username,
  keyId: record.keyId,
  sessionId: record.sessionId,
  method: record.method,
  server: record.server ?? null,
  target: record.target ?? null,
  startedAt: record.startedAt
})

const make = Effect.gen(function* () {
  const store = yield* InFlightRequests
  const tracker = yield* RequestTracker
  const log = yield* RequestLog
  const audit = yield* AuditTrail
  const clock = yield* Clock.Clock
  const owner = randomUUID()
  let written = new Set<InFlightRequest["requestId"]>()
  let writtenAt = 0

  const write = Effect.gen(function* () {
    const now = clock.currentTimeMillisUnsafe()
    const long = (yield* tracker.pending).filter(
      ({ kind, startedAt }) => kind === "request" && now - startedAt >= worthWriting
    )
    const running = new Set(long.map(({ requestId }) => requestId))
    const started = long.filter(({ requestId }) => !written.has(requestId)).map(rowOf)
    const ended = [...written].filter((id) => !running.has(id))
    const isQuiet = started.length === 0 && ended.length === 0
    if (isQuiet && (running.size === 0 || now - writtenAt < signOfLife)) return
    yield* store.write(owner, { started, ended })
    written = running
    writtenAt = now
  })

  const takeSilent = Effect.suspend(() => store.takeSilent(owner, clock.currentTimeMillisUnsafe() - silence)).pipe(
    Effect.map((requests) => {
      for (const request of requests) {
        log.lost(request)
        audit.lost(request)
      }
    })
  )

  /** A database that does not answer is tried again; `SessionJournal` is the one to say so. */
  const bounded = <E>(effect: Effect.Effect<void, E>): Effect.Effect<void> =>
    effect.pipe(
      Effect.timeout(deadline),
      Effect.catchCause(() => Effect.void)
    )

  // After the sessions have drained nothing is in flight: a hub that stops in order leaves no rows.
  yield* Effect.addFinalizer(() => bounded(write))
  yield* bounded(write).pipe(Effect.delay(writeEvery), Effect.forever, Effect.forkScoped)
  yield* bounded(takeSilent).pipe(Effect.andThen(Effect.sleep(signOfLife)), Effect.forever, Effect.forkScoped)
})

/** Works for as long as the scope lives. */
export const layer = Layer.effectDiscard(make)

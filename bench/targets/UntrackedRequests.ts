/**
 * A `RequestTracker` that only runs requests: no ids, no deadlines, no list of what runs, no statistics, no log lines and
 * no audit rows. It shows what tracking costs, and is of no other use: nothing it has started can be cancelled.
 */
import { Effect, Layer } from "effect"
import { RequestId, type RequestRecord, RequestTracker, type TrackOptions, UnknownRequest } from "../../src/index.ts"

const id = RequestId.make("untracked")
const nothing = (): void => {}

const recordOf = ({ kind, method, principal, sessionId }: TrackOptions): RequestRecord => ({
  requestId: id,
  userId: principal.userId,
  username: principal.username,
  keyId: principal.keyId,
  sessionId,
  method,
  kind,
  startedAt: 0,
  deadline: Number.POSITIVE_INFINITY,
  server: undefined,
  target: undefined,
  tool: undefined,
  errorCode: undefined,
  errorKind: undefined,
  touch: nothing,
  limit: nothing,
  pause: nothing,
  resume: nothing,
  isPaused: false,
  sentMono: 0,
  enter: (wait) => ({ ...wait, since: 0, outer: undefined }),
  leave: nothing,
  heard: nothing,
  waitsFor: () => undefined
})

/** What it does not have (statistics, requests tracked by hand) dies when it is asked for. */
export const layer = Layer.mock(RequestTracker, {
  track: (options, use) => Effect.suspend(() => use(recordOf(options))),
  start: (options, use, fork, done) => {
    const record = recordOf(options)
    const fiber = fork(Effect.suspend(() => use(record)))
    fiber.addObserver((exit) => done(exit, record))
    return record
  },
  endWith: (requestId) => Effect.fail(new UnknownRequest({ requestId, message: "Requests are not tracked" })),
  cleanupSession: () => Effect.succeed(0),
  cleanupUser: () => Effect.succeed(0),
  pending: Effect.succeed([]),
  inFlight: () => 0,
  lateResponse: nothing,
  onEnded: () => nothing
})

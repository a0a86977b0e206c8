/** Rules about what people see of a running hub: their own things, and nothing of others'. */
import type { Mutation } from "./Mutation.ts"

const sources = "src/http/admin/live/LiveSources.ts"
const feed = "src/http/admin/live/LiveFeed.ts"
const routes = "src/http/admin/live/LiveRoutes.ts"
const tests = ["test/http/admin/live/LiveFeed.test.ts"]
const streamed = ["test/http/admin/live/LiveRoutes.test.ts"]

export const live: ReadonlyArray<Mutation> = [
  {
    wrong: "a user's stream has everybody's sessions",
    file: sources,
    find: "yield* sessions.listOf(audience)",
    replace: "yield* sessions.list",
    tests
  },
  {
    wrong: "a user's own sessions are those of all",
    file: "src/actors/registry/SessionRegistry.ts",
    find: "actor.principal().userId === userId ? [actor.summary()] : []",
    replace: "userId === undefined ? [] : [actor.summary()]",
    tests
  },
  {
    wrong: "a user's stream has everybody's requests",
    file: sources,
    find: "yield* tracker.pendingByUser(audience)",
    replace: "yield* tracker.pending",
    tests
  },
  {
    wrong: "a user's stream counts what others do",
    file: feed,
    find: "feeds.get(userId)?.minute.add(durationMs, errorKind !== undefined)",
    replace: "for (const { minute } of feeds.values()) minute.add(durationMs, errorKind !== undefined)",
    tests
  },
  {
    wrong: "a user's stream says for whom else a server fails",
    file: sources,
    find: "states.of(audience).map(",
    replace: "states.all().map(",
    tests
  },
  {
    wrong: "a user reads why a server that all share is down",
    file: "src/actors/upstream/guards/ServerStates.ts",
    find: "own === undefined ? { ...state, reason: undefined } : state",
    replace: "state",
    tests
  },
  {
    wrong: "a slow reader gets a delta to what it has not seen",
    file: feed,
    find: "Queue.sizeUnsafe(queue) === 0 ? delta : anew",
    replace: "delta",
    tests
  },
  {
    wrong: "a user may open any number of event streams",
    file: feed,
    find: "own >= mostReadersOfUser || count >= mostReaders",
    replace: "count >= mostReaders",
    tests
  },
  {
    wrong: "any user may read everybody's stream",
    file: routes,
    find: "if (!maySee(whose, viewer)) return yield* notAllowed",
    replace: "if (!maySee(whose, viewer)) void notAllowed",
    tests: streamed
  },
  {
    wrong: "a user's own stream is everybody's",
    file: routes,
    find: 'whose === "own" ? viewer.userId : "everybody"',
    replace: '"everybody"',
    tests: streamed
  },
  {
    wrong: "a stream outlives the key or the sign-in that opened it",
    file: routes,
    find: "Effect.orElseSucceed(() => false)",
    replace: "Effect.orElseSucceed(() => true)",
    tests: streamed
  },
  {
    wrong: "a stream outlives the role that opened it",
    file: routes,
    find: "now.userId === viewer.userId && maySee(whose, now)",
    replace: "now.userId === viewer.userId",
    tests: streamed
  }
]

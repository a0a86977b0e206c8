/** Rules about queues that all users share: audit rows, log lines, rows of sessions, counts; and whose counts are read. */
import type { Mutation } from "./Mutation.ts"

const room = "src/domain/SharedRoom.ts"
const writer = "src/actors/observing/AuditWriter.ts"
const trail = "test/actors/observing/AuditTrail.test.ts"
const places = "test/http/mcp/sessions/AuditPlaces.test.ts"
const log = "test/actors/observing/RequestLog.test.ts"
const apart = "src/domain/records/WriteApart.ts"
const cells = "src/actors/observing/StatisticsCells.ts"
const hourly = "test/actors/observing/HourlyStatistics.test.ts"
const statistics = "test/domain/storage/Statistics.test.ts"
const journal = "test/actors/registry/SessionJournal.test.ts"

export const sharedQueues: ReadonlyArray<Mutation> = [
  {
    wrong: "one user may fill a queue of all",
    file: room,
    find: "return (this.#users.get(userId) ?? 0) < this.#capacity - this.#used",
    replace: "return this.#used < this.#capacity && userId !== undefined",
    tests: [trail, places, log]
  },
  {
    wrong: "what has left a queue still takes its user's room",
    file: room,
    find: "    this.#used--\n",
    replace: "",
    also: [{ file: room, find: "else this.#users.set(userId, taken - 1)", replace: "" }],
    tests: [trail, places]
  },
  {
    wrong: "a reserved place is not kept for its row",
    file: writer,
    find: "if (!hasPlace && !room.take(event.userId))",
    replace: "if (!room.take(event.userId))",
    tests: [trail, places]
  },
  {
    wrong: "reserving a place takes none",
    file: writer,
    find: "reserve: (userId) => writable(userId) && room.take(userId)",
    replace: "reserve: writable",
    tests: [trail, places]
  },
  {
    wrong: "a call whose user requires the audit trail leaves without a place for its row",
    file: "src/actors/session/SessionIntake.ts",
    find: 'if (place === "none") {',
    replace: "if (false) {",
    tests: [places]
  },
  {
    wrong: "a notification whose user requires the audit trail leaves without a place for its row",
    file: "src/actors/session/SessionBackground.ts",
    find: 'if (place === "none") return Effect.void\n',
    replace: "",
    tests: [places]
  },
  {
    wrong: "the row of a call does not take the place that was reserved for it",
    file: "src/actors/requests/RequestTracker.ts",
    find: "audit.ended(ended, request.hasAuditPlace)",
    replace: "audit.ended(ended)",
    tests: [places]
  },
  {
    wrong: "lines of requests take nobody's room in the log",
    file: "src/actors/observing/RequestLog.ts",
    find: "            record.userId\n",
    replace: "            undefined\n",
    tests: [log]
  },
  {
    wrong: "the hub's lines about a user take nobody's room in the log",
    file: "src/actors/observing/Logging.ts",
    find: 'typeof userId === "string" ? UserId.make(userId) : undefined',
    replace: "undefined",
    tests: [log]
  },
  {
    wrong: "a row that cannot be written takes those of others with it",
    file: apart,
    find: "if (some.length === 1 || bad >= mostBad) {",
    replace: "if (some.length > 0) {",
    tests: [trail, journal]
  },
  {
    wrong: "a session of which no row can be made keeps others from being written",
    file: "src/actors/registry/SessionJournal.ts",
    find: "    } catch {\n      return undefined\n    }",
    replace: "    } finally {\n    }",
    tests: [journal]
  },
  {
    wrong: "statistics of all users are read where one user's are asked for",
    file: "src/domain/storage/sql/StatisticsSql.ts",
    find: 'if (userId !== undefined) conditions.push(sql`s."userId" = ${uuid(userId)}`)',
    replace: "if (userId !== undefined) uuid(userId)",
    tests: [statistics]
  },
  {
    wrong: "one user's tools make counts without end",
    file: cells,
    find: "user.names >= mostNames &&",
    replace: "user.names < 0 &&",
    tests: [hourly]
  },
  {
    wrong: "one user's counts fill the room of all while the database is away",
    file: cells,
    find: "if (!this.#room.take(userId)) return undefined",
    replace: "this.#room.take(userId)",
    tests: [hourly]
  },
  {
    wrong: "a tool that a client has made up is counted under its name",
    file: "src/actors/session/SessionRequests.ts",
    find: 'if (open.target.kind !== "server" || catalog.lists(route)) call.record.tool = route.name',
    replace: "call.record.tool = route.name",
    tests: ["test/http/mcp/calls/HourlyStatistics.test.ts"]
  }
]

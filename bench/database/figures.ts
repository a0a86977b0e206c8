/**
 * `bench:database [rows]`: what the database costs the hub's thread, with a million rows in the audit log or as many as are
 * given; on PostgreSQL where `DATABASE_URL` names an empty database.
 */
import { Effect, Fiber, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import * as Database from "../../src/cli/database/Database.ts"
import { databaseFile } from "../../src/cli/database/SqliteFile.ts"
import { Credentials } from "../../src/domain/identity/Credentials.ts"
import { HubKeys } from "../../src/domain/identity/HubKeys.ts"
import { Users } from "../../src/domain/identity/Users.ts"
import { UserId } from "../../src/domain/Ids.ts"
import { AuditLog, millisPerDay } from "../../src/domain/records/AuditLog.ts"
import { SessionStore } from "../../src/domain/records/SessionStore.ts"
import { Telemetry } from "../../src/domain/Telemetry.ts"
import * as Migrations from "../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../src/domain/storage/Repositories.ts"
import { cost, type Cost, isPerThread, longestStall } from "./Measures.ts"
import { echo } from "./Echo.ts"
import { auditRows, session } from "./Workload.ts"

const rows = Number(process.argv[2] ?? 1_000_000)
const url = process.env["DATABASE_URL"]
const folder = mkdtempSync(join(tmpdir(), "mcphub-bench-"))

const batch = 200
const filling = 2_000
const days = 30
/** Sessions that clients open while one is being written go together, see `SessionJournal`. */
const together = 8

const say = (name: string, value: string) => process.stdout.write(`${name.padEnd(44)}${value}\n`)
const micros = ({ answer, thread }: Cost, share = 1) =>
  `${(thread / share).toFixed(1)} µs of the thread, ${(answer / share).toFixed(1)} µs until the answer`
const millis = (value: number) => `${value.toFixed(1)} ms`

const now = Date.now()

const fill = Effect.gen(function* () {
  const log = yield* AuditLog
  const begun = performance.now()
  for (let written = 0; written < rows; written += filling) {
    yield* log.append(auditRows(now - days * millisPerDay * (1 - written / rows), filling))
  }
  say("rows in the audit log", `${rows}, written in ${millis(performance.now() - begun)}`)
})

/** Look-ups while something else runs; the longest of them in milliseconds. */
const lookUpsDuring = Effect.fnUntraced(function* <E, R>(
  lookUp: Effect.Effect<unknown, unknown>,
  other: Effect.Effect<unknown, E, R>
) {
  let isRunning = true
  const begun = performance.now()
  const fiber = yield* other.pipe(
    Effect.ensuring(Effect.sync(() => (isRunning = false))),
    Effect.forkChild({ startImmediately: true })
  )
  let [longest, count] = [0, 0]
  while (isRunning) {
    const asked = performance.now()
    yield* Effect.ignore(lookUp)
    longest = Math.max(longest, performance.now() - asked)
    count++
    yield* Effect.sleep("1 millis")
  }
  const took = performance.now() - begun
  yield* Fiber.join(fiber)
  return `${millis(longest)} at most of ${count}, in ${millis(took)}`
})

const measured = Effect.gen(function* () {
  const [users, keys, log, sessions] = [yield* Users, yield* HubKeys, yield* AuditLog, yield* SessionStore]
  const ada = yield* users.add({ username: "ada" })
  const { key, row } = yield* keys.create({ userId: ada.id })
  yield* fill
  if (url === undefined) say("size of the file", `${(statSync(databaseFile(folder)).size / 2 ** 20).toFixed(0)} MiB`)
  const message = yield* echo(folder)
  say("a message to a thread and back", micros(yield* cost(message("echo"), 2_000)))
  say("the same once two pages are on the disk", micros(yield* cost(message("sync"), 200)))
  const lookUp = keys.principal(key)
  const opened = Array.from({ length: 9_000 }, () => session(ada.id, row.id)).values()
  const owner = randomUUID()
  // Made before, so that their making is not measured; each batch is written once.
  const batches = Array.from({ length: 400 }, (_, place) => auditRows(now + place * batch, batch)).values()
  const append = Effect.suspend(() => log.append(batches.next().value!))
  say("a row of the audit log, in batches of 200", micros(yield* cost(append, 20), batch))
  const save = (together: number) => Effect.suspend(() => sessions.save(owner, Array.from(opened.take(together))))
  say("a session written", micros(yield* cost(save(1), 1_000)))
  say(`one of ${together} sessions opened at once`, micros(yield* cost(save(together), 50), together))
  say("a key looked up", micros(yield* cost(lookUp, 1_000)))
  const uses = Array.from({ length: 50 }, () => ({ keyId: row.id, count: 1, lastUsedAt: Date.now() }))
  say("fifty uses of keys", micros(yield* cost(keys.recordUse(uses), 50)))
  const paced = Effect.repeat(Effect.andThen(append, Effect.sleep("20 millis")), { times: 50 })
  say("longest stall, idle", millis(yield* longestStall(Effect.sleep("1 second"))))
  say("longest stall while audit rows are written", millis(yield* longestStall(paced)))
  say("look-ups, idle", yield* lookUpsDuring(lookUp, Effect.sleep("1 second")))
  const nobody = UserId.make(randomUUID())
  say(
    "look-ups during a filter that finds nothing",
    yield* lookUpsDuring(lookUp, log.find({ userId: nobody, limit: 100 }))
  )
  say("look-ups while audit rows are written", yield* lookUpsDuring(lookUp, paced))
  say("look-ups while three days are removed", yield* lookUpsDuring(lookUp, log.retain(now, days - 3)))
})

const database = url === undefined ? Database.layerEmbedded(folder) : Database.layerPostgres(Redacted.make(url))

say(
  "runtime",
  process.versions["deno"] === undefined ? `Node ${process.versions.node}` : `Deno ${process.versions["deno"]}`
)
say("the thread's time is", isPerThread ? "its own" : "the whole process's, as Deno knows no other")
await Effect.runPromise(
  Effect.scoped(measured).pipe(
    Effect.provide(
      Repositories.layerRepositories.pipe(
        Layer.provide(Credentials.layer(Redacted.make("a credential key to measure with"))),
        Layer.provideMerge(Migrations.layer),
        Layer.provideMerge(database),
        // As a hub has it: spans of libraries are never made.
        Layer.provideMerge(Telemetry.layerOff)
      )
    ),
    Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
  )
)

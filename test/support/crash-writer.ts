/**
 * A process that writes audit rows into the embedded database of the folder it is given, until it is killed: after each
 * batch that the database has acknowledged it prints the batch's number. The rows of a batch carry it as their server.
 */
import { Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { writeSync } from "node:fs"
import process from "node:process"
import * as Database from "../../src/cli/database/Database.ts"
import { SessionId, UserId } from "../../src/domain/Ids.ts"
import { AuditLog } from "../../src/domain/records/AuditLog.ts"
import * as Migrations from "../../src/domain/storage/migrations/Migrations.ts"
import * as AuditLogSql from "../../src/domain/storage/sql/AuditLogSql.ts"
import { batchSize } from "./Crashes.ts"

const [dataDir, from] = process.argv.slice(2)

const batch = (number: number) =>
  Array.from({ length: batchSize }, () => ({
    id: `user-${randomUUID()}`,
    time: Date.now(),
    kind: "request" as const,
    userId: UserId.make(randomUUID()),
    username: "ada",
    keyId: randomUUID(),
    sessionId: SessionId.make(randomUUID()),
    server: String(number),
    method: "tools/call",
    target: "files-read",
    outcome: "completed" as const,
    durationMs: 1.5,
    errorCode: null,
    errorKind: null,
    origin: null
  }))

await Effect.runPromise(
  Effect.gen(function* () {
    const log = yield* AuditLog
    for (let number = Number(from); ; number++) {
      yield* log.append(batch(number))
      writeSync(1, `${number}\n`)
    }
  }).pipe(
    Effect.provide(
      AuditLogSql.layer.pipe(Layer.provideMerge(Migrations.layer), Layer.provideMerge(Database.layerEmbedded(dataDir!)))
    )
  )
)

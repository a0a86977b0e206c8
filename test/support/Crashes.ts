/** Kills a process that writes into the embedded database, and looks at what it has left. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { join } from "node:path"
import process from "node:process"
import * as Database from "../../src/cli/database/Database.ts"
import { dialectOf } from "../../src/domain/storage/sql/Dialect.ts"

/** Rows of a batch, which is written as a whole. */
export const batchSize = 50

const program = join(import.meta.dirname!, "crash-writer.ts")
const prefix = "Deno" in globalThis ? ["run", "-A", "--quiet", program] : [program]

/** Runs the writer from this batch on until it has acknowledged so many, and kills it; the last batch it acknowledged. */
export const writeAndKill = (dataDir: string, from: number, batches: number): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const child = spawn(process.execPath, [...prefix, dataDir, String(from)], { stdio: ["ignore", "pipe", "inherit"] })
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text
      if (printed.split("\n").length > batches) child.kill("SIGKILL")
    })
    child.once("close", () => resume(Effect.succeed(Number(printed.trimEnd().split("\n").at(-1)))))
  })

export interface Left {
  /** The number after that of the last batch that was written, heard or unheard. */
  readonly next: number
  /** Acknowledged batches without rows, and batches without all of them. */
  readonly missing: ReadonlyArray<number>
  readonly torn: ReadonlyArray<number>
  readonly damage: ReadonlyArray<string>
}

/** Opens the database as the next hub does. */
export const inspect = (dataDir: string, acknowledged: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly batch: number; readonly rows: number }>`
      select cast("server" as integer) as "batch", count(*) as "rows" from "audit_log" group by 1`
    const found = new Map(rows.map((row) => [row.batch, row.rows]))
    const left: Left = {
      next: Math.max(...found.keys()) + 1,
      missing: Array.from({ length: acknowledged + 1 }, (_, batch) => batch).filter((batch) => !found.has(batch)),
      torn: rows.filter((row) => row.rows !== batchSize).map((row) => row.batch),
      damage: yield* dialectOf(sql).damage(sql)
    }
    return left
  }).pipe(Effect.provide(Layer.fresh(Database.layerEmbedded(dataDir)), { local: true }))

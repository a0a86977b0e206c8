/**
 * A real PostgreSQL server for tests: `TEST_DATABASE_URL` when given, otherwise one started for the test file.
 *
 * `MCPHUB_TEST_POSTGRES` says what to do about missing binaries: `required` fails, `off` leaves the PostgreSQL part
 * out; by default it runs when `initdb` is on the PATH. Each `database` is new and empty.
 */
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { accessSync, chownSync, constants, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

const onPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** Whether tests on PostgreSQL run here. */
export const hasPostgres: boolean = (() => {
  const wish = process.env["MCPHUB_TEST_POSTGRES"]
  if (wish === "off") return false
  return wish === "required" || process.env["TEST_DATABASE_URL"] !== undefined || onPath("initdb") !== undefined
})()

/** PostgreSQL refuses to run as root: then it runs as whatever ordinary user the machine has. */
const ordinaryUser = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) => Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }))
      return { uid: id("-u"), gid: id("-g") }
    } catch {
      // No such user.
    }
  }
  throw new Error("PostgreSQL does not run as root and there is neither a user postgres nor nobody")
}

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const exited = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** Debian and others put links or wrappers on the PATH; the server stands beside the real initdb. */
const binaries = (): Binaries => {
  const initdb = onPath("initdb")
  if (initdb === undefined)
    throw new Error("initdb is not on the PATH; install PostgreSQL or set MCPHUB_TEST_POSTGRES=off")
  const postgres = onPath("postgres")
  return { initdb, postgres: postgres ?? join(realpathSync(initdb), "..", "postgres") }
}

const startServer = Effect.gen(function* () {
  const { initdb, postgres } = binaries()
  const user = ordinaryUser()
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "mcphub-postgres-"))
      if (user !== undefined) chownSync(folder, user.uid, user.gid)
      return folder
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const data = join(folder, "data")
  const options = { cwd: folder, env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" }, ...user }
  execFileSync(initdb, ["-D", data, "-U", "mcphub", "-A", "trust", "-E", "UTF8", "--no-sync"], {
    ...options,
    stdio: ["ignore", "ignore", "pipe"]
  })
  const port = yield* freePort
  // A time zone far from UTC, so that times that depend on the session's zone show.
  const settings = ["fsync=off", "TimeZone=Pacific/Auckland", "unix_socket_directories="].flatMap((set) => ["-c", set])
  const args = ["-D", data, "-h", "127.0.0.1", "-p", String(port), ...settings]
  yield* Effect.acquireRelease(
    Effect.callback<ChildProcess, Error>((resume) => {
      const child = spawn(postgres, args, { ...options, stdio: ["ignore", "ignore", "pipe"] })
      let log = ""
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        log += text
        if (log.includes("ready to accept connections")) resume(Effect.succeed(child))
      })
      child.once("exit", () => resume(Effect.fail(new Error(`PostgreSQL did not start: ${log}`))))
    }),
    (child) =>
      Effect.suspend(() => {
        // SIGQUIT: stop at once, without waiting for clients.
        child.kill("SIGQUIT")
        return exited(child)
      })
  )
  return `postgres://mcphub@127.0.0.1:${port}/postgres`
})

const databaseUrl = (server: string, name: string): Redacted.Redacted<string> => {
  const url = new URL(server)
  url.pathname = `/${name}`
  return Redacted.make(url.href)
}

export class Postgres extends Context.Service<
  Postgres,
  {
    /** A new, empty database, dropped with the scope. */
    readonly database: Effect.Effect<Redacted.Redacted<string>, SqlError.SqlError, Scope.Scope>
    /** Runs an effect with a client of its own on a database. */
    readonly on: <A, E>(
      url: Redacted.Redacted<string>,
      effect: Effect.Effect<A, E, SqlClient.SqlClient>
    ) => Effect.Effect<A, E | SqlError.SqlError>
  }
>()("mcphub/test/Postgres") {
  static readonly layer: Layer.Layer<Postgres> = Layer.effect(
    Postgres,
    Effect.gen(function* () {
      const server = process.env["TEST_DATABASE_URL"] ?? (yield* Effect.orDie(startServer))
      const on = <A, E>(url: Redacted.Redacted<string>, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
        Effect.provide(effect, PgClient.layer({ url, maxConnections: 1 }), { local: true })
      const admin = (statement: string) =>
        on(
          Redacted.make(server),
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement))
        )
      return Postgres.of({
        on,
        database: Effect.acquireRelease(
          Effect.gen(function* () {
            const name = `mcphub_test_${randomUUID().replaceAll("-", "")}`
            yield* admin(`create database "${name}"`)
            return databaseUrl(server, name)
          }),
          (url) =>
            Effect.ignore(
              admin(`drop database if exists "${new URL(Redacted.value(url)).pathname.slice(1)}" with (force)`)
            )
        )
      })
    })
  )
}

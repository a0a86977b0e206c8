/**
 * A real PostgreSQL server for tests: `TEST_DATABASE_URL` when given, otherwise one started for the test file.
 *
 * `MCPHUB_TEST_POSTGRES` says what to do about missing binaries: `required` fails, `off` leaves the PostgreSQL part
 * out; by default it runs when `initdb` is on the PATH. Each `database` is new and empty.
 */
import { PgClient } from "@effect/sql-pg"
import { Context, Deferred, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { execFileSync, spawn } from "node:child_process"
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

/** Whether they can start a server of their own here. */
export const hasOwnPostgres: boolean = hasPostgres && onPath("initdb") !== undefined

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

/** A server that belongs to the tests, so that they may end it. */
export interface OwnServer {
  /** What `pg_ctl stop -m immediate` does: all of it goes at once, and the next start recovers from its log. */
  readonly crash: Effect.Effect<void>
  /** Starts it again, with the same data at the same address. */
  readonly start: Effect.Effect<void>
  /**
   * Starts it with the same data at another address, where nobody looks for it, until the scope is closed: answers with
   * a database's address there.
   */
  readonly elsewhere: Effect.Effect<(url: Redacted.Redacted<string>) => Redacted.Redacted<string>, never, Scope.Scope>
}

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
  let running: { readonly pid: number; readonly gone: Deferred.Deferred<void> } | undefined
  const startOn = (on: number) =>
    Effect.callback<void, Error>((resume) => {
      const args = ["-D", data, "-h", "127.0.0.1", "-p", String(on), ...settings]
      const child = spawn(postgres, args, { ...options, stdio: ["ignore", "ignore", "pipe"] })
      const gone = Deferred.makeUnsafe<void>()
      if (child.pid !== undefined) running = { pid: child.pid, gone }
      let log = ""
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        log += text
        if (log.includes("ready to accept connections")) resume(Effect.void)
      })
      child.once("exit", () => {
        running = undefined
        Deferred.doneUnsafe(gone, Effect.void)
        resume(Effect.fail(new Error(`PostgreSQL did not start: ${log}`)))
      })
    })
  const crash = Effect.suspend(() => {
    if (running === undefined) return Effect.void
    // By pid: Deno's `ChildProcess.kill` says at once that the child has ended, while its data are still locked.
    process.kill(running.pid, "SIGQUIT")
    return Deferred.await(running.gone)
  })
  yield* Effect.acquireRelease(startOn(port), () => crash)
  return {
    url: `postgres://mcphub@127.0.0.1:${port}/postgres`,
    crash,
    start: Effect.orDie(startOn(port)),
    elsewhere: Effect.gen(function* () {
      const other = yield* freePort
      yield* Effect.acquireRelease(Effect.orDie(startOn(other)), () => crash)
      return (url: Redacted.Redacted<string>) => {
        const address = new URL(Redacted.value(url))
        address.port = String(other)
        return Redacted.make(address.href)
      }
    })
  } satisfies OwnServer & { readonly url: string }
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
    /** Undefined when the server was given. */
    readonly own: OwnServer | undefined
  }
>()("mcphub/test/Postgres") {
  static readonly layer: Layer.Layer<Postgres> = Layer.effect(
    Postgres,
    Effect.suspend(() => make(process.env["TEST_DATABASE_URL"]))
  )

  /** Never the server that was given: for tests that end it. */
  static readonly layerOwn: Layer.Layer<Postgres> = Layer.effect(
    Postgres,
    Effect.suspend(() => make(undefined))
  )
}

const make = Effect.fnUntraced(function* (given: string | undefined) {
  const own = given === undefined ? yield* Effect.orDie(startServer) : undefined
  const server = given ?? own!.url
  const on = <A, E>(url: Redacted.Redacted<string>, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.provide(effect, PgClient.layer({ url, maxConnections: 1 }), { local: true })
  const admin = (statement: string) =>
    on(
      Redacted.make(server),
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement))
    )
  return Postgres.of({
    on,
    own,
    database: Effect.acquireRelease(
      Effect.gen(function* () {
        const name = `mcphub_test_${randomUUID().replaceAll("-", "")}`
        yield* admin(`create database "${name}"`)
        return databaseUrl(server, name)
      }),
      (url) =>
        Effect.ignore(admin(`drop database if exists "${new URL(Redacted.value(url)).pathname.slice(1)}" with (force)`))
    )
  })
})

/**
 * The connection to a SQLite file beyond the life of its thread. A thread that ends by itself, which only a defect of the
 * runtime or a want of memory brings about, is logged and replaced with the next statement; where they end again and again
 * there are pauses, in which statements fail at once. A transaction belongs to the thread it began in and fails with it.
 */
import { Clock, Effect, Exit, Scope } from "effect"
import type { SqlError } from "effect/sql"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as FileIdentity from "./FileIdentity.ts"
import { connectionFailed, openConnection, type SqliteConnection } from "./SqliteConnection.ts"
import type { OpenConnection } from "./SqliteMessages.ts"

const shortestPause = 100
const longestPause = 10_000
/** A thread that has lived for so many milliseconds is no part of a series. */
const longLife = 60_000

/** The connection at the moment. Whoever asks does so one after another (`SqliteClient`). */
export const make = Effect.fnUntraced(function* (options: OpenConnection) {
  const { file } = options
  const scope = yield* Effect.scope
  const now = monotonicMillis(yield* Clock.Clock)
  let problem: (() => FileIdentity.FileProblem | undefined) | undefined
  let current:
    | { readonly connection: SqliteConnection; readonly scope: Scope.Closeable; readonly since: number }
    | undefined
  const services = yield* Effect.context<never>()
  /** Of threads that have lived briefly, one after another. */
  let deaths = 0
  let notBefore = 0

  const open = Effect.gen(function* () {
    const own = yield* Scope.fork(scope)
    const connection = yield* openConnection(options).pipe(
      Scope.provide(own),
      Effect.onError(() => Scope.close(own, Exit.void))
    )
    problem ??= FileIdentity.since(file)
    current = { connection, scope: own, since: now() }
    return connection
  })

  /** The thread of before has ended. */
  const again = Effect.fnUntraced(function* (before: NonNullable<typeof current>) {
    current = undefined
    yield* Scope.close(before.scope, Exit.void)
    deaths = now() - before.since >= longLife ? 1 : deaths + 1
    const pause = deaths === 1 ? 0 : Math.min(longestPause, shortestPause * 2 ** (deaths - 2))
    notBefore = now() + pause
    yield* Effect.logError("The thread of the database has ended by itself; another one takes its place").pipe(
      Effect.annotateLogs({ file, pauseMs: pause }),
      Effect.provideContext(services)
    )
  })

  return Effect.uninterruptible(
    Effect.gen(function* (): Effect.fn.Return<SqliteConnection, SqlError.SqlError> {
      if (current?.connection.isOpen() === true) return current.connection
      if (current !== undefined) yield* again(current)
      if (now() < notBefore)
        return yield* connectionFailed(
          file,
          "The thread of the database has ended again; another one is started in a moment"
        )
      // To open a file that is not there would make an empty one.
      const found = problem?.()
      if (found !== undefined) return yield* connectionFailed(file, `${file} was ${found} while the hub runs`)
      return yield* open
    })
  )
})

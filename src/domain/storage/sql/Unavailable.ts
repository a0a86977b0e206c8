/**
 * The failure of a statement as the domain knows it: a database that cannot answer is an expected failure, any other one
 * is a defect.
 */
import { Cause, Effect } from "effect"
import { SqlError } from "effect/sql"
import { DatabaseUnavailable } from "../../identity/IdentityErrors.ts"
import { DatabaseDamaged, damageIn } from "./Damaged.ts"
import { diskFullIn } from "./DiskFull.ts"

/**
 * SQLSTATEs of a server that is going away, starting, full, failed over, or not migrated yet because it was down when
 * the hub started: the same statement may succeed later.
 */
const passing = /^(?:08|57P0|53|25006|55P03|57014|40|42P01|3F000)/

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""

const canPass = ({ reason }: SqlError.SqlError): boolean =>
  reason.isRetryable || reason._tag === "AuthenticationError" || passing.test(codeOf(reason.cause))

/** A connection lost within a transaction fails its rollback too, and the library makes defects of both. */
const sqlErrorsIn = (cause: Cause.Cause<unknown>): ReadonlyArray<SqlError.SqlError> =>
  cause.reasons.flatMap((reason) => {
    const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
    return SqlError.isSqlError(error) ? [error] : []
  })

/** The driver's detail is left out of a defect, since it may quote a row. */
export const orUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseUnavailable, R> =>
  Effect.catchCause(effect, (cause): Effect.Effect<never, Exclude<E, SqlError.SqlError> | DatabaseUnavailable> => {
    const errors = sqlErrorsIn(cause)
    const [first] = errors
    const isExpected = cause.reasons.some((reason) => Cause.isFailReason(reason) && !SqlError.isSqlError(reason.error))
    if (first === undefined || isExpected) return Effect.failCause(cause as Cause.Cause<Exclude<E, SqlError.SqlError>>)
    const full = errors.map(diskFullIn).find((found) => found !== undefined)
    if (full !== undefined) return Effect.fail(new DatabaseUnavailable({ message: full, isFull: true }))
    if (errors.some(canPass)) {
      return Effect.fail(
        new DatabaseUnavailable({
          message:
            "The database does not answer; check DATABASE_URL and the server, or without it the data folder and its disk"
        })
      )
    }
    const damage = errors.map(damageIn).find((found) => found !== undefined)
    if (damage !== undefined) return Effect.die(new DatabaseDamaged(damage))
    const { reason } = first
    return Effect.die(
      new Error(`A statement failed: ${reason._tag} ${codeOf(reason.cause)} ${reason.message ?? ""}`.trimEnd())
    )
  })

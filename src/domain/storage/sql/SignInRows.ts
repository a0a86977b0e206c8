/** Rows of sign-in that go with their user, or with what lets the user in. */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { UserId } from "../../Ids.ts"
import { dialectOf } from "./Dialect.ts"

export interface SignInRows {
  /** Sign-ins and one-time codes of a user who may not come in any more. */
  readonly shutOut: (userId: UserId) => Effect.Effect<void, SqlError.SqlError>
  /** The role beside that of an admin. */
  readonly removeRole: (userId: UserId) => Effect.Effect<void, SqlError.SqlError>
  /** These, and whatever else is known of a user who is removed. */
  readonly removeAll: (userId: UserId) => Effect.Effect<void, SqlError.SqlError>
}

export const make = (sql: SqlClient.SqlClient): SignInRows => {
  const { own, uuid } = dialectOf(sql)
  const remove = (tables: ReadonlyArray<string>) => (userId: UserId) =>
    Effect.forEach(tables, (table) => sql`delete from ${own(table)} where "userId" = ${uuid(userId)}`, {
      discard: true
    })
  return {
    shutOut: remove(["sign_ins", "sign_in_codes"]),
    removeRole: remove(["user_roles"]),
    removeAll: remove(["sign_ins", "sign_in_codes", "user_roles", "external_users"])
  }
}

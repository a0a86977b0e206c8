/**
 * The client for reads that may take long, so that they hold up nothing else: a connection of its own where the other one
 * serves everything else, as on SQLite; undefined where every statement has its connection.
 */
import { Context } from "effect"
import type { SqlClient } from "effect/sql"

export const LongReads = Context.Reference<SqlClient.SqlClient | undefined>("mcphub/domain/storage/sql/LongReads", {
  defaultValue: () => undefined
})

/** A reason why what the database keeps will not be there later, though it answers; undefined where there is none. */
import { Context, Effect } from "effect"

export const StorageCheck = Context.Reference<Effect.Effect<string | undefined>>(
  "mcphub/domain/storage/sql/StorageCheck",
  { defaultValue: () => Effect.succeed(undefined) }
)

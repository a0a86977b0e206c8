/** The rows that statements about MCPHub keys return. */
import { Schema } from "effect"
import { HubKey } from "../../identity/HubKey.ts"
import { GroupId, KeyId, UserId } from "../../Ids.ts"
import { Flag, Json, rowsOf, Servers } from "./Rows.ts"

const Grants = Schema.Array(
  Schema.Struct({
    id: GroupId,
    name: Schema.NullOr(Schema.String),
    isActive: Flag,
    servers: Servers,
    tools: Schema.NullOr(Schema.Array(Schema.String))
  })
)

/** What may stand in the column: an old hub checks nothing. */
const Tokens = Schema.NullOr(Json(Schema.Unknown))
const Names = Schema.NullOr(Json(Schema.Array(Schema.String)))

export const storedKeys = rowsOf(
  "key",
  Schema.Struct({ ...HubKey.fields, isActive: Flag, tokenNames: Names, userTokenNames: Names })
)
export const keysWithTokens = rowsOf("key", Schema.Struct({ id: KeyId, userId: UserId, tokens: Tokens }))
export const namesOfTokens = rowsOf("key", Schema.Struct({ tokenNames: Names }))
export const namesOfUser = rowsOf("user", Schema.Struct({ tokenNames: Names }))
export const values = rowsOf("key", Schema.Struct({ value: Schema.String }))
export const ids = rowsOf("key", Schema.Struct({ keyId: KeyId }))
export const principals = rowsOf(
  "key",
  Schema.Struct({
    userId: UserId,
    username: Schema.String,
    isAdmin: Flag,
    keyId: KeyId,
    keyName: Schema.String,
    expiresAt: Schema.Number,
    tokens: Tokens,
    userTokens: Tokens,
    groups: Json(Grants)
  })
)

/**
 * Stored sessions in `mcphub_hub.sessions`. Every method is one statement, whatever the number of sessions.
 */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { KeyId, SessionId, UserId } from "../../Ids.ts"
import { dialectOf } from "./Dialect.ts"
import { Flag, rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"
import { parseJson } from "../../protocol/json/JsonText.ts"
import { type Claim, SessionStore, type StoredClient, type StoredSession } from "../../records/SessionStore.ts"

const Row = Schema.Struct({
  digest: Schema.String,
  sessionId: SessionId,
  userId: UserId,
  keyId: KeyId,
  target: Schema.String,
  protocolVersion: Schema.String,
  client: Schema.String,
  adopted: Flag,
  createdAt: Schema.Number,
  lastActiveAt: Schema.Number,
  isEnded: Flag
})

const stored = rowsOf("session", Row)
const digestsOf = rowsOf("session", Schema.Struct({ digest: Schema.String }))

const toSession = ({ client, isEnded: _ended, ...row }: typeof Row.Type): StoredSession => ({
  ...row,
  client: parseJson(client) as StoredClient
})

const columns = {
  digest: "text",
  sessionId: "uuid",
  userId: "uuid",
  keyId: "uuid",
  target: "text",
  protocolVersion: "text",
  client: "text",
  adopted: "boolean",
  createdAt: "time",
  lastActiveAt: "time"
} as const

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { instant, instantOf, isOneOf, millis, own, rows, time, uuid } = dialectOf(sql)
  const table = own("sessions")

  return SessionStore.of({
    save: Effect.fnUntraced(function* (owner, sessions) {
      if (sessions.length === 0) return []
      const given = sessions.map((session) => ({ ...session, client: JSON.stringify(session.client) }))
      const saved = yield* digestsOf(sql`
        insert into ${table} as known ("digest", "owner", "sessionId", "userId", "keyId", "target", "protocolVersion",
          "client", "adopted", "createdAt", "lastActiveAt")
        select "digest", ${uuid(owner)}, "sessionId", "userId", "keyId", "target", "protocolVersion", "client",
          "adopted", ${instantOf(`"createdAt"`)}, ${instantOf(`"lastActiveAt"`)}
        from ${rows("given", given, columns)} where true
        on conflict ("digest") do update set "sessionId" = excluded."sessionId",
          "protocolVersion" = excluded."protocolVersion", "client" = excluded."client",
          "createdAt" = excluded."createdAt", "lastActiveAt" = excluded."lastActiveAt"
        where known."owner" = excluded."owner" and known."endedAt" is null
        returning "digest"`)
      const ours = new Set(saved.map(({ digest }) => digest))
      return sessions.flatMap(({ digest }) => (ours.has(digest) ? [] : [digest]))
    }, orUnavailable),

    claim: Effect.fn("SessionStore.claim")(function* (
      owner,
      digest,
      activeSince
    ): Effect.fn.Return<Claim, SqlError.SqlError> {
      const [row] = yield* stored(sql`
        update ${table} set "owner" = case when "endedAt" is null then ${uuid(owner)} else "owner" end
        where "digest" = ${digest}
        returning "digest", cast("sessionId" as text) as "sessionId", cast("userId" as text) as "userId",
          cast("keyId" as text) as "keyId", "target", "protocolVersion", "client", "adopted",
          ${millis(`"createdAt"`)} as "createdAt", ${millis(`"lastActiveAt"`)} as "lastActiveAt",
          "endedAt" is not null as "isEnded"`)
      if (row === undefined) return { kind: "unknown" }
      if (row.isEnded) return { kind: "ended" }
      return row.lastActiveAt < activeSince ? { kind: "unknown" } : { kind: "found", session: toSession(row) }
    }, orUnavailable),

    end: Effect.fn("SessionStore.end")(function* (digests) {
      if (digests.length === 0) return
      const now = yield* Clock.currentTimeMillis
      yield* sql`
        update ${table} set "endedAt" = ${instant(now)}, "client" = '{}'
        where "endedAt" is null and ${isOneOf(`"digest"`, digests)}`
    }, orUnavailable),

    disowned: Effect.fn("SessionStore.disowned")(function* (owner, digests) {
      if (digests.length === 0) return []
      const gone = yield* digestsOf(sql`
        select "digest" from ${table}
        where ${isOneOf(`"digest"`, digests)} and ("owner" <> ${uuid(owner)} or "endedAt" is not null)`)
      return gone.map(({ digest }) => digest)
    }, orUnavailable),

    forget: Effect.fn("SessionStore.forget")(function* (owner, digests) {
      if (digests.length === 0) return
      yield* sql`delete from ${table} where "owner" = ${uuid(owner)} and ${isOneOf(`"digest"`, digests)}`
    }, orUnavailable),

    sweep: Effect.fn("SessionStore.sweep")(function* ({ activeSince, endedSince, limit }) {
      const now = yield* Clock.currentTimeMillis
      const swept = yield* sql`
        delete from ${table} where "digest" in (
          select s."digest" from ${table} as s
          where s."endedAt" < ${instant(endedSince)} or (s."endedAt" is null and (
            s."lastActiveAt" < ${instant(activeSince)} or not exists (
              select 1 from "mcphub_keys" as k join "users" as u on u."id" = k."userId"
              where k."id" = s."keyId" and k."isActive" and u."isActive"
                and k."expiresAt" > ${time(now)})))
          limit ${limit})
        returning "digest"`
      return swept.length
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<SessionStore, never, SqlClient.SqlClient> = Layer.effect(SessionStore, make)

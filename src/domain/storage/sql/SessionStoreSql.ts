/**
 * Stored sessions in `mcphub_hub.sessions`. Every method is one statement, whatever the number of sessions.
 */
import { Clock, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { KeyId, SessionId, UserId } from "../../Ids.ts"
import { jsonb, millis, orUnavailable, texts } from "./LegacyColumns.ts"
import { parseJson } from "../../protocol/json/JsonText.ts"
import { type Claim, SessionStore, type StoredClient, type StoredSession } from "../../records/SessionStore.ts"

interface Row extends Omit<StoredSession, "client" | "sessionId" | "userId" | "keyId"> {
  readonly sessionId: SessionId
  readonly userId: UserId
  readonly keyId: KeyId
  readonly client: string
  readonly isEnded: boolean
}

const toSession = ({ client, isEnded: _ended, ...row }: Row): StoredSession => ({
  ...row,
  client: parseJson(client) as StoredClient
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = sql`"mcphub_hub"."sessions"`
  const instant = (ms: number) => sql`to_timestamp(${ms}::float8 / 1000)`

  return SessionStore.of({
    save: Effect.fn("SessionStore.save")(function* (owner, sessions) {
      if (sessions.length === 0) return []
      const rows = sessions.map((session) => ({ ...session, client: JSON.stringify(session.client) }))
      const saved = yield* sql<{ readonly digest: string }>`
        insert into ${table} as known ("digest", "owner", "sessionId", "userId", "keyId", "target", "protocolVersion",
          "client", "adopted", "createdAt", "lastActiveAt")
        select "digest", ${owner}::uuid, "sessionId", "userId", "keyId", "target", "protocolVersion", "client",
          "adopted", to_timestamp("createdAt" / 1000), to_timestamp("lastActiveAt" / 1000)
        from jsonb_to_recordset(${jsonb(sql, rows)}) as given("digest" text, "sessionId" uuid, "userId" uuid,
          "keyId" uuid, "target" text, "protocolVersion" text, "client" text, "adopted" boolean, "createdAt" float8,
          "lastActiveAt" float8)
        on conflict ("digest") do update set "sessionId" = excluded."sessionId",
          "protocolVersion" = excluded."protocolVersion", "client" = excluded."client",
          "createdAt" = excluded."createdAt", "lastActiveAt" = excluded."lastActiveAt"
        where known."owner" = excluded."owner" and known."endedAt" is null
        returning "digest"`
      const own = new Set(saved.map(({ digest }) => digest))
      return sessions.flatMap(({ digest }) => (own.has(digest) ? [] : [digest]))
    }, orUnavailable),

    claim: Effect.fn("SessionStore.claim")(function* (
      owner,
      digest,
      activeSince
    ): Effect.fn.Return<Claim, SqlError.SqlError> {
      const rows = yield* sql<Row>`
        update ${table} set "owner" = case when "endedAt" is null then ${owner}::uuid else "owner" end
        where "digest" = ${digest}
        returning "digest", "sessionId"::text as "sessionId", "userId"::text as "userId", "keyId"::text as "keyId",
          "target", "protocolVersion", "client", "adopted", ${millis(sql, `"createdAt"`)} as "createdAt",
          ${millis(sql, `"lastActiveAt"`)} as "lastActiveAt", "endedAt" is not null as "isEnded"`
      const [row] = rows
      if (row === undefined) return { kind: "unknown" }
      if (row.isEnded) return { kind: "ended" }
      return row.lastActiveAt < activeSince ? { kind: "unknown" } : { kind: "found", session: toSession(row) }
    }, orUnavailable),

    end: Effect.fn("SessionStore.end")(function* (digests) {
      if (digests.length === 0) return
      const now = yield* Clock.currentTimeMillis
      yield* sql`
        update ${table} set "endedAt" = ${instant(now)}, "client" = '{}'
        where "endedAt" is null and "digest" = any(${texts(sql, digests)})`
    }, orUnavailable),

    disowned: Effect.fn("SessionStore.disowned")(function* (owner, digests) {
      if (digests.length === 0) return []
      const rows = yield* sql<{ readonly digest: string }>`
        select "digest" from ${table}
        where "digest" = any(${texts(sql, digests)})
          and ("owner" <> ${owner}::uuid or "endedAt" is not null)`
      return rows.map(({ digest }) => digest)
    }, orUnavailable),

    forget: Effect.fn("SessionStore.forget")(function* (owner, digests) {
      if (digests.length === 0) return
      yield* sql`
        delete from ${table} where "owner" = ${owner}::uuid
          and "digest" = any(${texts(sql, digests)})`
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
                and k."expiresAt" > (${instant(now)} at time zone 'UTC'))))
          limit ${limit})
        returning "digest"`
      return swept.length
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<SessionStore, never, SqlClient.SqlClient> = Layer.effect(SessionStore, make)

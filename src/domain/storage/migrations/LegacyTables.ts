/**
 * The tables of the old hub, made where they do not exist yet and never altered where they do.
 *
 * On PostgreSQL column names, types and defaults are those of an existing user's database, so that both hubs can use
 * either; only the default of ids differs (`gen_random_uuid()` needs no extension). Times are UTC. On SQLite, which the
 * old hub does not know, there are only the tables that this hub uses.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

const postgresTimes = `
  "createdAt" timestamp without time zone not null default (now() at time zone 'UTC'),
  "updatedAt" timestamp without time zone not null default (now() at time zone 'UTC')`

/** What differs in the tables of both; lookups that the old hub did without have indexes only on SQLite. */
const postgres = {
  id: `"id" uuid primary key default gen_random_uuid()`,
  servers: "text[] not null default '{}'",
  times: postgresTimes,
  others: [
    `do $$ begin
    if to_regclass('"mcp_servers"') is null and to_regtype('"mcp_servers_type_enum"') is null then
      create type "mcp_servers_type_enum" as enum ('stdio', 'streamable-http', 'sse');
    end if;
  end $$`,
    `create table if not exists "mcp_servers" (
    "id" serial primary key,
    "name" varchar(100) not null unique,
    "displayName" varchar(200) not null,
    "description" text,
    "type" "mcp_servers_type_enum" not null,
    "command" varchar(200),
    "args" jsonb,
    "url" varchar(500),
    "headers" jsonb,
    "enabled" boolean not null default true,
    "groupName" varchar(100),
    "sortOrder" integer not null default 0,
    "isBuiltIn" boolean not null default false,
    ${postgresTimes}
  )`,
    `create table if not exists "mcp_server_env_vars" (
    "id" serial primary key,
    "serverId" integer not null references "mcp_servers" ("id") on delete cascade,
    "varName" varchar(100) not null,
    "displayName" varchar(200) not null,
    "description" text,
    "required" boolean not null default true,
    "isSecret" boolean not null default true,
    "defaultValue" text,
    "validationRegex" varchar(200),
    "sortOrder" integer not null default 0,
    ${postgresTimes}
  )`,
    `create table if not exists "user_api_keys" (
    "id" serial primary key,
    "userId" integer not null,
    "serverId" integer not null references "mcp_servers" ("id") on delete cascade,
    "varName" varchar(100) not null,
    "encryptedValue" text not null,
    ${postgresTimes},
    unique ("userId", "serverId", "varName")
  )`,
    `create table if not exists "vector_embeddings" (
    "id" uuid primary key default gen_random_uuid(),
    "content_type" varchar not null,
    "content_id" varchar not null,
    "text_content" text not null,
    "metadata" text,
    "embedding" float[],
    "dimensions" integer not null,
    "model" varchar not null,
    "created_at" timestamp without time zone not null default (now() at time zone 'UTC'),
    "updated_at" timestamp without time zone not null default (now() at time zone 'UTC')
  )`
  ]
}

const sqlite = {
  id: `"id" text primary key`,
  servers: "text not null",
  times: `"createdAt" integer not null, "updatedAt" integer not null`,
  others: [
    `create index "mcphub_keys_userId" on "mcphub_keys" ("userId")`,
    `create index "user_groups_userId" on "user_groups" ("userId")`,
    `create index "user_tokens_userId" on "user_tokens" ("userId")`,
    // Counts the changes that `KeyEvents` announce, so that other processes see that there were some.
    `create table "key_changes" ("count" integer not null) strict`,
    `insert into "key_changes" ("count") values (0)`
  ]
}

export const legacyTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { strict, types } = dialectOf(sql)
  const form = sql.onDialectOrElse({ sqlite: () => sqlite, orElse: () => postgres })
  const id = sql.literal(form.id)
  const times = sql.literal(form.times)
  yield* sql`create table if not exists "users" (
    ${id},
    "githubId" ${types.text(50)} unique,
    "githubUsername" ${types.text(100)} unique,
    "username" ${types.text(100)} unique,
    "password" ${types.text(255)},
    "email" ${types.text(255)},
    "avatarUrl" ${types.text(500)},
    "displayName" ${types.text(200)},
    "githubProfileUrl" ${types.text(500)},
    "isAdmin" ${types.boolean} not null default false,
    "isActive" ${types.boolean} not null default true,
    "lastLoginAt" ${types.time},
    ${times}
  ) ${strict}`
  yield* sql`create table if not exists "mcphub_keys" (
    ${id},
    "keyValue" ${types.text(100)} not null unique,
    "name" ${types.text(100)} not null,
    "description" text,
    "userId" ${types.uuid} not null references "users" ("id"),
    "isActive" ${types.boolean} not null default true,
    "expiresAt" ${types.time} not null,
    "lastUsedAt" ${types.time},
    "usageCount" integer not null default 0,
    "serviceTokens" ${types.json},
    ${times}
  ) ${strict}`
  yield* sql`create table if not exists "user_groups" (
    ${id},
    "name" ${types.text(255)},
    "description" text,
    "servers" ${sql.literal(form.servers)},
    "isActive" ${types.boolean} not null default true,
    "userId" ${types.uuid} not null references "users" ("id") on delete cascade,
    ${times}
  ) ${strict}`
  yield* sql`create table if not exists "user_tokens" (
    ${id},
    "userId" ${types.uuid} not null references "users" ("id"),
    "tokenType" ${types.text(50)} not null,
    "encryptedToken" text not null,
    "tokenName" ${types.text(100)},
    "isActive" ${types.boolean} not null default true,
    ${times},
    "lastUsed" ${types.time},
    unique ("userId", "tokenType")
  ) ${strict}`
  yield* Effect.forEach(form.others, (statement) => sql.unsafe(statement), { discard: true })
})

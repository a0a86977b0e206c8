/**
 * The tables of the old hub, made where they do not exist yet and never altered where they do.
 *
 * Column names, types and defaults are those of an existing user's database, so that both hubs can use either; only
 * the default of ids differs (`gen_random_uuid()` needs no extension). Times are UTC.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const times = `
  "createdAt" timestamp without time zone not null default (now() at time zone 'UTC'),
  "updatedAt" timestamp without time zone not null default (now() at time zone 'UTC')`

const tables: ReadonlyArray<string> = [
  `create table if not exists "users" (
    "id" uuid primary key default gen_random_uuid(),
    "githubId" varchar(50) unique,
    "githubUsername" varchar(100) unique,
    "username" varchar(100) unique,
    "password" varchar(255),
    "email" varchar(255),
    "avatarUrl" varchar(500),
    "displayName" varchar(200),
    "githubProfileUrl" varchar(500),
    "isAdmin" boolean not null default false,
    "isActive" boolean not null default true,
    "lastLoginAt" timestamp without time zone,
    ${times}
  )`,
  `create table if not exists "mcphub_keys" (
    "id" uuid primary key default gen_random_uuid(),
    "keyValue" varchar(100) not null unique,
    "name" varchar(100) not null,
    "description" text,
    "userId" uuid not null references "users" ("id"),
    "isActive" boolean not null default true,
    "expiresAt" timestamp without time zone not null,
    "lastUsedAt" timestamp without time zone,
    "usageCount" integer not null default 0,
    "serviceTokens" jsonb,
    ${times}
  )`,
  `create table if not exists "user_groups" (
    "id" uuid primary key default gen_random_uuid(),
    "name" varchar(255),
    "description" text,
    "servers" text[] not null default '{}',
    "isActive" boolean not null default true,
    "userId" uuid not null references "users" ("id") on delete cascade,
    ${times}
  )`,
  `create table if not exists "user_tokens" (
    "id" uuid primary key default gen_random_uuid(),
    "userId" uuid not null references "users" ("id"),
    "tokenType" varchar(50) not null,
    "encryptedToken" text not null,
    "tokenName" varchar(100),
    "isActive" boolean not null default true,
    ${times},
    "lastUsed" timestamp without time zone,
    unique ("userId", "tokenType")
  )`,
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
    ${times}
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
    ${times}
  )`,
  `create table if not exists "user_api_keys" (
    "id" serial primary key,
    "userId" integer not null,
    "serverId" integer not null references "mcp_servers" ("id") on delete cascade,
    "varName" varchar(100) not null,
    "encryptedValue" text not null,
    ${times},
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

export const legacyTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // "already exists" notices are expected on an existing database.
  yield* sql`set local client_min_messages = warning`
  yield* Effect.forEach(tables, (table) => sql.unsafe(table), { discard: true })
})

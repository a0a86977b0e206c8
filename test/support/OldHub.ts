/** The database of an old hub, made by its own statements, with what its users have in it. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/domain/Ids.ts"

export const adaId = UserId.make("11111111-1111-4111-8111-111111111111")
export const boId = UserId.make("22222222-2222-4222-8222-222222222222")
export const adaKey = `mcphub_${"ad".repeat(32)}`
export const boKey = `mcphub_${"b0".repeat(32)}`

export type GroupForm = "text" | "text[]"

/** The old hub's own statements, in the given form of `user_groups`. */
export const oldTables = (form: GroupForm): string => `
  create table "users" ("id" uuid primary key default gen_random_uuid(), "githubId" varchar(50) unique,
    "githubUsername" varchar(100) unique, "username" varchar(100) unique, "password" varchar(255), "email" varchar(255),
    "avatarUrl" varchar(500), "displayName" varchar(200), "githubProfileUrl" varchar(500),
    "isAdmin" boolean not null default false, "isActive" boolean not null default true, "lastLoginAt" timestamp,
    "createdAt" timestamp not null default now(), "updatedAt" timestamp not null default now());
  create table "mcphub_keys" ("id" uuid primary key default gen_random_uuid(), "keyValue" varchar(100) not null unique,
    "name" varchar(100) not null, "description" text, "userId" uuid not null references "users" ("id"),
    "isActive" boolean not null default true, "expiresAt" timestamp not null, "lastUsedAt" timestamp,
    "usageCount" integer not null default 0, "serviceTokens" jsonb, "createdAt" timestamp not null default now(),
    "updatedAt" timestamp not null default now());
  create table "user_groups" ("id" uuid primary key default gen_random_uuid(),
    "name" ${form === "text" ? "varchar(255)" : "varchar(100) not null"}, "description" text, "servers" ${form} not null,
    "isActive" boolean not null default true, "userId" uuid not null references "users" ("id") on delete cascade,
    "createdAt" timestamp not null default now(), "updatedAt" timestamp not null default now());
  insert into "users" ("id", "username", "password", "isAdmin") values ('${adaId}', 'ada', '$2b$10$legacy', true);
  insert into "users" ("id", "githubId", "githubUsername", "displayName") values ('${boId}', '77', 'bo', 'Bo');
  insert into "mcphub_keys" ("keyValue", "name", "userId", "expiresAt", "usageCount", "serviceTokens") values
    ('${adaKey}', 'MCPHub Key', '${adaId}', '2037-01-02 03:04:05.678', 7, '{"GITHUB_TOKEN": "ada-plain", "JIRA_TOKEN": ""}'),
    ('${boKey}', 'Default Key', '${boId}', '2037-01-02 03:04:05.678', 0, null);
  insert into "user_groups" ("name", "servers", "userId") values
    ('work', ${form === "text" ? "'github, jira'" : "array['github', 'jira']"}, '${adaId}');`

export const runAll = Effect.fnUntraced(function* (statements: string) {
  const sql = yield* SqlClient.SqlClient
  for (const statement of statements.split(";")) if (statement.trim() !== "") yield* sql.unsafe(statement)
})

/** `mcphub migrate --from mcphub` on the database and the settings of an old hub. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../../src/cli/database/Database.ts"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import type { MigrationFinding } from "../../../src/domain/migration/MigrationFinding.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { dumpPostgres } from "../../support/DatabaseDump.ts"
import { adaId, adaKey, boId, boKey, oldTables, runAll } from "../../support/OldHub.ts"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"
import { eventually } from "../../support/Eventually.ts"
import { mcphub, type Ran, start, watch } from "../support/Program.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-migrate-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const github = {
  type: "streamable-http",
  url: "http://127.0.0.1:9/mcp",
  headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" }
}

/** What the old hub lets into its database and file, and this one does not take as it is. */
const odd = `
  insert into "users" ("displayName", "isActive", "password") values ('ada', true, 'plaintext-canary');
  insert into "mcphub_keys" ("keyValue", "name", "userId", "expiresAt", "isActive", "serviceTokens") values
    ('mcphub_1753862400000', 'MCPHub Key', '${boId}', '2037-01-01', true, null),
    ('mcphub_${"0a".repeat(32)}', 'Old Key', '${adaId}', '2020-01-01', true, null),
    ('mcphub_${"0b".repeat(32)}', 'Torn', '${boId}', '2037-01-01', true, '["token-canary"]'),
    ('mcphub_${"0c".repeat(32)}', 'Bent', '${boId}', '2037-01-01', true,
      '{"JIRA_TOKEN": "token-canary\\n", "SLACK_TOKEN": 7, "CONFLUENCE_TOKEN": "enc:v1:AAAA", "secret canary": "x"}');
  insert into "user_groups" ("name", "servers", "userId") values ('work', array['gone'], '${adaId}')`

const oddSettings = {
  mcpServers: {
    github,
    files: { command: "npx", args: ["-y", "server"], env: { HOME_OF: "$HOME", KEY: "${NOT_SET_ANYWHERE}" } },
    events: { type: "sse", url: "http://127.0.0.1:9/sse", keepAliveInterval: 60_000 },
    off: { type: "openapi", enabled: false, openapi: { url: "http://127.0.0.1:9/api.json" } }
  },
  users: [{ username: "admin", password: "file-canary", isAdmin: true }],
  systemConfig: {
    routing: { skipAuth: true, enableBearerAuth: true, bearerAuthKey: "bearer-canary", enableGlobalRoute: false },
    install: { npmRegistry: "http://mirror" },
    smartRouting: { enabled: true, dbUrl: "postgres://u:p-canary@h/d", openaiApiKey: "sk-canary" }
  }
}

const words = (text: string): Array<string> => text.trim().split(/\s+/)

const findingsOf = (ran: Ran): ReadonlyArray<MigrationFinding> => JSON.parse(ran.stdout).findings

layer(Postgres.layer, { timeout: "60 seconds", excludeTestServices: true })((it) => {
  describe.skipIf(!hasPostgres)("mcphub migrate --from mcphub", () => {
    const prepare = Effect.fnUntraced(function* (extra: string, settings: object, form: "text" | "text[]" = "text") {
      const server = yield* Postgres
      const url = yield* server.database
      yield* server.on(url, runAll(oldTables(form)))
      if (extra !== "") yield* server.on(url, runAll(extra))
      const cwd = yield* folder
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify(settings))
      const dump = server.on(url, dumpPostgres)
      return { cwd, dump, env: { DATABASE_URL: Redacted.value(url) } }
    })

    it.effect("finds nothing in the way of a sound hub, says what will differ, and prepares its database", () =>
      Effect.gen(function* () {
        const { cwd, dump, env } = yield* prepare("", { mcpServers: { github, jira: github } })
        const before = yield* dump
        const dry = yield* mcphub(["migrate", "--from", "mcphub", "--dry-run", "--json"], { cwd, env })
        assert.strictEqual(dry.code, 0, dry.stdout + dry.stderr)
        const kinds = findingsOf(dry).map(({ kind, level }) => `${level} ${kind}`)
        assert.includeMembers(kinds, ["ok validKeys", "warn plainKeys", "warn plainTokens", "warn oldPasswords"])
        const plain = findingsOf(dry).find(({ kind }) => kind === "plainKeys")!
        assert.lengthOf(plain.places, 2)
        assert.match(plain.places.toSorted()[1]!, /^key "MCPHub Key" of ada \([0-9a-f-]{36}\)$/)
        // Bo has no token that github asks for, and only bo is told of.
        const missing = findingsOf(dry).find(({ kind }) => kind === "tokensMissing")!
        assert.include(missing.places, "GITHUB_TOKEN for mcpServers.github: 1 of 2 active users have none")
        for (const secret of [adaKey, boKey, "ada-plain"]) assert.notInclude(dry.stdout, secret)
        assert.strictEqual(yield* dump, before)
        assert.isFalse(existsSync(join(cwd, ".mcphub")))

        const done = yield* mcphub(["migrate", "--from", "mcphub"], { cwd, env })
        assert.strictEqual(done.code, 0, done.stdout + done.stderr)
        assert.match(done.stdout, /^warn {2}keys: 2 keys stored as text/m)
        assert.match(done.stdout, /The database has what this hub needs$/m)
        const after = yield* dump
        assert.include(after, "mcphub_hub")
        const again = yield* mcphub(["migrate", "--from", "mcphub", "--dry-run", "--json"], { cwd, env })
        assert.strictEqual(again.code, 0, again.stderr)
        assert.include(findingsOf(again).find(({ kind }) => kind === "database")!.detail, "used it before")
        assert.strictEqual(yield* dump, after)
        // Keys open the hub, each its own user's.
        const listed = yield* mcphub(["key", "ls", "--json"], { cwd, env })
        const keys = JSON.parse(listed.stdout) as ReadonlyArray<{ username: string; serviceTokens: unknown }>
        assert.deepStrictEqual(keys.map(({ serviceTokens, username }) => [username, serviceTokens]).sort(), [
          ["ada", ["GITHUB_TOKEN"]],
          ["bo", []]
        ])
      })
    )

    it.effect(
      "names each row and entry that does not work, with a remedy and without a secret, and changes nothing",
      () =>
        Effect.gen(function* () {
          const { cwd, dump, env } = yield* prepare(odd, oddSettings, "text[]")
          writeFileSync(join(cwd, "servers.json"), "{}")
          const before = yield* dump
          const given = {
            ...env,
            DB_URL: `${env.DATABASE_URL}x`,
            JWT_SECRET: "your-secret-key-change-this",
            REDIS_URL: "redis://r"
          }
          for (const args of [["--dry-run"], []]) {
            const ran = yield* mcphub(["migrate", "--from", "mcphub", ...args, "--json"], { cwd, env: given })
            assert.strictEqual(ran.code, 2, ran.stderr)
            const found = findingsOf(ran)
            const by = (level: string) => found.filter((one) => one.level === level).map(({ kind }) => kind)
            assert.deepStrictEqual(
              by("fail").toSorted(),
              words(
                `wrongVariable twoDatabases malformedKeys badTokens tokensOfOtherTypes malformedTokens
              sealedTokens bareReferences sseServer skipAuth bearerAuthKey enableGlobalRoute smartRouting rejected`
              ).toSorted()
            )
            assert.includeMembers(
              by("warn"),
              words(`noHost unreadVariables oldPasswords plainKeys expiredKeys plainTokens duplicateNames unknownServers duplicateGroups
              tokensForNobody noType npmRegistry usersInFile smartRoutingDatabase smartRoutingKey marketFile`)
            )
            const of = (kind: string) => found.find((one) => one.kind === kind)!
            assert.match(of("malformedKeys").places[0]!, /^key "MCPHub Key" of bo \(/)
            assert.match(of("expiredKeys").places[0]!, /^key "Old Key" of ada \(/)
            assert.deepStrictEqual(of("skipAuth").places, ["systemConfig.routing.skipAuth"])
            assert.deepStrictEqual(of("rejected").places, ["mcpServers.files.env.KEY"])
            assert.include(of("keepAliveInterval").places, "mcpServers.events.keepAliveInterval")
            assert.notInclude(JSON.stringify(found), "mcpServers.off")
            for (const one of found)
              if (one.level === "fail") assert.isTrue(one.remedy !== null || one.kind === "rejected")
            assert.notMatch(ran.stdout + ran.stderr, /canary|ada-plain|your-secret|1753862400000|mcphub_[0-9a-f]{64}/)
            assert.strictEqual(yield* dump, before)
            assert.isFalse(existsSync(join(cwd, ".mcphub")))
          }
        })
    )

    it.effect("tells sealed tokens that open from those that do not, with the key that is there", () =>
      Effect.gen(function* () {
        const { cwd, dump, env } = yield* prepare("", { mcpServers: { github, jira: github } })
        const one = { ...env, CREDENTIAL_KEY: "one credential key of the tests" + "1".repeat(8) }
        const two = { ...env, CREDENTIAL_KEY: "two credential key of the tests" + "2".repeat(8) }
        const set = ["token", "set", "GITHUB_TOKEN", "--user"]
        assert.strictEqual((yield* mcphub([...set, "bo"], { cwd, env: one, stdin: "bo-token" })).code, 0)
        const right = yield* mcphub(["migrate", "--from", "mcphub", "--dry-run", "--json"], { cwd, env: one })
        assert.strictEqual(right.code, 0, right.stdout)
        const before = yield* dump
        const wrong = yield* mcphub(["migrate", "--from", "mcphub", "--json"], { cwd, env: two })
        assert.strictEqual(wrong.code, 2)
        const lost = findingsOf(wrong).find(({ kind }) => kind === "unreadableTokens")!
        assert.deepStrictEqual(lost.places, [`GITHUB_TOKEN at user bo (${boId})`])
        assert.strictEqual(yield* dump, before)
      })
    )

    it.effect("says of another database, of none, and of one that is away what to set, each with its exit code", () =>
      Effect.gen(function* () {
        const server = yield* Postgres
        const empty = Redacted.value(yield* server.database)
        const cwd = yield* folder
        mkdirSync(join(cwd, "sub"))
        const args = ["migrate", "--from", "mcphub", "--dry-run", "--json"]
        const other = yield* mcphub(args, { cwd, env: { DATABASE_URL: empty } })
        assert.strictEqual(other.code, 2)
        assert.include(
          findingsOf(other).map(({ kind }) => kind),
          "noTables"
        )
        const none = yield* mcphub(args, { cwd })
        assert.strictEqual(none.code, 2)
        assert.include(
          findingsOf(none).map(({ kind }) => kind),
          "noDatabase"
        )
        const away = yield* mcphub(args, { cwd, env: { DATABASE_URL: "postgres://u:canary@127.0.0.1:9/d" } })
        assert.strictEqual(away.code, 3)
        assert.notInclude(away.stdout + away.stderr, "canary")
        for (const wrong of [[], ["--seal", "--unseal"], ["--final"], ["--unseal", "--dry-run"]]) {
          assert.strictEqual((yield* mcphub(["migrate", ...wrong], { cwd })).code, 1)
        }
      })
    )

    it.effect("--seal, killed in the middle, loses nothing: keys open the hub, and the next run does the rest", () =>
      Effect.gen(function* () {
        const { cwd, env } = yield* prepare("", { mcpServers: { github, jira: github } })
        const given = { ...env, CREDENTIAL_KEY: "one credential key of the tests" + "1".repeat(8) }
        const server = yield* Postgres
        const url = Redacted.make(env.DATABASE_URL)
        const ask = <A>(statement: string) =>
          server.on(
            url,
            Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<A & object>(statement))
          )
        yield* ask(`insert into "mcphub_keys" ("keyValue", "name", "userId", "expiresAt", "serviceTokens")
          select 'mcphub_' || lpad(to_hex(n), 64, 'c'), 'key ' || n, '${boId}', '2037-01-01',
            jsonb_build_object('GITHUB_TOKEN', 'bo-canary-' || n) from generate_series(1, 150) as n`)
        assert.strictEqual((yield* mcphub(["migrate", "--from", "mcphub"], { cwd, env: given })).code, 0)
        const plain = ask<{ n: number }>(
          `select count(*)::int as n from "mcphub_keys" where "keyValue" like 'mcphub\\_%'`
        ).pipe(Effect.map((rows) => rows[0]!.n))
        assert.strictEqual(yield* plain, 152)

        // Somebody holds a row of the second portion, so that the command stands in the middle of its work.
        const release = yield* Deferred.make<void>()
        const holds = yield* Deferred.make<void>()
        const held = yield* server
          .on(
            url,
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              yield* sql.withTransaction(
                sql`select 1 from "mcphub_keys" where "id" = (select "id" from "mcphub_keys" order by "id" offset 120 limit 1)
                  for update`.pipe(
                  Effect.andThen(Deferred.succeed(holds, undefined)),
                  Effect.andThen(Deferred.await(release))
                )
              )
            })
          )
          .pipe(Effect.forkScoped)
        yield* Deferred.await(holds)
        const child = start(["migrate", "--seal"], { cwd, env: given })
        const { ended, printed } = watch(child)
        const waiting = ask<{ n: number }>(
          `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'mcphub'`
        ).pipe(Effect.map((rows) => rows[0]!.n))
        assert.strictEqual(yield* eventually(waiting, (n) => n === 1), 1, printed.stderr)
        assert.strictEqual(yield* plain, 52)
        process.kill(child.pid!, "SIGKILL")
        yield* Effect.promise(() => ended)
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(held)

        const services = yield* Layer.build(
          Repositories.layerRepositories.pipe(
            Layer.provide(Credentials.layer(Redacted.make(given.CREDENTIAL_KEY))),
            Layer.provide(Database.layerPostgres(url, 2))
          )
        )
        /** Whose key it is, and the token that comes with it. */
        const opens = (key: string) =>
          Effect.map(Context.get(services, HubKeys).principal(Redacted.make(key)), (found) =>
            Option.isNone(found)
              ? "nobody"
              : [
                  found.value.username,
                  ...[...found.value.serviceTokens].map(([, value]) => Redacted.value(value))
                ].join(" ")
          )
        const keys = [adaKey, boKey, ...[1, 150].map((n) => `mcphub_${n.toString(16).padStart(64, "c")}`)]
        const owners = ["ada ada-plain", "bo", "bo bo-canary-1", "bo bo-canary-150"]
        assert.strictEqual(yield* plain, 52)
        assert.deepStrictEqual(yield* Effect.forEach(keys, opens), owners)
        assert.strictEqual(yield* opens(`mcphub_${"e".repeat(64)}`), "nobody")
        const rest = yield* mcphub(["migrate", "--seal", "--json"], { cwd, env: given })
        assert.strictEqual(rest.code, 0, rest.stderr)
        assert.deepInclude(JSON.parse(rest.stdout).done, { keys: 52, kept: 152 })
        assert.strictEqual(yield* plain, 0)
        assert.notMatch(yield* server.on(url, dumpPostgres), /ada-plain|bo-canary|mcphub_[0-9a-f]{64}/)
        assert.deepStrictEqual(yield* Effect.forEach(keys, opens), owners)

        const other = { ...env, CREDENTIAL_KEY: "two credential key of the tests" + "2".repeat(8) }
        const refused = yield* mcphub(["migrate", "--seal", "--json"], { cwd, env: other })
        assert.strictEqual(refused.code, 2)
        assert.include(refused.stderr, "OtherCredentialKey")
        const back = yield* mcphub(["migrate", "--unseal"], { cwd, env: given })
        assert.match(back.stdout, /^Unsealed 152 keys and 15[0-9] service tokens/)
        assert.include(back.stderr, "Back the database up")
        assert.strictEqual(yield* plain, 152)
        assert.deepStrictEqual(yield* Effect.forEach(keys, opens), owners)
      })
    )
  })
})

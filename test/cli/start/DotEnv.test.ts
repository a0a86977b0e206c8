/** The `.env` file of the folder a command is called in. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { inFolder } from "../support/InFolder.ts"
import { mcphub } from "../support/Program.ts"

describe("a .env file", () => {
  inFolder("gives every command its variables; those of the process go before", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(join(cwd, ".env"), "PORT=4711\nBASE_PATH=/from-file\nDB_URL=postgres://u:canary@127.0.0.1:9/d\n")
      const shown = yield* mcphub(["config", "print", "--json"], { cwd, env: { BASE_PATH: "/of-process" } })
      const { config, secretsGiven } = JSON.parse(shown.stdout)
      assert.deepInclude(config, { port: 4711, basePath: "/of-process" })
      assert.isTrue(secretsGiven.databaseUrl)
      const users = yield* mcphub(["user", "ls"], { cwd })
      assert.strictEqual(users.code, 3)
      assert.notInclude(shown.stdout + users.stderr, "canary")
    })
  )

  inFolder("reaches a child process only where the server's entry names a variable", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(
        join(cwd, ".env"),
        "NAMED_CANARY=for-the-server\nHTTP_PROXY=http://canary.invalid\nJWT_SECRET=canary"
      )
      const seen = join(cwd, "seen")
      const server = { command: "/bin/sh", args: ["-c", `env > '${seen}'`], env: { GIVEN: "${NAMED_CANARY}" } }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { server } }))
      // A wrong secret is found in the file as it is in the environment, and says which.
      const wrong = yield* mcphub(["server", "test", "server"], { cwd })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "JWT_SECRET is text of 6 characters")
      assert.isFalse(existsSync(seen))
      yield* mcphub(["server", "test", "server"], { cwd, env: { JWT_SECRET: "j".repeat(40) } })
      const environment = readFileSync(seen, "utf8")
      assert.include(environment, "GIVEN=for-the-server\n")
      assert.notMatch(environment, /canary/i)
      assert.isUndefined(process.env["NAMED_CANARY"])
    })
  )

  inFolder(
    "that cannot be read, or has a bad line, ends a command with file and line, and help is still there",
    (cwd) =>
      Effect.gen(function* () {
        const file = join(cwd, ".env")
        const refused = Effect.fnUntraced(function* (reason: string) {
          const ran = yield* mcphub(["user", "ls", "--json"], { cwd })
          assert.strictEqual(ran.code, 2)
          const { error } = JSON.parse(ran.stderr)
          assert.strictEqual(error.kind, "BadEnvFile")
          assert.include(error.message, reason)
          assert.notInclude(error.message, "canary")
          assert.isFalse(existsSync(join(cwd, ".mcphub")))
        })
        writeFileSync(file, "PORT=1\nsecret canary\n")
        yield* refused(`${file}:2: expected NAME=value`)
        assert.strictEqual((yield* mcphub(["user", "--help"], { cwd })).code, 0)
        writeFileSync(file, `A=${"canary".repeat(20_000)}`)
        yield* refused("larger than 64 KiB")
        rmSync(file)
        mkdirSync(file)
        yield* refused(`${file} is no file`)
      })
  )
})

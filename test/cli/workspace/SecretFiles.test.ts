/** Secrets as containers and service managers hand them over: in files that variables name. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { inFolder } from "../support/InFolder.ts"
import { mcphub } from "../support/Program.ts"

const secret = "postgres://mcphub:canary-4f1d@127.0.0.1:1/mcphub"

const print = (cwd: string, env: Readonly<Record<string, string>>) =>
  mcphub(["config", "print", "--json"], { cwd, env })

describe("a secret in a file", () => {
  inFolder("is the value of the variable before _FILE, without the line's end", (cwd) =>
    Effect.gen(function* () {
      const file = join(cwd, "database-url")
      writeFileSync(file, `${secret}\n`)
      writeFileSync(join(cwd, "key"), "k".repeat(32))
      const env = { DATABASE_URL_FILE: file, CREDENTIAL_KEY_FILE: join(cwd, "key") }
      const { code, stdout } = yield* print(cwd, env)
      assert.strictEqual(code, 0)
      assert.deepInclude(JSON.parse(stdout).secretsGiven, {
        databaseUrl: true,
        credentialKey: true,
        jwtSecret: false
      })
      assert.notInclude(stdout, "canary-4f1d")
      // The same checks as for the variable itself.
      writeFileSync(file, "mysql://canary-4f1d")
      const { code: refused, stderr } = yield* print(cwd, env)
      assert.strictEqual(refused, 2)
      assert.match(stderr, /DATABASE_URL is text of 19 characters; allowed: a URL such as/)
      assert.notInclude(stderr, "canary-4f1d")
    })
  )

  inFolder("that cannot be used stops the command with the variable and why, all of them at once", (cwd) =>
    Effect.gen(function* () {
      const folder = join(cwd, "folder")
      mkdirSync(folder)
      writeFileSync(join(cwd, "empty"), " \n")
      writeFileSync(join(cwd, "large"), "x".repeat(64 * 1024 + 1))
      writeFileSync(join(cwd, "other"), "o".repeat(32))
      const { code, stderr } = yield* print(cwd, {
        DATABASE_URL_FILE: join(cwd, "missing"),
        JWT_SECRET_FILE: folder,
        CREDENTIAL_KEY_FILE: join(cwd, "empty"),
        ADMIN_PASSWORD_FILE: join(cwd, "large"),
        CONTEXT_SIGNING_KEY_FILE: join(cwd, "other"),
        CONTEXT_SIGNING_KEY: "canary-4f1d".repeat(4)
      })
      assert.strictEqual(code, 2)
      for (const said of [
        "DATABASE_URL is unreadable: DATABASE_URL_FILE names a file that cannot be read (NotFound)",
        "JWT_SECRET is unreadable: JWT_SECRET_FILE names something that is no file",
        "CREDENTIAL_KEY is unreadable: CREDENTIAL_KEY_FILE names an empty file",
        "ADMIN_PASSWORD is unreadable: ADMIN_PASSWORD_FILE names a file of more than 64 KiB",
        "CONTEXT_SIGNING_KEY is unreadable: CONTEXT_SIGNING_KEY_FILE is set as well; keep one of them"
      ]) {
        assert.include(stderr.replaceAll("�", "\n"), said)
      }
      assert.notInclude(stderr, "canary-4f1d")
    })
  )

  inFolder("can be named by the .env file, too", (cwd) =>
    Effect.gen(function* () {
      const file = join(cwd, "database-url")
      writeFileSync(file, secret)
      writeFileSync(join(cwd, ".env"), `DATABASE_URL_FILE=${file}\n`)
      const { stdout } = yield* print(cwd, {})
      assert.isTrue(JSON.parse(stdout).secretsGiven.databaseUrl)
    })
  )

  inFolder("is read for secrets only: no other variable reads a file", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(join(cwd, "port"), "4711")
      const { code, stdout } = yield* print(cwd, { PORT_FILE: join(cwd, "port") })
      assert.strictEqual(code, 0)
      assert.strictEqual(JSON.parse(stdout).config.port, 3000)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { TestHub } from "../../../../src/testkit/index.ts"

const { args = [], command } = runtimeCommand(new URL("./programs/neighbours.mjs", import.meta.url))

/** A process namespace of its own, with a `/proc` that shows nothing else. */
const sandbox = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
const hasSandbox = process.platform === "linux" && spawnSync("unshare", [...sandbox, "true"]).status === 0

const emptyFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-injection-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

describe("a stdio server", () => {
  it.live(
    "A39: is started without a shell, from the settings alone, each with its own user's token and nothing more",
    () =>
      Effect.gen(function* () {
        const folder = yield* emptyFolder
        const touch = `touch ${join(folder, "owned")}`
        const hostile = [
          `; ${touch}`,
          `$(${touch})`,
          `\`${touch}\``,
          `| ${touch}`,
          `&& ${touch}`,
          `"'\n${touch}`,
          "--",
          "*"
        ]
        const hub = yield* TestHub.make({
          servers: {
            local: {
              command,
              args: [...args, ...hostile],
              env: { GITHUB: "${USER_GITHUB_TOKEN}", OWN: "own", NODE_NO_WARNINGS: "1" }
            }
          }
        })
        const [keys, groups] = [Context.get(hub.services, HubKeys), Context.get(hub.services, Groups)]
        const token = (name: string) => `canary-${name}; ${touch} $(${touch})`
        for (const name of ["ada", "bo"] as const) {
          yield* keys.setTokens(
            { keyId: hub[name].row.id },
            {
              GITHUB_TOKEN: Redacted.make(token(name)),
              // Names that would choose the program, its libraries or the hub's own variables, if they became variables.
              PATH: Redacted.make(folder),
              LD_PRELOAD: Redacted.make(join(folder, "evil.so")),
              NODE_OPTIONS: Redacted.make("--require=/evil.js"),
              MCPHUB_USER_ID: Redacted.make("forged")
            }
          )
          yield* groups.create({ userId: hub[name].user.id, name: `$(${touch})`, servers: ["local"] })
        }
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        for (const [name, client] of [
          ["ada", ada],
          ["bo", bo]
        ] as const) {
          const started = (yield* client.callTool("local-started")) as {
            readonly args: ReadonlyArray<string>
            readonly env: Record<string, string>
          }
          assert.deepStrictEqual(started.args, hostile)
          const { env } = started
          assert.strictEqual(env["GITHUB"], token(name))
          assert.strictEqual(env["OWN"], "own")
          assert.strictEqual(env["MCPHUB_USER_ID"], hub[name].user.id)
          assert.strictEqual(env["PATH"], process.env["PATH"])
          for (const variable of ["LD_PRELOAD", "NODE_OPTIONS", "GITHUB_TOKEN"]) assert.notProperty(env, variable)
          assert.notInclude(JSON.stringify(env), `canary-${name === "ada" ? "bo" : "ada"}`)
          for (const variable of Object.keys(env)) {
            assert.match(
              variable,
              /^(MCPHUB_[A-Z_]+|GITHUB|OWN|NODE_NO_WARNINGS|PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TERM|TZ|TMPDIR|TMP|TEMP|\w+_proxy|\w+_PROXY|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|NODE_USE_\w+|DENO_\w+)$/
            )
          }
        }
        assert.deepStrictEqual(readdirSync(folder), [])
      })
  )

  it.live.skipIf(!hasSandbox)(
    "A40: without a sandbox sees what other children of the same system user hold, in one of its own it does not",
    () =>
      Effect.gen(function* () {
        const open = { command, args, env: { HELD: "${USER_HELD}" } }
        const shut = { command: "unshare", args: [...sandbox, command, ...args], env: { HELD: "${USER_HELD}" } }
        const hub = yield* TestHub.make({ servers: { open, shut } })
        const keys = Context.get(hub.services, HubKeys)
        for (const name of ["ada", "bo"] as const) {
          yield* keys.setTokens({ keyId: hub[name].row.id }, { HELD: Redacted.make(`canary-neighbour-${name}`) })
        }
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* ada.callTool("open-canaries")
        // This is what the security notes warn of; if it ever changes, they have to.
        assert.deepStrictEqual(yield* bo.callTool("open-canaries"), {
          found: ["canary-neighbour-ada", "canary-neighbour-bo"]
        })
        assert.deepStrictEqual(yield* bo.callTool("shut-canaries"), { found: ["canary-neighbour-bo"] })
        assert.deepStrictEqual(yield* ada.callTool("shut-canaries"), { found: ["canary-neighbour-ada"] })
      })
  )

  it.live("A40: that would hold users' tokens without a sandbox is not started where the operator refuses that", () =>
    Effect.gen(function* () {
      const holding = { command, args, env: { HELD: "${USER_HELD}" } }
      const hub = yield* TestHub.make({
        servers: {
          referring: holding,
          full: { command, args, context: "full" },
          declared: { ...holding, sandboxed: true },
          plain: { command, args }
        },
        config: { stdioSharedUser: "refuse" }
      })
      const keys = Context.get(hub.services, HubKeys)
      for (const name of ["ada", "bo"] as const) {
        yield* keys.setTokens({ keyId: hub[name].row.id }, { HELD: Redacted.make(`canary-held-${name}`) })
      }
      for (const client of yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])) {
        for (const server of ["referring", "full"]) {
          const failure = yield* Effect.flip(client.callTool(`${server}-started`))
          assert.deepInclude(failure.data as object, { kind: "upstream_blocked", origin: "upstream" })
          assert.include(failure.message, "STDIO_SHARED_USER")
          assert.notInclude(JSON.stringify(failure), "canary")
        }
        // What holds nothing, and what the operator vouches for, is started as ever.
        for (const server of ["declared", "plain"]) {
          const { env } = (yield* client.callTool(`${server}-started`)) as { readonly env: Record<string, string> }
          assert.strictEqual("HELD" in env, server === "declared")
        }
      }
    })
  )
})

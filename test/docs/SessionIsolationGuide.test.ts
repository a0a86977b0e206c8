import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { delimiter, dirname, resolve } from "node:path"
import process from "node:process"
import { folder } from "../support/HubProcess.ts"

const root = resolve(import.meta.dirname!, "../..")

interface Block {
  readonly command: string
  readonly expected: string
}

/** The `bash` blocks of the guide, each with the `text` block that follows it, if one does. */
const blocks = (guide: string): ReadonlyArray<Block> =>
  [...guide.matchAll(/^```bash\n([\s\S]*?)^```\n(?:\s*^```text\n([\s\S]*?)^```$)?/gm)].map((match) => ({
    command: match[1]!,
    expected: match[2] ?? ""
  }))

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Runs the script in a process group of its own, of which nothing is left afterwards. */
const bash = (script: string, env: Record<string, string>) =>
  Effect.callback<{ readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = spawn("bash", ["-c", script], { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    const endGroup = () => {
      try {
        process.kill(-child.pid!, "SIGTERM")
      } catch {
        // The whole group has ended.
      }
    }
    child.once("exit", endGroup)
    child.once("close", () => resume(Effect.succeed({ stdout, stderr })))
    return Effect.sync(endGroup)
  })

describe("the session isolation test guide", () => {
  it.live(
    "prints for every command what it says it prints",
    () =>
      Effect.gen(function* () {
        const guide = blocks(readFileSync(resolve(root, "docs/session-isolation-test-guide.md"), "utf8"))
        assert.isAtLeast(guide.filter(({ expected }) => expected !== "").length, 10)
        const home = yield* folder
        const [hub, identity, workspace] = yield* Effect.all([freePort, freePort, freePort])
        const script = guide.map(({ command }, index) => `${command}echo "@@ end of block ${index}"\n`).join("")
        const ran = yield* bash(script.replaceAll("localhost:3000", `localhost:${hub}`), {
          PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
          HOME: process.env["HOME"] ?? home,
          TMPDIR: home,
          PORT: String(hub),
          IDENTITY_PORT: String(identity),
          WORKSPACE_PORT: String(workspace)
        })
        const printed = ran.stdout.split(/@@ end of block \d+\n/)
        guide.forEach(({ command, expected }, index) => {
          assert.strictEqual(printed[index], expected, `${command}\n${ran.stderr}`)
        })
      }).pipe(Effect.scoped),
    60_000
  )
})

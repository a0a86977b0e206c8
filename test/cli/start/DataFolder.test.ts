/** The data folder of a hub on a machine that it shares with other users. */
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { protectDataDir } from "../../../src/cli/database/DataDirAccess.ts"
import { hubFile, find } from "../../../src/http/admin/HubFile.ts"
import { inFolder } from "../support/InFolder.ts"
import { folder, mcphub, patience, program, startHub } from "../support/Program.ts"

const modeOf = (path: string): number => statSync(path).mode & 0o7777
const uid = process.getuid!()

describe("a data folder that others may read", () => {
  it.live(
    "A67: is closed to them at the start, with its database, its log and its secrets",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const data = join(cwd, ".mcphub")
        assert.strictEqual((yield* program(["user", "add", "ada"], { cwd })).code, 0)
        const names = ["mcphub.sqlite", "credential-key"]
        chmodSync(data, 0o755)
        for (const name of names) chmodSync(join(data, name), 0o666)
        const hub = yield* startHub([], { cwd })
        assert.strictEqual(modeOf(data), 0o700)
        for (const name of [...names, "mcphub.sqlite-wal", "mcphub.sqlite-shm", "jwt-secret", "hub.json", "db.lock"]) {
          assert.strictEqual(modeOf(join(data, name)), 0o600, name)
        }
        hub.signal("SIGTERM")
        assert.strictEqual(yield* hub.ended, 0)
      }).pipe(Effect.scoped),
    patience
  )

  inFolder("A67: is refused where it is another user's, shared by all, or holds another user's file", (cwd) =>
    Effect.gen(function* () {
      const data = join(cwd, "data")
      mkdirSync(data)
      assert.isUndefined(protectDataDir(data))
      assert.include(protectDataDir(data, uid + 1), `belongs to user ${uid}, and this runs as user ${uid + 1}`)
      chmodSync(data, 0o1777)
      assert.include(protectDataDir(data), "one that all users share")
      assert.strictEqual(modeOf(data), 0o1777)
      chmodSync(data, 0o700)
      if (uid !== 0) return
      writeFileSync(join(data, "credential-key"), "planted")
      chownSync(join(data, "credential-key"), 12_345, 12_345)
      const ran = yield* mcphub(["user", "ls", "--data", data], { cwd })
      assert.strictEqual(ran.code, 2)
      assert.include(ran.stderr, "credential-key belongs to user 12345")
      assert.include(ran.stderr, "mode 0600")
    })
  )
})

/** A program of another user that writes down whatever it is told. */
const eavesdropper = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly heard: Array<string>; readonly close: () => void }>((resume) => {
    const heard: Array<string> = []
    const server = createServer((incoming, outgoing) => {
      heard.push(JSON.stringify(incoming.headers))
      incoming.on("data", (chunk) => heard.push(String(chunk)))
      outgoing.writeHead(204, { "x-mcphub-proof": "made-up" }).end()
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number }
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, heard, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const fileOf = (url: string) => ({
  pid: 1,
  url,
  token: "canary-of-the-door",
  mcpUrl: "http://127.0.0.1:3000/mcp",
  version: "1",
  startedAt: "2026-01-01T00:00:00.000Z"
})

describe("a hub.json", () => {
  inFolder("A68: that another user may have written is not followed, and the command says so", (cwd) =>
    Effect.gen(function* () {
      const data = join(cwd, "data")
      mkdirSync(data, { mode: 0o700 })
      const file = hubFile(data)
      const spy = yield* eavesdropper
      const told = Effect.map(Effect.flip(find(data)), ({ message }) => message)
      writeFileSync(file, JSON.stringify(fileOf(spy.url)), { mode: 0o600 })
      assert.isTrue((yield* find(data))._tag === "Some")
      chmodSync(file, 0o620)
      assert.include(yield* told, "can be written by other users")
      const ran = yield* mcphub(["user", "add", "ada", "--data", data], { cwd })
      assert.strictEqual(ran.code, 2)
      assert.include(ran.stderr, "hub.json can be written by other users")
      chmodSync(file, 0o600)
      if (uid === 0) {
        chownSync(file, 12_345, 12_345)
        assert.include(yield* told, "belongs to user 12345")
        chownSync(file, 0, 0)
      }
      for (const url of ["http://10.0.0.1:80", "http://localhost.example:80", "https://127.0.0.1:1", "no url"]) {
        writeFileSync(file, JSON.stringify(fileOf(url)))
        assert.include(yield* told, "beyond this machine", url)
      }
      assert.deepStrictEqual(spy.heard, [])
    })
  )

  inFolder("A68: that is a link to a file of this user's is not followed", (cwd) =>
    Effect.gen(function* () {
      const data = join(cwd, "data")
      mkdirSync(data)
      writeFileSync(join(cwd, "other.json"), JSON.stringify(fileOf("http://127.0.0.1:1")), { mode: 0o600 })
      symlinkSync(join(cwd, "other.json"), hubFile(data))
      assert.include((yield* Effect.flip(find(data))).message, "is a link")
    })
  )

  inFolder("A68: of a hub that was killed tells nothing to the program that got its port", (cwd) =>
    Effect.gen(function* () {
      const data = join(cwd, ".mcphub")
      mkdirSync(data, { mode: 0o700 })
      const spy = yield* eavesdropper
      writeFileSync(hubFile(data), JSON.stringify(fileOf(spy.url)), { mode: 0o600 })
      // "ada" alone would be found in one of sixty challenges, which are hexadecimal.
      const ran = yield* mcphub(["user", "add", "no-hex-name", "--json"], { cwd })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.isNotEmpty(spy.heard)
      assert.notInclude(spy.heard.join("\n"), "canary-of-the-door")
      assert.notInclude(spy.heard.join("\n"), "no-hex-name")
      assert.include(readFileSync(hubFile(data), "utf8"), "canary-of-the-door")
    })
  )
})

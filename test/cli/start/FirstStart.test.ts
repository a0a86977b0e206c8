/** A first start that is refused, or ends on its way: nothing is left that a later one trips over, and nothing is lost. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import * as FirstStart from "../../../src/cli/start/FirstStart.ts"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { SignInCodes } from "../../../src/domain/identity/SignInCodes.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { disk, mount } from "../support/Disk.ts"
import { inFolder } from "../support/InFolder.ts"
import { keyPattern, linkPattern, post, program, type RunningHub, startHub } from "../support/Program.ts"

const taken = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
)

const opens = Effect.fnUntraced(function* (hub: RunningHub) {
  const key = keyPattern.exec(hub.stdout())![0]
  assert.match(hub.stdout(), linkPattern)
  assert.strictEqual((yield* post(hub, key, "s", { id: 1, method: "ping" })).status, 200)
})

describe("a first start", () => {
  inFolder("field C3: on a port that is taken makes nothing and says no secret, and the next one shows both", (cwd) =>
    Effect.gen(function* () {
      const { port } = (yield* taken).address() as AddressInfo
      const refused = yield* program(["start", "--port", String(port)], { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, `Port ${port} on 127.0.0.1 is in use`)
      assert.include(refused.stderr, "--port")
      assert.strictEqual(refused.stdout, "")
      assert.deepStrictEqual(readdirSync(cwd), [])
      yield* opens(yield* startHub([], { cwd }))
    })
  )

  inFolder("field C3: in a folder where nothing can be made names it, and makes nothing elsewhere", (cwd) =>
    Effect.gen(function* () {
      // Root may write everywhere but on a disk that takes nothing.
      const isRoot = process.getuid?.() === 0
      const shut = isRoot ? yield* disk(cwd, "ro,size=64m") : join(cwd, "shut")
      if (shut === undefined) return
      if (!isRoot) mkdirSync(shut, { mode: 0o500 })
      const data = join(shut, "data")
      const refused = yield* program(["start", "--port", "0", "--data", data], { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(
        refused.stderr,
        `${data} cannot be written: ${isRoot ? "its disk is read-only" : "this user may not"}`
      )
      assert.include(refused.stderr, "--data")
      assert.strictEqual(refused.stdout, "")
      assert.lengthOf(readdirSync(cwd), 1)
      assert.deepStrictEqual(readdirSync(shut), [])
    })
  )

  inFolder("field C3: in a place that takes no folders ends, names it, and makes nothing", (cwd) =>
    Effect.gen(function* () {
      if (!existsSync("/proc/self")) return
      for (const command of [
        ["start", "--port", "0"],
        ["user", "ls"]
      ]) {
        const refused = yield* program([...command, "--data", "/proc/hub/data"], { cwd })
        assert.strictEqual(refused.code, 2)
        assert.match(refused.stderr, /\/proc\/hub\/data cannot be written: .*choose/)
      }
      const file = join(cwd, "file")
      writeFileSync(file, "")
      for (const inTheWay of [file, join(file, "data")]) {
        const refused = yield* program(["user", "ls", "--data", inTheWay], { cwd })
        assert.include(refused.stderr, "a file is in the way")
      }
      const deep = join(cwd, "a", "b", "c")
      assert.strictEqual((yield* program(["user", "ls", "--data", deep], { cwd })).code, 0)
      for (const made of [deep, dirname(deep)]) assert.strictEqual(statSync(made).mode & 0o777, 0o700)
    })
  )

  inFolder("field C3: on a disk that is full says how much is missing, and goes on when there is room", (cwd) =>
    Effect.gen(function* () {
      const small = yield* disk(cwd, "size=1m")
      if (small === undefined) return
      const data = join(small, "data")
      const refused = yield* program(["start", "--port", "0", "--data", data], { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, `The disk of the data folder ${data} has 1.0 MiB left`)
      assert.strictEqual(refused.stdout, "")
      assert.isFalse(existsSync(data))
      mount(small, "-o", "remount,size=64m")
      const hub = yield* startHub(["--data", data], { cwd })
      yield* opens(hub)
      hub.signal("SIGTERM")
      yield* hub.ended
    })
  )

  const layer = Repositories.layerRepositoriesMemory.pipe(
    Layer.provideMerge(Credentials.layer(Redacted.make("for this test alone, and long enough")))
  )

  it.effect("field C3: that ended before anybody was shown its secrets is a first one again, with others", () =>
    Effect.gen(function* () {
      const [users, keys, codes] = [yield* Users, yield* HubKeys, yield* SignInCodes]
      const bo = yield* users.add({ username: "bo" })
      const bos = yield* keys.create({ userId: bo.id })
      const shown: Array<FirstStart.FirstStart> = []
      const show = (made: FirstStart.FirstStart) => Effect.sync(() => void shown.push(made))
      yield* Effect.ignore(FirstStart.firstStart(undefined, (made) => Effect.andThen(show(made), Effect.fail("ended"))))
      assert.isTrue(yield* FirstStart.isFirstStart)
      yield* FirstStart.firstStart(undefined, show)
      assert.isFalse(yield* FirstStart.isFirstStart)
      const [early, last] = shown as [FirstStart.FirstStart, FirstStart.FirstStart]
      assert.isTrue(Option.isNone(yield* keys.principal(early.key!)))
      const owner = Option.getOrThrow(yield* keys.principal(last.key!))
      assert.strictEqual(owner.username, "admin")
      assert.isTrue(owner.isAdmin)
      assert.isTrue(Option.isNone(yield* users.passwordDigest(owner.userId)))
      assert.isTrue(Option.isNone(yield* codes.redeem(early.code!)))
      assert.strictEqual(Option.getOrThrow(yield* codes.redeem(last.code!)).userId, owner.userId)
      // One that nobody has used by the next start opens nothing any more.
      const unused = yield* codes.issue({ userId: owner.userId, purpose: "first-start" })
      yield* FirstStart.laterStart
      assert.isTrue(Option.isNone(yield* codes.redeem(unused.code)))
      // Nobody else's key is touched.
      assert.isTrue(Option.isSome(yield* keys.principal(bos.key)))
    }).pipe(Effect.provide(layer))
  )
})

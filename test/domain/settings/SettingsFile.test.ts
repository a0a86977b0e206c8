import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FileSystem, Layer, Logger, Path, References, Stream } from "effect"
import { Environment } from "../../../src/domain/config/Environment.ts"
import { Settings, type SettingsValue } from "../../../src/domain/servers/Settings.ts"
import { SettingsFile, SettingsInvalid, SettingsUnavailable } from "../../../src/domain/settings/SettingsFile.ts"

const nested = (depth: number): unknown => {
  let value: unknown = {}
  for (let level = 1; level < depth; level++) value = { z: value }
  return { mcpServers: {}, z: value }
}

const one = (url: string): SettingsValue => ({ mcpServers: { one: { url } } })

/** What was logged, and a way to wait for a line that holds a text. */
const makeLog = () => {
  const lines: Array<string> = []
  const waiting = new Set<() => void>()
  return {
    lines,
    write: (line: string): void => {
      lines.push(line)
      for (const wake of waiting) wake()
    },
    until: (text: string) =>
      Effect.callback<void>((resume) => {
        const wake = (): void => {
          if (!lines.some((line) => line.includes(text))) return
          waiting.delete(wake)
          resume(Effect.void)
        }
        waiting.add(wake)
        wake()
      })
  }
}
type Log = ReturnType<typeof makeLog>

interface Given {
  readonly file: string
  readonly files: FileSystem.FileSystem
  readonly log: Log
}

/** A directory of its own with a settings file in it, and the hub's view of that file. */
const withFile = <A, E>(
  content: string | undefined,
  use: (given: Given) => Effect.Effect<A, E, Settings | SettingsFile>,
  {
    services = NodeServices.layer,
    ...options
  }: { readonly sample?: SettingsValue; readonly services?: typeof NodeServices.layer } = {}
) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(yield* files.makeTempDirectoryScoped({ prefix: "mcphub-settings-" }), "mcp_settings.json")
    if (content !== undefined) yield* files.writeFileString(file, content)
    const log = makeLog()
    const logger = Logger.layer([
      Logger.make(({ fiber, message }) =>
        log.write(`${String(message)} ${JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))}`)
      )
    ])
    return yield* use({ file, files, log }).pipe(
      Effect.provide(SettingsFile.layer({ path: file, interval: "20 millis", ...options })),
      Effect.provide(logger)
    )
  }).pipe(Effect.scoped, Effect.provide(services))

const url = Effect.map(Settings, (settings) => settings.current().mcpServers["one"]?.url)

/** Starts to listen before `change` and waits until the settings in force have changed. */
const afterChange = <E, R>(change: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const settings = yield* Settings
    const next = yield* settings.changes.pipe(Stream.runHead, Effect.forkChild({ startImmediately: true }))
    yield* change
    yield* Fiber.join(next)
  })

describe("SettingsFile", () => {
  it.live("loads the file and takes over a change that was written in place", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files }) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* url, "https://a")
        yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://changed"))))
        assert.strictEqual(yield* url, "https://changed")
      })
    )
  )

  it.live("takes over a file that was replaced by a rename, again and again", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files }) =>
      Effect.gen(function* () {
        for (const next of ["https://b", "https://c", "https://d"]) {
          const replace = Effect.andThen(
            files.writeFileString(`${file}.new`, JSON.stringify(one(next))),
            files.rename(`${file}.new`, file)
          )
          yield* afterChange(replace)
          assert.strictEqual(yield* url, next)
        }
      })
    )
  )

  it.live("field D2: names what a change has added, removed and changed, and none of its values", () =>
    withFile(
      JSON.stringify({
        mcpServers: { one: { url: "https://a" }, two: { url: "https://b" }, same: { command: "cat" } }
      }),
      ({ file, files, log }) =>
        Effect.gen(function* () {
          const one = { url: "https://a", headers: { Authorization: "Bearer canary" } }
          const next = { mcpServers: { one, same: { command: "cat" }, three: { url: "https://c" } }, groups: [] }
          yield* files.writeFileString(file, JSON.stringify(next))
          yield* log.until("New settings are in force")
          const line = log.lines.find((line) => line.startsWith("New settings"))!
          const names = { added: ["three"], removed: ["two"], changed: ["one"], sections: ["groups"] }
          assert.strictEqual(line, `New settings are in force: ${file} ${JSON.stringify(names)}`)
        })
    )
  )

  it.live("B32: a bad file keeps the settings in force and says why with file, path and reason", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files, log }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        yield* files.writeFileString(file, '{"mcpServers":{"one":{"url":7}},\n "k": canary}')
        yield* log.until("not JSON from line 2, column 7 on")
        yield* files.writeFileString(file, '{"mcpServers":{"one":{"type":"canary"},"two":{}}}')
        yield* log.until(`${file}: mcpServers.two: The server has neither url nor command nor openapi`)
        assert.isTrue(log.lines.some((line) => line.includes(`${file}: mcpServers.one.type: Expected`)))
        assert.strictEqual(yield* url, "https://a")
        assert.instanceOf(settingsFile.rejection(), SettingsInvalid)
        assert.notInclude(log.lines.join("\n"), "canary")
        yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://good-again"))))
        assert.strictEqual(settingsFile.rejection(), undefined)
      })
    )
  )

  it.live("B32: a bad file that was read and rejected is not written over, however often a change is tried", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files, log }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        const bad = '{"mcpServers":{"hand":{"url":"https://by-hand"},"two":{}}}'
        yield* files.writeFileString(file, bad)
        yield* log.until("mcpServers.two: The server has neither url nor command nor openapi")
        for (let attempt = 0; attempt < 3; attempt++) {
          const refused = yield* Effect.flip(settingsFile.update(() => Effect.succeed(one("https://over"))))
          assert.strictEqual(refused._tag, "SettingsUnsettled")
          assert.strictEqual(yield* files.readFileString(file), bad)
        }
        assert.strictEqual(yield* url, "https://a")
        yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://right"))))
        yield* settingsFile.update((current) => Effect.succeed({ ...current, groups: [] }))
        assert.deepStrictEqual(JSON.parse(yield* files.readFileString(file)), { ...one("https://right"), groups: [] })
      })
    )
  )

  it.live("B32: a file that is nested too deep is rejected with its place and a remedy, and the next one counts", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files, log }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        for (const depth of [101, 5000, 200_000]) {
          const deep = `{"mcpServers":{},"z":${"[".repeat(depth)}${"]".repeat(depth)}}`
          yield* files.writeFileString(file, deep)
          yield* log.until(`${file}: z[0][0][0][0]: This is nested deeper than 100 levels; flatten it, or remove it`)
          const refused = yield* Effect.flip(settingsFile.update((current) => Effect.succeed(current)))
          assert.strictEqual(refused._tag, "SettingsUnsettled")
          assert.strictEqual(yield* files.readFileString(file), deep)
          yield* afterChange(files.writeFileString(file, JSON.stringify(one(`https://after-${depth}`))))
          assert.strictEqual(yield* url, `https://after-${depth}`)
          log.lines.length = 0
        }
        assert.isTrue(Exit.isFailure(yield* Effect.exit(settingsFile.write(nested(5000)))))
      })
    )
  )

  it.live("B32: a mistake of the hub's own while it reads the file ends neither the reading nor a hand edit", () => {
    /** What a template reads; the hub fails where this one is read. */
    const environment = Object.defineProperty({}, "BROKEN", {
      get: () => {
        throw new Error("a mistake")
      }
    })
    let isBroken = false
    const broken = Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (files) => ({
        ...files,
        stat: (path: string) => Effect.suspend(() => (isBroken ? Effect.die("a broken disk") : files.stat(path)))
      }))
    )
    const services = Layer.merge(NodeServices.layer, Layer.provide(broken, NodeServices.layer))
    const use = ({ file, files, log }: Given) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        const bad = JSON.stringify(one("https://${BROKEN}"))
        yield* files.writeFileString(file, bad)
        yield* log.until("The hub failed to check this file")
        assert.isTrue(log.lines.some((line) => line.includes("could not be checked,Error: a mistake")))
        assert.instanceOf(settingsFile.rejection(), SettingsInvalid)
        yield* Effect.flip(settingsFile.update((current) => Effect.succeed(current)))
        assert.strictEqual(yield* files.readFileString(file), bad)
        isBroken = true
        yield* log.until("could not be looked at; trying again,a broken disk")
        isBroken = false
        yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://b"))))
        assert.strictEqual(yield* url, "https://b")
      })
    return withFile(JSON.stringify(one("https://a")), use, { services }).pipe(
      Effect.provideService(Environment, environment)
    )
  })

  it.live("a file that goes away keeps the settings in force, and counts again when it is back", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files, log }) =>
      Effect.gen(function* () {
        yield* files.remove(file)
        yield* log.until("is gone; the settings in force stay")
        assert.strictEqual(yield* url, "https://a")
        yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://back"))))
        assert.strictEqual(yield* url, "https://back")
      })
    )
  )

  it.live("a missing file is the sample until there is one, and an error without a sample", () =>
    Effect.gen(function* () {
      yield* withFile(
        undefined,
        ({ file, files }) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* url, "https://sample")
            yield* afterChange(files.writeFileString(file, JSON.stringify(one("https://file"))))
            assert.strictEqual(yield* url, "https://file")
          }),
        { sample: one("https://sample") }
      )
      const error = yield* Effect.flip(withFile(undefined, () => Effect.void))
      assert.instanceOf(error, SettingsUnavailable)
    })
  )

  it.live("a file that is bad at the start stops the start with every problem", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(withFile('{"mcpServers":{"a":{},"b":{}}}', () => Effect.void))
      assert.instanceOf(error, SettingsInvalid)
      assert.deepStrictEqual(
        error.problems.map(({ path }) => path),
        ["mcpServers.a", "mcpServers.b"]
      )
    })
  )

  it.live("a write is checked, kept whole with unknown keys, and leaves no temporary file", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        yield* files.chmod(file, 0o640)
        const document = { mcpServers: { one: { url: "https://b", colour: "red" } }, theme: { dark: true } }
        yield* afterChange(settingsFile.write(document))
        assert.strictEqual(yield* url, "https://b")
        assert.deepStrictEqual(JSON.parse(yield* files.readFileString(file)), document)
        assert.strictEqual((yield* files.stat(file)).mode & 0o777, 0o640)
        assert.deepStrictEqual(
          settingsFile
            .warnings()
            .map(({ path }) => path)
            .sort(),
          ["mcpServers.one.colour", "theme"]
        )
        const refused = yield* Effect.exit(settingsFile.write({ mcpServers: { one: {} } }))
        assert.isTrue(Exit.isFailure(refused))
        assert.deepStrictEqual(JSON.parse(yield* files.readFileString(file)), document)
        assert.deepStrictEqual(yield* files.readDirectory(file.slice(0, file.lastIndexOf("/"))), ["mcp_settings.json"])
      })
    )
  )

  it.live("changes made at the same time wait for one another, so that none is lost", () =>
    withFile(JSON.stringify({ mcpServers: {} }), ({ file, files }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        const names = Array.from({ length: 20 }, (_, index) => `s${index}`)
        const add = (name: string) =>
          settingsFile.update((current) =>
            Effect.succeed({ ...current, mcpServers: { ...current.mcpServers, [name]: { url: "https://x" } } })
          )
        yield* Effect.forEach(names, add, { concurrency: "unbounded" })
        const written = JSON.parse(yield* files.readFileString(file)) as SettingsValue
        assert.deepStrictEqual(Object.keys(written.mcpServers).sort(), names.sort())
      })
    )
  )

  it.live("a reader of the file never sees half a write", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files }) =>
      Effect.gen(function* () {
        const settingsFile = yield* SettingsFile
        const big = (index: number) => ({ ...one("https://b"), systemConfig: { text: `${index}`.repeat(200_000) } })
        const writes = Effect.forEach(
          Array.from({ length: 20 }, (_, index) => index),
          (index) => settingsFile.write(big(index))
        )
        const writer = yield* Effect.forkChild(writes)
        let reads = 0
        while (writer.pollUnsafe() === undefined) {
          JSON.parse(yield* files.readFileString(file))
          reads++
        }
        yield* Fiber.join(writer)
        assert.isAbove(reads, 0)
      })
    )
  )

  it.live("a server that did not change stays the same object", () =>
    withFile(JSON.stringify({ mcpServers: { a: { url: "https://a" }, b: { url: "https://b" } } }), () =>
      Effect.gen(function* () {
        const settings = yield* Settings
        const settingsFile = yield* SettingsFile
        const before = settings.current().mcpServers
        yield* settingsFile.write({ mcpServers: { a: { url: "https://a" }, b: { url: "https://new" } } })
        const after = settings.current().mcpServers
        assert.strictEqual(after["a"], before["a"])
        assert.notStrictEqual(after["b"], before["b"])
      })
    )
  )

  it.live("a settings file behind a link is replaced at its target, and the link stays", () =>
    withFile(JSON.stringify(one("https://a")), ({ file, files }) =>
      Effect.gen(function* () {
        const link = `${file}.link`
        yield* files.symlink(file, link)
        const written = Effect.flatMap(SettingsFile, (settingsFile) => settingsFile.write(one("https://linked")))
        yield* Effect.provide(written, Layer.fresh(SettingsFile.layer({ path: link })))
        assert.deepStrictEqual(JSON.parse(yield* files.readFileString(file)), one("https://linked"))
        assert.strictEqual(yield* files.readLink(link), file)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )
})

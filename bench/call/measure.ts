/**
 * One warm `tools/call` through the hub of the checkout that is named, measured in this process; client and upstream are
 * in another (`load.ts`). Prints one line of JSON.
 *
 * Run with `--expose-gc` and a young generation that holds all calls of a slice: what is on the heap afterwards is then
 * what the calls have allocated. Modules and function entries come from V8's precise coverage, which counts every entry
 * because it turns optimisation off; so it comes last.
 */
import { fork } from "node:child_process"
import { type Profiler, Session } from "node:inspector"
import { createRequire } from "node:module"
import { join } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"
import type * as EffectModule from "effect"
import type * as TestKit from "../../src/testkit/index.ts"

const [root, warmUp, perSlice] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const sources = pathToFileURL(join(root, "src")).href

const { TestHub } = (await import(`${sources}/testkit/index.ts`)) as typeof TestKit
// The checkout's own, so that it and the hub's are one.
const effect = createRequire(join(root, "package.json")).resolve("effect")
const { Effect, Redacted } = (await import(pathToFileURL(effect).href)) as typeof EffectModule

const load = fork(join(import.meta.dirname!, "load.ts"))
interface Said {
  readonly port: number
  readonly session: string
  readonly error?: string
}

const said = (): Promise<Said> =>
  new Promise((resolve, reject) =>
    load.once("message", (message: Said) =>
      message.error === undefined ? resolve(message) : reject(new Error(message.error))
    )
  )

interface Entered {
  readonly modules: ReadonlyArray<string>
  readonly entries: number
}

const inspector = new Session()
const ask = (method: string, params: object = {}): Promise<unknown> =>
  new Promise((resolve, reject) =>
    inspector.post(method, params, (error, result) => (error === null ? resolve(result) : reject(error)))
  )

const taken = async (): Promise<Entered> => {
  const { result } = (await ask("Profiler.takePreciseCoverage")) as Profiler.TakePreciseCoverageReturnType
  const modules: Array<string> = []
  let entries = 0
  for (const { functions, url } of result) {
    if (!url.startsWith(sources) || url.startsWith(`${sources}/testkit/`)) continue
    const here = functions.reduce((sum, { ranges }) => sum + ranges[0]!.count, 0)
    if (here > 0) modules.push(url.slice(sources.length + 1))
    entries += here
  }
  return { modules, entries }
}

const collect = (): void => (globalThis as unknown as { gc: () => void }).gc()

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const measured = async (url: string, key: string): Promise<object> => {
  const tell = async (messages: ReadonlyArray<object>, times: number, session?: string): Promise<string> => {
    const answer = said()
    load.send({ url, key, session, messages, times })
    return (await answer).session
  }
  const client = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } }
  const session = await tell([{ jsonrpc: "2.0", id: 1, method: "initialize", params: client }], 1)
  const params = { name: "bench-echo", arguments: { n: 1 } }
  const calls = (times: number) => tell([{ jsonrpc: "2.0", id: 2, method: "tools/call", params }], times, session)
  await calls(warmUp)

  const bytes: Array<number> = []
  const micros: Array<number> = []
  for (let slice = 0; slice < 7; slice++) {
    collect()
    const heap = process.memoryUsage().heapUsed
    const cpu = process.cpuUsage()
    await calls(perSlice)
    const { system, user } = process.cpuUsage(cpu)
    bytes.push((process.memoryUsage().heapUsed - heap) / perSlice)
    micros.push((system + user) / perSlice)
  }

  inspector.connect()
  await ask("Profiler.enable")
  await ask("Profiler.startPreciseCoverage", { callCount: true, detailed: false })
  await calls(5)
  const entered: Array<Entered> = []
  for (let one = 0; one < 9; one++) {
    await taken()
    await calls(1)
    entered.push(await taken())
  }
  // The least: what runs by a timer of its own beside the call is not part of it.
  const least = entered.reduce((a, b) => (b.entries < a.entries ? b : a))
  return {
    modules: least.modules.length,
    entries: least.entries,
    bytes: median(bytes),
    micros: median(micros),
    names: least.modules
  }
}

const program = Effect.gen(function* () {
  const { port } = yield* Effect.promise(said)
  const hub = yield* TestHub.make({
    servers: { bench: { url: `http://127.0.0.1:${port}/mcp` } },
    config: { fairShare: 200, logRequests: "all" }
  })
  const result = yield* Effect.promise(() => measured(hub.url, Redacted.value(hub.ada.key)))
  process.stdout.write(`${JSON.stringify(result)}\n`)
})

await Effect.runPromise(Effect.scoped(program))
load.disconnect()

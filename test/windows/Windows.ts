/**
 * The windows: several users with several standing clients each before many servers that run as child processes, and
 * one-shot clients beside them, on the real hub with its default limits. Nothing may be refused, no list may be empty or
 * lack something without a word, nobody may see what is another's, and what a server keeps in a session is never lost
 * silently.
 */
import { Effect, Semaphore } from "effect"
import { randomBytes } from "node:crypto"
import process from "node:process"
import { parseArgs } from "node:util"
import * as Canaries from "../support/Canaries.ts"
import { allocator } from "../../scripts/runtime.mjs"
import * as HubProcess from "../support/HubProcess.ts"
import { expected } from "./Expected.ts"
import * as Figures from "./Figures.ts"
import * as Record from "./Record.ts"
import { type Served, servers } from "./Servers.ts"
import { oneShots, type Person, type Run, window } from "./Window.ts"

export interface WindowsOptions {
  readonly seconds: number
  readonly users: number
  readonly windows: number
  readonly servers: number
  /** How long people take between what they do: 1 as they do, less in a hurry. */
  readonly pace: number
  /** Seconds between two rows of the table. */
  readonly every: number
  readonly env?: HubProcess.HubProcessOptions["env"]
  readonly print: (line: string) => void
}

export interface Report {
  readonly counts: Record.Counts
  readonly isSound: boolean
  readonly figures: ReadonlyArray<Figures.Figure>
}

const names = ["ada", "bo", "cleo", "dan", "eve", "fay", "gus", "hal"]

const person = (at: number, served: ReadonlyArray<Served>): Person => ({
  name: names[at] ?? `user${at}`,
  key: `mcphub_${randomBytes(32).toString("hex")}`,
  remembered: new Map(served.map(({ server }) => [server, new Set()])),
  turn: Semaphore.makeUnsafe(1)
})

export const windows = Effect.fnUntraced(function* (options: WindowsOptions) {
  const { env, every, pace, print, seconds } = options
  const served = servers(options.servers)
  const canaries = Canaries.make()
  const record = new Record.Record(canaries, yield* expected(served, yield* HubProcess.folder))
  const people = Array.from({ length: options.users }, (_, at) => person(at, served))
  const hub = yield* HubProcess.make({
    settings: { mcpServers: Object.fromEntries(served.map(({ kind, server }) => [server, kind.entry])) },
    provision: HubProcess.withKeys(people.map(({ key, name }) => ({ username: name, key }))),
    env: { ...allocator, ...env }
  })

  const begun = performance.now()
  const passed = (): number => (performance.now() - begun) / 1_000
  const run: Run = { origin: hub.origin, served, canaries, record, pace, isOver: () => passed() >= seconds }
  const clients = people.flatMap((person) => [
    ...Array.from({ length: options.windows }, (_, at) => window(run, person, `window${at + 1}`)),
    oneShots(run, person, "oneshot")
  ])
  const figures: Array<Figures.Figure> = []
  const look = Effect.flatMap(
    Effect.suspend(() => Figures.look(hub, record, passed())),
    ({ figure, row }) =>
      Effect.sync(() => {
        figures.push(figure)
        print(row)
      })
  )
  for (const line of Figures.head) print(line)
  yield* Effect.all(clients, { concurrency: "unbounded", discard: true }).pipe(
    Effect.raceFirst(Effect.forever(Effect.andThen(look, Effect.sleep(every * 1_000))))
  )
  yield* look
  for (const problem of record.problems) print(problem)
  print(record.line())
  return { counts: record.counts, isSound: record.isSound, figures } satisfies Report
}, Effect.scoped)

/** `--minutes N --users N --windows N --servers N`. */
export const fromArguments = (args: ReadonlyArray<string>): WindowsOptions => {
  const text = { type: "string" } as const
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: text, users: text, windows: text, servers: text }
  })
  const number = (name: keyof typeof values, otherwise: number): number => {
    const value = Number(values[name] ?? otherwise)
    if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} needs a number above 0`)
    return value
  }
  return {
    seconds: number("minutes", 10) * 60,
    users: number("users", 3),
    windows: number("windows", 3),
    servers: number("servers", 10),
    pace: 1,
    every: 10,
    print: (line) => void process.stdout.write(`${line}\n`)
  }
}

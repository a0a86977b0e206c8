/**
 * One client of a user: a window that stays, with a session and an event stream, and falls asleep at times; or a one-shot
 * client, which opens, lists, calls once and vanishes without a word.
 */
import { Duration, Effect, Random, Redacted, type Semaphore } from "effect"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { McpClient, RawHttp } from "../../src/testkit/index.ts"
import type { Canaries } from "../support/Canaries.ts"
import { type Record, restartedIn, type Seat } from "./Record.ts"
import type { Served, Told } from "./Servers.ts"

/** One user with what is said to each server. */
export interface Person {
  readonly name: string
  readonly key: string
  readonly remembered: ReadonlyMap<string, Set<string>>
  /** A server that keeps one file for all windows reads and writes it whole: one call at a time, as one person makes. */
  readonly turn: Semaphore.Semaphore
}

export interface Run {
  readonly origin: string
  readonly served: ReadonlyArray<Served>
  readonly canaries: Canaries
  readonly record: Record
  /** How long people take: 1 as they do, less in a hurry. */
  readonly pace: number
  readonly isOver: () => boolean
}

/** Longer than any limit of the hub: what takes longer never ends. */
const never = "90 seconds"

const between = (run: Run, least: number, most: number): Effect.Effect<void> =>
  Effect.flatMap(Random.nextBetween(least, most), (seconds) => {
    const ends = performance.now() + seconds * run.pace * 1_000
    const step = Effect.suspend(() =>
      Effect.sleep(Duration.millis(Math.max(0, Math.min(500, ends - performance.now()))))
    )
    return Effect.repeat(step, { while: () => performance.now() < ends && !run.isOver() })
  })

const textOf = (result: JsonObject): string =>
  (result["content"] as ReadonlyArray<{ readonly text?: string }>).map(({ text }) => text ?? "").join("\n")

/** A client with a session; undefined where the hub refused one. */
const open = Effect.fnUntraced(function* (run: Run, person: Person, window: string) {
  const { canaries, record, served } = run
  const seat: Seat = { user: person.name, window }
  const canary = canaries.plant(person.name, window)
  const told = new Map<string, Told>(
    served.map(({ server }) => [
      server,
      { session: { thoughts: 0 }, file: {}, remembered: person.remembered.get(server)! }
    ])
  )

  const refuse = (what: string, said: string) => Effect.sync(() => record.problem("refused", seat, `${what}: ${said}`))

  /** The answer, or undefined after it has been noted that there is none. */
  const noted = <A, R>(what: string, asked: Effect.Effect<A, McpClient.McpFailure, R>) =>
    asked.pipe(
      Effect.timeoutOrElse({ duration: never, orElse: () => Effect.die(`no answer within ${never}`) }),
      Effect.catchTag("McpFailure", ({ code, message, status }) =>
        Effect.as(refuse(what, `HTTP ${status}, ${code}: ${message}`), undefined)
      ),
      Effect.catchDefect((defect) => Effect.as(refuse(what, String(defect)), undefined))
    )

  const client = yield* noted(
    "initialize",
    Effect.flatMap(RawHttp.make(run.origin), (http) =>
      McpClient.connect(http, { key: Redacted.make(person.key) }, { clientInfo: { name: window, version: "1.0.0" } })
    )
  )
  if (client === undefined) return undefined
  record.counts.sessions++

  /** The servers that the list lacks. */
  const list = Effect.map(noted("tools/list", client.request("tools/list")), (result) => {
    if (result === undefined) return []
    record.heard(seat, "tools/list", result)
    return record.listed(seat, result)
  })

  const callAt = Effect.fnUntraced(function* ({ kind, server }: Served) {
    const memory = told.get(server)!
    const { args, judge, tool } = kind.ask(memory, canary)
    const name = `${server}-${tool}`
    const result = yield* noted(name, client.request("tools/call", { name, arguments: args }))
    record.counts.calls++
    if (result === undefined) return
    record.heard(seat, name, result, kind.isOfUser)
    if (result["isError"] === true) return record.problem("refused", seat, `${name}: ${textOf(result).slice(0, 300)}`)
    const restarted = restartedIn(result)
    if (restarted !== undefined) {
      record.counts.restarts++
      Object.assign(told.get(restarted)!.session, { thoughts: 0, project: undefined })
    }
    const wrong = judge(textOf(result))
    if (wrong !== undefined) record.problem("wrong", seat, `${name} ${wrong}: ${textOf(result).slice(0, 200)}`)
  })

  const call = Effect.flatMap(Random.nextIntBetween(0, served.length - 1), (at) => {
    const { kind, server } = served[at]!
    const calling = callAt({ kind, server })
    return kind.isOfUser === true ? person.turn.withPermit(calling) : calling
  })

  /** Reads the stream as long as it lasts, and lists again when a list is another one. */
  const listen = Effect.fnUntraced(
    function* (stream: RawHttp.OpenAnswer) {
      if (stream.status !== 200) return record.problem("refused", seat, `event stream: HTTP ${stream.status}`)
      while (true) {
        const message = yield* stream.next
        record.heard(seat, "event stream", message)
        if ("method" in message && message.method === "notifications/tools/list_changed") yield* list
      }
    },
    (reading) => Effect.ignore(reading)
  )

  return { client, list, call, listen, pause: (least: number, most: number) => between(run, least, most) }
})

/** A window until the run is over: at work with its stream, idle, and one time in three asleep without one. */
export const window = Effect.fnUntraced(function* (run: Run, person: Person, name: string) {
  const opened = yield* open(run, person, name)
  if (opened === undefined) return
  const { call, client, list, listen, pause } = opened
  const awake = Effect.gen(function* () {
    const stream = yield* Effect.acquireRelease(client.stream, ({ abandon }) => abandon)
    yield* Effect.forkScoped(listen(stream))
    yield* list
    const calls = yield* Random.nextIntBetween(5, 12)
    for (let at = 0; at < calls && !run.isOver(); at++) yield* Effect.andThen(call, pause(0.5, 4))
    yield* list
    yield* pause(5, 25)
  }).pipe(Effect.scoped)
  while (!run.isOver()) {
    yield* awake
    if ((yield* Random.next) < 0.33) yield* pause(20, 60)
  }
  yield* client.end
}, Effect.scoped)

/** One after the other until the run is over; none says goodbye. */
export const oneShots = Effect.fnUntraced(function* (run: Run, person: Person, name: string) {
  const one = Effect.gen(function* () {
    const opened = yield* open(run, person, name)
    if (opened === undefined) return
    run.record.counts.oneShots++
    yield* Effect.andThen(opened.list, opened.call)
  }).pipe(Effect.scoped)
  while (!run.isOver()) {
    yield* between(run, 3, 12)
    yield* one
  }
})

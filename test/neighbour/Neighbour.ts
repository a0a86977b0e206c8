/**
 * The neighbour: how much longer one user's calls take while another user strains the hub. Quiet and disturbed slices
 * take turns in front of one real hub, each program in a process of its own. The figure is the p99 beside a disturbance
 * compared with the p99 of quiet slices, each as the median over the rounds.
 *
 * Calls start on schedule and not one after the other, so that calls delayed by a stall count as well.
 */
import { Effect, Redacted } from "effect"
import { McpClient, RawHttp } from "../../src/testkit/index.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as Programs from "../support/Programs.ts"
import * as Apart from "./Apart.ts"
import { type Disturbance, disturbances } from "./Disturbances.ts"
import * as StolenTime from "./StolenTime.ts"

export interface NeighbourOptions {
  readonly rounds: number
  readonly seconds: number
  /** Calls a second of the measured user. */
  readonly rate: number
  readonly kinds: ReadonlyArray<Disturbance>
  /** Keeps the hub, the measured client and the rest from taking each other's processors, see `Apart`. */
  readonly pin: boolean
  /** Measures the hub's memory in place of calls. */
  readonly memory?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly print: (line: string) => void
}

/** Of one disturbance in one round, in milliseconds, with the quiet slice before it. */
export interface Round {
  readonly kind: Disturbance
  readonly p50: number
  readonly p99: number
  readonly quietP50: number
  readonly quietP99: number
}

/** How many times as long calls take beside the disturbance: of medians over the rounds, so that no single stall decides. */
export interface Figure {
  readonly kind: Disturbance
  readonly p50: number
  readonly p99: number
}

const keys = { ada: `mcphub_${"ada-".repeat(16)}`, bo: `mcphub_${"bobo".repeat(16)}` }

export const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0

const ascending = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

/** The hub and its servers, each in a process of its own, and who disturbs them. */
export const start = Effect.fnUntraced(function* ({ env, pin }: Pick<NeighbourOptions, "env" | "pin">) {
  const as = (role: Apart.Role) =>
    Effect.sync(() => {
      if (pin) Apart.become(role)
    })
  yield* as("disturber")
  const theirs = yield* Programs.listening("test/neighbour/upstream.ts", {})
  const loud = yield* Programs.listening("test/neighbour/loud.ts", {})
  yield* as("measured")
  const mine = yield* Programs.listening("test/neighbour/upstream.ts", {})
  yield* as("hub")
  const hub = yield* HubProcess.make({
    settings: {
      mcpServers: {
        mine: { url: mine, isolation: "user" },
        theirs: { url: theirs, isolation: "user" },
        loud: { url: loud },
        child: Programs.command("test/support/loud-stdio.ts")
      }
    },
    provision: HubProcess.withKeys(Object.entries(keys).map(([username, key]) => ({ username, key }))),
    env: { ...env }
  })
  yield* as("measured")

  /** Disturbs for as long as the scope lives; it has begun. */
  const disturber = Effect.fnUntraced(function* (kind: Disturbance) {
    yield* as("disturber")
    yield* Programs.listening("test/neighbour/disturber.ts", { DISTURBER_KEY: keys.bo }, [hub.origin, kind])
    yield* as("measured")
  })

  /** Calls go on when their client has left, until they time out: beside those nothing is quiet. */
  const isQuiet = Effect.andThen(
    eventually(hub.gauges, (values) => values.get("mcphub_requests_in_flight") === 0, { deadline: "60 seconds" }),
    Effect.sleep("1 second")
  )
  return { disturber, hub, isQuiet }
})

export const measure = Effect.fnUntraced(function* (options: NeighbourOptions) {
  const { kinds, print, rate, rounds, seconds } = options
  const { disturber, hub, isQuiet } = yield* start(options)
  const client = yield* McpClient.connect(yield* RawHttp.make(hub.origin), { key: Redacted.make(keys.ada) })
  const call = client.callTool("mine-echo", { text: "x".repeat(200) })

  const theft = yield* StolenTime.watch
  /** Milliseconds of each call of one slice, less those during which the machine was away. */
  const slice = Effect.gen(function* () {
    const taken: Array<readonly [begun: number, ended: number]> = []
    const timed = Effect.gen(function* () {
      const begun = performance.now()
      yield* call
      taken.push([begun, performance.now()])
    })
    const count = Math.round(rate * seconds)
    const first = performance.now()
    yield* Effect.forEach(
      Array.from({ length: count }, (_, index) => index),
      (index) =>
        Effect.andThen(
          Effect.suspend(() => Effect.sleep(Math.max(0, first + (index * 1_000) / rate - performance.now()))),
          timed
        ),
      { concurrency: "unbounded", discard: true }
    )
    yield* Effect.sleep("100 millis")
    return taken.filter(([begun, ended]) => !theft.between(begun, ended)).map(([begun, ended]) => ended - begun)
  })

  const disturbed = (kind: Disturbance) =>
    Effect.gen(function* () {
      yield* disturber(kind)
      // What it does has begun; the first moments belong to it alone.
      yield* Effect.sleep("1 second")
      return yield* slice
    }).pipe(Effect.scoped)

  print("warming up")
  yield* slice
  for (const kind of kinds) yield* disturbed(kind)

  const all: Array<Round> = []
  for (let round = 1; round <= rounds; round++) {
    for (const kind of kinds) {
      const quiet = ascending(yield* Effect.andThen(isQuiet, slice))
      const beside = ascending(yield* disturbed(kind))
      const figures = {
        kind,
        p50: quantile(beside, 0.5),
        p99: quantile(beside, 0.99),
        quietP50: quantile(quiet, 0.5),
        quietP99: quantile(quiet, 0.99)
      }
      all.push(figures)
      const shown = (p50: number, p99: number, worst: number) =>
        `${p50.toFixed(2)}/${p99.toFixed(2)}/${worst.toFixed(1)}`
      print(
        `round ${round}, p50/p99/worst ms: quiet ${shown(figures.quietP50, figures.quietP99, quiet.at(-1)!)}, ` +
          `${kind} ${shown(figures.p50, figures.p99, beside.at(-1)!)}; of ${quiet.length} and ${beside.length} calls`
      )
    }
  }
  const lost = (values: ReadonlyMap<string, number>) =>
    `rows lost ${values.get("mcphub_audit_lost_total")}, log lines lost ${values.get("mcphub_log_lines_lost_total")}`
  print(lost(yield* hub.gauges))
  const medianOf = (rounds: ReadonlyArray<Round>, value: (round: Round) => number): number =>
    quantile(ascending(rounds.map(value)), 0.5)
  // Quiet is quiet, whatever comes after it: all its slices say more than the few before one kind.
  const quiet = { p50: medianOf(all, ({ quietP50 }) => quietP50), p99: medianOf(all, ({ quietP99 }) => quietP99) }
  return kinds.map((kind): Figure => {
    const rounds = all.filter((round) => round.kind === kind)
    return {
      kind,
      p50: medianOf(rounds, ({ p50 }) => p50) / quiet.p50,
      p99: medianOf(rounds, ({ p99 }) => p99) / quiet.p99
    }
  })
}, Effect.scoped)

/** `--rounds N --seconds N --rate N --kinds a,b --pin --memory`. */
export const fromArguments = (args: ReadonlyArray<string>): NeighbourOptions => {
  const text = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined)
  const number = (flag: string, otherwise: number): number => {
    const value = Number(text(flag) ?? otherwise)
    if (!Number.isFinite(value) || value <= 0) throw new Error(`${flag} needs a number above 0`)
    return value
  }
  const known = Object.keys(disturbances) as Array<Disturbance>
  const kinds = (text("--kinds")?.split(",") ?? known) as Array<Disturbance>
  for (const kind of kinds) {
    if (!known.includes(kind)) throw new Error(`--kinds knows ${known.join(", ")}`)
  }
  return {
    rounds: number("--rounds", 6),
    seconds: number("--seconds", 4),
    rate: number("--rate", 50),
    kinds,
    pin: args.includes("--pin"),
    memory: args.includes("--memory"),
    print: (line) => void process.stdout.write(`${line}\n`)
  }
}

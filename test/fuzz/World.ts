/**
 * One hub with its servers and users: lanes that say strange things or hear them, and bo, who does neither. After each
 * batch of a lane the hub must run, and bo must get an answer of their own and have heard nothing else.
 */
import { Effect, type Scope } from "effect"
import * as HubProcess from "../support/HubProcess.ts"
import { Broken, limitMs, markOf, poolOf, type Witness } from "./Exchange.ts"
import { take } from "./Doing.ts"
import { Lane, type Person, personOf } from "./Lane.ts"
import * as Servers from "./Servers.ts"
import * as Standstill from "./Standstill.ts"
import type { Step } from "./Steps.ts"

/** Bytes that the hub may hold after any batch. */
export const maxMemory = 1024 * 1024 * 1024
/** Batches between two looks at its probes. */
const probeEvery = 10

export interface World {
  /** Messages said by clients and by servers. */
  readonly told: () => { readonly clients: number; readonly servers: number }
  readonly take: (lane: number, step: Step) => Promise<void>
  /** Throws `Broken`. */
  readonly check: () => Promise<void>
  /** Lines of the hub's log that tell of a defect, since the last look. */
  readonly defects: () => ReadonlyArray<string>
  /** Bytes at most, as far as was looked. */
  readonly memory: () => number
}

/** Those who speak to strangers reach all servers; bo the same two over HTTP as everybody. */
const provisioned = ({ id, key, name }: Person, { main, processes }: Servers.Servers["usual"]) => {
  const groups = [
    { name: "main", servers: main },
    ...(name === "bo" ? [] : [{ name: "processes", servers: processes }])
  ]
  return { username: name, id, keys: [{ key }], ...(name.startsWith("eve") ? {} : { groups }) }
}

const env = {
  // With room for gigabytes a runtime collects so rarely that growth could not be told from garbage.
  NODE_OPTIONS: "--max-old-space-size=400",
  DENO_V8_FLAGS: "--max-old-space-size=400",
  REQUEST_TIMEOUT: String(limitMs),
  MAX_REQUEST_TIMEOUT: String(2 * limitMs),
  LIST_TIMEOUT: String(limitMs),
  INIT_TIMEOUT: "1000",
  BODY_TIMEOUT: "1000",
  SESSION_IDLE_MS: "5000",
  MAX_SESSIONS_PER_USER: "1000",
  MAX_INFLIGHT_PER_USER: "5000",
  FAIR_SHARE: "0",
  WRONG_KEYS_PER_MINUTE: "1000000",
  LOG_REQUESTS: "off",
  LOG_LEVEL: "error"
}

/** What the hub gives up is its own doing where the machine has let it wait for no longer than that. */
const toleratedMs = 1_000
const ofTime = /have not (ended|finished) in time/

/** What a hub says of itself and of a user's sessions and requests, as far as it answers in time. */
const stateOf = (hub: HubProcess.HubProcess, name: string): Effect.Effect<string> => {
  const told = (what: string, saying: Effect.Effect<string>) =>
    saying.pipe(
      Effect.timeoutOrElse({ duration: "15 seconds", orElse: () => Effect.succeed("no answer in 15 s") }),
      Effect.map((said) => `${what}: ${said.trim()}`)
    )
  const command = (what: string) =>
    Effect.map(hub.cli(what, "ls", "--user", name, "--json"), ({ stdout }) => stdout.replace(/\n\s*/g, " "))
  const gauges = Effect.map(hub.gauges, (values) =>
    [...values]
      .flatMap(([gauge, value]) => (counted.test(gauge) && value !== 0 ? [`${gauge} ${value}`] : []))
      .join(", ")
  )
  const ready = Effect.map(HubProcess.get(`${hub.origin}/readyz`), ({ status, text }) => `${status} ${text}`)
  const all = [
    told("readyz", ready),
    told("gauges", gauges),
    told("requests", command("request")),
    told("sessions", command("session"))
  ]
  return Effect.map(Effect.all(all, { concurrency: "unbounded" }), (lines) => lines.join("\n  "))
}

/** Figures that tell where a request may wait. */
const counted =
  /^mcphub_(requests_(in_flight|waiting)|bodies_waiting|children|fibers|sessions|streams|client_sockets|upstream_sockets|audit_waiting|memory_used_ratio)$/

export const make = (lanes: number): Effect.Effect<World, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const bo = personOf("bo", 1)
    const people = Array.from({ length: lanes }, (_, at) => ({
      lane: personOf(`ada${at}`, 10 + 2 * at),
      other: personOf(`eve${at}`, 11 + 2 * at)
    }))
    const all = [bo, ...people.flatMap(({ lane, other }) => [lane, other])]
    const folder = yield* HubProcess.folder
    const servers = yield* Servers.make(folder, new Map(all.map(({ id, name }) => [id, name])))
    const hub = yield* HubProcess.make({
      settings: servers.settings,
      provision: { users: all.map((person) => provisioned(person, servers.usual)) },
      env
    })
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => poolOf(hub.origin)),
      (sockets) => Effect.promise(() => sockets.destroy())
    )
    const standstill = yield* Standstill.watch(hub.pid)
    let sinceLooked = standstill.begin()
    const witness: Witness = {
      standstill,
      hubState: (name) => Effect.runPromise(stateOf(hub, name))
    }
    const clients = { messages: 0 }
    const doings = people.map(({ lane, other }) => ({
      servers,
      origin: hub.origin,
      lane: new Lane(pool, lane, witness),
      other: new Lane(pool, other, witness),
      told: clients
    }))
    const neighbour = new Lane(pool, bo, witness)
    let heard = ""
    let checks = 0
    let memory = 0
    let logAt = 0

    /** Everything that bo hears without having asked. */
    const listen = Effect.promise(async () => {
      const headers = { ...(await neighbour.session("/mcp")), accept: "text/event-stream" }
      const { body } = await pool.request({ method: "GET", path: "/mcp", headers })
      body
        .setEncoding("utf8")
        .on("error", () => {})
        .on("data", (chunk: string) => (heard += chunk))
    })
    yield* listen

    const alive = (): void => {
      if (hub.hasEnded()) throw new Broken(`the hub ended: ${hub.stderr().slice(-2_000)}`)
    }

    const probe = async (): Promise<void> => {
      const ready = await Effect.runPromise(HubProcess.get(`${hub.origin}/readyz`))
      if (ready.status !== 200) throw new Broken(`/readyz answers ${ready.status}: ${ready.text}`)
      const gauges = await Effect.runPromise(hub.gauges)
      const now = gauges.get("process_resident_memory_bytes") ?? 0
      memory = Math.max(memory, now)
      if (now > maxMemory) throw new Broken(`the hub holds ${Math.round(now / 1024 / 1024)} MiB`)
    }

    const check = async (): Promise<void> => {
      alive()
      // Before anything is waited for: another lane may check meanwhile.
      const id = ++checks
      const marker = `${markOf("bo")}${id}`
      const headers = (await neighbour.session("/mcp"))!
      const params = { name: "http-stateful-echo", arguments: { marker } }
      const body = JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params })
      const since = standstill.begin()
      // An answer that takes more than a second comes on a stream.
      let said: any
      const answer = await neighbour.exchange({ path: "/mcp", headers, body, onMessage: (message) => (said = message) })
      alive()
      // A hub that got no processor may have given up waiting for its database; the next check asks again.
      if (answer?.status === 503 && since.lostMs() > toleratedMs) return
      if (answer?.status === 200) said ??= JSON.parse(answer.text)
      const result = said as { result?: any; id: unknown } | undefined
      const got = result?.result?.structuredContent
      if (result?.id !== id || JSON.stringify(got) !== JSON.stringify({ marker })) {
        throw new Broken(`bo asked for ${marker} and got ${answer?.status} ${answer?.text}`)
      }
      if (/^data: ?\S/m.test(heard)) throw new Broken(`bo heard ${heard.slice(0, 500)}`)
      for (const { lane } of doings) if (lane.heard !== undefined) throw lane.heard
      if (checks % probeEvery === 1) await probe()
    }

    return {
      told: () => ({ clients: clients.messages, servers: servers.told.messages }),
      take: (lane, step) => take(doings[lane]!, step),
      check,
      defects: () => {
        const text = hub.stderr().slice(logAt)
        const complete = text.lastIndexOf("\n") + 1
        logAt += complete
        const hasStoodStill = sinceLooked.lostMs() > toleratedMs
        sinceLooked = standstill.begin()
        return text
          .slice(0, complete)
          .split("\n")
          .filter((line) => line.trim() !== "" && !(hasStoodStill && ofTime.test(line)))
      },
      memory: () => memory
    } satisfies World
  })

/**
 * The place where something waits at this moment, and since when: a request, or work that several requests wait for (a
 * connection that opens, a list that is fetched). Whoever makes it wait says so for as long as it lasts; operators and the
 * request's own user read it.
 *
 * A call over a connection that stands writes the one field `sentMono`. Times are monotonic milliseconds.
 */
import { Effect } from "effect"

export const waitKinds = [
  "hub",
  "share",
  "server-place",
  "connection",
  "retry-after",
  "breaker",
  "server",
  "client-answer"
] as const

/**
 * `hub`: nothing outside is waited for; `share`: the user is over their fair share; `server-place`: for a place for the
 * server's process; `retry-after`: the server has asked to be left alone; `breaker`: another request tries out a server
 * that kept failing.
 */
export type WaitKind = (typeof waitKinds)[number]

/** How far a connection has come: its process starts, it is greeted, it is told what the session has set. */
export type ConnectionStage = "turn" | "start" | "initialize" | "server/discover" | "set-up"

/** No moment at all. */
export const unsent = -1

export interface Wait {
  readonly kind: WaitKind
  readonly server?: string | undefined
  readonly stage?: ConnectionStage | undefined
  readonly since: number
  readonly until?: number | undefined
  /** When the server last said something about the request. */
  readonly heard?: number | undefined
}

export interface WaitFor extends Omit<Wait, "since" | "heard"> {
  readonly server: string
  /** The work under way that is waited for, which knows better. */
  readonly via?: (() => Waits | undefined) | undefined
}

export interface Entry extends WaitFor {
  readonly since: number
  outer: Entry | undefined
}

export interface Waits {
  /** When the request left for its server; `unsent` before that, and once it is answered. */
  sentMono: number
  readonly enter: (wait: WaitFor) => Entry
  readonly leave: (entry: Entry) => void
  /** The server has said something about the request. */
  readonly heard: () => void
  /** What is waited for now; undefined: for nothing outside of the hub. */
  readonly waitsFor: () => Wait | undefined
}

export abstract class WaitStack implements Waits {
  sentMono = unsent
  /** When the server last said something. */
  private heardMono = unsent
  private latest: Entry | undefined = undefined

  protected abstract now(): number

  enter(wait: WaitFor): Entry {
    return (this.latest = { ...wait, since: this.now(), outer: this.latest })
  }

  leave(entry: Entry): void {
    if (this.latest === entry) {
      this.latest = entry.outer
      return
    }
    for (let one = this.latest; one !== undefined; one = one.outer) {
      if (one.outer === entry) one.outer = entry.outer
    }
  }

  heard(): void {
    this.heardMono = this.now()
  }

  waitsFor(): Wait | undefined {
    const entry = this.entered()
    if (entry !== undefined) return this.resolved(entry)
    if (this.sentMono === unsent) return undefined
    const heard = this.heardMono >= this.sentMono ? this.heardMono : undefined
    return { kind: "server", since: this.sentMono, heard }
  }

  /** Of each server the latest; of several servers the one that is waited for longest, since all are. */
  private entered(): Entry | undefined {
    const latest = new Map<string, Entry>()
    let oldest: Entry | undefined
    for (let one = this.latest; one !== undefined; one = one.outer) {
      if (!latest.has(one.server)) latest.set(one.server, one)
      oldest = one
    }
    return oldest === undefined ? undefined : latest.get(oldest.server)
  }

  private resolved({ kind, server, since, stage, until, via }: Entry): Wait {
    const work = via?.()
    const inner = work === this ? undefined : work?.waitsFor()
    if (inner === undefined) return { kind, server, since, stage, until }
    // How long the request waits is its own; how far the work has come is the work's.
    const begun = inner.kind === kind ? since : Math.max(since, inner.since)
    return { ...inner, server, since: begun }
  }
}

/** Of something that is no request. */
export class SharedWaits extends WaitStack {
  private readonly clock: () => number

  constructor(now: () => number) {
    super()
    this.clock = now
  }

  protected override now(): number {
    return this.clock()
  }
}

/** Work that several requests wait for, by a key, and how far each has come. */
export class WorkUnderWay {
  private readonly all = new Map<string, Waits>()
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  run<A, E, R>(key: string, work: (waits: Waits) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const waits = new SharedWaits(this.now)
      this.all.set(key, waits)
      return Effect.onExitPrimitive(work(waits), () => {
        if (this.all.get(key) === waits) this.all.delete(key)
        return undefined
      })
    })
  }

  /** For `WaitFor.via`. */
  at(key: string): () => Waits | undefined {
    return () => this.all.get(key)
  }
}

/** Runs an effect that makes `waits` wait for this. */
export const waiting = <A, E, R>(
  waits: Waits | undefined,
  wait: WaitFor,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (waits === undefined) return effect
  return Effect.suspend(() => {
    const entry = waits.enter(wait)
    return Effect.onExitPrimitive(effect, () => {
      waits.leave(entry)
      return undefined
    })
  })
}

/** Defects planted into a running hub: a method of one of its services, or of a class, throws the next time it is called. */
import { Context, Effect, Layer } from "effect"
import { FairShare } from "../../../src/actors/limits/FairShare.ts"
import { UserLimits } from "../../../src/actors/limits/UserLimits.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import { type HubUser, TestHub, type TestHubOptions } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"
import { holdingUpstream } from "./HoldingUpstream.ts"

/** In the message of every planted error: it may be anybody's secret, so it must not be seen. */
export const canary = "canary-defect"

const planted = (): never => {
  throw new TypeError(`${canary} of a token`)
}

/** Whether it has thrown. */
export type Planted = () => boolean

/** `unless` lets calls pass that are not meant. */
export const plant = (
  owner: object,
  method: string,
  instead: () => unknown = planted,
  unless: (...args: ReadonlyArray<unknown>) => boolean = () => false
): Planted => {
  const methods = owner as Record<string, (...args: ReadonlyArray<unknown>) => unknown>
  const own = methods[method]!
  let hasThrown = false
  methods[method] = function (this: unknown, ...args) {
    if (unless(...args)) return own.call(this, ...args)
    methods[method] = own
    hasThrown = true
    return instead()
  }
  return () => hasThrown
}

export type DefectHub = Effect.Success<ReturnType<typeof start>>

/** A hub with its log in reach, and a call of bo's under way that must end as if nothing had happened. */
export const start = Effect.fnUntraced(function* (config: TestHubOptions["config"] = {}) {
  let log = ""
  const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void (log += chunk)) })
  const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
  const { hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    config,
    replace: Logging.layer({ level: "Info" }).pipe(Layer.provideMerge(output))
  })
  const share = Context.get(hub.services, FairShare)
  const limits = Context.get(hub.services, UserLimits)
  const running = new Map<string, number>()
  const count = (user: string, by: number) => void running.set(user, (running.get(user) ?? 0) + by)
  const { admit, begin, ended } = share
  Object.assign(share, {
    begin: (user, isAwaited) => {
      const begins = begin(user, isAwaited)
      if (begins) count(user, 1)
      return begins
    },
    admit: (user, isAwaited, run) =>
      admit(user, isAwaited, () => {
        count(user, 1)
        run()
      }),
    ended: (user) => {
      count(user, -1)
      ended(user)
    }
  } satisfies Partial<FairShare["Service"]>)
  const bo = yield* hub.connect(hub.bo)
  const bos = yield* hold(bo)

  const lines = () =>
    log
      .split("\n")
      .filter((line) => line.includes("died of a defect at the edge"))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  return {
    hub,
    bo,
    hold,
    log: () => log,
    /** The lines of defects, once there are as many. */
    lines: (many: number) => eventually(Effect.sync(lines), (all) => all.length >= many, { every: "10 millis" }),
    /** What a user holds: requests counted by the share, places in flight, sessions. */
    held: ({ user }: HubUser) => ({
      share: running.get(user.id) ?? 0,
      inFlight: limits.taken(user.id, "inFlight"),
      sessions: limits.taken(user.id, "sessions")
    }),
    bosGoesOn: Effect.gen(function* () {
      bos.call.content({ still: "bo's" })
      return (yield* bos.answer).result.structuredContent as unknown
    })
  }
})

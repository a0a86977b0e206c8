/**
 * A user's fair share of the one thread that all users' work runs in. Limits on what a user may have do not bound what
 * it costs the others: sixty-four quick calls side by side, or answers of fifty megabytes, keep the thread busy without
 * a pause. So what a user does beyond their share waits its turn while anybody else is active who asks little, and the
 * thread is free for those. Where all ask much, or one is alone, nobody waits.
 *
 * Each user has a bucket that fills with `FAIR_SHARE` units a second; a request costs one, and so does the like of it
 * in bytes of large answers. A user whose bucket is empty waits in queues of their own: nothing is refused, read or
 * held but the connection. Requests and the answers that are being read take turns, so that neither keeps the other
 * waiting. The only request of a user never waits: who awaits one answer before asking again leaves gaps by themselves.
 * Those that have arrived together are several, though each may be answered before the next one is looked at.
 *
 * A server that several users share has a bucket of its own, for what it says beside their calls (`Payer`).
 */
import { Clock, Context, Effect, FiberHandle, Layer, Scheduler } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import { isServer, type Payer } from "./Payer.ts"

/** Bytes of a large answer that cost as much as a request. */
const unitBytes = 128 * 1024

/** What moving a part of a large answer costs. */
export const unitsOfBytes = (bytes: number): number => bytes / unitBytes

/** Part of a second whose units a user may use at once. */
const burstSeconds = 0.2
/** Milliseconds for which a user counts as active after a request. */
const activeMs = 10_000
/** Users remembered as asking little. */
const mostHeard = 8
/** Accounts remembered; beyond that those that owe and hold nothing are forgotten. */
const maxAccounts = 10_000

/**
 * The kinds of work, for the metric: `request` and `body` of clients, further messages of a `batch`, `session`, resumed or
 * opened `stream`, started `process`, `server` for requests that the hub itself makes to servers, `answer` for what
 * servers say when they are asked and `news` for what they say otherwise.
 */
export const workKinds = [
  "request",
  "body",
  "batch",
  "session",
  "stream",
  "process",
  "server",
  "answer",
  "news"
] as const
export type Work = (typeof workKinds)[number]

/** What a request has come to: it runs, it waits (and may be taken back), or too many of its user wait already. */
export type Admission = "runs" | "refused" | (() => void)

export class FairShare extends Context.Service<
  FairShare,
  {
    /** Whether the request may run at once. It is then as if it had been admitted, and is `ended` alike. */
    readonly begin: (userId: UserId, isAwaited: boolean) => boolean
    /**
     * Runs the request now or when it is its turn. Each one that has run is `ended` once its answer has left; with
     * `isAwaited` false the answer comes elsewhere, and that it is the only one says nothing. `run` must not throw.
     */
    readonly admit: (userId: UserId, isAwaited: boolean, run: () => void) => Admission
    /** Counts from the next turn of the event loop on. */
    readonly ended: (userId: UserId) => void
    /**
     * A part of some work has been done for the user, e.g. bytes of an answer have been moved. Undefined: go on.
     * Otherwise the rest waits until `goOn`, which never runs before this has returned; the function says that there is
     * no rest.
     */
    readonly spend: (payer: Payer, work: Work, units: number, goOn: () => void) => (() => void) | undefined
    /** Work has been done for the user that could not wait: what they do next waits for it. */
    readonly charge: (payer: Payer, work: Work, units: number) => void
    /** Requests that wait now, and that have ever waited. */
    readonly waiting: () => number
    readonly waited: () => number
    /** Units charged since the start, over all users. */
    readonly charged: (work: Work) => number
    /** Users who have less left than anything costs. */
    readonly overdrawn: () => number
    /** Nobody waits any more, now and from now on: the hub stops, and whoever waits must get an answer. */
    readonly release: Effect.Effect<void>
  }
>()("mcphub/actors/limits/FairShare") {
  static readonly layer: Layer.Layer<FairShare> = Layer.effect(
    FairShare,
    Effect.suspend(() => make())
  )
}

/** Pays for work before it is done, and ends when it may be; whoever stops waiting has paid all the same. */
export const turn = (share: FairShare["Service"], userId: UserId, work: Work, units: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const noTurn = share.spend(userId, work, units, () => resume(Effect.void))
    if (noTurn === undefined) return void resume(Effect.void)
    return Effect.sync(noTurn)
  })

interface Waiting {
  readonly work: Work
  /** Units, charged when it goes on. */
  readonly cost: number
  readonly run: () => void
}

interface Account {
  readonly payer: Payer
  /** Units left, less than none while the user is over their share. */
  units: number
  /** When they were counted. */
  at: number
  /** When this user last asked for something while asking little. */
  heardAt: number
  /** Requests that run. */
  open: number
  /** Those that wait, in order. */
  readonly requests: Set<Waiting>
  /** Answers of which more is to be read, in order. */
  readonly answers: Set<Waiting>
  /** Whose turn it is when both wait. */
  isAnswersTurn: boolean
}

const isQueued = ({ answers, requests }: Account): boolean => requests.size > 0 || answers.size > 0

const make = Effect.fnUntraced(function* () {
  const { fairShare, maxInflightPerUser } = yield* HubConfig
  const now = monotonicMillis(yield* Clock.Clock)
  const soon = (yield* Scheduler.Scheduler).makeDispatcher()
  const run = yield* FiberHandle.makeRuntime<never>()
  const burst = Math.max(2, fairShare * burstSeconds)
  const mostWaiting = 2 * maxInflightPerUser
  const accounts = new Map<Payer, Account>()
  const queued = new Set<Account>()
  let isOff = fairShare === 0
  let waiting = 0
  let waited = 0
  /** Users of whom requests run. */
  let busy = 0
  const charged = Object.fromEntries(workKinds.map((work) => [work, 0])) as Record<Work, number>
  // Those who asked little, the latest first: as many as it takes to find one who still does.
  const heard: Array<Account> = []

  const unitsAt = ({ at, units }: Account, moment: number): number =>
    Math.min(burst, units + ((moment - at) / 1_000) * fairShare)

  /**
   * Well below it: calls that a stall has held back come together, and whoever is hurt by it would no longer count as
   * asking little. A user beyond their share has less than one unit, because each unit lets something go.
   */
  const little = Math.max(1, burst / 8)
  const asksLittle = (account: Account, moment: number): boolean => unitsAt(account, moment) >= little

  const heardOf = (account: Account, moment: number): void => {
    account.heardAt = moment
    if (heard[0] === account) return
    const at = heard.indexOf(account)
    if (at !== -1) heard.splice(at, 1)
    else if (heard.length === mostHeard) heard.pop()
    heard.unshift(account)
  }

  /**
   * Whether somebody else is active who asks little. A server that is shared works for somebody: beside others it is
   * where another user is active, too.
   */
  const isBesideOthers = (account: Account, moment: number): boolean => {
    const isOther = (one: Account): boolean =>
      one.payer !== account.payer && moment - one.heardAt <= activeMs && asksLittle(one, moment)
    if (!isServer(account.payer)) return heard.some(isOther)
    const [one, another] = heard.filter(isOther)
    return one !== undefined && (another !== undefined || busy > (one.open > 0 ? 1 : 0))
  }

  const forgetIdle = (moment: number): void => {
    for (const [payer, account] of accounts) {
      const isIdle = account.open === 0 && !isQueued(account) && moment - account.at > activeMs
      if (isIdle && unitsAt(account, moment) >= burst) accounts.delete(payer)
    }
  }

  const accountOf = (payer: Payer, moment: number): Account => {
    let account = accounts.get(payer)
    if (account === undefined) {
      if (accounts.size >= maxAccounts) forgetIdle(moment)
      account = {
        payer,
        units: burst,
        at: moment,
        heardAt: moment,
        open: 0,
        requests: new Set(),
        answers: new Set(),
        isAnswersTurn: false
      }
      accounts.set(payer, account)
    }
    account.units = unitsAt(account, moment)
    account.at = moment
    return account
  }

  /**
   * What is owed is bounded: who has worked alone for an hour must not pay for it for an hour. What one piece of work
   * costs beside others is owed in full, however much it is, and little ones after it take nothing off that.
   */
  const charge = (account: Account, work: Work, units: number): void => {
    charged[work] += units
    const most = units > burst && isBesideOthers(account, account.at) ? units : burst
    account.units = Math.min(account.units, Math.max(-most, account.units - units))
  }

  /** A request of the account, counted up to now, runs from here on. */
  const start = (account: Account): void => {
    if (account.units >= little) heardOf(account, account.at)
    if (account.open++ === 0) busy++
  }

  const mayRun = (account: Account, moment: number): boolean =>
    isOff || account.units >= 1 || !isBesideOthers(account, moment)

  const takeNext = (account: Account): Waiting => {
    const { answers, isAnswersTurn, requests } = account
    const from = answers.size > 0 && (isAnswersTurn || requests.size === 0) ? answers : requests
    account.isAnswersTurn = from === requests
    const [next] = from
    takeBack(account, from, next!)
    return next!
  }

  /** Lets one thing of each user go on whose turn it is; milliseconds until the next one's, 0 when there may be more. */
  const turn = (): number => {
    const moment = now()
    let pause = Number.POSITIVE_INFINITY
    // Who goes on may wait again at once, for the next turn.
    const waitingNow = [...queued]
    for (const { payer } of waitingNow) {
      const account = accountOf(payer, moment)
      if (mayRun(account, moment)) {
        const { cost, run, work } = takeNext(account)
        charge(account, work, cost)
        run()
        pause = 0
      } else pause = Math.min(pause, ((1 - account.units) / fairShare) * 1_000)
    }
    return pause
  }

  /** Whether it was still waiting. */
  const takeBack = (account: Account, from: Set<Waiting>, one: Waiting): boolean => {
    if (!from.delete(one)) return false
    if (from === account.requests) waiting--
    if (!isQueued(account)) queued.delete(account)
    return true
  }

  const watch = Effect.gen(function* () {
    while (queued.size > 0) {
      const pause = turn()
      yield* pause === 0 ? Effect.yieldNow : Effect.sleep(Math.ceil(pause))
    }
  })

  const ending: Array<UserId> = []
  const endAll = (): void => {
    for (const userId of ending) {
      const account = accounts.get(userId)
      if (account !== undefined && account.open > 0 && --account.open === 0) busy--
    }
    ending.length = 0
  }

  /** An answer may have to wait for other events only, but must know that it waits before it goes on. */
  const watchSoon = Effect.andThen(Effect.yieldNow, watch)

  const enqueue = (account: Account, to: Set<Waiting>, one: Waiting): void => {
    // Their turn may come before that of those who wait already.
    const isFirst = !isQueued(account)
    to.add(one)
    queued.add(account)
    if (isFirst) run(to === account.requests ? watch : watchSoon)
  }

  const begin = (account: Account, isAwaited: boolean): boolean => {
    const isOnlyOne = isAwaited && account.open === 0
    if (account.requests.size > 0 || !(isOnlyOne || mayRun(account, account.at))) return false
    charge(account, "request", 1)
    start(account)
    return true
  }

  return FairShare.of({
    begin: (userId, isAwaited) => begin(accountOf(userId, now()), isAwaited),
    admit: (userId, isAwaited, request) => {
      const account = accountOf(userId, now())
      if (begin(account, isAwaited)) {
        request()
        return "runs"
      }
      const { requests } = account
      if (requests.size >= mostWaiting) return "refused"
      const run = (): void => {
        start(account)
        request()
      }
      const one: Waiting = { work: "request", cost: 1, run }
      waiting++
      waited++
      enqueue(account, requests, one)
      return () => void takeBack(account, requests, one)
    },
    ended: (userId) => {
      ending.push(userId)
      if (ending.length === 1) soon.scheduleTask(endAll, 0)
    },
    spend: (payer, work, cost, goOn) => {
      if (isOff) return undefined
      const moment = now()
      const account = accountOf(payer, moment)
      if (!isBesideOthers(account, moment)) {
        charge(account, work, cost)
        return undefined
      }
      const one: Waiting = { work, cost, run: goOn }
      enqueue(account, account.answers, one)
      return () => {
        if (takeBack(account, account.answers, one)) charge(account, work, cost)
      }
    },
    charge: (payer, work, units) => charge(accountOf(payer, now()), work, units),
    waiting: () => waiting,
    waited: () => waited,
    charged: (work) => charged[work],
    overdrawn: () => {
      const moment = now()
      let count = 0
      for (const account of accounts.values()) {
        if (!isServer(account.payer) && unitsAt(account, moment) < 1) count++
      }
      return count
    },
    release: Effect.sync(() => {
      isOff = true
      while (queued.size > 0) turn()
    })
  })
})

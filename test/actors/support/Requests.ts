/**
 * Requests of two users to track in tests: ada's and bo's.
 */
import { assert } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Option, Redacted } from "effect"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { RequestLog } from "../../../src/actors/observing/RequestLog.ts"
import {
  type EndedRequest,
  type RequestRecord,
  RequestTracker,
  type TrackOptions
} from "../../../src/actors/requests/RequestTracker.ts"
import { defaults, HubConfig, type HubConfigShape } from "../../../src/domain/config/HubConfig.ts"
import { KeyId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import type { Principal } from "../../../src/domain/identity/Principal.ts"
import { Standing } from "../../../src/domain/identity/Standing.ts"

/** A user with one key and these service tokens. */
export const person = (username: string, tokens: Readonly<Record<string, string>> = {}): Principal => ({
  userId: UserId.make(`${username}-id`),
  username,
  isAdmin: false,
  keyId: KeyId.make(`key-of-${username}`),
  keyName: "default",
  expiresAt: Number.MAX_SAFE_INTEGER,
  groups: [],
  serviceTokens: new Map(Object.entries(tokens).map(([name, value]) => [name, Redacted.make(value)])),
  standing: Standing.ofNoKey
})
export const ada = person("ada")
export const bo = person("bo")

export const call = (principal: Principal, more: Partial<TrackOptions> = {}): TrackOptions => ({
  principal,
  sessionId: SessionId.make(`session-of-${principal.username}`),
  method: "tools/call",
  kind: "request",
  ...more
})

export const test = RequestTracker.layer.pipe(Layer.provide(RequestLog.layerOff), Layer.provideMerge(HubMetrics.layer))
export const withConfig = (config: Partial<HubConfigShape>) =>
  test.pipe(Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...config })))

/** A request whose effect runs until it is interrupted, and what it saw. */
export const hanging = Effect.fnUntraced(function* (options: TrackOptions) {
  const tracker = yield* RequestTracker
  const started = yield* Deferred.make<RequestRecord>()
  const interrupted = yield* Deferred.make<void>()
  const fiber = yield* tracker
    .track(options, (record) =>
      Deferred.succeed(started, record).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
      )
    )
    .pipe(Effect.forkChild)
  return { fiber, record: yield* Deferred.await(started), interrupted }
})

export const collectEnded = Effect.gen(function* () {
  const tracker = yield* RequestTracker
  const ended: Array<EndedRequest> = []
  tracker.onEnded((request) => ended.push(request))
  return ended
})

export const errorOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert.isTrue(Exit.isFailure(exit))
  return Option.getOrThrow(Exit.findErrorOption(exit))
}

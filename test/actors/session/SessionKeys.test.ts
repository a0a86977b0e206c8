import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Sessions } from "../../../src/actors/registry/Sessions.ts"
import { KeyId, UserId, WireSessionId } from "../../../src/domain/Ids.ts"
import type { Principal } from "../../../src/domain/identity/Principal.ts"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { TestHub } from "../../../src/testkit/index.ts"
import { everything, type Target, targetNamed } from "../../../src/domain/access/Target.ts"

const label = WireSessionId.make("work")

describe("a live session", () => {
  it.live("is found, ended and remembered by user, key, target and id together, by no part of them alone", () =>
    Effect.gen(function* () {
      const { ada, services } = yield* TestHub.make()
      const sessions = Context.get(services, Sessions)
      const principal = yield* Context.get(services, Principals).authenticate(ada.key)
      const others: ReadonlyArray<readonly [Principal, Target, WireSessionId]> = [
        // Keys belong to one user; a session would be safe though they did not.
        [{ ...principal, userId: UserId.make("bo") }, everything, label],
        [{ ...principal, keyId: KeyId.make("another key") }, everything, label],
        [principal, targetNamed("server", "work"), label],
        [principal, targetNamed("group", "work"), label],
        [principal, everything, WireSessionId.make("play")]
      ]
      const open = (who: Principal, target: Target, adopt: WireSessionId) =>
        sessions.open({
          principal: who,
          target,
          adopt,
          protocolVersion: "2025-11-25",
          capabilities: {},
          clientInfo: {}
        })
      const own = yield* open(principal, everything, label)
      assert.strictEqual(yield* open(principal, everything, label), own)
      for (const other of others) {
        assert.isUndefined(sessions.find(...other))
        assert.notStrictEqual(yield* open(...other), own)
      }
      assert.strictEqual(sessions.size(), 1 + others.length)

      yield* sessions.close(own.sessionId, "for a test")
      assert.isUndefined(sessions.find(principal, everything, label))
      assert.isTrue(sessions.ended(principal, everything, label))
      for (const other of others) {
        assert.isDefined(sessions.find(...other))
        assert.isFalse(sessions.ended(...other))
      }
    })
  )
})

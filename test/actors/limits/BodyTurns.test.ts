import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { BodyTurns, type Turn } from "../../../src/actors/limits/BodyTurns.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")

/** Takes turns and notes in which order they come. */
const taking = (perUser = 10, atOnce = 15) => {
  const turns = new BodyTurns(perUser, atOnce)
  const went: Array<string> = []
  const take = (userId: UserId, name: string, bytes: number, isAnswer = false) =>
    turns.take(userId, bytes, isAnswer, () => went.push(name))
  return { turns, went, take }
}

describe("turns of large bodies", () => {
  it("A82: come in order within a user's bytes, and another user's do not wait for them", () => {
    const { take, turns, went } = taking()
    const first = take(ada, "a1", 6)!
    take(ada, "a2", 6)
    // It would fit, but it is not its turn.
    take(ada, "a3", 1)
    assert.deepStrictEqual(went, ["a1"])
    take(bo, "b1", 6)
    assert.deepStrictEqual(went, ["a1", "b1"])
    assert.strictEqual(turns.waiting, 2)
    first.end()
    first.end()
    assert.deepStrictEqual(went, ["a1", "b1", "a2", "a3"])
  })

  it("A82: one of each user always goes, whatever the others hold", () => {
    const { take, went } = taking(10, 10)
    take(ada, "a1", 10)
    take(bo, "b1", 20)
    take(bo, "b2", 1)
    assert.deepStrictEqual(went, ["a1", "b1"])
  })

  it("A82: an answer goes beside them, one of a user at a time; what is given up gives way", () => {
    const { take, turns, went } = taking()
    take(ada, "a1", 10)
    const waiting = take(ada, "a2", 10)!
    const answer = take(ada, "answer", 10, true)!
    const other = take(ada, "other", 10, true)!
    assert.deepStrictEqual([answer.isBeside, other.isBeside], [true, false])
    assert.deepStrictEqual(went, ["a1", "answer"])
    waiting.end()
    other.end()
    assert.strictEqual(turns.waiting, 0)
    answer.end()
    assert.isTrue(take(ada, "next", 10, true)!.isBeside)
  })

  it("A82: too many that wait are told so, of one user and not of another", () => {
    const { take } = taking()
    take(ada, "a", 10)
    let waiting = 0
    while (take(ada, "a", 10) !== undefined) waiting++
    assert.strictEqual(waiting, 128)
    assert.isDefined(take(bo, "b", 10))
  })

  it("A82: in whatever order they are taken and given back, all bounds hold and nobody is forgotten", () => {
    const step = fc.record({ user: fc.nat(2), bytes: fc.integer({ min: 1, max: 12 }), ends: fc.option(fc.nat()) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const turns = new BodyTurns(10, 15)
        const all: Array<{ user: number; bytes: number; isOn: boolean; turn?: Turn | undefined }> = []
        const end = (one: (typeof all)[number]): void => {
          one.isOn = false
          one.turn!.end()
        }
        for (const { bytes, ends, user } of steps) {
          const one: (typeof all)[number] = { user, bytes, isOn: false }
          one.turn = turns.take(UserId.make(`user-${user}`), bytes, false, () => (one.isOn = true))
          all.push(one)
          if (ends !== null) end(all[ends % all.length]!)
          for (const user of [0, 1, 2]) {
            const own = all.filter((one) => one.isOn && one.user === user)
            assert.isTrue(own.length <= 1 || own.reduce((sum, { bytes }) => sum + bytes, 0) <= 10)
          }
        }
        // Whoever waits has their turn once those before them have ended.
        for (const one of all) end(one)
        assert.strictEqual(turns.waiting, 0)
        const went: Array<string> = []
        for (const [user, bytes] of [
          ["a", 10],
          ["b", 5]
        ] as const) {
          turns.take(UserId.make(user), bytes, false, () => went.push(user))
        }
        assert.deepStrictEqual(went, ["a", "b"])
      })
    )
  })
})

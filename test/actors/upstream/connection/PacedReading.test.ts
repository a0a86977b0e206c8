import { assert, describe, it } from "@effect/vitest"
import { messageUnits, PacedReading } from "../../../../src/actors/upstream/connection/PacedReading.ts"

/** A reader whose user has so many units, and gets more when a test says so. */
const make = (units: number, cost = 1) => {
  const handled: Array<number> = []
  const calls: Array<"pause" | "resume"> = []
  const state = { left: units, charged: 0, takenBack: 0 }
  let next: (() => void) | undefined
  const reading = new PacedReading<number>({
    handle: (message) => {
      handled.push(message)
      return cost
    },
    spend: (spent, goOn) => {
      state.charged += spent
      state.left -= spent
      if (state.left > 0) return undefined
      next = goOn
      return () => void state.takenBack++
    },
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume")
  })
  const goOn = (more: number): void => {
    state.left = more
    const go = next
    next = undefined
    go?.()
  }
  return { reading, handled, calls, state, goOn }
}

const push = (reading: PacedReading<number>, from: number, to: number): void => {
  for (let message = from; message <= to; message++) reading.push(message)
}

describe("PacedReading", () => {
  it("B43: deals with messages at once while nobody is hurt by it, and then lets the source wait", () => {
    const { calls, handled, reading } = make(3)
    push(reading, 1, 2)
    assert.deepStrictEqual([handled, calls], [[1, 2], []])
    push(reading, 3, 9)
    assert.deepStrictEqual([handled, calls], [[1, 2, 3], ["pause"]])
  })

  it("B43: goes on in order, stops again where the share ends, and reads on only when nothing is left", () => {
    const { calls, goOn, handled, reading } = make(1)
    push(reading, 1, 5)
    goOn(3)
    assert.deepStrictEqual(handled, [1, 2, 3, 4])
    assert.notInclude(calls, "resume")
    push(reading, 6, 6)
    goOn(9)
    assert.deepStrictEqual(handled, [1, 2, 3, 4, 5, 6])
    assert.strictEqual(calls.at(-1), "resume")
    push(reading, 7, 7)
    assert.strictEqual(handled.at(-1), 7)
  })

  it("B43: eight little messages cost what a request does, answers nothing, and bytes count too", () => {
    const little = make(100, messageUnits)
    push(little.reading, 1, 17)
    assert.strictEqual(little.state.charged, 2)
    const answers = make(100, 0)
    push(answers.reading, 1, 1_000)
    assert.strictEqual(answers.state.charged, 0)
    answers.reading.owe(0.5)
    answers.reading.owe(2)
    assert.strictEqual(answers.state.charged, 2.5)
  })

  it("the end comes after what waits", () => {
    const { goOn, handled, reading } = make(1)
    push(reading, 1, 3)
    let ended = 0
    reading.afterAll(() => (ended = handled.length))
    assert.strictEqual(ended, 0)
    goOn(10)
    assert.strictEqual(ended, 3)
    reading.afterAll(() => (ended = -1))
    assert.strictEqual(ended, -1)
  })

  it("what is stopped deals with nothing any more, waits for nothing, and ends", () => {
    const { calls, goOn, handled, reading, state } = make(1)
    push(reading, 1, 3)
    let ended = false
    reading.afterAll(() => (ended = true))
    reading.stop()
    assert.isTrue(ended)
    assert.strictEqual(state.takenBack, 1)
    goOn(10)
    push(reading, 4, 5)
    assert.deepStrictEqual([handled, calls], [[1], ["pause"]])
  })
})

import { assert, describe, it } from "@effect/vitest"
import type { EventLoopUtilization } from "node:perf_hooks"
import { QuietMoments } from "../../../src/cli/start/Garbage.ts"

const MiB = 1024 * 1024

/** Looks two seconds apart, each with the part of them that the hub has worked. */
const looking = () => {
  const moments = new QuietMoments()
  let now: EventLoopUtilization = { idle: 0, active: 0, utilization: 0 }
  return (busy: number, bytes: number, left = bytes): boolean => {
    now = { idle: now.idle + 2_000 * (1 - busy), active: now.active + 2_000 * busy, utilization: 0 }
    const isOne = moments.isOne(now, bytes)
    if (isOne) moments.collected(left)
    return isOne
  }
}

describe("a hub that has become quiet", () => {
  it("A83: collects what large messages have left, twice, and then no more", () => {
    const look = looking()
    assert.isFalse(look(0, 0))
    assert.isFalse(look(0.9, 200 * MiB))
    assert.isFalse(look(0.5, 200 * MiB), "it is busy")
    assert.isTrue(look(0.01, 200 * MiB, 1 * MiB))
    assert.isTrue(look(0.01, 1 * MiB))
    assert.isFalse(look(0.01, 1 * MiB))
    assert.isFalse(look(0, 60 * MiB))
  })

  it("A83: does not collect again and again what is in use", () => {
    const look = looking()
    look(0, 0)
    assert.isTrue(look(0, 100 * MiB))
    assert.isTrue(look(0, 100 * MiB))
    for (let times = 0; times < 10; times++) assert.isFalse(look(0, 150 * MiB))
    assert.isTrue(look(0, 170 * MiB))
  })
})

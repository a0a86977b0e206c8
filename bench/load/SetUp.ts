/** Sessions from beginning to end: initialize, initialized, a first call, DELETE. */
import { usage } from "../Machine.ts"
import type { Target } from "../targets/Target.ts"
import { Connection } from "../wire/Connection.ts"
import { Client } from "./Client.ts"
import { type Slice, sliceOf } from "./Steady.ts"
import { nonce, Tally } from "./Tally.ts"

export interface SetUpOptions {
  readonly connections: number
  readonly users: number
  /** Whether to go on, by the sessions begun so far. */
  readonly goesOn: (begun: number) => boolean
}

/** Sessions of a target that only fails are not worth waiting for. */
const patience = 5

export const setUp = async (target: Target, options: SetUpOptions): Promise<Slice> => {
  const tally = new Tally()
  const before = target.pid === undefined ? undefined : usage(target.pid)
  const begun = performance.now()
  let count = 0
  await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const connection = new Connection(target)
      for (let failures = 0; options.goesOn(count) && failures < patience;) {
        const index = count++
        const asked = performance.now()
        try {
          const user = target.users[index % options.users]!
          const client = await Client.open(target, connection, user, index)
          const sent = nonce(client, 0)
          const { text } = await client.call("echo", { text: sent })
          tally.latencies.push(performance.now() - asked)
          tally.check(client, sent, text)
          await client.close()
        } catch (error) {
          tally.fail(error)
          failures++
        }
      }
      connection.close()
    })
  )
  const seconds = (performance.now() - begun) / 1_000
  return sliceOf(tally, seconds, before, target.pid === undefined ? undefined : usage(target.pid))
}

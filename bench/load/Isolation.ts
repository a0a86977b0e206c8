/** Many users at once, each asking who they are for the server and counting in a session of their own. */
import type { Target } from "../targets/Target.ts"
import { closePool, openPool, type PoolOptions } from "./Pool.ts"
import { nonce, Tally } from "./Tally.ts"

export interface IsolationFound {
  readonly calls: number
  readonly failed: number
  readonly crossed: number
  readonly wrong: number
  readonly errors: Readonly<Record<string, number>>
  /** Calls that the server was told nothing of the user about. */
  readonly nameless: number
  /** Calls that the server was told another user for. */
  readonly misnamed: number
  /** Answers of `counter` that are not that session's next number. */
  readonly leaks: number
  /** Sessions at the server in which two users met. */
  readonly met: number
}

interface Whoami {
  readonly headers: Readonly<Record<string, string>>
  readonly session?: string
  readonly echo: string
}

export const isolation = async (target: Target, rounds: number, options: PoolOptions): Promise<IsolationFound> => {
  const tally = new Tally()
  const found = { calls: 0, nameless: 0, misnamed: 0, leaks: 0 }
  const usersOf = new Map<string, Set<string>>()
  const pool = await openPool(target, options)
  await Promise.all(
    pool.clients.map(async (clients) => {
      for (let round = 0; round < rounds; round++) {
        for (const client of clients) {
          try {
            const sent = nonce(client, round)
            const told = JSON.parse((await client.call("whoami", { text: sent })).text) as Whoami
            tally.check(client, sent, told.echo)
            const name = target.identity(told.headers)
            if (name === undefined) found.nameless++
            else if (name !== client.user.id) found.misnamed++
            if (told.session !== undefined) {
              const met = usersOf.get(told.session) ?? new Set()
              usersOf.set(told.session, met.add(client.user.id))
            }
            const { text } = await client.call("counter", {})
            if (Number(text) !== ++client.counted && told.session !== undefined) found.leaks++
            found.calls += 2
          } catch (error) {
            tally.fail(error)
          }
        }
      }
    })
  )
  await closePool(pool)
  const met = [...usersOf.values()].filter((users) => users.size > 1).length
  const { crossed, errors, failed, wrong } = tally
  return { ...found, met, failed, crossed, wrong, errors: Object.fromEntries(errors) }
}

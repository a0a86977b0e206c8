/**
 * `mcphub server restart`: ends the connections to one server, those that sessions share included, and with them child
 * processes and what is in flight there. The next request opens a new one, whatever the circuit breaker has seen.
 */
import { Effect } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import type { SessionActor } from "../session/SessionActor.ts"
import { ServerStates } from "../upstream/guards/ServerStates.ts"
import { UpstreamBreakers } from "../upstream/guards/UpstreamBreakers.ts"
import { SharedUpstreams } from "../upstream/links/SharedUpstreams.ts"

export const make = Effect.fnUntraced(function* (live: () => Iterable<SessionActor>) {
  const settings = yield* Settings
  const states = yield* ServerStates
  const breakers = yield* UpstreamBreakers
  const shared = yield* SharedUpstreams

  return Effect.fnUntraced(function* (server: string, userId: UserId | undefined) {
    const config = settings.current().mcpServers[server]
    if (config === undefined) return 0
    breakers.reset(server, userId)
    yield* shared.end(server, userId)
    const linked = [...live()].filter(
      (actor) =>
        (userId === undefined || actor.principal().userId === userId) &&
        actor.summary().upstreams.some((one) => one.server === server)
    )
    yield* Effect.forEach(
      linked,
      (actor) => {
        const context = { principal: actor.principal() }
        states.changed({ server, config, context }, "restarting", "An operator has ended its connections")
        return actor.restart(server)
      },
      { concurrency: "unbounded", discard: true }
    )
    return linked.length
  })
})

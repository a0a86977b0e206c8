/** What a running hub shows of its requests, sessions and servers, through the handlers that serve the command line. */
import { Effect, Layer } from "effect"
import { RpcTest } from "effect/rpc"
import { LiveHandlers } from "../../../src/http/admin/handlers/LiveHandlers.ts"
import { ServerHandlers } from "../../../src/http/admin/handlers/ServerHandlers.ts"
import { LiveOperations, type RequestView } from "../../../src/http/admin/operations/LiveOperations.ts"
import { ServerOperations, type ServerView } from "../../../src/http/admin/operations/ServerOperations.ts"
import type { TestHub } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"

type Hub = Effect.Success<ReturnType<typeof TestHub.make>>

export const liveView = Effect.fnUntraced(function* (hub: Hub) {
  const facts = { pid: 1, url: hub.url, version: "0", startedAt: 0 }
  const all = Layer.merge(LiveHandlers(facts), ServerHandlers)
  const handlers = yield* Layer.build(all).pipe(Effect.provideContext(hub.services))
  const operations = yield* RpcTest.makeClient(LiveOperations.merge(ServerOperations)).pipe(
    Effect.provideContext(handlers)
  )

  /** The server `files` once it is as wanted, or as it is in the end. */
  const server = (wanted: (one: ServerView) => boolean) =>
    eventually(
      Effect.map(operations.serverList(), ([one]) => one!),
      wanted,
      { every: "20 millis", deadline: "10 seconds" }
    )

  /** A user's requests once they are as wanted, or as they are in the end. */
  const requests = (
    user: "ada" | "bo",
    wanted: (all: ReadonlyArray<RequestView>) => boolean = (all) => all.length > 0
  ) => eventually(operations.requestList({ user }), wanted, { every: "20 millis", deadline: "10 seconds" })

  /** Why a user's one request waits, once it waits for this. */
  const why = (user: "ada" | "bo", kind: string, stage?: string) => {
    const isIt = ({ why }: RequestView): boolean => why.kind === kind && (stage === undefined || why.stage === stage)
    return Effect.map(
      requests(user, (all) => all.some(isIt)),
      (all) => (all.find(isIt) ?? all[0])?.why
    )
  }

  return { operations, requests, server, why }
})

/** What a running hub shows of its requests and sessions, through the handlers that serve the command line. */
import { Effect, Layer } from "effect"
import { RpcTest } from "effect/rpc"
import { LiveHandlers } from "../../../src/http/admin/handlers/LiveHandlers.ts"
import { LiveOperations, type RequestView } from "../../../src/http/admin/operations/LiveOperations.ts"
import type { TestHub } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"

type Hub = Effect.Success<ReturnType<typeof TestHub.make>>

export const liveView = Effect.fnUntraced(function* (hub: Hub) {
  const facts = { pid: 1, url: hub.url, version: "0", startedAt: 0 }
  const handlers = yield* Layer.build(LiveHandlers(facts)).pipe(Effect.provideContext(hub.services))
  const operations = yield* RpcTest.makeClient(LiveOperations).pipe(Effect.provideContext(handlers))

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

  return { operations, requests, why }
})

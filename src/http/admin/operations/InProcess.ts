/** Operations without a wire: their client and their handlers in one process. */
import { Effect } from "effect"
import { type Rpc, RpcClient, type RpcGroup, RpcServer } from "effect/rpc"

/** Asks the handlers that are provided, for as long as the scope lives. */
export const inProcess = Effect.fnUntraced(function* <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>) {
  let toClient: Effect.Success<ReturnType<typeof RpcClient.makeNoSerialization<Rpcs, never>>>["write"] | undefined
  const server = yield* RpcServer.makeNoSerialization(group, {
    disableTracing: true,
    onFromServer: (response) => (toClient === undefined ? Effect.void : toClient(response))
  })
  const { client, write } = yield* RpcClient.makeNoSerialization(group, {
    disableTracing: true,
    supportsAck: true,
    onFromClient: ({ message }) => server.write(0, message)
  })
  toClient = write
  return client
})

/**
 * The official SDK's clients over real sockets: its 2025-era line and its current one. They judge the hub from outside.
 */
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client"
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { type ClientCapabilities, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect, Redacted } from "effect"
import type { HubUser } from "../../../src/testkit/index.ts"

const requestInit = (user: Pick<HubUser, "key">) => ({
  headers: { authorization: `Bearer ${Redacted.value(user.key)}` }
})

/** A connected client of SDK 1.x; `prepare` sets its handlers before it connects. */
export const sdk1 = (
  url: string,
  user: HubUser,
  capabilities: ClientCapabilities = {},
  prepare: (client: Client1) => void = () => {}
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client1({ name: "sdk-1", version: "1.0.0" }, { capabilities })
      prepare(client)
      const transport = new Transport1(new URL(url), { requestInit: requestInit(user) })
      await client.connect(transport as Transport)
      return { client, transport }
    }),
    ({ client }) => Effect.promise(() => client.close())
  )

/** A connected client of SDK 2.x that first asks for the stateless revision and falls back to `initialize`. */
export const sdk2 = (url: string, user: HubUser) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client2(
        { name: "sdk-2", version: "1.0.0" },
        { capabilities: {}, versionNegotiation: { mode: "auto" } }
      )
      await client.connect(new Transport2(new URL(url), { requestInit: requestInit(user) }))
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

/** What both generations do alike about connections that break. */
export interface ResumingClient {
  readonly callTool: (
    name: string,
    onprogress?: (progress: { readonly progress: number }) => void,
    onresumptiontoken?: (token: string) => void
  ) => Promise<unknown>
}

const reconnection = {
  initialReconnectionDelay: 20,
  maxReconnectionDelay: 200,
  reconnectionDelayGrowFactor: 1.5
}

/** A connected client of the stateful revisions that comes back at once; `onLog` gets the data of log messages. */
export const resuming = (
  generation: "1.x" | "2.x",
  url: string,
  user: Pick<HubUser, "key">,
  onLog: (data: unknown) => void = () => {},
  fetchWith: typeof fetch = fetch,
  maxRetries = 20
) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const reconnectionOptions = { ...reconnection, maxRetries }
        const options = { requestInit: requestInit(user), reconnectionOptions, fetch: fetchWith }
        const info = { name: `sdk-${generation}`, version: "1.0.0" }
        if (generation === "1.x") {
          const client = new Client1(info)
          client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => onLog(params.data))
          await client.connect(new Transport1(new URL(url), options) as Transport)
          const callTool: ResumingClient["callTool"] = (name, onprogress, onresumptiontoken) =>
            client.callTool({ name, arguments: {} }, undefined, defined({ onprogress, onresumptiontoken }))
          return { client, callTool }
        }
        const client = new Client2(info, { capabilities: {}, versionNegotiation: { mode: "legacy" } })
        client.setNotificationHandler("notifications/message", ({ params }) => onLog(params.data))
        await client.connect(new Transport2(new URL(url), options))
        const callTool: ResumingClient["callTool"] = (name, onprogress, onresumptiontoken) =>
          client.callTool({ name, arguments: {} }, defined({ onprogress, onresumptiontoken }))
        return { client, callTool }
      }),
      ({ client }) => Effect.promise(() => client.close())
    ),
    ({ callTool }): ResumingClient => ({ callTool })
  )

const defined = <A extends object>(options: A): { [K in keyof A]-?: NonNullable<A[K]> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never

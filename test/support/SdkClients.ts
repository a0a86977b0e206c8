/**
 * The official SDK's clients of both generations behind one shape, as two users' programs would use them.
 */
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, type Scope } from "effect"

export interface SdkClient {
  /** `tools/call`: the text of the first content and the structured content. */
  readonly call: (name: string, args?: Record<string, unknown>) => Effect.Effect<ToolAnswer>
  readonly toolNames: Effect.Effect<ReadonlyArray<string>>
  /** As the client has it now. */
  readonly sessionId: () => string | undefined
}

export interface ToolAnswer {
  readonly text: string
  readonly structured: unknown
  readonly isError: boolean
}

export type Generation = "1.x" | "2.x"

interface Calling {
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  listTools(): Promise<{ tools: ReadonlyArray<{ name: string }> }>
}

const answerOf = (result: unknown): ToolAnswer => {
  const { content, isError, structuredContent } = result as {
    readonly content?: ReadonlyArray<{ readonly text?: string }>
    readonly structuredContent?: unknown
    readonly isError?: boolean
  }
  return { text: content?.[0]?.text ?? "", structured: structuredContent, isError: isError === true }
}

const shape = (client: Calling, sessionId: () => string | undefined): SdkClient => ({
  sessionId,
  call: (name, args = {}) => Effect.promise(() => client.callTool({ name, arguments: args }).then(answerOf)),
  toolNames: Effect.promise(() => client.listTools().then(({ tools }) => tools.map((tool) => tool.name).sort()))
})

/** A connected client, closed with the scope. */
export const connect = (
  generation: Generation,
  url: string,
  key: string
): Effect.Effect<SdkClient, never, Scope.Scope> => {
  const headers = { authorization: `Bearer ${key}` }
  const info = { name: `sdk-${generation}`, version: "1.0.0" }
  const opened =
    generation === "1.x"
      ? async () => {
          const client = new ClientV1(info)
          const transport = new TransportV1(new URL(url), { requestInit: { headers } })
          await client.connect(transport as Parameters<typeof client.connect>[0])
          return { client, transport }
        }
      : async () => {
          const client = new ClientV2(info)
          const transport = new TransportV2(new URL(url), { requestInit: { headers } })
          await client.connect(transport)
          return { client, transport }
        }
  return Effect.acquireRelease(Effect.promise<Awaited<ReturnType<typeof opened>>>(opened), ({ client, transport }) =>
    Effect.promise(async () => {
      await transport.terminateSession().catch(() => {})
      await client.close()
    })
  ).pipe(Effect.map(({ client, transport }) => shape(client as unknown as Calling, () => transport.sessionId)))
}

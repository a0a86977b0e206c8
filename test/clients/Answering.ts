/**
 * The official SDK's clients, 1.x (2025 revisions, over streamable HTTP or the deprecated HTTP+SSE) and 2.x (pinned to
 * 2026-07-28), behind one interface: programs of a user who answers servers' questions, always with the user's own
 * name, and remembers each question.
 */
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client"
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js"
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js"
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema
} from "@modelcontextprotocol/sdk/types.js"
import { Effect, type Scope } from "effect"

/** A user of the hub and, for this test, of a client. */
export interface Person {
  readonly name: string
  readonly key: string
}

export type Line = "1.x" | "1.x over SSE" | "2.x"

export interface Answering {
  readonly toolNames: Effect.Effect<ReadonlyArray<string>>
  /** `tools/call`: the first text of the result, and the progress told on the way. */
  readonly call: (name: string, args?: Record<string, unknown>) => Effect.Effect<Called>
  readonly prompt: (name: string, args: Record<string, string>) => Effect.Effect<unknown>
  readonly read: (uri: string) => Effect.Effect<unknown>
  readonly complete: (prompt: string, argument: string, value: string) => Effect.Effect<ReadonlyArray<string>>
  /** The methods of the questions this client was asked, in order. */
  readonly asked: ReadonlyArray<string>
}

export interface Called {
  readonly text: string
  readonly isError: boolean
  readonly progress: ReadonlyArray<number>
}

interface Form {
  readonly required?: ReadonlyArray<string>
  readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>
}

/** Fills what is required, text with the person's name. */
const filled = (name: string, schema: unknown): Record<string, string | boolean> => {
  const { properties = {}, required = [] } = schema as Form
  return Object.fromEntries(
    required.map((field) => [
      field,
      properties[field]?.type === "boolean" ? true : field === "email" ? `${name}@example.com` : name
    ])
  )
}

const spoken = (name: string) => ({
  model: "the-user",
  role: "assistant" as const,
  content: { type: "text" as const, text: `${name} says so` }
})

const homeOf = (name: string) => ({ roots: [{ uri: `file:///home/${name}`, name }] })

interface Underlying {
  listTools(): Promise<{ tools: ReadonlyArray<{ name: string }> }>
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<unknown>
  readResource(params: { uri: string }): Promise<unknown>
  complete(params: {
    ref: { type: "ref/prompt"; name: string }
    argument: { name: string; value: string }
  }): Promise<{ completion: { values: ReadonlyArray<string> } }>
}

type Call = (name: string, args: Record<string, unknown>, told: (progress: number) => void) => Promise<unknown>

const shape = (client: Underlying, call: Call, asked: ReadonlyArray<string>): Answering => ({
  asked,
  toolNames: Effect.promise(() => client.listTools().then(({ tools }) => tools.map(({ name }) => name).sort())),
  call: (name, args = {}) =>
    Effect.promise(async () => {
      const progress: Array<number> = []
      const result = (await call(name, args, (done) => void progress.push(done))) as {
        readonly content?: ReadonlyArray<{ readonly text?: string }>
        readonly isError?: boolean
      }
      return { text: result.content?.[0]?.text ?? "", isError: result.isError === true, progress }
    }),
  prompt: (name, args) => Effect.promise(() => client.getPrompt({ name, arguments: args })),
  read: (uri) => Effect.promise(() => client.readResource({ uri })),
  complete: (prompt, name, value) =>
    Effect.promise(() =>
      client
        .complete({ ref: { type: "ref/prompt", name: prompt }, argument: { name, value } })
        .then(({ completion }) => completion.values)
    )
})

const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} }

const connect1 = async (Transport: typeof Transport1 | typeof SSEClientTransport, url: URL, { name, key }: Person) => {
  const asked: Array<string> = []
  const client = new Client1({ name: `${name}-1`, version: "1.0.0" }, { capabilities })
  client.setRequestHandler(ElicitRequestSchema, ({ method, params }) => {
    asked.push(method)
    return { action: "accept", content: filled(name, "requestedSchema" in params ? params.requestedSchema : {}) }
  })
  client.setRequestHandler(CreateMessageRequestSchema, ({ method }) => {
    asked.push(method)
    return spoken(name)
  })
  client.setRequestHandler(ListRootsRequestSchema, () => homeOf(name))
  const transport = new Transport(url, { requestInit: { headers: { authorization: `Bearer ${key}` } } })
  await client.connect(transport as Transport)
  const call: Call = (tool, args, told) =>
    client.callTool({ name: tool, arguments: args }, undefined, { onprogress: ({ progress }) => told(progress) })
  return { client: shape(client as unknown as Underlying, call, asked), close: () => client.close() }
}

const connect2 = async (url: URL, { name, key }: Person) => {
  const asked: Array<string> = []
  const client = new Client2(
    { name: `${name}-2`, version: "1.0.0" },
    { capabilities, versionNegotiation: { mode: { pin: "2026-07-28" } } }
  )
  client.setRequestHandler("elicitation/create", ({ method, params }) => {
    asked.push(method)
    return { action: "accept", content: filled(name, "requestedSchema" in params ? params.requestedSchema : {}) }
  })
  client.setRequestHandler("sampling/createMessage", ({ method }) => {
    asked.push(method)
    return spoken(name)
  })
  client.setRequestHandler("roots/list", () => homeOf(name))
  await client.connect(new Transport2(url, { requestInit: { headers: { authorization: `Bearer ${key}` } } }))
  const call: Call = (tool, args, told) =>
    client.callTool({ name: tool, arguments: args }, { onprogress: ({ progress }) => told(progress) })
  return { client: shape(client as unknown as Underlying, call, asked), close: () => client.close() }
}

/** A connected client of this line, closed with the scope; over SSE, `/sse` takes the place of `/mcp` in the address. */
export const connect = (line: Line, url: string, person: Person): Effect.Effect<Answering, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => {
      switch (line) {
        case "1.x":
          return connect1(Transport1, new URL(url), person)
        case "1.x over SSE":
          return connect1(SSEClientTransport, new URL(overEvents(url)), person)
        case "2.x":
          return connect2(new URL(url), person)
      }
    }),
    ({ close }) => Effect.promise(close)
  ).pipe(Effect.map(({ client }) => client))

/** The address of the HTTP+SSE transport for what this endpoint serves. */
export const overEvents = (url: string): string => url.replace(/\/mcp(?=\/|$)/, "/sse")

/**
 * The hub as the suite's client: it is started with the suite's server as its only upstream, and an official client of
 * the asked revision does through it what the scenario is about. What reaches the suite is the hub's own traffic.
 *
 *   MCP_CONFORMANCE_SCENARIO=… MCP_CONFORMANCE_PROTOCOL_VERSION=… node test/conformance/hub-as-client.ts <url>
 */
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client"
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect, Redacted } from "effect"
import process from "node:process"
import { TestHub } from "../../src/testkit/index.ts"

const upstream = process.argv.at(-1)!
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? ""
const revision = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"] ?? "2025-11-25"

interface ToolCall {
  readonly name: string
  readonly arguments: Record<string, unknown>
}

/** What scenarios need of a client, whatever its era. */
interface Driven {
  readonly tools: () => Promise<ReadonlyArray<{ readonly name: string; readonly inputSchema: unknown }>>
  readonly call: (name: string, args?: Record<string, unknown>) => Promise<unknown>
  readonly close: () => Promise<void>
  /** Lists everything there is, and gets the first prompt and the first resource. */
  readonly lookAround: () => Promise<void>
}

interface Place {
  readonly url: URL
  readonly requestInit: RequestInit
}

const info = { name: "hub-as-client", version: "1.0.0" }

const connect2025 = async ({ requestInit, url }: Place): Promise<Driven> => {
  const client = new Client1(info, { capabilities: { elicitation: { form: { applyDefaults: true } } } })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }))
  await client.connect(new Transport1(url, { requestInit }) as Transport)
  return {
    tools: async () => (await client.listTools()).tools,
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    lookAround: async () => {
      const { resources } = await client.listResources()
      const { prompts } = await client.listPrompts()
      if (resources[0] !== undefined) await client.readResource({ uri: resources[0].uri })
      if (prompts[0] !== undefined) await client.getPrompt({ name: prompts[0].name })
    },
    close: () => client.close()
  }
}

const connect2026 = async ({ requestInit, url }: Place): Promise<Driven> => {
  const client = new Client2(info, {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode: { pin: revision } }
  })
  const driven: Driven = {
    tools: async () => (await client.listTools()).tools,
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    lookAround: async () => {
      const { resources } = await client.listResources()
      const { prompts } = await client.listPrompts()
      if (resources[0] !== undefined) await client.readResource({ uri: resources[0].uri })
      if (prompts[0] !== undefined) await client.getPrompt({ name: prompts[0].name })
    },
    close: () => client.close()
  }
  let between = false
  client.setRequestHandler("elicitation/create", async () => {
    if (scenario === "sep-2322-client-request-state" && !between) {
      between = true
      // Another call between two rounds: the state of the first must not travel with it.
      await driven.call("test_mrtr_unrelated")
    }
    return { action: "accept", content: { confirmed: true } }
  })
  await client.connect(new Transport2(url, { requestInit }))
  return driven
}

const play: Readonly<Record<string, (client: Driven) => Promise<unknown>>> = {
  initialize: (client) => client.tools(),
  tools_call: async (client) => {
    const [tool] = await client.tools()
    await client.call(tool!.name, { a: 2, b: 3 })
  },
  "elicitation-sep1034-client-defaults": (client) => client.call("test_client_elicitation_defaults"),
  "sse-retry": async (client) => {
    await client.tools()
    await client.call("test_reconnection")
  },
  "request-metadata": (client) => client.tools(),
  "json-schema-ref-no-deref": (client) => client.tools(),
  "json-schema-2020-12-preservation": async (client) => {
    const focal = (await client.tools()).find(({ name }) => name === "json_schema_2020_12_tool")
    await client.call("json_schema_echo", { schema: focal!.inputSchema })
  },
  "http-standard-headers": async (client) => {
    const [tool] = await client.tools()
    await client.call(tool!.name)
    await client.lookAround()
  },
  "http-custom-headers": async (client) => {
    await client.tools()
    const { toolCalls } = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as {
      toolCalls: ReadonlyArray<ToolCall>
    }
    for (const { arguments: args, name } of toolCalls) await client.call(name, args)
  },
  // Calls whatever is listed: a tool with an invalid annotation must not get that far.
  "http-invalid-tool-headers": async (client) => {
    for (const { name } of await client.tools()) await client.call(name, { region: "us-west1" })
  },
  "sep-2322-client-request-state": async (client) => {
    await client.tools()
    await client.call("test_mrtr_echo_state")
    await client.call("test_mrtr_no_state")
    await client.call("test_mrtr_no_result_type")
  }
}

/** A 2025 client knows nothing of parameter headers, so what it is shown is what the hub let through. */
const clientIsOld = revision < "2026" || scenario === "http-invalid-tool-headers"

const program = Effect.gen(function* () {
  const era = revision < "2026" ? "stateful" : clientIsOld ? "stateless" : "client"
  const hub = yield* TestHub.make({ servers: { upstream: { url: upstream, era } } })
  const place = {
    url: new URL(`${hub.url}/upstream`),
    requestInit: { headers: { authorization: `Bearer ${Redacted.value(hub.ada.key)}` } }
  }
  const playing = play[scenario]
  if (playing === undefined) return yield* Effect.die(`There is no way to play the scenario "${scenario}"`)
  const client = yield* Effect.promise(() => (clientIsOld ? connect2025(place) : connect2026(place)))
  yield* Effect.promise(() => playing(client))
  yield* Effect.promise(() => client.close())
}).pipe(Effect.scoped)

await Effect.runPromise(program)
process.exit(0)

/**
 * Everything that a peer may write in place of a message: any bytes, any JSON, and JSON-RPC that is nearly right, which
 * gets further. `$ID` stands for the id of the call that the message comes in answer to.
 */
import * as fc from "fast-check"

const encoder = new TextEncoder()

/** Values that code which trusts its peer trips over. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1e308,
    "",
    "$ID",
    [],
    {},
    { toString: 1 },
    { valueOf: null },
    "x".repeat(9_000)
  ),
  fc.jsonValue({ maxDepth: 3 })
)

const methods = fc.constantFrom(
  "ping",
  "initialize",
  "roots/list",
  "elicitation/create",
  "sampling/createMessage",
  "tools/call",
  "tools/list",
  "notifications/progress",
  "notifications/cancelled",
  "notifications/message",
  "notifications/resources/updated",
  "notifications/tools/list_changed",
  "notifications/elicitation/complete",
  "notifications/subscriptions/acknowledged",
  "subscriptions/listen"
)

/** Mostly the value as it should be. */
const mostly = (right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ arbitrary: right, weight: 3 }, { arbitrary: odd, weight: 1 })

const meta = fc.record(
  {
    progressToken: fc.oneof(fc.constantFrom<unknown>(1, "mcphub-1", "$ID"), odd),
    "mcphub/requestId": odd,
    "io.modelcontextprotocol/subscriptionId": odd,
    "io.modelcontextprotocol/protocolVersion": mostly(fc.constant("2026-07-28")),
    "io.modelcontextprotocol/clientCapabilities": odd
  },
  { requiredKeys: [] }
)

const params = fc.record(
  {
    _meta: mostly(meta),
    progressToken: fc.oneof(fc.constantFrom<unknown>(1, "mcphub-1"), odd),
    progress: odd,
    requestId: odd,
    reason: odd,
    uri: odd,
    level: odd,
    data: odd,
    name: odd,
    arguments: odd,
    message: odd,
    requestedSchema: odd,
    notifications: odd,
    inputResponses: odd,
    requestState: odd
  },
  { requiredKeys: [] }
)

const listed = fc.array(fc.record({ name: odd, uri: odd, inputSchema: odd, outputSchema: odd }, { requiredKeys: [] }), {
  maxLength: 3
})

const result = fc.record(
  {
    resultType: fc.constantFrom<unknown>("complete", "input_required", "task", 7),
    content: odd,
    structuredContent: odd,
    isError: odd,
    inputRequests: fc.oneof(odd, fc.dictionary(fc.string(), fc.record({ method: mostly(methods), params: odd }))),
    requestState: odd,
    tools: mostly(listed),
    nextCursor: odd,
    ttlMs: odd,
    protocolVersion: mostly(fc.constantFrom("2025-11-25", "2026-07-28")),
    capabilities: mostly(fc.constant({ tools: {} })),
    serverInfo: odd,
    instructions: odd,
    supportedVersions: odd,
    _meta: odd
  },
  { requiredKeys: [] }
)

const error = fc.record(
  {
    code: mostly(fc.constantFrom(-32600, -32601, -32602, -32002, -32020, -32021, -32022, -32042, 1401, 1499)),
    message: mostly(fc.string()),
    data: fc.oneof(odd, fc.record({ origin: odd, kind: odd, supported: odd, elicitations: odd, uri: odd }))
  },
  { requiredKeys: [] }
)

const message = fc.record(
  {
    jsonrpc: mostly(fc.constant("2.0")),
    id: mostly(fc.constantFrom<unknown>("$ID", 1, "1", null)),
    method: mostly(methods),
    params: mostly(params),
    result: mostly(result),
    error: mostly(error)
  },
  { requiredKeys: [] }
)

/** Two of three kinds of member, so that most are of one kind. */
const likely = fc.oneof(
  fc.record({ jsonrpc: fc.constant("2.0"), id: fc.constant("$ID"), result: mostly(result) }),
  fc.record({ jsonrpc: fc.constant("2.0"), id: fc.constant("$ID"), error: mostly(error) }),
  fc.record({ jsonrpc: fc.constant("2.0"), id: mostly(fc.integer()), method: methods, params: mostly(params) }),
  fc.record({ jsonrpc: fc.constant("2.0"), method: methods, params: mostly(params) }),
  message
)

const text = (value: unknown): string => (JSON.stringify(value) ?? "null").replaceAll('"$ID"', "$ID")

const nested = fc
  .record({ depth: fc.integer({ min: 200, max: 30_000 }), shape: fc.constantFrom("result", "params", "error") })
  .map(({ depth, shape }) => {
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`
    if (shape === "params") return `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep}}}`
    if (shape === "error") return `{"jsonrpc":"2.0","id":$ID,"error":{"code":1,"message":"m","data":${deep}}}`
    return `{"jsonrpc":"2.0","result":{"content":[],"structuredContent":{"a":${deep}}},"id":$ID}`
  })

const cut = fc.tuple(likely, fc.nat({ max: 300 })).map(([value, at]) => text(value).slice(0, at))

const prototype = likely.map((value) => text(value).replace('"jsonrpc"', '"__proto__":{"polluted":1},"jsonrpc"'))

export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: likely.map((value) => encoder.encode(text(value))), weight: 8 },
  { arbitrary: fc.array(likely, { maxLength: 5 }).map((batch) => encoder.encode(text(batch))), weight: 1 },
  { arbitrary: fc.oneof(cut, prototype, fc.json()).map((said) => encoder.encode(said)), weight: 2 },
  { arbitrary: nested.map((said) => encoder.encode(said)), weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 }
)

/** Who says it, in which words, and how it travels. */
export interface Step {
  readonly by: "client" | "http-stateful" | "http-stateless" | "stdio-stateful" | "stdio-stateless"
  /** The era of the client whose call it is. */
  readonly client: "stateful" | "stateless"
  /** As the whole answer, on the event stream of a call before its answer, or in place of a list. */
  readonly as: "body" | "event" | "list"
  readonly bytes: Uint8Array
}

export const step: fc.Arbitrary<Step> = fc.record({
  by: fc.constantFrom<Step["by"]>("client", "http-stateful", "http-stateless", "stdio-stateful", "stdio-stateless"),
  client: fc.constantFrom<Step["client"]>("stateful", "stateless"),
  as: fc.constantFrom<Step["as"]>("body", "event", "list"),
  bytes
})

export const shown = ({ as, by, bytes, client }: Step): string => {
  const said = Buffer.from(bytes).toString("latin1")
  const short = said.length > 400 ? `${said.slice(0, 200)}… (${said.length} bytes) …${said.slice(-100)}` : said
  return `${by}, ${as}, ${client} client: ${JSON.stringify(short)}`
}

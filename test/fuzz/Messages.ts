/**
 * Everything that a peer may write in place of a message: any bytes, any JSON, and JSON-RPC that is nearly right, which
 * gets further. `$ID` stands for the id of the request that the message comes in answer to.
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
    "say",
    "echo",
    "http-stateful-echo",
    "note://a",
    "x".repeat(9_000)
  ),
  fc.jsonValue({ maxDepth: 3 })
)

const methods = fc.constantFrom(
  "ping",
  "server/discover",
  "completion/complete",
  "logging/setLevel",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "resources/templates/list",
  "tasks/get",
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

/** Questions of servers, mostly so that the client is really asked. */
const question = fc.record({
  jsonrpc: fc.constant("2.0"),
  id: fc.oneof(fc.integer(), fc.string()),
  method: fc.constantFrom("elicitation/create", "sampling/createMessage", "roots/list", "ping"),
  params: mostly(
    fc.record({
      message: mostly(fc.constant("m")),
      requestedSchema: mostly(fc.constant({ type: "object", properties: {} })),
      messages: mostly(fc.constant([{ role: "user", content: { type: "text", text: "t" } }])),
      maxTokens: mostly(fc.constant(1)),
      _meta: fc.option(meta, { nil: undefined })
    })
  )
})

const answer = fc.record({
  jsonrpc: fc.constant("2.0"),
  id: fc.constant("$ID"),
  result: mostly(
    fc.oneof(
      fc.record({ action: mostly(fc.constantFrom("accept", "decline", "cancel")), content: odd }),
      fc.record({ role: mostly(fc.constant("assistant")), content: odd, model: odd }),
      fc.record({ roots: odd })
    )
  )
})

/** First answers of servers, mostly good enough to go on from. */
const introduction = fc.record({
  jsonrpc: fc.constant("2.0"),
  id: fc.constant("$ID"),
  result: fc.record({
    resultType: mostly(fc.constant("complete")),
    protocolVersion: mostly(fc.constantFrom("2025-11-25", "2025-03-26", "2024-11-05", "2026-07-28")),
    supportedVersions: mostly(fc.constant(["2026-07-28"])),
    capabilities: mostly(
      fc.record(
        { tools: odd, prompts: odd, resources: odd, logging: odd, completions: odd, tasks: odd },
        { requiredKeys: [] }
      )
    ),
    serverInfo: odd,
    instructions: mostly(fc.string()),
    ttlMs: odd,
    _meta: odd
  })
})

const encoded = (said: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array> =>
  said.map((value) => encoder.encode(text(value)))

export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: likely.map((value) => encoder.encode(text(value))), weight: 8 },
  { arbitrary: fc.array(likely, { maxLength: 5 }).map((batch) => encoder.encode(text(batch))), weight: 1 },
  { arbitrary: fc.oneof(cut, prototype, fc.json()).map((said) => encoder.encode(said)), weight: 2 },
  { arbitrary: nested.map((said) => encoder.encode(said)), weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 }
)

/** Messages that are in order but for what they say: one that is not would have its whole batch rejected. */
export const wellFormed = encoded(
  fc.oneof(
    fc.record({ jsonrpc: fc.constant("2.0"), id: fc.constant("$ID"), method: methods, params }),
    fc.record({ jsonrpc: fc.constant("2.0"), method: methods, params }),
    fc.record({ jsonrpc: fc.constant("2.0"), id: fc.constant("$ID"), result: odd })
  )
)

/** What a server may say at any time, but for what it says: one that is not would end its stream. */
export const between = fc.oneof(
  { arbitrary: encoded(fc.record({ jsonrpc: fc.constant("2.0"), method: methods, params })), weight: 6 },
  {
    arbitrary: encoded(fc.record({ jsonrpc: fc.constant("2.0"), id: fc.integer(), method: methods, params })),
    weight: 1
  },
  { arbitrary: encoded(fc.record({ jsonrpc: fc.constant("2.0"), id: fc.integer(), result: odd })), weight: 1 },
  { arbitrary: encoded(question), weight: 1 }
)

/** What a server says while a call runs: questions too. */
export const ofServer = fc.oneof({ arbitrary: bytes, weight: 4 }, { arbitrary: encoded(question), weight: 1 })

/** What a client says to a question under `$ID`. */
export const reply = fc.oneof({ arbitrary: encoded(answer), weight: 2 }, { arbitrary: bytes, weight: 1 })

/** What a server says to the hub's first request. */
export const welcome = fc.oneof({ arbitrary: encoded(introduction), weight: 2 }, { arbitrary: bytes, weight: 1 })

/** A text that may stand in the value of a header, as HTTP allows it. */
export const headerValue = fc.oneof(
  fc.constantFrom("", "0", "-1", "2025-11-25", "2026-07-28", "tools/call", "application/json", "*/*", "null", ","),
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x20 : code))
  })
)

/** The bytes with `$ID` as this id. */
export const withId = (said: Uint8Array, id: unknown): Buffer => {
  const buffer = Buffer.from(said.buffer, said.byteOffset, said.byteLength)
  return buffer.includes("$ID")
    ? Buffer.from(buffer.toString("latin1").replaceAll("$ID", JSON.stringify(id ?? null)), "latin1")
    : buffer
}

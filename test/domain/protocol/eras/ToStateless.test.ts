import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  clientCapabilitiesAcross,
  serverCapabilitiesAcross
} from "../../../../src/domain/protocol/eras/Capabilities.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { cacheableMethods, resultToStateless } from "../../../../src/domain/protocol/eras/ToStateless.ts"
import {
  errorToStateful,
  resultToStateful,
  toolsToStateless,
  upstreamErrorToStateless,
  urlElicitations
} from "../../../../src/domain/protocol/eras/ToStateful.ts"

const hub = { name: "mcphub", version: "1" }
const serverInfoKey = "io.modelcontextprotocol/serverInfo"

const Json = Schema.Record(Schema.String, Schema.Json)
const safe = (value: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== "__proto__"))

const Fields = Schema.Struct({
  extra: Json,
  meta: Schema.Union([Json, Schema.Undefined]),
  cursor: Schema.Union([Schema.String, Schema.Undefined])
})

/** A result an old server may give, with fields nobody knows and fields that collide with the new revision's. */
const oldResult = (own: JsonObject, { extra, meta, cursor }: typeof Fields.Type, collides: boolean): JsonObject => ({
  ...safe(extra),
  ...(collides ? { resultType: "theirs", ttlMs: -1, cacheScope: 7 } : {}),
  ...(meta === undefined ? {} : { _meta: safe(meta) }),
  ...(cursor === undefined ? {} : { nextCursor: cursor }),
  ...own
})

/** What the way there and back may take, as ToStateful's header lists it. */
const lossless = (method: string, result: JsonObject): JsonObject => {
  const lost = ["resultType", "_meta", ...(cacheableMethods.has(method) ? ["ttlMs", "cacheScope"] : [])]
  const kept = Object.fromEntries(Object.entries(result).filter(([name]) => !lost.includes(name)))
  const meta = Object.fromEntries(
    Object.entries((result["_meta"] ?? {}) as JsonObject).filter(([name]) => name !== serverInfoKey)
  )
  return Object.keys(meta).length === 0 ? kept : { ...kept, _meta: meta }
}

const own: ReadonlyArray<readonly [string, JsonObject]> = [
  [
    "tools/list",
    { tools: [{ name: "a", inputSchema: { type: "object" }, outputSchema: { type: "object", required: ["x"] } }] }
  ],
  ["prompts/list", { prompts: [{ name: "p", arguments: [] }] }],
  ["resources/list", { resources: [{ uri: "a:b", name: "r" }] }],
  ["resources/templates/list", { resourceTemplates: [{ uriTemplate: "a:{b}", name: "t" }] }],
  ["tools/call", { content: [{ type: "text", text: "x" }], structuredContent: { result: [1] }, isError: true }],
  ["prompts/get", { messages: [] }],
  ["resources/read", { contents: [{ uri: "a:b", text: "" }] }],
  ["completion/complete", { completion: { values: ["a"], total: 1 } }]
]

describe("ToStateless", () => {
  it.prop(
    "old → new → old loses nothing but what has no room there",
    { fields: Fields, collides: Schema.Boolean },
    ({ fields, collides }) => {
      for (const [method, result] of own) {
        const given = oldResult(result, fields, collides)
        const there = resultToStateless(method, given, hub)
        assert.deepStrictEqual(resultToStateful(method, there), lossless(method, given), method)
      }
    }
  )

  it("a list of an old server is complete, private, not to be kept, and says who answers", () => {
    for (const [method, result] of own) {
      const there = resultToStateless(method, result, hub)
      assert.strictEqual(there["resultType"], "complete")
      assert.deepStrictEqual((there["_meta"] as JsonObject)[serverInfoKey], hub)
      assert.deepStrictEqual(
        [there["ttlMs"], there["cacheScope"]],
        cacheableMethods.has(method) ? [0, "private"] : [undefined, undefined]
      )
    }
  })

  it("a schema of another type is wrapped for old clients, its references too, and the other tools stay as they are", () => {
    const plain = { name: "plain", inputSchema: { type: "object" }, outputSchema: { type: "object", properties: {} } }
    const list = {
      name: "list",
      inputSchema: { type: "object", properties: { any: true, none: false, text: { type: "string" } } },
      outputSchema: {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        type: "array",
        items: { $ref: "#/$defs/node" },
        $defs: {
          node: {
            properties: { child: { $ref: "#" }, default: { $ref: "#/$defs/node" } },
            default: { $ref: "#/data" }
          },
          other: { $id: "https://example.test/other", $ref: "#/own" },
          far: { $ref: "https://example.test/far#/x" },
          named: { $id: "#name", $ref: "#/$defs/node" }
        }
      }
    }
    const old = resultToStateful("tools/list", {
      resultType: "complete",
      ttlMs: 0,
      cacheScope: "private",
      tools: [plain, list, 7]
    })
    assert.deepStrictEqual(old, {
      tools: [
        plain,
        {
          name: "list",
          inputSchema: { type: "object", properties: { any: {}, none: { not: {} }, text: { type: "string" } } },
          outputSchema: {
            $schema: "https://json-schema.org/draft/2020-12/schema",
            type: "object",
            required: ["result"],
            properties: {
              result: {
                $schema: "https://json-schema.org/draft/2020-12/schema",
                type: "array",
                items: { $ref: "#/properties/result/$defs/node" },
                $defs: {
                  node: {
                    properties: {
                      child: { $ref: "#/properties/result" },
                      default: { $ref: "#/properties/result/$defs/node" }
                    },
                    default: { $ref: "#/data" }
                  },
                  other: { $id: "https://example.test/other", $ref: "#/own" },
                  far: { $ref: "https://example.test/far#/x" },
                  named: { $id: "#name", $ref: "#/properties/result/$defs/node" }
                }
              }
            }
          }
        },
        7
      ]
    })
  })

  it.prop(
    "old clients get structured content as an object, wrapped exactly where the schema is",
    { value: Schema.Json, type: Schema.Literals(["object", "array", "none"]) },
    ({ value, type }) => {
      const schema = type === "none" ? undefined : { type }
      const old = resultToStateful(
        "tools/call",
        { resultType: "complete", content: [], structuredContent: value },
        schema
      )
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value)
      assert.deepStrictEqual(old["structuredContent"], isObject && type !== "array" ? value : { result: value })
      assert.deepStrictEqual(old["content"], isObject ? [] : [{ type: "text", text: JSON.stringify(value) }])
    }
  )

  it("text the tool wrote itself is not repeated, and a result without structure gets none", () => {
    const text = { content: [{ type: "text", text: "three" }] }
    assert.deepStrictEqual(resultToStateful("tools/call", { ...text, structuredContent: 3 }, { type: "integer" }), {
      ...text,
      structuredContent: { result: 3 }
    })
    assert.deepStrictEqual(resultToStateful("tools/call", { ...text, isError: true }, { type: "integer" }), {
      ...text,
      isError: true
    })
  })

  it("a schema nested without end does not end the hub", () => {
    let schema: JsonObject = { $ref: "#" }
    for (let i = 0; i < 100_000; i++) schema = { items: schema }
    assert.doesNotThrow(() => resultToStateful("tools/list", { tools: [{ name: "deep", outputSchema: schema }] }))
  })

  it("tools that must run as a task are left out, the others lose the offer and nothing else", () => {
    const tool = (name: string, execution?: JsonObject) => ({ name, ...(execution === undefined ? {} : { execution }) })
    assert.deepStrictEqual(
      toolsToStateless([
        tool("plain"),
        tool("must", { taskSupport: "required" }),
        tool("may", { taskSupport: "optional" }),
        tool("more", { taskSupport: "forbidden", other: 1 }),
        tool("other", { other: 1 }),
        null
      ]),
      [tool("plain"), tool("may"), tool("more", { other: 1 }), tool("other", { other: 1 }), null]
    )
  })
})

describe("ToStateless of errors", () => {
  const toNew = (code: number, data?: unknown) =>
    upstreamErrorToStateless({ code, message: "m", ...(data === undefined ? {} : { data }) }, { uri: "a:b" })

  it("a resource that is not there is -32602 in one era, -32002 in the other, and survives the round trip", () => {
    assert.deepStrictEqual(toNew(-32002), { code: -32602, message: "m", data: { uri: "a:b" } })
    const error = { code: -32002, message: "m", data: { uri: "a:b", hint: 1 } }
    assert.deepStrictEqual(errorToStateful("resources/read", upstreamErrorToStateless(error, undefined)), error)
    assert.strictEqual(errorToStateful("tools/call", { code: -32602, message: "m", data: { uri: "a:b" } }).code, -32602)
    assert.strictEqual(errorToStateful("resources/read", { code: -32602, message: "bad cursor" }).code, -32602)
  })

  it("what a server says about the hub's own request reaches neither client as if it were about theirs", () => {
    for (const code of [-32020, -32022]) {
      for (const error of [
        errorToStateful("tools/call", { code, message: "canary" }),
        toNew(code),
        toNew(-32021),
        toNew(-32042)
      ]) {
        assert.strictEqual(error.code, 1502)
        assert.notInclude(JSON.stringify(error), "canary")
      }
    }
  })

  it("an old client is told which capability it lacks, under a code it cannot mistake", () => {
    const error = errorToStateful("tools/call", {
      code: -32021,
      message: "m",
      data: { requiredCapabilities: { sampling: {} } }
    })
    assert.strictEqual(error.code, 1403)
    assert.deepInclude(error.data, { requiredCapabilities: { sampling: {} } })
  })

  it.prop("any other code passes unchanged both ways", { code: Schema.Int, data: Schema.Json }, ({ code, data }) => {
    if ([-32002, -32602, -32020, -32021, -32022, -32042].includes(code)) return
    const error = { code, message: "m", data }
    assert.deepStrictEqual(errorToStateful("resources/read", upstreamErrorToStateless(error, { uri: "a:b" })), error)
  })

  it("addresses a user has to visit first are asked for as input", () => {
    const data = {
      elicitations: [
        { mode: "url", elicitationId: "e1", url: "https://example.test/a", message: "Sign in" },
        { mode: "url", url: "https://example.test/b" },
        { mode: "url" },
        null
      ]
    }
    assert.deepStrictEqual(urlElicitations({ code: -32042, message: "m", data }), {
      "elicitation-1": {
        method: "elicitation/create",
        params: { mode: "url", url: "https://example.test/a", message: "Sign in" }
      },
      "elicitation-2": {
        method: "elicitation/create",
        params: { mode: "url", url: "https://example.test/b", message: "The server needs you to visit an address" }
      }
    })
    for (const other of [undefined, {}, { elicitations: [] }, { elicitations: [{}] }, []]) {
      assert.strictEqual(urlElicitations({ code: -32042, message: "m", data: other }), undefined)
    }
    assert.strictEqual(urlElicitations({ code: -32602, message: "m", data }), undefined)
  })
})

describe("Capabilities", () => {
  const tasks = "io.modelcontextprotocol/tasks"

  it("no side is offered what the other cannot carry", () => {
    assert.deepStrictEqual(serverCapabilitiesAcross({ tools: {}, tasks: {}, extensions: { [tasks]: {} } }), {
      tools: {}
    })
    assert.deepStrictEqual(
      clientCapabilitiesAcross({
        roots: { listChanged: true },
        elicitation: { url: {} },
        tasks: {},
        extensions: { "x/y": {} }
      }),
      { roots: {}, elicitation: { url: {} }, extensions: { "x/y": {} } }
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { JsonRpcErrorObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { check, type HeaderParam, scan, toHeaders } from "../../../../src/domain/protocol/eras/ParamHeaders.ts"
import {
  checkStandardHeaders,
  type RequestBody,
  standardHeaders
} from "../../../../src/domain/protocol/eras/StandardHeaders.ts"

const lookup = (headers: Readonly<Record<string, string>>) => {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return (name: string) => byName.get(name.toLowerCase())
}

const annotated = (name: unknown, type: unknown = "string") => ({ type, "x-mcp-header": name })
const object = (properties: object) => ({ type: "object", properties })

const reason = (schema: unknown): string => {
  const scanned = scan(schema)
  assert.isFalse(scanned.ok)
  return scanned.ok ? "" : scanned.reason
}

const outcome = (error: JsonRpcErrorObject | undefined) => {
  if (error === undefined) return "agrees"
  assert.strictEqual(error.code, -32020)
  const { header, problem } = error.data as { header: string; problem: string }
  return `${header} ${problem}`
}

const region: HeaderParam = { header: "Region", path: ["region"], type: "string" }
const count: HeaderParam = { header: "Count", path: ["page", "count"], type: "integer" }
const dry: HeaderParam = { header: "Dry", path: ["dry"], type: "boolean" }

describe("ParamHeaders", () => {
  it("finds annotations at any depth of properties, in their order", () => {
    const schema = object({
      region: annotated("Region"),
      page: object({ count: annotated("Count", "integer") }),
      dry: annotated("Dry", "boolean"),
      plain: { type: "number" }
    })
    assert.deepStrictEqual(scan(schema), { ok: true, params: [region, count, dry] })
  })

  it("a property that is called x-mcp-header is a property, and data that looks annotated is data", () => {
    const schema = object({
      "x-mcp-header": { type: "string" },
      other: { default: annotated("X"), enum: [annotated("Y")] }
    })
    assert.deepStrictEqual(scan(schema), { ok: true, params: [] })
  })

  it("anything else than a schema has no annotations", () => {
    for (const schema of [undefined, null, true, "x", 1, [], [annotated("A")], {}, object({ a: null, b: true })]) {
      assert.deepStrictEqual(scan(schema), { ok: true, params: [] })
    }
  })

  it("a name that is no token, of another type or out of reach makes the tool invalid", () => {
    for (const name of ["", "a b", "a:b", "é", "a\r\nb", 1, null, {}])
      assert.include(reason(object({ p: annotated(name) })), "property p")
    for (const type of ["number", "object", "array", "null", undefined, ["string", "null"]]) {
      assert.include(reason(object({ p: { ...annotated("A"), type } })), "type")
    }
    const out = [
      annotated("A"),
      { type: "object", additionalProperties: annotated("A") },
      object({ list: { type: "array", items: annotated("A") } }),
      object({ list: { type: "array", items: object({ inner: annotated("A") }) } }),
      { oneOf: [object({ a: annotated("A") })] },
      { $defs: { d: annotated("A") } },
      { if: object({ a: annotated("A") }) },
      { patternProperties: { "^a": annotated("A") } }
    ]
    for (const schema of out) assert.include(reason(schema), "properties")
  })

  it("names are unique whatever their case", () => {
    assert.include(reason(object({ a: annotated("Region"), b: object({ c: annotated("REGION") }) })), "share")
  })

  it("a schema nested a hundred thousand deep is scanned", () => {
    let schema: object = annotated("Deep")
    for (let i = 0; i < 100_000; i++) schema = { properties: { p: schema } }
    assert.include(reason(schema), "deeper")
    assert.include(reason({ not: schema }), "deeper")
  })

  const Argument = Schema.Union([Schema.String, Schema.Boolean, Schema.Int, Schema.Null])

  it.prop(
    "headers made for arguments agree with them, whatever they are",
    { values: Schema.Tuple([Argument, Argument, Argument]) },
    ({ values: [a, b, c] }) => {
      const args = { region: a, page: { count: b }, dry: c }
      const headers = toHeaders([region, count, dry], args)
      assert.strictEqual(outcome(check(lookup(headers), [region, count, dry], args)), "agrees")
      for (const name of Object.keys(headers)) {
        const { [name]: _, ...fewer } = headers
        assert.strictEqual(outcome(check(lookup(fewer), [region, count, dry], args)), `${name} missing`)
      }
    }
  )

  it("null and absent arguments have no header, expect none and mind none", () => {
    for (const args of [{}, { region: null }, undefined, null, [], "x", { page: [] }]) {
      assert.deepStrictEqual(toHeaders([region, count], args), {})
      assert.strictEqual(outcome(check(lookup({ "mcp-param-region": "eu" }), [region, count], args)), "agrees")
    }
    assert.deepStrictEqual(toHeaders([{ header: "C", path: ["constructor", "name"], type: "string" }], {}), {})
  })

  it("integers are compared as numbers and everything else as text", () => {
    const compare = (param: HeaderParam, value: unknown, header: string) =>
      outcome(
        check(lookup({ [`MCP-PARAM-${param.header}`]: header }), [param], {
          [param.path[0]!]: value,
          page: { count: value }
        })
      )
    assert.strictEqual(compare(count, 42, "42.0"), "agrees")
    assert.strictEqual(compare(count, 42, "0042"), "agrees")
    assert.strictEqual(compare(count, 42, "0x2a"), "Mcp-Param-Count different")
    assert.strictEqual(compare(count, 42, ""), "Mcp-Param-Count different")
    assert.strictEqual(compare(region, "42", "42.0"), "Mcp-Param-Region different")
    assert.strictEqual(compare(dry, true, "TRUE"), "Mcp-Param-Dry different")
    assert.strictEqual(compare(region, "Hello", "=?base64?SGVsbG8=?="), "agrees")
    assert.strictEqual(compare(region, "Hello", "=?base64?SGVsbG8?="), "Mcp-Param-Region encoding")
  })

  it("an error names header and argument and shows neither value", () => {
    const error = check(lookup({ "Mcp-Param-Region": "canary-header" }), [region], { region: "canary-body" })
    assert.deepInclude(error?.data, {
      header: "Mcp-Param-Region",
      field: "params.arguments.region",
      problem: "different"
    })
    assert.notInclude(JSON.stringify(error), "canary")
  })
})

describe("StandardHeaders", () => {
  const version = "2026-07-28"
  const body = (method: string, params: object = {}): RequestBody => ({
    method,
    params: { ...params, _meta: { "io.modelcontextprotocol/protocolVersion": version } }
  })

  it.prop("headers made for a request agree with it", { name: Schema.String }, ({ name }) => {
    for (const request of [
      body("tools/call", { name }),
      body("prompts/get", { name }),
      body("resources/read", { uri: name }),
      body("tasks/get", { taskId: name }),
      body("tools/list", { name })
    ]) {
      const headers = standardHeaders(request)
      assert.strictEqual(outcome(checkStandardHeaders(lookup(headers), request)), "agrees")
      assert.strictEqual("Mcp-Name" in headers, request.method !== "tools/list")
    }
  })

  it("what is missing or different is named in the order of the spec", () => {
    const request = body("tools/call", { name: "echo" })
    const good = { "mcp-protocol-version": ` ${version} `, "MCP-METHOD": "tools/call", "Mcp-Name": "  echo  " }
    const against = (headers: Record<string, string>) => outcome(checkStandardHeaders(lookup(headers), request))
    assert.strictEqual(against(good), "agrees")
    assert.strictEqual(against({}), "MCP-Protocol-Version missing")
    assert.strictEqual(against({ "mcp-protocol-version": "2025-11-25" }), "MCP-Protocol-Version different")
    assert.strictEqual(against({ "mcp-protocol-version": version }), "Mcp-Method missing")
    assert.strictEqual(against({ ...good, "MCP-METHOD": "TOOLS/CALL" }), "Mcp-Method different")
    assert.strictEqual(against({ ...good, "Mcp-Name": "Echo" }), "Mcp-Name different")
    assert.strictEqual(against({ ...good, "Mcp-Name": "=?base64?!?=" }), "Mcp-Name encoding")
    const { "Mcp-Name": _, ...unnamed } = good
    assert.strictEqual(against(unnamed), "Mcp-Name missing")
  })

  it("a body without a name is left to whoever checks parameters", () => {
    const headers = lookup({ "mcp-protocol-version": version, "mcp-method": "tools/call", "mcp-name": "x" })
    assert.strictEqual(outcome(checkStandardHeaders(headers, body("tools/call"))), "agrees")
    assert.strictEqual(outcome(checkStandardHeaders(headers, body("tools/call", { name: 7 }))), "agrees")
  })
})

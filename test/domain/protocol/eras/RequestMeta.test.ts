import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { admitRequest, messageEra } from "../../../../src/domain/protocol/eras/Admission.ts"
import { failure, type JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { parseJson } from "../../../../src/domain/protocol/json/JsonText.ts"
import { lowest, passes } from "../../../../src/domain/protocol/LogLevels.ts"
import { standardHeaders } from "../../../../src/domain/protocol/eras/StandardHeaders.ts"
import {
  capabilityClass,
  paramsToStateless,
  paramsToStateful,
  readRequestMeta
} from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import {
  httpStatus,
  missingClientCapability,
  statelessCodes
} from "../../../../src/domain/protocol/eras/StatelessErrors.ts"

const key = (name: string) => `io.modelcontextprotocol/${name}`
const version = "2026-07-28"
const meta = { [key("protocolVersion")]: version, [key("clientCapabilities")]: {} }

const lookup = (headers: Readonly<Record<string, string>>) => (name: string) =>
  Object.entries(headers).find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1]

/** Status and code a request is refused with, as a client sees them. */
const refusal = (method: string, params: JsonObject | undefined, headers: Record<string, string> = {}) => {
  const body = { method, ...(params === undefined ? {} : { params }) }
  const admitted = admitRequest(lookup({ ...standardHeaders(body), ...headers }), body)
  if (Result.isSuccess(admitted)) return "admitted"
  return `${httpStatus(admitted.failure, "gate")} ${failure(1, admitted.failure).error.code}`
}

describe("Admission", () => {
  it("a request with its _meta and headers is admitted with what it says", () => {
    const all = {
      ...meta,
      [key("clientInfo")]: { name: "ide", version: "1" },
      [key("logLevel")]: "warning",
      progressToken: 7,
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    }
    const body = { method: "tools/list", params: { _meta: all } }
    const admitted = Result.getOrThrow(admitRequest(lookup(standardHeaders(body)), body))
    assert.deepStrictEqual(admitted, {
      protocolVersion: version,
      clientCapabilities: {},
      clientInfo: { name: "ide", version: "1" },
      logLevel: "warning",
      progressToken: 7,
      meta: all
    })
    assert.strictEqual(refusal("server/discover", { _meta: meta }), "admitted")
    assert.strictEqual(refusal("tasks/get", { _meta: meta, taskId: "t" }), "admitted")
  })

  it("missing or malformed _meta is 400 with -32602 and names the key", () => {
    for (const params of [undefined, {}, { _meta: {} }, { _meta: 1 }, { _meta: [] }]) {
      assert.strictEqual(refusal("tools/list", params), "400 -32602")
    }
    const problems: ReadonlyArray<readonly [string, unknown]> = [
      ["protocolVersion", 1],
      ["clientCapabilities", []],
      ["clientCapabilities", { roots: true }],
      ["clientInfo", { name: "x" }],
      ["logLevel", "loud"]
    ]
    for (const [name, value] of problems) {
      const read = readRequestMeta({ params: { _meta: { ...meta, [key(name)]: value } } })
      assert.isTrue(Result.isFailure(read))
      if (Result.isFailure(read)) assert.deepInclude(read.failure.data, { malformed: [key(name)] })
    }
    assert.strictEqual(refusal("tools/list", { _meta: { ...meta, progressToken: 1.5 } }), "400 -32602")
  })

  it("headers that disagree are 400 with -32020, before the revision and the method are looked at", () => {
    assert.strictEqual(refusal("tools/list", { _meta: meta }, { "Mcp-Method": "prompts/list" }), "400 -32020")
    assert.strictEqual(
      refusal("server/discover", { _meta: { ...meta, [key("protocolVersion")]: "v999.0.0" } }),
      "400 -32020"
    )
    assert.strictEqual(refusal("ping", { _meta: meta }, { "MCP-Protocol-Version": "2025-11-25" }), "400 -32020")
  })

  it("another revision is 400 with -32022, which lists the one spoken and repeats the one asked for", () => {
    const params = { _meta: { ...meta, [key("protocolVersion")]: "v999.0.0" } }
    const headers = { ...standardHeaders({ method: "server/discover" }), "MCP-Protocol-Version": "v999.0.0" }
    const admitted = admitRequest(lookup(headers), { method: "server/discover", params })
    assert.isTrue(Result.isFailure(admitted))
    if (Result.isFailure(admitted)) {
      assert.strictEqual(admitted.failure.code, statelessCodes.unsupportedVersion)
      assert.strictEqual(httpStatus(admitted.failure, "gate"), 400)
      assert.deepInclude(admitted.failure.data, { supported: [version], requested: "v999.0.0" })
    }
  })

  it("removed and unknown methods are 404 with -32601", () => {
    const removed = [
      "initialize",
      "ping",
      "logging/setLevel",
      "resources/subscribe",
      "resources/unsubscribe",
      "tasks/list",
      "tasks/result"
    ]
    for (const method of [...removed, "no/such", "constructor", ""]) {
      assert.strictEqual(refusal(method, { _meta: meta }), "404 -32601", method)
    }
  })

  it("the body decides the era, and the header only where the body claims none", () => {
    const era = (method: string, header?: string, claim?: unknown) =>
      messageEra(
        lookup(header === undefined ? {} : { "mcp-protocol-version": header }),
        claim === undefined ? { method } : { method, params: { _meta: { [key("protocolVersion")]: claim } } }
      )
    assert.strictEqual(era("tools/list"), "stateful")
    assert.strictEqual(era("tools/list", "2025-11-25"), "stateful")
    assert.strictEqual(era("tools/list", "banana"), "stateful")
    assert.strictEqual(era("tools/list", " 2026-07-28 "), "stateless")
    assert.strictEqual(era("tools/list", "2027-01-01"), "stateless")
    assert.strictEqual(era("tools/list", "2025-11-25", version), "stateless")
    assert.strictEqual(era("tools/list", undefined, 7), "stateless")
    assert.strictEqual(era("initialize"), "stateful")
    assert.strictEqual(era("initialize", undefined, "2025-11-25"), "stateful")
    assert.strictEqual(era("initialize", undefined, version), "stateless")
  })
})

describe("RequestMeta", () => {
  it.prop(
    "what a client says about itself is replaced toward one era and taken off toward the other; the rest stays",
    { extra: Schema.Record(Schema.String, Schema.Json) },
    ({ extra }) => {
      const own = Object.fromEntries(Object.entries(extra).filter(([name]) => name !== "__proto__"))
      const params = {
        name: "echo",
        _meta: { ...own, ...meta, [key("logLevel")]: "debug", [key("clientInfo")]: { name: "a", version: "1" } }
      }
      const kept = Object.fromEntries(
        Object.entries(own).filter(([name]) => !name.startsWith("io.modelcontextprotocol/"))
      )
      assert.deepStrictEqual(
        paramsToStateful(params),
        Object.keys(kept).length === 0 ? { name: "echo" } : { name: "echo", _meta: kept }
      )
      const sent = paramsToStateless(params, { clientCapabilities: { roots: {} } }, version)
      assert.deepStrictEqual(sent, {
        name: "echo",
        _meta: { ...kept, [key("protocolVersion")]: version, [key("clientCapabilities")]: { roots: {} } }
      })
    }
  )

  it("a retry's answers do not reach a stateful upstream, and empty parameters are none", () => {
    assert.strictEqual(paramsToStateful({ _meta: meta, inputResponses: {}, requestState: "s" }), undefined)
    assert.strictEqual(paramsToStateful(undefined), undefined)
  })

  const reversed = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(reversed)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([name, inner]) => [name, reversed(inner)])
          )
        : value

  it.prop(
    "the order of keys does not make another capability class",
    { value: Schema.Record(Schema.String, Schema.Json) },
    ({ value }) => {
      assert.strictEqual(capabilityClass(reversed(value) as JsonObject), capabilityClass(value as JsonObject))
      assert.deepStrictEqual(parseJson(capabilityClass(value as JsonObject)), parseJson(JSON.stringify(value)))
    }
  )

  it("declaring something is another class than not declaring it", () => {
    const classes = [
      {},
      { roots: {} },
      { elicitation: {} },
      { elicitation: { url: {} } },
      { experimental: { a: [1, 2] } },
      { experimental: { a: [2, 1] } }
    ]
    assert.strictEqual(new Set(classes.map(capabilityClass)).size, classes.length)
  })
})

describe("StatelessErrors", () => {
  it("the outcome of a call is 200 but for a missing client capability and a method nobody offers", () => {
    const status = (code: number, origin?: string) => httpStatus({ code, message: "", data: { origin } }, "call")
    for (const code of [-32700, -32602, -32603, -32020, -32022, 1408, 1502, 0])
      assert.strictEqual(status(code, "hub"), 200, String(code))
    assert.strictEqual(status(-32021, "upstream"), 400)
    assert.strictEqual(status(-32601, "hub"), 404)
    assert.strictEqual(status(-32601, "upstream"), 200)
    assert.strictEqual(httpStatus({ code: -32601, message: "" }, "call"), 200)
  })

  it.prop("every code has a status at the gate, and it is a refusal", { code: Schema.Int }, ({ code }) => {
    const status = httpStatus({ code, message: "" }, "gate")
    assert.isTrue(status >= 400 && status < 600)
  })

  it("a missing capability is named as the client would have to declare it", () => {
    const error = missingClientCapability({ sampling: {}, elicitation: { url: {} } })
    assert.include(error.message, "sampling, elicitation.url")
    assert.deepInclude(error.data, { requiredCapabilities: { sampling: {}, elicitation: { url: {} } } })
  })
})

describe("LogLevels", () => {
  it("a message passes at the level wanted and above, and not at all where none is wanted", () => {
    assert.isTrue(passes("warning", "warning") && passes("emergency", "warning"))
    assert.isFalse(passes("notice", "warning") || passes("emergency", undefined) || passes("loud", "debug"))
  })

  it("the lowest level wanted is what a server of one level is asked for", () => {
    assert.strictEqual(lowest(["error", undefined, "info", "alert"]), "info")
    assert.strictEqual(lowest([undefined]), undefined)
  })
})

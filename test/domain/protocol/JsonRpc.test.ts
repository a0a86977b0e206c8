import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { classify } from "../../../src/domain/protocol/JsonRpc.ts"

describe("JsonRpc", () => {
  it.effect("classifies the four kinds of message", () =>
    Effect.sync(() => {
      assert.strictEqual(classify({ jsonrpc: "2.0", id: 1, method: "ping" }).kind, "request")
      assert.strictEqual(classify({ jsonrpc: "2.0", method: "ping" }).kind, "notification")
      assert.strictEqual(classify({ jsonrpc: "2.0", id: 1, result: {} }).kind, "response")
      assert.strictEqual(classify({ jsonrpc: "2.0", id: null, method: "ping" }).kind, "invalid")
    })
  )
})

/**
 * The arguments of tools that travel as headers too, read from the tools a connection lists and used when it calls
 * them. The hub drops a tool whose annotations break the rules from the list, as a client must, and keeps the rest.
 *
 * Source: MCP 2026-07-28 `basic/transports` (custom headers from tool parameters).
 */
import type { JsonObject } from "../../../domain/protocol/JsonRpc.ts"
import { type HeaderParam, scan, toHeaders } from "../../../domain/protocol/eras/ParamHeaders.ts"
import { argumentsIn } from "../../../domain/protocol/json/CarriedJson.ts"
import { isJsonObject, textOrEmpty } from "../../../domain/protocol/JsonObjects.ts"

export interface ToolHeaders {
  /** Learns the tools of one page of `tools/list`; the result without those that may not be used. */
  readonly learn: (result: unknown) => unknown
  /** The `Mcp-Param-*` headers of a `tools/call`. */
  readonly headers: (params: JsonObject | undefined) => Readonly<Record<string, string>>
}

/** `onDropped` hears of each tool that may not be used, and why. */
export const make = (onDropped: (tool: string, reason: string) => void): ToolHeaders => {
  const known = new Map<string, ReadonlyArray<HeaderParam>>()

  const usable = (tool: unknown): boolean => {
    if (!isJsonObject(tool) || typeof tool["name"] !== "string") return true
    const scanned = scan(tool["inputSchema"])
    if (scanned.ok) {
      known.set(tool["name"], scanned.params)
      return true
    }
    known.delete(tool["name"])
    onDropped(tool["name"], scanned.reason)
    return false
  }

  return {
    learn: (result) => {
      const tools = isJsonObject(result) ? result["tools"] : undefined
      if (!Array.isArray(tools)) return result
      const kept = tools.filter(usable)
      return kept.length === tools.length ? result : { ...(result as JsonObject), tools: kept }
    },
    headers: (params) => {
      const declared = known.get(textOrEmpty(params?.["name"]))
      return declared === undefined || declared.length === 0 ? {} : toHeaders(declared, argumentsIn(params))
    }
  }
}

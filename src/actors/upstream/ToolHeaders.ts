/**
 * Which arguments of which tool travel as headers too: read from the tools a connection lists, used when it calls them.
 * A tool whose annotations break the rules is dropped from the list, as a client must, and the rest stays.
 *
 * Source: MCP 2026-07-28 `basic/transports` (custom headers from tool parameters).
 */
import { Predicate } from "effect"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import * as ParamHeaders from "../../domain/protocol/ParamHeaders.ts"

export interface ToolHeaders {
  /** Learns the tools of one page of `tools/list`; the result without those that may not be used. */
  readonly learn: (result: unknown) => unknown
  /** The `Mcp-Param-*` headers of a `tools/call`. */
  readonly headers: (params: JsonObject | undefined) => Readonly<Record<string, string>>
  readonly knows: (tool: string) => boolean
}

/** `onDropped` hears of each tool that may not be used, and why. */
export const make = (onDropped: (tool: string, reason: string) => void): ToolHeaders => {
  const known = new Map<string, ReadonlyArray<ParamHeaders.HeaderParam>>()

  const usable = (tool: unknown): boolean => {
    if (!Predicate.isObject(tool)) return true
    const { inputSchema, name } = tool as JsonObject
    if (typeof name !== "string") return true
    const scanned = ParamHeaders.scan(inputSchema)
    if (!scanned.ok) {
      known.delete(name)
      onDropped(name, scanned.reason)
      return false
    }
    known.set(name, scanned.params)
    return true
  }

  return {
    learn: (result) => {
      const tools = Predicate.isObject(result) ? (result as JsonObject)["tools"] : undefined
      if (!Array.isArray(tools)) return result
      const kept = tools.filter(usable)
      return kept.length === tools.length ? result : { ...(result as JsonObject), tools: kept }
    },
    headers: (params) => {
      const declared = known.get(String(params?.["name"]))
      return declared === undefined || declared.length === 0
        ? {}
        : ParamHeaders.toHeaders(declared, params?.["arguments"])
    },
    knows: (tool) => known.has(tool)
  }
}

/**
 * Checks a POST to the MCP endpoint: its headers, and its one message or (2025-03-26) batch of them.
 *
 * Source: MCP `basic/transports`; JSON-RPC 2.0 §6 (batch). Ids within a batch must differ, or answers could not be told
 * apart.
 */
import { classify, type Classified, type JsonRpcId } from "../../domain/protocol/JsonRpc.ts"
import type { WireRequest } from "../wire/Wire.ts"

export type Item = Exclude<Classified, { readonly kind: "invalid" }>

export interface Batch {
  readonly kind: "batch"
  readonly items: ReadonlyArray<Item>
}

export type Messages = { readonly kind: "one"; readonly item: Item } | Batch

export type Read = Messages | { readonly kind: "invalid"; readonly reason: string; readonly id: JsonRpcId | null }

export interface Rejection {
  readonly status: number
  readonly kind: string
  readonly message: string
}

const maxBatch = 100

const acceptsRange = (accept: string, type: string, range: string): boolean =>
  accept.includes("*/*") || accept.includes(range) || accept.includes(type)

const acceptsBoth = (accept: string): boolean =>
  acceptsRange(accept, "application/json", "application/*") && acceptsRange(accept, "text/event-stream", "text/*")

const isJson = (type: string | undefined): boolean => type?.split(";")[0]?.trim().toLowerCase() === "application/json"

/** Content type and encoding. */
export const checkContent = (request: WireRequest): Rejection | undefined => {
  const type = request.headers["content-type"]
  if (type !== "application/json" && !isJson(type)) {
    return { status: 415, kind: "unsupported_media_type", message: "Content-Type must be application/json" }
  }
  const encoding = request.headers["content-encoding"]?.toLowerCase()
  if (encoding !== undefined && encoding !== "identity") {
    return { status: 415, kind: "unsupported_encoding", message: "Send the body without Content-Encoding" }
  }
  return undefined
}

/** These and Accept; a request without Accept is served (the release notes' own commands send none). */
export const checkHeaders = (request: WireRequest): Rejection | undefined => {
  const rejected = checkContent(request)
  if (rejected !== undefined) return rejected
  const accept = request.headers["accept"]
  // As the specification says it, and so most clients.
  if (accept === undefined || accept === "application/json, text/event-stream") return undefined
  if (!acceptsBoth(accept)) {
    return { status: 406, kind: "not_acceptable", message: "Accept must list application/json and text/event-stream" }
  }
  return undefined
}

const invalid = (reason: string, id: JsonRpcId | null = null): Read => ({ kind: "invalid", reason, id })

const readBatch = (values: ReadonlyArray<unknown>): Read => {
  if (values.length === 0) return invalid("A batch must hold at least one message")
  if (values.length > maxBatch) return invalid(`A batch may hold at most ${maxBatch} messages`)
  const items: Array<Item> = []
  const ids = new Set<JsonRpcId>()
  for (const value of values) {
    const item = classify(value)
    if (item.kind === "invalid") return invalid(item.reason, item.id)
    if (item.kind === "request") {
      if (item.message.method === "initialize") return invalid("initialize cannot be part of a batch", item.message.id)
      if (ids.has(item.message.id)) return invalid("Two requests of the batch have the same id")
      ids.add(item.message.id)
    }
    items.push(item)
  }
  return { kind: "batch", items }
}

export const read = (value: unknown): Read => {
  if (Array.isArray(value)) return readBatch(value)
  const item = classify(value)
  return item.kind === "invalid" ? invalid(item.reason, item.id) : { kind: "one", item }
}

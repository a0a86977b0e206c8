/**
 * The JSON-RPC 2.0 envelope as MCP uses it, checked structurally and without a schema library: the hub does not
 * validate what it only carries, so an unknown field passes through unchanged.
 *
 * Source: JSON-RPC 2.0; MCP `basic/index` (ids are strings or integers, never null).
 */
import { Predicate } from "effect"
import { presentEnvelope, presentParams } from "./AbsentMembers.ts"

export type JsonObject = { readonly [key: string]: unknown }
export type JsonRpcId = string | number

export interface JsonRpcRequest {
  readonly jsonrpc: "2.0"
  readonly id: JsonRpcId
  readonly method: string
  readonly params?: JsonObject | undefined
}

export interface JsonRpcNotification {
  readonly jsonrpc: "2.0"
  readonly method: string
  readonly params?: JsonObject | undefined
}

export interface JsonRpcErrorObject {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export interface JsonRpcSuccess {
  readonly jsonrpc: "2.0"
  readonly id: JsonRpcId
  readonly result: unknown
}

export interface JsonRpcFailure {
  readonly jsonrpc: "2.0"
  readonly id?: JsonRpcId | null | undefined
  readonly error: JsonRpcErrorObject
}

export type JsonRpcResponse = JsonRpcSuccess | JsonRpcFailure
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse

/** The longest id text the hub accepts; a client needs no more, and ids land in headers and logs. */
const maxIdLength = 256

export const isId = (value: unknown): value is JsonRpcId =>
  typeof value === "string"
    ? value.length <= maxIdLength
    : typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER

/** Whether two ids are one: some libraries write the number 7 as the text "7". */
export const isSameId = (one: unknown, other: unknown): boolean =>
  one === other || (typeof one !== typeof other && isId(one) && isId(other) && String(one) === String(other))

/** The number that an id of the hub's own stands for, in whichever form it comes back. */
export const numericId = (id: unknown): number =>
  typeof id === "number" ? id : typeof id === "string" && /^[1-9]\d{0,14}$/.test(id) ? Number(id) : Number.NaN

export type Classified =
  | { readonly kind: "request"; readonly message: JsonRpcRequest }
  | { readonly kind: "notification"; readonly message: JsonRpcNotification }
  | { readonly kind: "response"; readonly message: JsonRpcResponse }
  | { readonly kind: "invalid"; readonly reason: string; readonly id: JsonRpcId | null }

const invalid = (reason: string, id: unknown): Classified => ({
  kind: "invalid",
  reason,
  id: isId(id) ? id : null
})

/** A request or notification in which what is null is absent; mostly the very same object. */
const present = <A extends JsonRpcRequest | JsonRpcNotification>(
  value: A,
  params: JsonObject | null | undefined
): A => {
  if (params === undefined) return value
  if (params === null) {
    const { params: _, ...rest } = value
    return rest as A
  }
  for (const key in params) if (key === "_meta" || params[key] === null) return presentIn(value, params)
  return value
}

const presentIn = <A extends JsonRpcRequest | JsonRpcNotification>(value: A, params: JsonObject): A => {
  const said = presentParams(value.method, params)
  return said === params ? value : { ...value, params: said }
}

const holdsNull = ({ error, id, method, result }: JsonObject): boolean =>
  error === null || id === null || method === null || result === null

/** Sorts one parsed JSON value into the four kinds of message. But for nulls that mean absence, the object stays as it is. */
export const classify = (value: unknown): Classified => {
  if (!Predicate.isObject(value) || Array.isArray(value)) return invalid("The message is not a JSON object", null)
  const message = holdsNull(value as JsonObject) ? presentEnvelope(value as JsonObject) : (value as JsonObject)
  const { id } = message
  if (message["jsonrpc"] !== "2.0") return invalid('The field "jsonrpc" must be "2.0"', id)
  if (typeof message["method"] === "string") {
    const params = message["params"]
    if (params !== undefined && params !== null && (!Predicate.isObject(params) || Array.isArray(params))) {
      return invalid('The field "params" must be an object', id)
    }
    if (!("id" in message)) {
      return { kind: "notification", message: present(message as unknown as JsonRpcNotification, params) }
    }
    if (!isId(id))
      return invalid(`The field "id" must be a string of at most ${maxIdLength} characters or an integer`, id)
    return { kind: "request", message: present(message as unknown as JsonRpcRequest, params) }
  }
  if ("method" in message) return invalid('The field "method" must be a string', id)
  if (!("result" in message) && !("error" in message)) {
    return invalid('The message is neither a request ("method") nor a response ("result" or "error")', id)
  }
  if ("result" in message && "error" in message) return invalid('A response has a "result" or an "error", not both', id)
  if ("error" in message && !isErrorObject(message["error"])) {
    return invalid('The field "error" must be an object with an integer "code" and a text "message"', id)
  }
  if (!isId(id)) return invalid('A response needs the "id" of its request', id)
  return { kind: "response", message: message as unknown as JsonRpcResponse }
}

/** Whether what is no message was to be an answer. */
export const wasToAnswer = (value: unknown): value is JsonObject =>
  Predicate.isObject(value) && ("result" in value || "error" in value) && !("method" in value && value.method !== null)

export const isErrorObject = (value: unknown): value is JsonRpcErrorObject =>
  Predicate.isObject(value) &&
  Predicate.hasProperty(value, "code") &&
  Number.isSafeInteger(value.code) &&
  Predicate.hasProperty(value, "message") &&
  typeof value.message === "string"

/**
 * An error of a server that had not read the id of the request: whoever knows which request it answers may take it for
 * the answer. Some servers write a text such as "server-error" in place of null.
 */
export const isAnonymousError = (value: unknown): value is JsonRpcFailure => {
  if (!Predicate.isObject(value) || !("error" in value) || !isErrorObject(value.error)) return false
  const { id = null, result = null } = value as JsonObject
  return result === null && (id === null || (typeof id === "string" && Number.isNaN(numericId(id))))
}

export const isFailure = (response: JsonRpcResponse): response is JsonRpcFailure => "error" in response

export const request = (id: JsonRpcId, method: string, params?: JsonObject): JsonRpcRequest =>
  params === undefined ? { jsonrpc: "2.0", id, method } : { jsonrpc: "2.0", id, method, params }

export const notification = (method: string, params?: JsonObject): JsonRpcNotification =>
  params === undefined ? { jsonrpc: "2.0", method } : { jsonrpc: "2.0", method, params }

export const success = (id: JsonRpcId, result: unknown): JsonRpcSuccess => ({ jsonrpc: "2.0", id, result })

export const failure = (id: JsonRpcId | null, error: JsonRpcErrorObject): JsonRpcFailure => ({
  jsonrpc: "2.0",
  id,
  error
})

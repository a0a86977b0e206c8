/**
 * The requests that an answer stream is for, as a part of its name and so of its event ids: after a restart the hub can
 * tell a client that comes back for such a stream, request by request, that the outcome is unknown, though nothing of
 * the stream was written down.
 *
 * The text comes back from the client, who may have made it up: it says whom to answer, in the client's own session,
 * and nothing else is done with it.
 */
import { Option } from "effect"
import type { JsonRpcId } from "../../domain/protocol/JsonRpc.ts"

/** More than this, in characters, is left out of the ids: those of a large batch. */
const maxText = 512

/** Empty where they are too many. */
export const textOf = (ids: ReadonlyArray<JsonRpcId>): string => {
  const text = Buffer.from(JSON.stringify(ids)).toString("base64url")
  return text.length <= maxText ? text : ""
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(Buffer.from(text, "base64url").toString()))

const isId = (value: unknown): value is JsonRpcId => typeof value === "string" || Number.isSafeInteger(value)

export const idsOf = (text: string): ReadonlyArray<JsonRpcId> | undefined => {
  const ids = Option.getOrUndefined(parse(text))
  return Array.isArray(ids) && ids.every(isId) ? ids : undefined
}

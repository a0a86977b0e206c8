/**
 * Refusals that can mean that a server has forgotten the session of a request. By the protocol it says so with HTTP 404,
 * and restarted servers also say it with 400 or 410, in words of their own. But they refuse a request that they dislike
 * in the same way, so a ping has to tell: where it is refused as well, it is the session that is refused.
 *
 * Source: MCP `basic/transports` (session management).
 */
import { rpcCodes } from "../../../domain/protocol/ErrorCodes.ts"
import { statelessCodes } from "../../../domain/protocol/eras/StatelessErrors.ts"
import { isSameId, type JsonRpcId } from "../../../domain/protocol/JsonRpc.ts"
import { isJsonObject, objectOrEmpty } from "../../../domain/protocol/JsonObjects.ts"
import { readFromServer } from "../../../domain/protocol/json/ServerMessages.ts"
import type { ExchangeEnd } from "./ExchangeRequest.ts"

export interface Refusal {
  readonly status: number
  /** The body, but for the id of the request. */
  readonly text: string
}

const statuses: ReadonlySet<number> = new Set([400, 404, 410])

/** The end of the exchange as such a refusal; `id` is the request's, and absent for a message without an answer. */
export const refusalOf = (end: ExchangeEnd, id?: JsonRpcId): Refusal | undefined => {
  const { status } = end.head
  if (!statuses.has(status)) return undefined
  const text = end.kind === "body" && typeof end.body === "string" ? end.body : ""
  const read = readFromServer(text)
  if (!read.ok || !isJsonObject(read.value)) return { status, text }
  const { id: answered, ...said } = read.value
  const { code } = objectOrEmpty(said["error"])
  // These say what the server speaks or knows rather than what it remembers.
  if (code === statelessCodes.unsupportedVersion) return undefined
  if (code === rpcCodes.methodNotFound && isSameId(answered, id)) return undefined
  return { status, text: JSON.stringify(said) }
}

/** Whether the words are about the session, as far as can be told. */
export const isAboutSession = ({ text }: Refusal): boolean => /session|initiali[sz]/i.test(text)

export const isSame = (one: Refusal, other: Refusal): boolean => one.status === other.status && one.text === other.text

/**
 * Members that are null where the protocol knows no null: they count as absent. Libraries of several languages write
 * whatever is not set as null, and a strict reader on the other side would reject the whole message for it.
 */
import { Predicate } from "effect"

type Members = { readonly [name: string]: unknown }

/** The methods of MCP: what the hub does not know it carries as it is, nulls included. */
const known =
  /^(?:initialize$|ping$|(?:server|tools|prompts|resources|completion|logging|tasks|subscriptions|sampling|elicitation|roots|notifications)\/)/

/** A log message may say any JSON, and a state that was sealed is either what it was or refused. */
const kept: ReadonlySet<string> = new Set(["data", "requestState"])
const isNullable = (key: string): boolean => !kept.has(key)

/** In `_meta`, everybody may have keys of their own, in which null may mean something. */
const isProtocols = (key: string): boolean => key === "progressToken" || key.startsWith("io.modelcontextprotocol/")

const holdsNull = (members: Members, counts: (key: string) => boolean): boolean => {
  for (const key in members) if (members[key] === null && counts(key)) return true
  return false
}

const without = (members: Members, counts: (key: string) => boolean): Members =>
  holdsNull(members, counts)
    ? Object.fromEntries(Object.entries(members).filter(([key, value]) => value !== null || !counts(key)))
    : members

const isEnvelopes = (key: string): boolean => key === "id" || key === "method" || key === "result" || key === "error"

/**
 * The message with the members of its own kind alone: some libraries write those of every kind, the others' as null. The
 * only thing that a message says it keeps, null or not, and so does a request its id.
 */
export const presentEnvelope = (message: Members): Members => {
  if (!holdsNull(message, isEnvelopes)) return message
  const { error, id, method, result } = message
  const isNotification = typeof method === "string" && method.startsWith("notifications/")
  const isResult = (method ?? null) === null && (error ?? null) === null && result === null
  return without(message, (key) =>
    key === "id" ? id === null && isNotification : isEnvelopes(key) && !(key === "result" && isResult)
  )
}

/** The members of the object that are not null; the same object where none is. */
export const withoutNulls = (members: Members): Members => without(members, () => true)

/** The parameters without members that count as absent; the same object where there are none. */
export const presentParams = (method: string, params: Members): Members => {
  if (!known.test(method)) return params
  const present = without(params, isNullable)
  const meta = present["_meta"]
  if (!Predicate.isObject(meta)) return present
  const presentMeta = without(meta as Members, isProtocols)
  return presentMeta === meta ? present : { ...present, _meta: presentMeta }
}

/**
 * The event streams of one session that can be resumed, found again by the id of an event.
 *
 * An id reads `{session}.{kind}{epoch}{stream}.{position}`. The first part is the same for all streams of the session, so that
 * an id of another session is told from one of a stream that is not kept any more; it is no secret and opens nothing,
 * because streams are looked up only in the session that the client has been admitted to. The name of an answer's stream
 * also says which requests it answers (`AnsweredIds`).
 *
 * A stream that has ended is kept for five to ten minutes, or until room is needed, by the session or in its user's
 * memory: the oldest goes first. What is not read by then is gone.
 *
 * Source: MCP `basic/transports`, "Resumability and Redelivery".
 */
import { createHash, randomBytes } from "node:crypto"
import { Effect } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import type { JsonRpcId } from "../../domain/protocol/JsonRpc.ts"
import * as AnsweredIds from "./AnsweredIds.ts"
import type { Room } from "../limits/Retained.ts"
import { ReplayStream } from "./ReplayStream.ts"

/** Of all streams of a session. */
export const maxSessionEvents = 1_024
export const maxSessionBytes = 4 * 1024 * 1024
/** How long a stream that has ended is kept at least. */
const keepFor = "5 minutes"

/** `session` is the stream of what belongs to no request, `answer` that of one POST. */
export type StreamKind = "session" | "answer"

/** Where a client wants to go on. */
export type Resumption =
  | { readonly kind: "at"; readonly of: StreamKind; readonly stream: ReplayStream; readonly after: number }
  /** A session stream that is not kept any more: a new one takes its place. */
  | { readonly kind: "fresh" }
  /** An answer of which nothing is left to be sent. */
  | { readonly kind: "over" }
  /** An answer that was under way when the hub was restarted: nobody knows what became of these requests. */
  | { readonly kind: "lost"; readonly ids: ReadonlyArray<JsonRpcId> }
  /** An event of another session. */
  | { readonly kind: "foreign" }
  /** Not an id that the hub has ever made. */
  | { readonly kind: "malformed" }

export interface SessionReplay {
  /** `ids`: of the requests that an answer is for. */
  readonly open: (kind: StreamKind, ids?: ReadonlyArray<JsonRpcId>) => ReplayStream
  readonly find: (lastEventId: string) => Resumption
  /** The stream can be resumed no more. */
  readonly forget: (stream: ReplayStream) => void
  readonly kept: () => { readonly events: number; readonly bytes: number }
  /** Ends and forgets every stream. */
  readonly end: () => void
}

export interface ReplayOptions {
  /** Of the user's memory, for the events that are kept. */
  readonly memory: Room
  readonly sessionId: SessionId
  /** See `ReplayStreamOptions`; revisions before 2025-11-25 know no events without data. */
  readonly primes: boolean
  /** Runs in the session's scope. */
  readonly background: (effect: Effect.Effect<unknown>) => void
}

const wellFormed =
  /^([0-9a-f]{16})\.([sa])([0-9a-f]{8})([0-9a-f]{8}(?:~([A-Za-z0-9_-]{2,512}))?)\.(0|[1-9][0-9]{0,14})$/

export const make = ({ background, memory, primes, sessionId }: ReplayOptions): SessionReplay => {
  const streams = new Map<string, ReplayStream>()
  /** Those that have ended, the longest ago first. */
  const ended = new Set<ReplayStream>()
  /** Streams made after a restart are not those of before, though the session may be the same. */
  const epoch = randomBytes(4).toString("hex")
  let made = 0
  let session: string | undefined
  let events = 0
  let bytes = 0
  let expiring = false

  const ownPart = (): string => (session ??= createHash("sha256").update(sessionId).digest("hex").slice(0, 16))

  const forget = (stream: ReplayStream): void => {
    streams.delete(stream.name)
    ended.delete(stream)
    stream.clear()
  }

  const room = {
    take: (size: number, shrink: () => boolean): boolean => {
      const full = (): boolean => events >= maxSessionEvents || bytes + size > maxSessionBytes
      for (const oldest of ended) {
        if (!full()) break
        forget(oldest)
      }
      while (full()) if (!shrink()) return false
      while (!memory.hold(size)) {
        const [oldest] = ended
        if (oldest !== undefined) forget(oldest)
        else if (!shrink()) return false
      }
      events++
      bytes += size
      return true
    },
    give: (count: number, size: number): void => {
      events -= count
      bytes -= size
      memory.release(size)
    }
  }

  /** One fiber for all that have ended: each time it forgets those that had ended the time before. */
  const expire: Effect.Effect<void> = Effect.suspend(() => {
    const due = [...ended]
    if (due.length === 0) {
      expiring = false
      return Effect.void
    }
    return Effect.andThen(
      Effect.sleep(keepFor),
      Effect.suspend(() => {
        due.forEach(forget)
        return expire
      })
    )
  })

  const onEnd = (stream: ReplayStream): void => {
    ended.add(stream)
    if (expiring) return
    expiring = true
    background(expire)
  }

  /** Of a stream that is not here. */
  const gone = (kind: string, madeIn: string, idsText: string | undefined): Resumption => {
    if (kind === "s") return { kind: "fresh" }
    const ids = madeIn === epoch || idsText === undefined ? undefined : AnsweredIds.idsOf(idsText)
    return ids === undefined ? { kind: "over" } : { kind: "lost", ids }
  }

  return {
    open: (kind, ids = []) => {
      const number = (++made).toString(16).padStart(8, "0")
      const idsText = ids.length === 0 ? "" : AnsweredIds.textOf(ids)
      const plain = `${ownPart()}.${kind === "session" ? "s" : "a"}${epoch}${number}`
      const name = idsText === "" ? plain : `${plain}~${idsText}`
      const stream = new ReplayStream({ name, room, primes, onEnd })
      streams.set(name, stream)
      return stream
    },
    find: (lastEventId) => {
      const [, own, kind, madeIn, rest, idsText, digits] = wellFormed.exec(lastEventId) ?? []
      if (own === undefined) return { kind: "malformed" }
      if (own !== ownPart()) return { kind: "foreign" }
      const stream = streams.get(`${own}.${kind}${madeIn}${rest}`)
      if (stream === undefined) return gone(kind!, madeIn!, idsText)
      const after = Number(digits)
      if (!stream.knows(after)) return { kind: "malformed" }
      return stream.isOverAfter(after)
        ? { kind: "over" }
        : { kind: "at", of: kind === "s" ? "session" : "answer", stream, after }
    },
    forget,
    kept: () => ({ events, bytes }),
    end: () => {
      for (const stream of streams.values()) {
        stream.end()
        forget(stream)
      }
    }
  }
}

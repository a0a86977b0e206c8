/** One HTTP request to a server as `UpstreamHttpExchange` carries it out, and what becomes of it. */
import type { Fork } from "../../../domain/Guard.ts"
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import type { OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import type { AnswerRoom } from "../../limits/AnswerBytes.ts"
import type { Payer } from "../../limits/Payer.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"
import type { UpstreamFailed, UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import type { ResponseHead } from "./ResponseHead.ts"
import type { UserPool } from "./UserPools.ts"

/** What an exchange came to. Only `answered` ends it before the response does. */
export type ExchangeEnd =
  | { readonly kind: "answered"; readonly head: ResponseHead }
  /** A text, or, where `raw` allows it, an answer whose result was not read. */
  | { readonly kind: "body"; readonly head: ResponseHead; readonly body: string | JsonRpcSuccess }
  | {
      readonly kind: "stream"
      readonly head: ResponseHead
      readonly lastEventId: string | undefined
      readonly retryMs: number | undefined
      /** The connection broke, rather than being closed in order. */
      readonly broken: boolean
    }

/** An exchange under way. */
export interface RunningExchange {
  /** Waits for a status only: nothing of value is lost by letting it finish. */
  readonly brief: boolean
  /** The connection closes: ends at once, whatever is under way. */
  readonly close: () => void
}

export interface ExchangeRequest {
  readonly server: string
  readonly pool: UserPool
  readonly method: "POST" | "GET" | "DELETE"
  readonly path: string
  /** Name, value, name, value … */
  readonly headers: Array<string>
  readonly body: OutgoingMessage | null
  /** Bytes of a whole body or stream; of one event when `endless`. */
  readonly maxBytes: number
  /** The response is an event stream without an end. */
  readonly endless?: boolean
  /** Giving the exchange up ends it at once: closing the stream is what tells the server (revision 2026-07-28). */
  readonly abrupt?: boolean
  /** Only the status is of interest: whatever body follows is drained unread. */
  readonly headOnly?: boolean
  /**
   * Nobody reads what passes: the result of a large answer may stay as it came (`RawJson`), and what the request carries
   * is let go of once it is written.
   */
  readonly raw?: boolean
  /** What of its user's memory a large answer takes while it arrives; asked for with the first one. Absent: not counted. */
  readonly room?: (payer: Payer) => AnswerRoom
  /** What reading it costs whoever pays for it, see `FairShare.spend`. */
  readonly spend: (payer: Payer, units: number, goOn: () => void) => (() => void) | undefined
  /** The account that reading it is charged to. */
  readonly payer: Payer
  /** Whose exchange it is. */
  readonly context: CallContext
  /** For the log of a defect. */
  readonly fork: Fork
  /** Where running exchanges are found when their connection closes. */
  readonly running: Set<RunningExchange>
  readonly onHead?: (head: ResponseHead) => void
  /** A parsed JSON value of the event stream; `true` when it is the awaited answer. */
  readonly onMessage: (message: unknown) => boolean | Unusable
  /** Whether an event that nobody can read was to be the awaited answer. */
  readonly wasAwaited?: (text: string) => boolean
  /** What was neither a message nor to be the answer was skipped. */
  readonly onNoise: () => void
  /** Something arrived that nobody waits for any more. */
  readonly onLate: () => void
}

/** No message: in place of the awaited answer, or something that only has to be skipped, such as a sign of life. */
export type Unusable = "invalid" | "noise"

export type ExchangeError = UpstreamUnavailable | UpstreamFailed

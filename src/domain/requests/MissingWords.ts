/**
 * The one word for why a server is missing, the same wherever it is said: in lists, the status tool, the log, `server ls`,
 * `server test`, the doctor and the metrics. The sentence that goes with it is the error's own message.
 */
import { errorRow } from "./RequestErrorCodes.ts"
import type { UpstreamError } from "./UpstreamErrors.ts"

export const missingWord = (error: UpstreamError): string =>
  error._tag === "UpstreamUnavailable" ? (error.because ?? error.reason) : errorRow(error).kind

/** It has not answered in time, and may yet. */
export const lateWord = "timeout"

/** A single entry of its list is none that a client could read. */
export const unusableWord = "unusable"

/** Its list may not be the whole list of today: a later page failed, or there was no room for a newer one. */
export const incompleteWord = "incomplete"

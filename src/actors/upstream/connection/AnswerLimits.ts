/** The failure of an answer that is larger than its call, or its user's memory, allows: the same on every transport. */
import { UpstreamFailed } from "../../../domain/requests/UpstreamErrors.ts"

export const tooLarge = (server: string, phase: UpstreamFailed["phase"], maxBytes: number): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "too-large",
    phase,
    message: `Server ${server} sent more than the ${maxBytes} bytes an answer may have; ask it for less at once`
  })

/** Why an answer has no room: follows "as". */
export const answerLimits =
  "the large answers of one user on their way at once (MAX_ANSWER_BYTES_PER_USER), and all that the hub keeps for a user (MAX_MEMORY_PER_USER), have limits"

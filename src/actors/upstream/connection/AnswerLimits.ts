/** The failure of an answer that is larger than its call allows, on every transport. */
import { UpstreamFailed } from "../../../domain/requests/UpstreamErrors.ts"

export const tooLarge = (server: string, phase: UpstreamFailed["phase"], maxBytes: number): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "too-large",
    phase,
    message: `Server ${server} sent more than the ${maxBytes} bytes an answer may have; ask it for less at once`
  })

/**
 * The results of revision 2026-07-28 as they may come from a server: of a type the revision has, or none, which older
 * servers of it leave out and which means complete.
 *
 * Source: MCP 2026-07-28 `basic/index` (resultType).
 */
import { Effect } from "effect"
import { isJsonObject } from "../../../domain/protocol/JsonObjects.ts"
import { type UpstreamFailed, protocolError } from "../../../domain/requests/UpstreamErrors.ts"
/** No `task`: the hub declares that extension to no server. */
const resultTypes: ReadonlySet<unknown> = new Set([undefined, "complete", "input_required"])

export const checked =
  (server: string) =>
  (result: unknown): Effect.Effect<unknown, UpstreamFailed> =>
    isJsonObject(result) && resultTypes.has(result["resultType"])
      ? Effect.succeed(result)
      : Effect.fail(protocolError(server, "body", "sent a result of a type that was not asked for"))

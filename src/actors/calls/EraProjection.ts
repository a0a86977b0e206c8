/**
 * Answers of an upstream on their way to a client of the other era: results and errors in words that client knows, as
 * far as they depend on who answered. The wire adds what every answer of its era has (`ToStateless`).
 */
import { Effect } from "effect"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { cacheableMethods } from "../../domain/protocol/eras/ToStateless.ts"
import { errorToStateful, resultToStateful } from "../../domain/protocol/eras/ToStateful.ts"
import { isJsonObject, objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { statelessCodes } from "../../domain/protocol/eras/StatelessErrors.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import { questionsOf, undeclaredCapability } from "./InputQuestions.ts"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"
import type { UpstreamConnection } from "../upstream/connection/UpstreamConnection.ts"
import { UpstreamErrorResponse } from "../../domain/requests/UpstreamErrors.ts"

/** Fields that mean something to a stateless client, and nothing to the stateful server that happens to use them. */
const withoutMarks = (method: string, result: unknown): unknown => {
  if (!isJsonObject(result)) return result
  const { resultType: _type, ...rest } = result
  if (!cacheableMethods.has(method)) return rest
  const { ttlMs: _ttl, cacheScope: _scope, ...kept } = rest as JsonObject
  return kept
}

/** The answer to a request of a client of `era`; `outputSchema` is the called tool's, asked for only when it matters. */
export const resultFor = (
  era: Era,
  connection: UpstreamConnection,
  method: string,
  result: unknown,
  outputSchema: Effect.Effect<unknown>
): Effect.Effect<unknown> => {
  if (era === connection.era) return Effect.succeed(result)
  if (era === "stateless") return Effect.succeed(withoutMarks(method, result))
  // Questions are asked before anything is answered, see `UpstreamRounds`.
  if (!isJsonObject(result) || questionsOf(result) !== undefined) return Effect.succeed(result)
  const needsSchema = method === "tools/call" && result["structuredContent"] !== undefined
  return needsSchema
    ? Effect.map(outputSchema, (schema) => resultToStateful(method, result, schema))
    : Effect.succeed(resultToStateful(method, result))
}

/** An error of the upstream for that client. Codes a stateless client must not see are translated on the wire. */
export const errorFor =
  (era: Era, connection: UpstreamConnection, method: string) =>
  (error: RequestError): RequestError => {
    if (error._tag !== "UpstreamErrorResponse" || connection.era === "stateful") return error
    if (error.code === statelessCodes.missingClientCapability) {
      const required = isJsonObject(error.data) ? error.data["requiredCapabilities"] : undefined
      return undeclaredCapability(error.server, objectOrEmpty(required))
    }
    if (era === "stateless") return error
    const { server } = error
    const { code, data, message } = errorToStateful(method, {
      code: error.code,
      message: error.message,
      data: error.data
    })
    return new UpstreamErrorResponse({ server, code, message, ...(data === undefined ? {} : { data }) })
  }

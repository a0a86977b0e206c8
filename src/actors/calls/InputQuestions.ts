/**
 * The questions of a stateless upstream in an `input_required` result, and whether it may ask them: only in answer to
 * the requests that may take several rounds, only what the protocol has, and only what the client declared.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { Effect } from "effect"
import { interactiveMethods } from "../../domain/protocol/eras/Admission.ts"
import { requiredCapability } from "../../domain/protocol/eras/Capabilities.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { clientCapability } from "../../domain/protocol/Methods.ts"
import { isJsonObject, objectOrEmpty, textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { ClientCapabilityMissing } from "../../domain/requests/RequestErrors.ts"
import { UpstreamFailed } from "../../domain/requests/UpstreamErrors.ts"

export interface Questions {
  readonly inputRequests: JsonObject
  readonly requestState: unknown
}

/** More at once is no question but a flood. */
const maxQuestions = 100

/** The questions of an `input_required` result; `undefined` of any other. */
export const questionsOf = (result: unknown): Questions | undefined => {
  if (!isJsonObject(result) || result["resultType"] !== "input_required") return undefined
  const { inputRequests, requestState } = result
  return { inputRequests: objectOrEmpty(inputRequests), requestState }
}

export const undeclaredCapability = (server: string, requiredCapabilities: JsonObject): ClientCapabilityMissing =>
  new ClientCapabilityMissing({
    server,
    requiredCapabilities,
    message: `Server ${server} needs a capability that this client did not declare; use a client that offers it`
  })

/** The questions by key, if every one of them may be put to the client. */
export const admitQuestions = Effect.fnUntraced(function* (
  method: string,
  server: string,
  inputRequests: JsonObject,
  capabilities: JsonObject
) {
  const invalid = (what: string) =>
    new UpstreamFailed({ server, reason: "protocol", phase: "body", message: `Server ${server} ${what}` })
  if (!interactiveMethods.has(method)) return yield* invalid(`asked for input in answer to ${method}, which takes none`)
  if (Object.keys(inputRequests).length > maxQuestions) {
    return yield* invalid(`asked for more than ${maxQuestions} inputs at once`)
  }
  const asked: Record<string, JsonObject> = {}
  for (const [key, one] of Object.entries(inputRequests)) {
    if (!isJsonObject(one) || clientCapability(textOrEmpty(one["method"])) === undefined) {
      return yield* invalid("asked for input of a kind the protocol does not have")
    }
    const missing = requiredCapability(one, capabilities)
    if (missing !== undefined) return yield* undeclaredCapability(server, missing)
    asked[key] = one
  }
  return asked
})

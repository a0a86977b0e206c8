/** The provisioning file, on the domain's service. */
import { Effect, Redacted } from "effect"
import { jsonErrorOffset, lineAndColumn } from "../../../domain/settings/JsonPosition.ts"
import { Provisioning } from "../../../domain/provisioning/Provisioning.ts"
import { ProvisionOperations, type ProvisionView } from "../operations/AdminOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import { iso } from "./Lookup.ts"

/** Reports only the position: the runtime's own message quotes the text around the mistake, which may be a token. */
const parse = (file: string, text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () =>
      new OperationRefused({
        kind: "ProvisioningRefused",
        exitCode: 2,
        message: `${file} is not JSON from ${lineAndColumn(text, jsonErrorOffset(text) ?? 0)} on; nothing was changed`
      })
  })

/** Applies the text of a file; the answer holds minted keys in clear, to be shown once. */
export const applyProvisioning = Effect.fnUntraced(function* (file: string, text: string) {
  const provisioning = yield* Provisioning
  const summary = yield* provisioning.apply(yield* parse(file, text), file)
  const view: ProvisionView = {
    ...summary,
    minted: summary.minted.map((one) => ({
      key: Redacted.value(one.key),
      id: one.keyId,
      expiresAt: iso(one.expiresAt),
      name: one.name,
      username: one.username
    }))
  }
  return view
}, asRefusal)

export const ProvisionHandlers = ProvisionOperations.toLayer(
  Effect.gen(function* () {
    const services = yield* Effect.context<Provisioning>()
    return ProvisionOperations.of({
      provision: ({ file, text }) => Effect.provideContext(applyProvisioning(file, text), services)
    })
  })
)

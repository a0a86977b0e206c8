/** The operations on the settings for the old interface: the same handlers as the admin API's, with refusals in its words. */
import { Effect, Layer } from "effect"
import { SettingsHandlers } from "../handlers/SettingsHandlers.ts"
import { inProcess } from "../operations/InProcess.ts"
import type { OperationRefused } from "../operations/OperationRefused.ts"
import { SettingsOperations } from "../operations/SettingsOperations.ts"
import { type LegacyError, refused } from "./Answers.ts"

export type SettingsDoor = Effect.Success<typeof make>

export const make = Effect.flatMap(Layer.build(SettingsHandlers), (handlers) =>
  Effect.provideContext(inProcess(SettingsOperations), handlers)
)

/** The file's place on the hub's machine, which some messages name, is not the caller's business. */
const refusals: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ServerNotFound: [404, "Server not found"],
  ServerNameTaken: [400, "Server name already exists"],
  SettingsUnsettled: [409, "The settings file was changed by somebody else and is not in force; see the hub's log"],
  SettingsUnavailable: [500, "The settings file cannot be written; see the hub's log"],
  SettingsFixed: [500, "The settings of this hub are given by the program around it"]
}

export const ofSettings = <A, R>(operation: Effect.Effect<A, OperationRefused, R>): Effect.Effect<A, LegacyError, R> =>
  Effect.mapError(operation, ({ kind, message }) => {
    const [status, words] = refusals[kind] ?? [400, message.replaceAll("\n", "; ")]
    return refused(status, words)
  })

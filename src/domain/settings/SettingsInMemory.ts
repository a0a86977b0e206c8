/** The settings of a hub without a file: checked and changed as those in a file are, and gone with the process. */
import { Context, Effect, Semaphore, SubscriptionRef } from "effect"
import { HubConfig } from "../config/HubConfig.ts"
import { Environment } from "../config/Environment.ts"
import { fromRef, Settings, type SettingsValue } from "../servers/Settings.ts"
import { checkSettings } from "./SettingsCheck.ts"
import { SettingsFile, settingsInvalid } from "./SettingsFile.ts"

const name = "settings"

/** Over a reference, which others may change as well. */
export const settingsInMemory = Effect.fnUntraced(function* (ref: SubscriptionRef.SubscriptionRef<SettingsValue>) {
  const environment = yield* Environment
  const { nameSeparator } = yield* HubConfig
  const oneAtATime = Semaphore.makeUnsafe(1)

  const put = (document: unknown) =>
    Effect.suspend(() => {
      const { problems, value } = checkSettings(document, environment, nameSeparator)
      return value === undefined
        ? Effect.fail(settingsInvalid(name, problems))
        : Effect.as(SubscriptionRef.set(ref, value), value)
    })

  return Context.make(Settings, fromRef(ref)).pipe(
    Context.add(
      SettingsFile,
      SettingsFile.of({
        path: name,
        warnings: () => checkSettings(SubscriptionRef.getUnsafe(ref), environment, nameSeparator).warnings,
        rejection: () => undefined,
        write: (document) => oneAtATime.withPermits(1)(put(document)),
        update: (change) =>
          oneAtATime.withPermits(1)(
            Effect.flatMap(
              Effect.suspend(() => change(SubscriptionRef.getUnsafe(ref))),
              put
            )
          ),
        reload: Effect.sync(() => SubscriptionRef.getUnsafe(ref))
      })
    )
  )
})

/** `/api/admin/settings-file`, for admins who have signed in; secrets are masked, and stay where the mask comes back. */
import { Effect } from "effect"
import { isJsonObject } from "../../../domain/protocol/JsonObjects.ts"
import { data, refused, said } from "./Answers.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"
import { ofSettings, type SettingsDoor } from "./SettingsDoor.ts"

const mostBytes = 1024 * 1024

export const make = (door: SettingsDoor): ReadonlyArray<LegacyRoute> => {
  const put = Effect.fnUntraced(function* ({ body }: LegacyCall) {
    const { settings } = body
    if (!isJsonObject(settings) || !isJsonObject(settings["mcpServers"])) {
      return yield* refused(400, "settings must be an object with mcpServers")
    }
    yield* ofSettings(door.settingsPut({ settings, expected: null }))
    return said("Settings file updated successfully")
  })

  const show = () => Effect.map(ofSettings(door.settingsShow()), ({ view }) => data(view.settings))

  const path = "/api/admin/settings-file"
  return [
    { call: `GET ${path}`, need: "change", handle: show },
    { call: `PUT ${path}`, need: "change", mostBytes, handle: put }
  ]
}

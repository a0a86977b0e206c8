/** The operations on the settings: each change is checked and written as a whole, or not at all. */
import { Effect, Option } from "effect"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { Settings, type SettingsValue } from "../../../domain/servers/Settings.ts"
import { masked, unmasked } from "../../../domain/settings/SecretMasks.ts"
import { SettingsFile } from "../../../domain/settings/SettingsFile.ts"
import type { SettingsFinding } from "../../../domain/settings/SettingsFinding.ts"
import { tagMatches, tagOf } from "../operations/ChangeTags.ts"
import { OperationRefused } from "../operations/OperationRefused.ts"
import { SettingsOperations } from "../operations/SettingsOperations.ts"
import { serverNotFound } from "./Lookup.ts"

type Entry = Readonly<Record<string, unknown>>

const refused = (kind: string, message: string) => new OperationRefused({ kind, message, exitCode: 1 })

const invalid = (problems: ReadonlyArray<SettingsFinding>) =>
  refused(
    "SettingsInvalid",
    problems.map(({ path, reason }) => (path === "" ? reason : `${path}: ${reason}`)).join("\n")
  )

const stale = refused("Stale", "It was changed meanwhile; get it again and repeat the change")

const noFile = refused("SettingsFixed", "The settings of this hub are given by the program around it")

const isObject = (value: unknown): value is Entry =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const configOf = (settings: SettingsValue, name: string): ServerConfig | undefined =>
  Object.hasOwn(settings.mcpServers, name) ? settings.mcpServers[name] : undefined

const withEntry = (settings: SettingsValue, name: string, config: unknown): unknown => ({
  ...settings,
  mcpServers: { ...settings.mcpServers, [name]: config }
})

const without = (settings: SettingsValue, name: string): unknown => ({
  ...settings,
  mcpServers: Object.fromEntries(Object.entries(settings.mcpServers).filter(([one]) => one !== name))
})

const placeOf = (name: string) => ["mcpServers", name]

const entryOf = (name: string, config: unknown) => ({
  view: { name, config: masked(config, placeOf(name)) },
  tag: tagOf([name, config])
})

const isStill = (expected: string | null, value: unknown): Effect.Effect<void, OperationRefused> =>
  expected === null || tagMatches(expected, tagOf(value)) ? Effect.void : Effect.fail(stale)

export const SettingsHandlers = SettingsOperations.toLayer(
  Effect.gen(function* () {
    const settings = yield* Settings
    const file = yield* Effect.serviceOption(SettingsFile)

    const shown = Effect.sync(() => ({
      view: {
        settings: masked(settings.current()),
        warnings: Option.isSome(file) ? file.value.warnings() : [],
        rejected: Option.isSome(file) ? (file.value.rejection()?.message ?? null) : null
      },
      tag: tagOf(settings.current())
    }))

    const update = (
      change: (current: SettingsValue) => Effect.Effect<unknown, OperationRefused>
    ): Effect.Effect<SettingsValue, OperationRefused> => {
      if (Option.isNone(file)) return Effect.fail(noFile)
      return file.value.update(change).pipe(
        Effect.catchTags({
          SettingsInvalid: ({ problems }) => Effect.fail(invalid(problems)),
          SettingsUnavailable: ({ _tag, message }) => Effect.fail(refused(_tag, message)),
          SettingsUnsettled: ({ _tag, message }) => Effect.fail(refused(_tag, message))
        })
      )
    }

    /** The entry that there is, or a refusal. */
    const found = (current: SettingsValue, name: string): Effect.Effect<ServerConfig, OperationRefused> => {
      const config = configOf(current, name)
      return config === undefined ? Effect.fail(serverNotFound(name)) : Effect.succeed(config)
    }

    const written = (
      given: unknown,
      stored: unknown,
      keys: ReadonlyArray<PropertyKey>
    ): Effect.Effect<unknown, OperationRefused> => {
      const { problems, value } = unmasked(given, stored, keys)
      return problems.length === 0 ? Effect.succeed(value) : Effect.fail(invalid(problems))
    }

    const change = (
      name: string,
      expected: string | null,
      make: (config: ServerConfig) => Effect.Effect<unknown, OperationRefused>
    ) =>
      update((current) =>
        found(current, name).pipe(
          Effect.tap((config) => isStill(expected, [name, config])),
          Effect.flatMap(make),
          Effect.map((config) => withEntry(current, name, config))
        )
      ).pipe(Effect.map((after) => entryOf(name, configOf(after, name))))

    return SettingsOperations.of({
      settingsShow: () => shown,
      settingsPut: ({ expected, settings: given }) =>
        update((current) => Effect.andThen(isStill(expected, current), written(given, current, []))).pipe(
          Effect.andThen(shown)
        ),
      entryShow: ({ name }) =>
        Effect.map(
          Effect.suspend(() => found(settings.current(), name)),
          (config) => entryOf(name, config)
        ),
      entryAdd: ({ config, name }) =>
        update((current) =>
          configOf(current, name) === undefined
            ? Effect.map(written(config, undefined, placeOf(name)), (value) => withEntry(current, name, value))
            : Effect.fail(refused("ServerNameTaken", "The settings have a server of that name already"))
        ).pipe(Effect.map((after) => entryOf(name, configOf(after, name)))),
      entryPut: ({ config, expected, name }) =>
        change(name, expected, (stored) => written(config, stored, placeOf(name))),
      entryRemove: Effect.fnUntraced(function* ({ expected, name }) {
        let removed: ServerConfig | undefined
        yield* update((current) =>
          found(current, name).pipe(
            Effect.tap((config) => isStill(expected, [name, config])),
            Effect.map((config) => {
              removed = config
              return without(current, name)
            })
          )
        )
        return entryOf(name, removed).view
      }),
      entrySwitch: ({ enabled, name }) =>
        change(name, null, (config) => Effect.succeed({ ...config, enabled: enabled ?? config.enabled === false })),
      toolSet: ({ description, enabled, name, tool }) =>
        change(name, null, (config) => {
          const tools = isObject(config.tools) ? config.tools : {}
          const { description: said, ...setting } = Object.hasOwn(tools, tool) ? tools[tool]! : {}
          const words = description === undefined ? said : description
          const next = {
            ...setting,
            ...(enabled === undefined ? {} : { enabled }),
            ...(words === undefined || words === null ? {} : { description: words })
          }
          return Effect.succeed({ ...config, tools: { ...tools, [tool]: next } })
        })
    })
  })
)

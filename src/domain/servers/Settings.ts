/**
 * The current settings (servers, groups, system configuration), validated and hot-reloaded.
 *
 * `layerMemory` holds a given value, which a test can change; `SettingsFile` reads and watches `mcp_settings.json`. A
 * bad file never replaces a good one.
 */
import { Context, Effect, Layer, Schema, Stream, SubscriptionRef } from "effect"
import { ServerConfig } from "./ServerConfig.ts"

export const SettingsValue = Schema.Struct({
  mcpServers: Schema.Record(Schema.String, ServerConfig),
  users: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Unknown))),
  groups: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Unknown))),
  systemConfig: Schema.optional(Schema.Record(Schema.String, Schema.Unknown))
})
export type SettingsValue = typeof SettingsValue.Type

export class Settings extends Context.Service<
  Settings,
  {
    /** The settings in force, without an effect: read on every request. */
    readonly current: () => SettingsValue
    /** Every change from now on, as the new value. */
    readonly changes: Stream.Stream<SettingsValue>
  }
>()("mcphub/domain/servers/Settings") {
  static readonly layerMemory = (value: SettingsValue): Layer.Layer<Settings> =>
    Layer.effect(Settings, Effect.map(SubscriptionRef.make(value), fromRef))
}

/** The service over a reference that its owner updates. */
export const fromRef = (ref: SubscriptionRef.SubscriptionRef<SettingsValue>): Settings["Service"] =>
  Settings.of({
    current: SubscriptionRef.getUnsafe.bind<undefined, [typeof ref], [], SettingsValue>(undefined, ref),
    changes: SubscriptionRef.changes(ref).pipe(Stream.drop(1))
  })

/** Names of the servers that only one of the two has, or that differ. */
export const changedServers = (before: SettingsValue, after: SettingsValue): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before.mcpServers), ...Object.keys(after.mcpServers)])].filter(
    (name) => JSON.stringify(before.mcpServers[name]) !== JSON.stringify(after.mcpServers[name])
  )

export interface SettingsChange {
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  readonly changed: ReadonlyArray<string>
  /** Sections other than the servers that differ. */
  readonly sections: ReadonlyArray<string>
}

/** The difference in names: values may be secret. */
export const changeOf = (before: SettingsValue, after: SettingsValue): SettingsChange => {
  const differing = changedServers(before, after)
  const had = (name: string): boolean => Object.hasOwn(before.mcpServers, name)
  const has = (name: string): boolean => Object.hasOwn(after.mcpServers, name)
  return {
    added: differing.filter((name) => !had(name)),
    removed: differing.filter((name) => !has(name)),
    changed: differing.filter((name) => had(name) && has(name)),
    sections: (["users", "groups", "systemConfig"] as const).filter(
      (section) => JSON.stringify(before[section]) !== JSON.stringify(after[section])
    )
  }
}

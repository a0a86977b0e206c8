/**
 * The look at an old hub's database, settings file and variables before a move: everything is read and nothing written,
 * neither to the database nor to the data folder.
 */
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { Clock, ConfigProvider, Context, Effect, FileSystem, Layer, Option, Redacted, Result } from "effect"
import { Environment } from "../../domain/config/Environment.ts"
import { type ConfigInvalid, type ConfigProblem } from "../../domain/config/ConfigVariables.ts"
import { defaults, readHubConfig } from "../../domain/config/HubConfig.ts"
import { HubSecrets } from "../../domain/config/HubSecrets.ts"
import { Credentials, isSealed } from "../../domain/identity/Credentials.ts"
import { databaseFindings } from "../../domain/migration/DatabaseFindings.ts"
import { askedVariables, environmentFindings } from "../../domain/migration/EnvironmentFindings.ts"
import { groupFindings } from "../../domain/migration/GroupFindings.ts"
import { keyFindings } from "../../domain/migration/KeyFindings.ts"
import { findingsIn, type MigrationFinding } from "../../domain/migration/MigrationFinding.ts"
import type { OldHub } from "../../domain/migration/OldHub.ts"
import { settingsFindings } from "../../domain/migration/SettingsFindings.ts"
import { tokenFindings, tokensIn } from "../../domain/migration/TokenFindings.ts"
import { userFindings } from "../../domain/migration/UserFindings.ts"
import { isJsonObject, objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { ServerConfig } from "../../domain/servers/ServerConfig.ts"
import { checkSettings } from "../../domain/settings/SettingsCheck.ts"
import { readOldHub } from "../../domain/storage/migrations/OldHubSql.ts"
import { knownCredentialKey } from "../workspace/GeneratedSecrets.ts"
import { unavailable } from "../workspace/MigratedDatabase.ts"
import { currentPlaces } from "../workspace/Workspace.ts"

const problemsOf = <A, R>(read: Effect.Effect<A, ConfigInvalid, R>) =>
  Effect.map(Effect.result(read), (result): ReadonlyArray<ConfigProblem> =>
    Result.isFailure(result) ? result.failure.problems : []
  )

const variables = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const found = new Map<string, string>()
  for (const name of askedVariables) {
    const node = yield* Effect.orElseSucceed(provider.load([name]), () => undefined)
    if (node?.value !== undefined && node.value !== "") found.set(name, node.value)
  }
  return found
})

/** The document of a settings file, or what is wrong with the file. */
const readDocument = Effect.fnUntraced(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  const { fail, warn } = findingsIn("settings")
  if (!existsSync(file)) {
    const detail = "There is no settings file here; the hub would start with a sample server"
    return warn({
      kind: "noFile",
      places: [file],
      detail,
      remedy: "name the old hub's file with --settings or MCPHUB_SETTING_PATH"
    })
  }
  const text = yield* Effect.result(files.readFileString(file))
  if (Result.isFailure(text)) {
    return fail({ kind: "unreadableFile", places: [file], detail: `It cannot be read (${text.failure.reason._tag})` })
  }
  return yield* Effect.try({
    try: () => ({ document: JSON.parse(text.success.replace(/^\uFEFF/, "")) as unknown }),
    catch: () =>
      fail({
        kind: "noJson",
        places: [file],
        detail: "The file is not JSON; the old hub would have started without any server",
        remedy: "correct it: mcphub config check says where"
      })
  }).pipe(Effect.catch(Effect.succeed))
})

/** The old hub's market, which this one does not have. */
const marketFindings = (settingsFile: string): ReadonlyArray<MigrationFinding> => {
  const file = [resolve("servers.json"), join(dirname(settingsFile), "servers.json")].find((one) => existsSync(one))
  if (file === undefined) return []
  const { warn } = findingsIn("settings")
  return [
    warn({
      kind: "marketFile",
      places: [file],
      detail:
        "There is no market here and the file is not read; servers that were added from it are in mcpServers and stay",
      remedy: "add others to mcpServers yourself, or from an MCP registry's file: mcphub import"
    })
  ]
}

/** Sealed tokens that the key does not open; undefined without a key. */
const unreadableOf = Effect.fnUntraced(function* (hub: OldHub, key: Redacted.Redacted<string> | undefined) {
  if (key === undefined) return undefined
  const services = yield* Effect.option(Effect.scoped(Layer.build(Credentials.layer(key))))
  if (Option.isNone(services)) return undefined
  const credentials = Context.get(services.value, Credentials)
  const lost: Array<string> = []
  for (const { name, place, userId, value } of tokensIn(hub)) {
    if (typeof value !== "string" || !isSealed(value)) continue
    if (Result.isFailure(yield* Effect.result(credentials.open(userId, name, value)))) lost.push(place)
  }
  return lost
})

const databaseUrlIn = (found: ReadonlyMap<string, string>): Redacted.Redacted<string> | undefined => {
  const text = found.get("DATABASE_URL") ?? found.get("DB_URL")
  return text !== undefined && /^postgres(ql)?:\/\//.test(text) && URL.canParse(text) ? Redacted.make(text) : undefined
}

const readHub = Effect.fnUntraced(function* (dataDir: string, databaseUrl: Redacted.Redacted<string>) {
  const { client } = yield* Effect.promise(() => import("../database/Postgres.ts"))
  return yield* readOldHub.pipe(
    Effect.provide(client(databaseUrl, 1)),
    Effect.mapError(unavailable({ dataDir, secrets: { databaseUrl } }))
  )
})

const inDatabase = Effect.fnUntraced(function* (
  hub: OldHub,
  dataDir: string,
  given: string | undefined,
  servers: Readonly<Record<string, ServerConfig>> | undefined
) {
  const key = knownCredentialKey(dataDir, given === undefined ? undefined : Redacted.make(given))
  return [
    ...databaseFindings(hub),
    ...userFindings(hub),
    ...keyFindings(hub, yield* Clock.currentTimeMillis),
    ...tokenFindings(hub, servers ?? {}, yield* unreadableOf(hub, key)),
    ...groupFindings(hub, servers === undefined ? undefined : new Set(Object.keys(servers)))
  ]
})

/** All findings, in the order in which a move goes. */
export const examineOldHub = Effect.gen(function* () {
  const { dataDir, settingsFile } = yield* currentPlaces
  const found = yield* variables
  const problems = [
    ...(yield* problemsOf(Effect.scoped(Layer.build(HubSecrets.layerEnv)))),
    ...(yield* problemsOf(readHubConfig()))
  ]
  const environment = yield* Environment
  const read = yield* readDocument(settingsFile)
  const isRead = "document" in read
  const separator = defaults.nameSeparator
  const inSettings = isRead ? settingsFindings(read.document, environment, separator) : [read]
  const servers =
    isRead && isJsonObject(read.document)
      ? (checkSettings(read.document, environment, separator).value?.mcpServers ??
        (objectOrEmpty(read.document["mcpServers"]) as Readonly<Record<string, ServerConfig>>))
      : undefined

  const databaseUrl = databaseUrlIn(found)
  const { fail } = findingsIn("database")
  const hub = databaseUrl === undefined ? Option.none<OldHub>() : yield* readHub(dataDir, databaseUrl)
  const ofDatabase =
    databaseUrl === undefined
      ? [
          fail({
            kind: "noDatabase",
            places: ["DATABASE_URL"],
            detail: "It is not set, so that no user, key, token or group has been looked at",
            remedy: "set it to what the old hub had in DB_URL (or in systemConfig.smartRouting.dbUrl)"
          })
        ]
      : Option.isNone(hub)
        ? databaseFindings(undefined)
        : yield* inDatabase(hub.value, dataDir, found.get("CREDENTIAL_KEY"), servers)
  return [...environmentFindings(found, problems), ...ofDatabase, ...inSettings, ...marketFindings(settingsFile)]
})

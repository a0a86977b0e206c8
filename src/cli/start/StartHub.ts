/**
 * The start of a workspace's hub: checks everything that can be wrong first, then opens, migrates, provisions, listens.
 *
 * A failure names its file, variable, port or database and the remedy, and leaves nothing running. Closing the scope is
 * the shutdown: the listener drains, sessions end, the door and the database close.
 */
import { existsSync } from "node:fs"
import process from "node:process"
import { Console, Context, Effect, Layer, Scope, Stream } from "effect"
import { SettingsFile } from "../../domain/settings/SettingsFile.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import { LogOutput } from "../../actors/observing/LogOutput.ts"
import * as Logging from "../../actors/observing/Logging.ts"
import type { Overrides } from "../../domain/config/ConfigVariables.ts"
import { Credentials } from "../../domain/identity/Credentials.ts"
import { DataFolder } from "../../domain/config/DataFolder.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { HubSecrets } from "../../domain/config/HubSecrets.ts"
import * as Repositories from "../../domain/storage/Repositories.ts"
import { HubServer } from "../../http/runtime/NodeServer.ts"
import * as Hub from "../../Hub.ts"
import { asCliFailure } from "../terminal/CliFailure.ts"
import { databaseFile } from "../database/SqliteFile.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { rememberSettings, whyMissing } from "../workspace/LastSettings.ts"
import { migratedDatabase } from "../workspace/MigratedDatabase.ts"
import { credentialKey, jwtSecret, prepareDataDir } from "../workspace/GeneratedSecrets.ts"
import { applyProvisioning } from "../../http/admin/handlers/ProvisionHandlers.ts"

import type { Workspace } from "../workspace/Workspace.ts"
import { untilThere } from "./DatabaseWait.ts"
import { checkStart } from "./StartChecks.ts"
import { openAdminDoor } from "../../http/admin/AdminDoor.ts"
import { type FirstStart, firstStart, followPassword, isFirstStart, laterStart } from "./FirstStart.ts"
import { collectInQuiet, collectLessOften } from "./Garbage.ts"
import { untilDefect } from "./LastResort.ts"
import { roomOf } from "../database/DiskRoom.ts"
import { sampleSettings } from "../sample/SampleSettings.ts"
import { siteOf } from "../../domain/ClientSnippets.ts"
import { connecting, credentials } from "./Welcome.ts"
import { readProvisionFile, provisionReport } from "../workspace/ProvisionFile.ts"

export interface StartOptions {
  readonly workspace: Workspace
  /** Flags, by the name of the variable that each one overrides. */
  readonly overrides: Overrides
  readonly provisionFile: string | undefined
}

/** Everything below the hub: configuration, log, settings, database. Nothing of it is visible from outside yet. */
const foundation = Effect.fnUntraced(function* ({ overrides, workspace }: StartOptions) {
  yield* prepareDataDir(workspace.dataDir)
  const sealing = yield* credentialKey(workspace.dataDir, workspace.secrets.credentialKey)
  const signing = yield* jwtSecret(workspace.dataDir, workspace.secrets.jwtSecret)
  const config = Layer.mergeAll(
    HubConfig.layerWith(overrides),
    Layer.succeed(DataFolder, workspace.dataDir),
    Layer.succeed(HubSecrets, { ...workspace.secrets, credentialKey: sealing.value, jwtSecret: signing.value })
  )
  const logging = Layer.unwrap(Effect.map(HubConfig, ({ logLevel }) => Logging.layer({ level: logLevel })))
  return Layer.mergeAll(
    SettingsFile.layer({ path: workspace.settingsFile, sample: sampleSettings() }),
    Credentials.layer(sealing.value),
    migratedDatabase(workspace)
  ).pipe(Layer.provideMerge(logging), Layer.provideMerge(LogOutput.layerStderr), Layer.provideMerge(config))
})

/** The first and the last line of a hub's log, and a warning about the key that all hubs on one database must share. */
const logged = Effect.fnUntraced(function* (workspace: Workspace, url: string) {
  const isEmbedded = workspace.secrets.databaseUrl === undefined
  // A misspelt --settings must not pass for a hub that has lost its servers.
  const settings = existsSync(workspace.settingsFile)
    ? workspace.settingsFile
    : `${workspace.settingsFile} is missing: sample server`
  yield* Effect.acquireRelease(
    Effect.logInfo("The hub listens").pipe(
      Effect.annotateLogs({
        url,
        database: isEmbedded ? "embedded" : "PostgreSQL",
        dataDir: workspace.dataDir,
        settings
      })
    ),
    () => Effect.logInfo("The hub stops")
  )
  const missing = existsSync(workspace.settingsFile) ? undefined : whyMissing(workspace)
  if (missing !== undefined) yield* Effect.logWarning(missing)
  if (!isEmbedded && existsSync(databaseFile(workspace.dataDir))) {
    yield* Effect.logWarning(
      `${databaseFile(workspace.dataDir)} is there as well: its users and keys are not those of this hub, which is on PostgreSQL`
    )
  }
  if (!isEmbedded && workspace.secrets.credentialKey === undefined) {
    yield* Effect.logWarning(
      `CREDENTIAL_KEY is not set: service tokens are sealed with the key generated in ${workspace.dataDir}; another hub on this database needs the same key`
    )
  }
})

/**
 * The hub, serving for as long as the scope lives. It prints what an operator must see of a first start when nothing can
 * fail any more; the result holds the address.
 */
export const startHub = Effect.fnUntraced(function* (options: StartOptions) {
  const { overrides, workspace, provisionFile } = options
  const file = provisionFile === undefined ? undefined : yield* readProvisionFile(provisionFile)
  yield* checkStart(workspace.dataDir, overrides)
  const base = yield* untilThere(overrides, (overrides) =>
    Effect.flatMap(foundation({ ...options, overrides }), Layer.build)
  )
  const repositories = yield* Layer.build(Repositories.layerRepositories).pipe(Effect.provideContext(base))
  const { adminPassword } = workspace.secrets
  const isFirst = yield* Effect.provideContext(isFirstStart, repositories)
  if (file !== undefined && provisionFile !== undefined) {
    const provisioned = yield* Effect.provideContext(applyProvisioning(provisionFile, file), repositories)
    yield* Console.log(`${provisionReport(provisioned)}\n`)
  }
  if (!isFirst) yield* Effect.provideContext(laterStart, repositories)
  if (!isFirst && adminPassword !== undefined) {
    yield* Effect.provideContext(followPassword(adminPassword), repositories)
  }

  // Opened before the hub, so it closes after it: an operator still sees what a draining hub waits for.
  const doorScope = yield* Effect.acquireRelease(Scope.make(), Scope.close)
  const hub = yield* Layer.build(Hub.layer).pipe(Effect.provideContext(base))
  const { url } = Context.get(hub, HubServer)
  yield* rememberSettings(workspace)
  yield* Context.get(base, Settings).changes.pipe(
    Stream.runForEach(() => rememberSettings(workspace)),
    Effect.forkScoped
  )
  const { rejection } = Context.get(base, SettingsFile)
  const { gauge } = Context.get(hub, HubMetrics)
  const room = (): number => {
    try {
      return roomOf(workspace.dataDir) ?? 0
    } catch {
      return 0
    }
  }
  yield* gauge("mcphub_data_disk_free_bytes", "Bytes left on the disk of the data folder", room)
  const about = "Whether the settings file holds something else than what is in force, because it cannot be used"
  yield* gauge("mcphub_settings_rejected", about, () => (rejection() === undefined ? 0 : 1))
  const services = Context.merge(base, hub)
  yield* openAdminDoor({
    dataDir: workspace.dataDir,
    mcpUrl: url,
    version: Context.get(base, HubConfig).version,
    startedAt: new Date(),
    pid: process.pid
  }).pipe(Effect.provideContext(services), Scope.provide(doorScope))
  yield* logged(workspace, url).pipe(Effect.provideContext(base))
  if (isFirst) {
    const { basePath, publicUrl } = Context.get(base, HubConfig)
    const site = publicUrl === undefined ? siteOf(url) : publicUrl + basePath
    const show = (made: FirstStart) =>
      Effect.andThen(Console.log(credentials(made, site)), Console.log(connecting(url)))
    yield* Effect.provideContext(firstStart(adminPassword, show), repositories)
  }
  return { url, services }
}, Effect.mapError(asCliFailure))

/** Runs the hub until it is interrupted, or meets a defect that nothing catches. */
export const runHub = (options: StartOptions) =>
  Effect.gen(function* () {
    yield* Effect.sync(collectLessOften)
    yield* Effect.forkScoped(collectInQuiet)
    const { services, url } = yield* startHub(options)
    yield* Console.log(`mcphub listening on ${url}`)
    return yield* Effect.provideContext(untilDefect, services)
  }).pipe(Effect.scoped)

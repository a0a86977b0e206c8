/** `mcphub config …`: the configuration the hub would run with, checked without starting it. */
import { join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { Command } from "effect/cli"
import { readHubConfig } from "../../domain/config/HubConfig.ts"
import { usersFolder } from "../../domain/context/UserFolders.ts"
import { namesFolder } from "../../domain/servers/ServerTemplates.ts"
import { serverType } from "../../domain/servers/ServerConfig.ts"
import { SettingsValue } from "../../domain/servers/Settings.ts"
import { find } from "../../http/admin/HubFile.ts"
import { asCliFailure, CheckFailed, CliFailure } from "../terminal/CliFailure.ts"
import { facts, print } from "../terminal/Output.ts"
import { readSettingsDocument } from "../workspace/SettingsDocument.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const hubConfig = readHubConfig().pipe(
  Effect.mapError((error) => new CliFailure({ kind: "BadEnvironment", message: error.message, exitCode: 2 }))
)

const check = Command.make(
  "check",
  {},
  Effect.fnUntraced(function* () {
    const workspace = yield* currentWorkspace
    const { dataDir, settingsFile } = workspace
    yield* hubConfig
    const { exists, problems, value, ...found } = yield* readSettingsDocument(workspace)
    const ok = problems.length === 0
    const warnings =
      exists || !ok
        ? found.warnings
        : [{ path: "", reason: "There is no settings file; the hub starts with a sample server" }]
    const userFolders = Object.entries(value?.mcpServers ?? {}).flatMap(([server, config]) =>
      namesFolder(config) ? [{ server, folder: join(usersFolder(dataDir), "USER_ID", server) }] : []
    )
    yield* print({ ok, file: settingsFile, problems, warnings, userFolders }, () =>
      [
        ...problems.map((one) => `problem  ${one.path || "(file)"}: ${one.reason}`),
        ...warnings.map((one) => `warning  ${one.path || "(file)"}: ${one.reason}`),
        ...userFolders.map(({ folder, server }) => `folder   ${server} has one for each user: ${folder}`),
        ok
          ? `${settingsFile} and the environment are good: ${Object.keys(value?.mcpServers ?? {}).length} servers`
          : exists
            ? `${settingsFile} cannot be used; the hub keeps the last good settings, or does not start`
            : `${settingsFile} is missing; a running hub keeps its settings, one that starts has only a sample server`
      ].join("\n")
    )
    if (!ok) return yield* new CheckFailed()
  })
).pipe(Command.withDescription("Check the settings file and the environment; exit code 2 when something is wrong"))

const show = Command.make(
  "print",
  {},
  Effect.fnUntraced(function* () {
    const workspace = yield* currentWorkspace
    const { dataDir, secrets, settingsFile } = workspace
    const config = yield* hubConfig
    const document = yield* readSettingsDocument(workspace)
    const hub = Option.getOrNull(yield* Effect.mapError(find(dataDir), asCliFailure))
    const running = hub === null ? null : { url: hub.mcpUrl, pid: hub.pid }
    const servers = Object.entries(document.value?.mcpServers ?? {}).map(([name, server]) => ({
      name,
      type: serverType(server),
      enabled: server.enabled !== false
    }))
    // Shows whether a secret is set, never its value.
    const given = Object.fromEntries(
      Object.entries(secrets)
        .filter(([name]) => name !== "settingsPath")
        .map(([name, value]) => [name, value !== undefined])
    )
    yield* print({ running, dataDir, settingsFile, config, secretsGiven: given, servers }, () =>
      facts([
        [
          "running hub",
          running === null ? "none" : `${running.url}, process ${running.pid}, with variables of its own`
        ],
        ["data directory", dataDir],
        ["settings file", document.exists ? settingsFile : `${settingsFile} (not there)`],
        ["database", secrets.databaseUrl === undefined ? "embedded" : "PostgreSQL"],
        ...Object.entries(config).map(([name, value]) => [name, String(value)] as const),
        ...Object.entries(given).map(([name, value]) => [name, value ? "given" : "not given"] as const),
        ["servers", servers.map((one) => `${one.name} (${one.type}${one.enabled ? "" : ", off"})`).join(", ") || "none"]
      ])
    )
  })
).pipe(
  Command.withDescription(
    "Print the configuration that a hub started here would have, without secrets, and where one runs"
  )
)

const schema = Command.make(
  "schema",
  {},
  Effect.fnUntraced(function* () {
    const document = Schema.toJsonSchemaDocument(SettingsValue)
    const value = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: "MCPHub settings",
      ...document.schema,
      ...(Object.keys(document.definitions).length === 0 ? {} : { $defs: document.definitions })
    }
    yield* print(value, () => JSON.stringify(value, null, 2))
  })
).pipe(Command.withDescription("Print the JSON Schema of the settings file, for editors"))

export const ConfigCommand = Command.make("config").pipe(
  Command.withDescription("Check and print the configuration"),
  Command.withSubcommands([check, show, schema])
)

/**
 * The checks behind `mcphub doctor`: environment, settings, database, migrations, clock, port, isolation and each
 * upstream server, beside a running hub or without one. Each finding names its remedy.
 */
import { createServer } from "node:net"
import { Effect, Option } from "effect"
import { find } from "../../http/admin/HubFile.ts"
import { defaults, type HubConfigShape, readHubConfig } from "../../domain/config/HubConfig.ts"
import { isDatabaseDamaged } from "../../domain/storage/sql/Damaged.ts"
import type { SettingsValue } from "../../domain/servers/Settings.ts"
import { asCliFailure } from "../terminal/CliFailure.ts"
import { withAdmin } from "../admin/Admin.ts"
import type { ServerTestView, ServerView } from "../../http/admin/operations/ServerOperations.ts"
import { isFull, leastBytes, mebibytes, roomOf } from "../database/DiskRoom.ts"
import { cannotBeWritten } from "../database/WholeFile.ts"
import { databaseFile } from "../database/SqliteFile.ts"
import { readSettingsDocument, type SettingsDocument } from "../workspace/SettingsDocument.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"
import { unknownTools } from "./GroupTools.ts"
import { endingIn } from "./KeyCommand.ts"
import type { Admin } from "../../http/admin/operations/AdminOperations.ts"

export interface Finding {
  readonly check: string
  readonly level: "ok" | "warn" | "fail"
  readonly detail: string
  readonly remedy: string | null
}

const finding =
  (level: Finding["level"]) =>
  (check: string, detail: string, remedy: string | null = null): Finding => ({ check, level, detail, remedy })

const ok = finding("ok")
const warn = finding("warn")
const fail = finding("fail")

/** A larger difference between the clocks makes keys expire early or late, and signatures fail. */
const maxClockMs = 5_000

const settingsFindings = (file: string, document: SettingsDocument): ReadonlyArray<Finding> => {
  if (!document.exists && document.problems.length > 0) {
    return document.problems.map((one) => fail("settings", one.reason))
  }
  if (!document.exists) {
    return [
      warn(
        "settings",
        `there is no ${file}; the hub starts with a sample server`,
        "write one, see `mcphub config schema`"
      )
    ]
  }
  const warnings = document.warnings.map((one) => warn("settings", `${one.path || file}: ${one.reason}`))
  if (document.problems.length > 0) {
    return document.problems.map((one) => fail("settings", `${one.path || file}: ${one.reason}`, `correct ${file}`))
  }
  return [ok("settings", `${file}, ${Object.keys(document.value?.mcpServers ?? {}).length} servers`), ...warnings]
}

const diskFinding = (dataDir: string): Finding => {
  try {
    const left = roomOf(dataDir)
    if (left === undefined) return ok("disk", `the file system of ${dataDir} does not say how much is left`)
    if (left >= leastBytes) return ok("disk", `${mebibytes(left)} MiB left for ${dataDir}`)
    const what = isFull(dataDir) ? `the disk of ${dataDir} is full` : `${mebibytes(left)} MiB left for ${dataDir}`
    return fail("disk", what, "make room, or choose another folder with --data")
  } catch (cause) {
    return fail("disk", cannotBeWritten(dataDir, cause), "mend the folder, or choose another with --data")
  }
}

/** Whether the port is free right now. */
const portFinding = (config: HubConfigShape): Effect.Effect<Finding> =>
  Effect.callback<Finding>((resume) => {
    const at = `${config.host}:${config.port}`
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(
        Effect.succeed(
          fail(
            "port",
            `${at} cannot be used (${error.code ?? error.name})`,
            "stop what listens there, or choose another with --port or PORT"
          )
        )
      )
    )
    server.listen(config.port, config.host, () =>
      server.close(() =>
        resume(Effect.succeed(warn("hub", `none runs on this data folder; ${at} is free`, "start it: mcphub start")))
      )
    )
  })

const healthFinding = (mcpUrl: string): Effect.Effect<Finding> =>
  Effect.tryPromise((signal) =>
    fetch(mcpUrl.replace(/\/mcp$/, "/livez"), { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) })
  ).pipe(
    Effect.map((answer) =>
      answer.ok
        ? ok("hub", `answers on ${mcpUrl}`)
        : fail("hub", `${mcpUrl} answers ${answer.status}`, "see the hub's log")
    ),
    Effect.catch(() => Effect.succeed(fail("hub", `${mcpUrl} does not answer`, "see the hub's log, or start it again")))
  )

const databaseFindings = (admin: Admin, dataDir: string) =>
  Effect.map(admin.databaseCheck(), ({ clockAheadMs, damage, full, migrations, version }) => [
    damage.length === 0
      ? ok("database", version.startsWith("SQLite") ? `${version}, ${databaseFile(dataDir)} is sound` : version)
      : fail(
          "database",
          `${version}, ${databaseFile(dataDir)} is damaged: ${damage.join("; ")}`,
          "restore a backup, see docs/operations/running.md"
        ),
    ...(full === null ? [] : [fail("database", full, "make room; what waits is written then")]),
    ok("migrations", `${migrations.length} applied, the newest is ${migrations.at(-1) ?? "none"}`),
    Math.abs(clockAheadMs) <= maxClockMs
      ? ok("clock", `within ${Math.abs(Math.round(clockAheadMs))} ms of the database's`)
      : fail("clock", `${Math.round(clockAheadMs / 1000)} s behind the database's`, "synchronise the clocks (NTP)")
  ])

const serverFinding = (server: ServerTestView): Finding => {
  const check = `server ${server.name}`
  switch (server.outcome) {
    case "ok":
      return ok(
        check,
        `${server.tools.length} tools in ${server.durationMs} ms, protocol ${server.protocolVersion ?? "?"}`
      )
    case "disabled":
      return ok(check, "switched off")
    case "needs-credential":
      return warn(check, server.reason ?? "needs a user's token", `mcphub server test ${server.name}`)
    case "failed":
      return fail(
        check,
        `${server.why ?? "failed"}: ${server.reason ?? "no reason is known"}`,
        "correct its entry in the settings, or its server"
      )
  }
}

const keyFindings = (admin: Admin) =>
  Effect.map(Effect.all([admin.keyList({ user: null }), admin.userList()]), ([keys, users]) => {
    const active = new Set(users.flatMap(({ isActive, username }) => (isActive ? [username] : [])))
    const noticed = keys.filter(({ ending, username }) => ending !== null && active.has(username))
    if (noticed.length === 0) return [ok("keys", "none has lately ended, or ends within 14 days")]
    const told = noticed.slice(0, 10).map((key) => {
      const verb = key.ending === "ended" ? "ended" : "ends"
      const what = `"${key.name}" of ${key.username} ${verb} ${endingIn(key)} (${key.expiresAt})`
      return warn("keys", what, `mcphub key extend ${key.id}`)
    })
    return noticed.length <= 10 ? told : [...told, warn("keys", `and ${noticed.length - 10} more`, "mcphub key ls")]
  })

const sealFindings = (admin: Admin) =>
  Effect.map(admin.tokenCheck(), ({ checked, unreadable }) =>
    unreadable === 0
      ? [ok("credential key", checked === 0 ? "no service token is stored" : "opens the stored service tokens")]
      : [
          fail(
            "credential key",
            `${unreadable} of ${checked} stored service tokens do not open: they were sealed with another key`,
            "start with the CREDENTIAL_KEY, or the file credential-key, that they were sealed with, or set them again: mcphub token set"
          )
        ]
  )

/** Failed requests are told of for this long. */
const recentMs = 60 * 60_000

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

/** Errors that a working server does not cause: what its tools refuse and what clients get wrong is no finding. */
const isTrouble = (kind: string): boolean =>
  ["timeout", "server_overloaded", "outcome_unknown", "credential_missing"].includes(kind) ||
  (kind.startsWith("upstream_") && kind !== "upstream_error")

/** What a running hub has lately seen of a server, which a single connection of one's own does not show. */
const seenFindings = ({ errors, name, troubles }: ServerView): ReadonlyArray<Finding> => {
  // A restart is what an operator has asked for.
  const noticed = troubles.filter(({ state }) => state !== "restarting")
  const told = noticed.slice(0, 5).map(({ forMs, reason, retryMs, state, triedMs, username }) => {
    const who = username === null ? "all users" : username
    const again = retryMs === null ? "" : `, left alone for ${seconds(retryMs)} more`
    const since = `for ${seconds(forMs)}, last tried ${seconds(triedMs)} ago${again}`
    return warn(`server ${name}`, `${state} for ${who}, ${since}: ${reason ?? "no reason known"}`)
  })
  const more = noticed.length - told.length
  return [
    ...told,
    ...(more === 0 ? [] : [warn(`server ${name}`, `and for ${more} more users`)]),
    ...errors
      .filter(({ agoMs, kind }) => agoMs < recentMs && isTrouble(kind))
      .map(({ agoMs, count, kind }) => {
        const what = `${count} request${count === 1 ? "" : "s"} ended with ${kind}`
        return warn(`server ${name}`, `${what} since the hub's start, the last ${seconds(agoMs)} ago`)
      })
  ]
}

/** Of a handful; the rest are of the same kind. */
const mostNamed = 5

const serverFindings = Effect.fnUntraced(function* (
  admin: Admin,
  settings: SettingsValue | undefined,
  separator: string
) {
  const servers = yield* admin.serverList()
  const tested = yield* Effect.forEach(
    servers,
    (server) => Effect.map(admin.serverTest({ name: server.name, key: null }), (test) => ({ server, test })),
    { concurrency: 4 }
  )
  const tests = tested.map(({ test }) => test)
  const unknown = unknownTools(settings, yield* admin.groupList({ user: null }), tests, separator)
  return [
    ...tested.flatMap(({ server, test }) => [serverFinding(test), ...seenFindings(server)]),
    ...unknown.map(({ group, tools }) =>
      warn(
        "groups",
        `${group} lists tools that its servers do not have: ${tools.slice(0, mostNamed).join(", ")}`,
        "correct the names; `mcphub server tools NAME` lists them"
      )
    )
  ]
})

const isolationFindings = (admin: Admin) =>
  Effect.map(admin.isolationCheck(), ({ crossings, servers, tokens }) =>
    crossings.length === 0
      ? [ok("isolation", `two made-up users with ${tokens} tokens each at ${servers} servers: nothing crossed`)]
      : crossings.map((one) =>
          fail(
            "isolation",
            `${one.what} would reach ${one.server}`,
            "do not run this hub with more than one user; report it"
          )
        )
  )

/** A failed operation, or one that met damage, becomes a finding, so that the other checks still run. */
const orFinding =
  (check: string) =>
  <E extends { readonly message: string }, R>(
    findings: Effect.Effect<ReadonlyArray<Finding>, E, R>
  ): Effect.Effect<ReadonlyArray<Finding>, never, R> =>
    findings.pipe(
      Effect.catch((error) => Effect.succeed([fail(check, error.message)])),
      Effect.catchDefect((defect) =>
        isDatabaseDamaged(defect) ? Effect.succeed([fail(check, defect.message)]) : Effect.die(defect)
      )
    )

const noServers: SettingsValue = { mcpServers: {} }

export const examine = Effect.gen(function* () {
  const workspace = yield* currentWorkspace
  const config = yield* readHubConfig().pipe(Effect.result)
  const environment =
    config._tag === "Success"
      ? [ok("environment", "every variable is good")]
      : [fail("environment", config.failure.message, "correct or unset the variable")]
  const document = yield* readSettingsDocument(workspace)
  const settings = settingsFindings(workspace.settingsFile, document)
  const separator = config._tag === "Success" ? config.success.nameSeparator : defaults.nameSeparator
  const running = yield* Effect.mapError(find(workspace.dataDir), asCliFailure)
  const hub = Option.isSome(running)
    ? [yield* healthFinding(running.value.mcpUrl)]
    : config._tag === "Success"
      ? [yield* portFinding(config.success)]
      : []
  const disk = diskFinding(workspace.dataDir)
  const areSettingsUsable = settings.every((one) => one.level !== "fail")
  /** What is wrong with one of them is found by that one's check, and keeps no other check from its work. */
  const standIns = {
    ...(areSettingsUsable ? {} : { settings: noServers }),
    ...(config._tag === "Success" ? {} : { config: defaults })
  }
  const inside = yield* withAdmin(
    (admin) =>
      Effect.gen(function* () {
        const database = yield* databaseFindings(admin, workspace.dataDir).pipe(orFinding("database"))
        const keys = yield* keyFindings(admin).pipe(orFinding("keys"))
        const seals = yield* sealFindings(admin).pipe(orFinding("credential key"))
        // A running hub goes on with the last good settings.
        if (!areSettingsUsable && Option.isNone(running)) return [...database, ...keys, ...seals]
        const isolation = yield* isolationFindings(admin).pipe(orFinding("isolation"))
        const servers = yield* serverFindings(admin, document.value, separator).pipe(orFinding("servers"))
        return [...database, ...keys, ...seals, ...isolation, ...servers]
      }),
    standIns
  ).pipe(orFinding("database"))
  return [...environment, ...settings, disk, ...hub, ...inside]
})

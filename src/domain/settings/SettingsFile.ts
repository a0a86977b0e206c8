/**
 * The settings in `mcp_settings.json`: loaded, watched, and written.
 *
 * One layer provides `Settings`, which everybody reads, and `SettingsFile`, through which the admin API and the command
 * line change them. The hub adopts a changed file once it has stopped changing and passes every check. It logs a bad
 * one with file, path and reason, and keeps the settings in force. The hub polls the file, because the system's
 * watchers lose a file that is replaced by a rename, as editors, mounts and this hub itself do, and differ between the
 * runtimes.
 */
import type { Duration, PlatformError } from "effect"
import {
  ByteSize,
  Context,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  Schedule,
  Schema,
  Semaphore,
  SubscriptionRef
} from "effect"
import { Environment } from "../config/Environment.ts"
import { HubConfig } from "../config/HubConfig.ts"
import { jsonErrorOffset, lineAndColumn } from "./JsonPosition.ts"
import { changeOf, fromRef, Settings, type SettingsValue } from "../servers/Settings.ts"
import { checkSettings } from "./SettingsCheck.ts"
import type { SettingsFinding } from "./SettingsFinding.ts"

/** Settings that cannot be used: every problem, each with its path in the document. */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  file: Schema.String,
  problems: Schema.Array(Schema.Struct({ path: Schema.String, reason: Schema.String })),
  message: Schema.String
}) {}

/** The file cannot be read or written, for the operating system's reason. */
export class SettingsUnavailable extends Schema.TaggedError<SettingsUnavailable>()("SettingsUnavailable", {
  file: Schema.String,
  message: Schema.String
}) {}

/** The file holds a change that is not in force, or was changed while it was to be written: nothing was. */
export class SettingsUnsettled extends Schema.TaggedError<SettingsUnsettled>()("SettingsUnsettled", {
  file: Schema.String,
  message: Schema.String
}) {}

export interface SettingsFileOptions {
  readonly path: string
  /** The settings while no file exists; without them a missing file is an error. */
  readonly sample?: SettingsValue | undefined
  /** Interval between two looks at the file; a change is in force after two looks. One second when absent. */
  readonly interval?: Duration.Input | undefined
}

/** The reason why the last change of the file was rejected. */
export type SettingsRejection = SettingsInvalid | SettingsUnavailable

export class SettingsFile extends Context.Service<
  SettingsFile,
  {
    /** The absolute path. */
    readonly path: string
    /** Warnings about the settings in force, e.g. unknown keys. */
    readonly warnings: () => ReadonlyArray<SettingsFinding>
    /** Set while the file's present content is not in force. */
    readonly rejection: () => SettingsRejection | undefined
    /** Checks a document, writes it to the file (atomically) and puts it into force. */
    readonly write: (document: unknown) => Effect.Effect<SettingsValue, SettingsInvalid | SettingsUnavailable>
    /**
     * The same for a change of the settings in force, once what the file holds is in force: changes wait for one another,
     * and one that somebody has made in the file meanwhile is neither lost nor undone.
     */
    readonly update: <E = never>(
      change: (current: SettingsValue) => Effect.Effect<unknown, E>
    ) => Effect.Effect<SettingsValue, SettingsInvalid | SettingsUnavailable | SettingsUnsettled | E>
    /** Reads the file now. */
    readonly reload: Effect.Effect<SettingsValue, SettingsInvalid | SettingsUnavailable>
  }
>()("mcphub/domain/settings/SettingsFile") {
  static readonly layer = (options: SettingsFileOptions) => Layer.effectContext(make(options))
}

export const settingsInvalid = (file: string, problems: ReadonlyArray<SettingsFinding>): SettingsInvalid => {
  const lines = problems.map(({ path, reason }) => `${file}: ${path === "" ? "" : `${path}: `}${reason}`)
  return new SettingsInvalid({ file, problems, message: lines.join("\n") })
}

const unavailable = (file: string, verb: string) => (error: PlatformError.PlatformError) =>
  new SettingsUnavailable({
    file,
    message: `The settings file ${file} cannot be ${verb} (${error.reason._tag}); check that it exists, its permissions and its mount`
  })

const undecided = "The hub failed to check this file, which is a mistake of the hub's; its log has the cause"

/** Quotes nothing of the text: the mistake may be next to a secret. */
const parseJson = (file: string, text: string): Effect.Effect<unknown, SettingsInvalid> => {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text
  return Effect.try({
    try: () => JSON.parse(source) as unknown,
    catch: () => {
      const place = lineAndColumn(source, jsonErrorOffset(source) ?? source.length)
      return settingsInvalid(file, [{ path: "", reason: `The file is not JSON from ${place} on` }])
    }
  })
}

/** Unchanged entries stay the very same objects, so that a cache keyed by entry notices only changes. */
const keepUnchanged = (before: SettingsValue, after: SettingsValue): SettingsValue => {
  const servers: Record<string, SettingsValue["mcpServers"][string]> = Object.create(null)
  for (const [name, config] of Object.entries(after.mcpServers)) {
    const known = Object.hasOwn(before.mcpServers, name) ? before.mcpServers[name] : undefined
    servers[name] = known !== undefined && JSON.stringify(known) === JSON.stringify(config) ? known : config
  }
  return { ...after, mcpServers: servers }
}

const make = Effect.fnUntraced(function* (options: SettingsFileOptions) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const environment = yield* Environment
  const { nameSeparator } = yield* HubConfig
  const file = paths.resolve(options.path)
  const oneAtATime = Semaphore.makeUnsafe(1)

  let warnings: ReadonlyArray<SettingsFinding> = []
  let rejection: SettingsRejection | undefined
  /** The file's stamp when it was last read, and at the last look. */
  let readStamp = ""
  let seenStamp = ""

  const check = Effect.fnUntraced(function* (document: unknown) {
    const report = checkSettings(document, environment, nameSeparator)
    if (report.value === undefined) return yield* settingsInvalid(file, report.problems)
    return { value: report.value, warnings: report.warnings }
  })

  /** Changes with every replacement, and with every write in place that moves the clock or the size. */
  const stamp = Effect.map(files.stat(file), ({ ino, mtime, size }) =>
    [Option.getOrUndefined(ino), Option.getOrUndefined(mtime)?.getTime(), ByteSize.toBigInt(size)].join(":")
  ).pipe(Effect.mapError(unavailable(file, "read")))

  const read = Effect.gen(function* () {
    readStamp = yield* stamp
    const text = yield* Effect.mapError(files.readFileString(file), unavailable(file, "read"))
    return yield* check(yield* parseJson(file, text))
  }).pipe(
    // A change of the file that the hub fails to understand is rejected like any other, and so not written over.
    Effect.catchDefect((defect) =>
      Effect.logError("The settings file could not be checked", defect).pipe(
        Effect.andThen(settingsInvalid(file, [{ path: "", reason: undecided }]))
      )
    )
  )

  const logWarnings = (found: ReadonlyArray<SettingsFinding>) =>
    Effect.forEach(found, ({ path, reason }) => Effect.logWarning(`${file}: ${path}: ${reason}`), { discard: true })

  const isMissing = Effect.map(
    Effect.orElseSucceed(files.exists(file), () => true),
    (exists) => !exists
  )
  let sample = (yield* isMissing) ? options.sample : undefined
  const initial = sample === undefined ? yield* read : yield* check(sample)
  seenStamp = readStamp
  warnings = initial.warnings
  yield* logWarnings(warnings)
  const ref = yield* SubscriptionRef.make(initial.value)

  const enforce = Effect.fnUntraced(function* (next: {
    readonly value: SettingsValue
    readonly warnings: ReadonlyArray<SettingsFinding>
  }) {
    const before = SubscriptionRef.getUnsafe(ref)
    const value = keepUnchanged(before, next.value)
    const wasRejected = rejection !== undefined
    rejection = undefined
    warnings = next.warnings
    yield* logWarnings(warnings)
    if (JSON.stringify(before) !== JSON.stringify(value)) {
      yield* SubscriptionRef.set(ref, value)
      const line = Effect.logInfo(`New settings are in force: ${file}`)
      yield* Effect.annotateLogs(line, { ...changeOf(before, value) })
    } else if (wasRejected) yield* Effect.logInfo(`The settings are right again, and as before: ${file}`)
    return SubscriptionRef.getUnsafe(ref)
  })

  /** The file says all that there is: what was only there for want of one goes, and whoever used it wants to know why. */
  const withoutSample = Effect.suspend(() => {
    const present = SubscriptionRef.getUnsafe(ref).mcpServers
    const gone = Object.keys(sample?.mcpServers ?? {}).filter((name) => !Object.hasOwn(present, name))
    sample = undefined
    if (gone.length === 0) return Effect.void
    return Effect.logWarning(`${file} is there now and does not name the server ${gone.join(", ")}, which is gone`)
  })

  const reload = Effect.flatMap(read, enforce).pipe(
    Effect.tap(withoutSample),
    Effect.tapError((error) =>
      Effect.suspend(() => {
        rejection = error
        return Effect.logError(`The settings in force stay: ${error.message}`)
      })
    )
  )

  /** Writes beside the target (through a link, so that the link stays), syncs, then renames over it. */
  const replace = Effect.fnUntraced(function* (text: string) {
    const target = yield* Effect.orElseSucceed(files.realPath(file), () => file)
    const mode = yield* Effect.orElseSucceed(
      Effect.map(files.stat(target), (info) => info.mode & 0o777),
      () => 0o600
    )
    const temporary = `${target}.${crypto.randomUUID()}.tmp`
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* files.open(temporary, { flag: "wx", mode })
        yield* handle.writeAll(new TextEncoder().encode(text))
        yield* handle.sync
      })
    ).pipe(
      Effect.andThen(files.rename(temporary, target)),
      Effect.onError(() => Effect.ignore(files.remove(temporary, { force: true })))
    )
  })

  const stampNow = Effect.orElseSucceed(stamp, () => "")

  const unsettled = (why: string) => new SettingsUnsettled({ file, message: `${why}; nothing was written` })

  /**
   * What somebody has written to the file comes first, also when it was read and rejected long ago; a file that is gone
   * is written anew.
   */
  const settle = Effect.flatMap(stampNow, (now) => {
    if (now === "" || (now === readStamp && rejection === undefined)) return Effect.void
    const broken = (error: SettingsRejection) =>
      unsettled(`The settings file was changed and cannot be used as it is: ${error.message}`)
    return Effect.asVoid(Effect.mapError(reload, broken))
  })

  const putUnlessChanged = (document: unknown) =>
    Effect.flatMap(stampNow, (now): Effect.Effect<SettingsValue, SettingsRejection | SettingsUnsettled> =>
      now === readStamp || now === ""
        ? put(document)
        : Effect.fail(unsettled("The settings file is being changed by somebody else; try again"))
    )

  const put = Effect.fnUntraced(function* (document: unknown) {
    const next = yield* check(document)
    yield* Effect.mapError(replace(`${JSON.stringify(document, null, 2)}\n`), unavailable(file, "written"))
    seenStamp = readStamp = yield* stamp
    return yield* Effect.tap(enforce(next), withoutSample)
  }, Effect.uninterruptible)

  const look = Effect.gen(function* () {
    const now = yield* stampNow
    const isAtRest = now === seenStamp
    seenStamp = now
    if (!isAtRest || now === readStamp) return
    if (now === "") {
      readStamp = ""
      rejection = new SettingsUnavailable({
        file,
        message: `The settings file ${file} is gone; put it back, or the next start of the hub has none of its servers`
      })
      return yield* Effect.logWarning(`The settings file ${file} is gone; the settings in force stay`)
    }
    yield* Effect.ignore(reload)
  })

  yield* oneAtATime
    .withPermits(1)(look)
    .pipe(
      Effect.catchDefect((defect) => Effect.logError("The settings file could not be looked at; trying again", defect)),
      Effect.schedule(Schedule.spaced(options.interval ?? "1 second")),
      Effect.forkScoped
    )

  return Context.make(Settings, fromRef(ref)).pipe(
    Context.add(
      SettingsFile,
      SettingsFile.of({
        path: file,
        warnings: () => warnings,
        rejection: () => rejection,
        write: (document) => oneAtATime.withPermits(1)(put(document)),
        update: (change) =>
          oneAtATime.withPermits(1)(
            Effect.flatMap(
              Effect.andThen(
                settle,
                Effect.suspend(() => change(SubscriptionRef.getUnsafe(ref)))
              ),
              putUnlessChanged
            )
          ),
        reload: oneAtATime.withPermits(1)(reload)
      })
    )
  )
})

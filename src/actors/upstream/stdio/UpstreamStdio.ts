/**
 * MCP over the stdin and stdout of a child process: one process for each connection, so one user's state, files and
 * tokens are never another's.
 *
 * The child gets exactly the environment that `UpstreamHeaders.child` builds plus a TMPDIR of its own, a working
 * directory of its own (both removed afterwards) and a process group that ends with the connection's scope: SIGTERM,
 * five seconds, SIGKILL. When the process goes by itself, `closed` tells and everything in flight fails.
 *
 * Spoken are the revisions that begin with `initialize`, and 2024-11-05, which many published servers still answer with
 * and which differs from 2025-03-26 in nothing this hub relies on; and, in a process started for it, revision 2026-07-28.
 */
import { Context, Deferred, Effect, Exit, FileSystem, Layer, Option, Path, Scope } from "effect"
import { DataFolder } from "../../../domain/config/DataFolder.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { type Era, isStateful, latestStateful, statelessVersion } from "../../../domain/protocol/Versions.ts"
import { AnswerBytes } from "../../limits/AnswerBytes.ts"
import { FairShare, turn } from "../../limits/FairShare.ts"
import * as Payer from "../../limits/Payer.ts"
import { withoutCredentials } from "../../../domain/Redaction.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import { limitsOf } from "../connection/StartLimits.ts"
import { scrubberOf } from "../connection/UpstreamSecrets.ts"
import * as StdioChild from "./StdioChild.ts"
import { StdioChildren } from "./StdioChildren.ts"
import * as StdioConnection from "./StdioConnection.ts"
import { outgoing } from "../era/StatelessEnvelope.ts"
import * as StdioHandshake from "./StdioHandshake.ts"
import * as StdioStateless from "./StdioStateless.ts"
import type { ConnectOptions, OpenIn, UpstreamConnection } from "../connection/UpstreamConnection.ts"
import { UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import { waiting } from "../../../domain/requests/Waits.ts"
import { UpstreamHeaders } from "../connection/UpstreamHeaders.ts"
import { makeUserFolder } from "./UserFolder.ts"

export interface UpstreamStdioOptions {
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly killAfterMs: number
  /** Bytes that may wait for a child that does not read its stdin. */
  readonly maxStdinBytes: number
}

const defaultOptions: UpstreamStdioOptions = { killAfterMs: 5_000, maxStdinBytes: 16 * 1024 * 1024 }

type Requirements =
  | UpstreamHeaders
  | AnswerBytes
  | FairShare
  | StdioChildren
  | RequestTracker
  | FileSystem.FileSystem
  | Path.Path

export class UpstreamStdio extends Context.Service<
  UpstreamStdio,
  {
    /** Starts the configured command and greets it; the process lives until the scope closes or it exits. */
    readonly open: OpenIn
  }
>()("mcphub/actors/upstream/stdio/UpstreamStdio") {
  static readonly layerWith = (
    options: Partial<UpstreamStdioOptions>
  ): Layer.Layer<UpstreamStdio, never, Requirements> =>
    Layer.effect(
      UpstreamStdio,
      Effect.suspend(() => make({ ...defaultOptions, ...options }))
    )
  static readonly layer = this.layerWith({})
}

const make = Effect.fnUntraced(function* (settings: UpstreamStdioOptions) {
  const { initTimeout, maxUpstreamBytes } = yield* HubConfig
  const dataFolder = yield* DataFolder
  const answers = yield* AnswerBytes
  const share = yield* FairShare
  const headers = yield* UpstreamHeaders
  const children = yield* StdioChildren
  const tracker = yield* RequestTracker
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path

  /** A folder of the connection's own. Removal is best effort: what a straggler still writes must not fail a close. */
  const folder = Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(fs.makeTempDirectory({ prefix: "mcphub-" }), (root) =>
      Effect.ignore(fs.remove(root, { recursive: true, force: true }))
    )
    const cwd = path.join(root, "work")
    const tmp = path.join(root, "tmp")
    yield* fs.makeDirectory(cwd)
    yield* fs.makeDirectory(tmp)
    return { cwd, tmp }
  })

  /** Fails where a folder below is a link: whoever writes there could have it lead to another user's. */
  const withoutLinks = (below: string, folder: string) => {
    const parts = path.relative(below, folder).split(path.sep)
    const folders = parts.map((_, index) => path.join(below, ...parts.slice(0, index + 1)))
    return Effect.forEach(
      folders.filter((one) => one !== below),
      (one) => Effect.flip(fs.readLink(one)),
      { discard: true }
    )
  }

  /** The folder that the settings name, or the connection's own. One in the user's folder is made. */
  const workingFolder = (server: string, wanted: string, own: string, ofUser: string | undefined) => {
    if (wanted === "") return Effect.succeed(own)
    const named = path.resolve(wanted)
    const isOfUser = ofUser !== undefined && named.startsWith(ofUser + path.sep)
    const made = isOfUser
      ? Effect.andThen(withoutLinks(ofUser, named), fs.makeDirectory(named, { recursive: true, mode: 0o700 }))
      : Effect.void
    return Effect.andThen(
      Effect.ignore(made),
      Effect.andThen(withoutLinks(isOfUser ? ofUser : named, named), fs.stat(named))
    ).pipe(
      Effect.option,
      Effect.flatMap((found) =>
        Option.isSome(found) && found.value.type === "Directory"
          ? Effect.succeed(named)
          : Effect.fail(
              new UpstreamUnavailable({
                server,
                reason: "spawn",
                message: `The folder in cwd of server "${server}" is not there or cannot be read: ${named}; make it, or change cwd in the settings`
              })
            )
      )
    )
  }

  /** Relative paths in a configuration mean the hub's directory, not the child's own one. */
  const fromHub = (text: string) => (/^\.{1,2}[\\/]/.test(text) ? path.resolve(text) : text)

  const open = Effect.fnUntraced(function* (
    options: ConnectOptions,
    era: Era,
    outer: Scope.Scope,
    own: Scope.Closeable
  ) {
    const { config, context, name } = options
    const unavailable = (reason: UpstreamUnavailable["reason"], message: string) =>
      new UpstreamUnavailable({ server: name, reason, message })

    const started = yield* headers.child({
      server: name,
      config,
      context,
      protocolVersion: spoken(era, options.protocolVersion)
    })
    const scrubber = scrubberOf(config, context.principal, started)
    const paid = turn(share, context.principal.userId, "process", unitsOfStart)
    yield* waiting(context.waits, { kind: "share", server: name }, paid)
    const slot = yield* children.slot
    const folders = yield* Effect.mapError(folder, () =>
      unavailable("spawn", `No folder could be made for server "${name}"; check that the hub's TMPDIR is writable`)
    )
    if (started.userFolder !== undefined && dataFolder !== undefined) {
      yield* makeUserFolder(name, started.userFolder, dataFolder).pipe(
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.provideService(Path.Path, path)
      )
    }
    const services = yield* Effect.context<never>()
    const closed = yield* Deferred.make<string>()
    const payer = Payer.ofConnection(name, config.isolation, context.principal.userId)
    // The two halves need each other: the child hears lines for the connection, which sends through the child.
    let child: StdioChild.StdioChild | undefined
    const connection = StdioConnection.make({
      server: name,
      send: (line) => child !== undefined && child.send(line),
      onMessage: options.onMessage,
      onLate: () => tracker.lateResponse(name),
      onNoise: () => {
        children.countNoise()
        options.onNoise?.()
      },
      onDefect: (cause) =>
        Effect.runForkWith(services)(Effect.logError("A receiver of an upstream's message failed", cause)),
      scrub: scrubber.json,
      severalUsers: config.isolation === "shared",
      onWork: ({ context: { principal } }, units) => {
        if (principal.userId !== payer) share.charge(principal.userId, "answer", units)
      },
      tag: config.context !== "none",
      ...(era === "stateless" ? { stateless: outgoing(options) } : {})
    })
    // Whose answer a line is shows only when it is read.
    const room = yield* Effect.acquireRelease(
      Effect.sync(() => answers.arriving(payer)),
      ({ end }) => Effect.sync(end)
    )
    const spawned = StdioChild.open({
      spawn: children.spawn,
      subject: { server: name, userId: context.principal.userId, sessionId: context.sessionId },
      command: fromHub(started.command),
      args: started.args.map(fromHub),
      env: { ...started.env, TMPDIR: folders.tmp, TMP: folders.tmp, TEMP: folders.tmp },
      cwd: yield* workingFolder(name, started.cwd, folders.cwd, started.userFolder),
      maxLineBytes: maxUpstreamBytes,
      room,
      maxStdinBytes: settings.maxStdinBytes,
      killAfterMs: settings.killAfterMs,
      onLine: connection.receive,
      onAnswer: connection.receive,
      onOverflow: connection.overflow,
      spend: (units, goOn) => share.spend(payer, "answer", units, goOn)
    }).pipe(Effect.mapError(({ code }) => unavailable("spawn", spawnMessage(name, code))))
    child = yield* waiting(context.waits, { kind: "connection", stage: "start", server: name }, spawned)
    slot.fill(child.pid)

    // Cut after the secrets are out: half of one would not be recognized.
    const lastLines = () => withoutCredentials(scrubber.text(child.stderr().slice(-10).join("\n"))).slice(-longestWords)
    const lastWords = (characters = longestWords) => {
      const lines = lastLines().slice(-characters)
      return lines === "" ? "" : `; it wrote: ${lines}`
    }
    const tellLines = (): void => options.onLines?.(lastLines().split("\n"))

    // Whoever ends the connection first, the process or the scope, fails what is in flight and completes `closed`.
    const end = (reason: string, words = "") =>
      Effect.sync(() => {
        connection.end(`${reason}${words}`)
        Deferred.doneUnsafe(closed, Effect.succeed(reason))
      })
    let lastOfAll = ""
    const exited = (status: StdioChild.ExitStatus) =>
      Effect.suspend(() => {
        const words = config.isolation === "shared" ? "" : lastWords()
        lastOfAll = lastWords(wordsForOperator)
        // One that was told to end has failed at nothing.
        if (!Deferred.isDoneUnsafe(closed)) tellLines()
        return end(`Server "${name}" ${exitText(status)}`, words)
      })
    yield* Effect.addFinalizer(() => end(`The connection to server "${name}" was closed`))
    yield* child.exited.pipe(
      Effect.flatMap(exited),
      Effect.andThen(Effect.uninterruptible(Scope.close(own, Exit.void))),
      Effect.forkIn(outer)
    )

    const handshake = { options, connection, limits: limitsOf(config, initTimeout), lastWords }
    if (era === "stateless") {
      const info = yield* Effect.tapError(StdioHandshake.discover(handshake), () => Effect.sync(tellLines))
      return yield* StdioStateless.make({
        server: name,
        context,
        info,
        connection,
        closed,
        onMessage: options.onMessage,
        lastWords: () => lastOfAll
      })
    }
    const info = yield* Effect.tapError(StdioHandshake.initialize(handshake), () => Effect.sync(tellLines))
    child.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }))

    return {
      server: name,
      info,
      era: "stateful" as const,
      stateful: true,
      request: connection.request,
      notify: (method, params) => connection.notify(method, params),
      respond: (response) => connection.respond(response),
      closed: Deferred.await(closed),
      lastWords: () => lastOfAll
    } satisfies UpstreamConnection
  })

  return UpstreamStdio.of({
    // The process has a scope inside the caller's: it is cleaned up when it exits, or fails to start, and not only
    // when the caller gets round to closing.
    open: Effect.fnUntraced(function* (options, era) {
      const outer = yield* Effect.scope
      const own = yield* Scope.fork(outer)
      return yield* open(options, era, outer, own).pipe(
        Scope.provide(own),
        Effect.onError(() => Scope.close(own, Exit.void))
      )
    })
  })
})

/** Characters of what a process wrote last. */
const longestWords = 2_000

/** Characters of last words, the last of them, that stand in a server's state and in the log. */
const wordsForOperator = 400

/** What it takes to start a process, in small requests: most of it is its own work, on processors that all share. */
const unitsOfStart = 24

/** The revision that is asked for in this era. */
const spoken = (era: Era, wanted: string): string =>
  era === "stateless" ? statelessVersion : isStateful(wanted) ? wanted : latestStateful

const exitText = (status: StdioChild.ExitStatus): string =>
  status.signal === null ? `exited with code ${status.code}` : `was ended by ${status.signal}`

const spawnMessage = (server: string, code: string): string => {
  const failed = `The command of server "${server}" could not be started (${code})`
  switch (code) {
    case "ENOENT":
      return `${failed}: there is no such program; install it, or write its full path in the settings`
    case "EACCES":
      return `${failed}: the hub may not execute it; check the file's permissions`
    case "E2BIG":
      return `${failed}: its arguments and environment are too large; shorten them in the settings`
    case "EAGAIN":
    case "EMFILE":
    case "ENFILE":
      return `${failed}: the machine has no process or file handle left; close sessions or raise the limit (ulimit)`
    default:
      return `${failed}; check its command, arguments and environment in the settings`
  }
}

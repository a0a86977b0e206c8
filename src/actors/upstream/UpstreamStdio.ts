/**
 * MCP over the stdin and stdout of a child process: one process for each connection, so one user's state, files and
 * tokens are never another's.
 *
 * The child gets exactly the environment that `UpstreamHeaders.child` builds plus a TMPDIR of its own, a working
 * directory of its own (both removed afterwards) and a process group that ends with the connection's scope: SIGTERM,
 * five seconds, SIGKILL. When the process goes by itself, `closed` tells and everything in flight fails.
 *
 * The transport speaks the revisions that begin with `initialize`, and 2024-11-05, which many published servers still
 * answer with and which differs from 2025-03-26 in nothing this hub relies on.
 */
import { Context, Deferred, Effect, Exit, FileSystem, Layer, Path, Predicate, Scope } from "effect"
import { HubConfig } from "../../domain/HubConfig.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { isStateful, latestStateful } from "../../domain/protocol/Versions.ts"
import { RequestTracker } from "../RequestTracker.ts"
import * as ChildSecrets from "./ChildSecrets.ts"
import * as StdioChild from "./StdioChild.ts"
import { StdioChildren } from "./StdioChildren.ts"
import * as StdioConversation from "./StdioConversation.ts"
import type { Connect, ConnectOptions, UpstreamConnection, UpstreamInfo } from "./UpstreamConnection.ts"
import { UpstreamUnavailable } from "./UpstreamErrors.ts"
import { UpstreamHeaders } from "./UpstreamHeaders.ts"

export interface UpstreamStdioOptions {
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly killAfterMs: number
  /** Bytes that may wait for a child that does not read its stdin. */
  readonly maxStdinBytes: number
}

const defaultOptions: UpstreamStdioOptions = { killAfterMs: 5_000, maxStdinBytes: 16 * 1024 * 1024 }

type Requirements = UpstreamHeaders | StdioChildren | RequestTracker | FileSystem.FileSystem | Path.Path

export class UpstreamStdio extends Context.Service<
  UpstreamStdio,
  {
    /** Starts the configured command and initializes it; the process lives until the scope closes or it exits. */
    readonly connect: Connect
  }
>()("mcphub/actors/upstream/UpstreamStdio") {
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

  /** Relative paths in a configuration mean the hub's directory, not the child's own one. */
  const fromHub = (text: string) => (/^\.{1,2}[\\/]/.test(text) ? path.resolve(text) : text)

  const open = Effect.fnUntraced(function* (options: ConnectOptions, outer: Scope.Scope, own: Scope.Closeable) {
    const { config, context, name } = options
    const unavailable = (reason: UpstreamUnavailable["reason"], message: string) =>
      new UpstreamUnavailable({ server: name, reason, message })

    const started = yield* headers.child({ server: name, config, context, protocolVersion: options.protocolVersion })
    const secrets = ChildSecrets.collect(config, context, started)
    const slot = yield* children.slot
    const { cwd, tmp } = yield* Effect.mapError(folder, () =>
      unavailable("spawn", `No folder could be made for server "${name}"; check that the hub's TMPDIR is writable`)
    )
    const services = yield* Effect.context<never>()
    const closed = yield* Deferred.make<string>()
    // The two halves need each other: the child hears lines for the conversation, which sends through the child.
    let child: StdioChild.StdioChild | undefined
    const conversation = StdioConversation.make({
      server: name,
      send: (line) => child !== undefined && child.send(line),
      onMessage: options.onMessage,
      onLate: () => tracker.lateResponse(name),
      onNoise: children.countNoise,
      onDefect: (cause) =>
        Effect.runForkWith(services)(Effect.logError("A receiver of an upstream's message failed", cause)),
      tag: config.context !== "none"
    })
    child = yield* StdioChild.open({
      command: fromHub(started.command),
      args: started.args.map(fromHub),
      env: { ...started.env, TMPDIR: tmp, TMP: tmp, TEMP: tmp },
      cwd,
      maxLineBytes: maxUpstreamBytes,
      maxStdinBytes: settings.maxStdinBytes,
      killAfterMs: settings.killAfterMs,
      onLine: conversation.receive,
      onOverflow: conversation.overflow
    }).pipe(Effect.mapError(({ code }) => unavailable("spawn", spawnMessage(name, code))))
    slot.fill(child.pid)

    // Whoever ends the connection first, the process or the scope, fails what is in flight and completes `closed`.
    const end = (reason: string) =>
      Effect.sync(() => {
        conversation.end(reason)
        Deferred.doneUnsafe(closed, Effect.succeed(reason))
      })
    yield* Effect.addFinalizer(() => end(`The connection to server "${name}" was closed`))
    yield* child.exited.pipe(
      Effect.flatMap((status) => end(`Server "${name}" ${exitText(status)}`)),
      Effect.andThen(Effect.uninterruptible(Scope.close(own, Exit.void))),
      Effect.forkIn(outer)
    )

    const lastWords = () => {
      const lines = child.stderr().slice(-10).join("\n").slice(-2_000)
      return lines === "" ? " and wrote nothing to stderr" : `; it wrote: ${ChildSecrets.scrub(lines, secrets)}`
    }
    const version = isStateful(options.protocolVersion) ? options.protocolVersion : latestStateful
    const { clientCapabilities: capabilities, clientInfo } = options
    const answer = yield* conversation
      .request({
        method: "initialize",
        params: { protocolVersion: version, capabilities, clientInfo },
        context,
        onMessage: options.onMessage
      })
      .pipe(
        Effect.timeoutOrElse({
          duration: initTimeout,
          orElse: () => {
            const limit = `did not answer initialize within ${initTimeout} ms`
            const remedy = "check its command, or raise INIT_TIMEOUT if it is slow to start"
            return Effect.fail(unavailable("timeout", `Server "${name}" ${limit}; ${remedy}${lastWords()}`))
          }
        }),
        Effect.catchTags({
          UpstreamFailed: (error) => Effect.fail(unavailable("exited", `${error.message}${lastWords()}`)),
          UpstreamErrorResponse: ({ code, message }) => {
            const said = ChildSecrets.scrub(message, secrets)
            return Effect.fail(unavailable("initialize", `Server "${name}" refused initialize (${code}): ${said}`))
          }
        })
      )
    const info = initialized(answer)
    if (info === undefined) {
      const found = "answered initialize with no protocol revision this hub speaks"
      return yield* unavailable("initialize", `Server "${name}" ${found}; update the server`)
    }
    child.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }))

    return {
      server: name,
      info,
      era: "stateful" as const,
      stateful: true,
      request: conversation.request,
      notify: (method, params) => conversation.notify(method, params),
      respond: (response) => conversation.respond(response),
      closed: Deferred.await(closed)
    } satisfies UpstreamConnection
  })

  return UpstreamStdio.of({
    // The process has a scope inside the caller's: it is cleaned up when it exits, or fails to start, and not only
    // when the caller gets round to closing.
    connect: Effect.fnUntraced(function* (options) {
      const outer = yield* Effect.scope
      const own = yield* Scope.fork(outer)
      return yield* open(options, outer, own).pipe(
        Scope.provide(own),
        Effect.onError(() => Scope.close(own, Exit.void))
      )
    })
  })
})

const initialized = (result: unknown): UpstreamInfo | undefined => {
  if (!Predicate.isObject(result)) return undefined
  const { capabilities, instructions, protocolVersion, serverInfo } = result as JsonObject
  if (!isStateful(protocolVersion) && protocolVersion !== "2024-11-05") return undefined
  return {
    protocolVersion,
    capabilities: Predicate.isObject(capabilities) ? (capabilities as JsonObject) : {},
    serverInfo: Predicate.isObject(serverInfo) ? (serverInfo as JsonObject) : {},
    ...(typeof instructions === "string" ? { instructions } : {})
  }
}

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

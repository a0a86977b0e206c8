/**
 * The servers of the canary matrices: eight kinds of settings, each entitled to one token or none, each keeping a record
 * of everything it receives.
 */
import { Effect, Exit, Scope } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  type Script,
  type ScriptedHttp,
  type ScriptedHttpOptions,
  ScriptedHttpUpstream
} from "../../src/testkit/index.ts"
import * as Programs from "./Programs.ts"

export interface Server {
  readonly name: string
  /** The token it is entitled to, if any; every user has one of that name. */
  readonly token?: string
  /** What the settings say besides url or command. */
  readonly config: object
  /** A path after the server's own, for a url template. */
  readonly path?: string
  /** A stdio server has none. */
  readonly http?: ScriptedHttpOptions
  /** Whether it is told who calls, which `context: "none"` forbids. */
  readonly knowsUser: boolean
}

export const servers: ReadonlyArray<Server> = [
  {
    name: "alpha",
    token: "ALPHA_SECRET",
    config: { context: "full", contextTokens: ["ALPHA_SECRET"] },
    http: { answers: "sse" },
    knowsUser: true
  },
  {
    name: "beta",
    token: "BETA_KEY",
    config: { headers: { "X-Api-Key": "${USER_BETA_KEY}" }, isolation: "user" },
    http: { sessions: false, stream: false },
    knowsUser: true
  },
  {
    name: "gamma",
    token: "GAMMA_PAT",
    config: { context: "none", headers: { Authorization: "Bearer ${USER_GAMMA_PAT}" }, isolation: "session" },
    http: {},
    knowsUser: false
  },
  { name: "delta", config: { isolation: "shared" }, http: { stream: false }, knowsUser: true },
  { name: "epsilon", config: { context: "ids" }, http: { sessions: false }, knowsUser: true },
  {
    name: "zeta",
    token: "ZETA_PATH",
    config: {},
    path: "/${USER_ZETA_PATH}",
    http: { sessions: false, stream: false },
    knowsUser: true
  },
  { name: "eta", token: "ETA_TOKEN", config: { env: { CREDENTIAL: "${USER_ETA_TOKEN}" } }, knowsUser: true },
  { name: "theta", token: "THETA_TOKEN", config: { context: "full", isolation: "user" }, knowsUser: true }
]

/** Answers with what it was asked, "arg" turned into "res", and who the hub said is asking. */
export const tell: Script = (call) =>
  call.content({
    text: String(call.arguments["text"]).replace("arg", "res"),
    user: call.received.headers["x-mcphub-user-id"] ?? null
  })

export interface Upstream extends Server {
  readonly settings: object
  /** Everything it received. */
  readonly record: () => string
  /** The same, apart for each thing that only one user may have a part in: a process, a socket, or at least a request. */
  readonly parts: () => ReadonlyArray<string>
}

export interface HttpUpstream extends Upstream {
  /** Each request it received. */
  readonly requests: () => ReadonlyArray<string>
  /** The server that runs now. */
  readonly now: () => ScriptedHttp
  /** Ends the server with all its connections and sessions, and starts it again at the same address. */
  readonly restart: Effect.Effect<void>
}

export const startHttp = Effect.fnUntraced(function* (
  server: Server,
  tools: Readonly<Record<string, Script>>
): Effect.fn.Return<HttpUpstream, never, Scope.Scope> {
  const outer = yield* Effect.scope
  const begin = Effect.fnUntraced(function* (port?: number) {
    const own = yield* Scope.fork(outer)
    const options = { ...server.http, tools, ...(port === undefined ? {} : { port }) }
    return { own, upstream: yield* Scope.provide(ScriptedHttpUpstream.make(options), own) }
  })
  const all = [yield* begin()]
  const isShared = (server.config as { readonly isolation?: string }).isolation === "shared"
  return {
    ...server,
    settings: { ...server.config, url: `${all[0]!.upstream.url}${server.path ?? ""}` },
    record: () => JSON.stringify(all.map(({ upstream }) => upstream.received)),
    parts: () =>
      all.flatMap(({ upstream }) => {
        const apart = Map.groupBy(upstream.received, (one) => (isShared ? one : one.socket))
        return Array.from(apart.values(), (part) => JSON.stringify(part))
      }),
    requests: () => all.flatMap(({ upstream }) => upstream.received.map((one) => JSON.stringify(one))),
    now: () => all.at(-1)!.upstream,
    restart: Effect.suspend(() => {
      const { own, upstream } = all.at(-1)!
      return Effect.flatMap(
        Effect.andThen(Scope.close(own, Exit.void), begin(Number(new URL(upstream.url).port))),
        (next) => Effect.sync(() => void all.push(next))
      )
    })
  }
})

/** A child process for every connection, on `test/e2e/programs/recorder.mjs`, with its records in the folder. */
export const stdio = (server: Server, records: string): Upstream => {
  if (!existsSync(records)) mkdirSync(records)
  const { args, command } = Programs.command("test/e2e/programs/recorder.mjs")
  const { env, ...config } = server.config as { readonly env?: object }
  const parts = () =>
    readdirSync(records)
      .filter((file) => file.startsWith(`${server.name}-`))
      .map((file) => readFileSync(join(records, file), "utf8"))
  return {
    ...server,
    settings: { ...config, command, args, env: { ...env, RECORDS: records, RECORD_AS: server.name } },
    record: () => parts().join(""),
    parts
  }
}

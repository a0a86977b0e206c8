/**
 * The local admin door of a running hub, by which the command line of the same machine reaches it.
 *
 * A listener of its own on loopback, apart from the public one, and a file `hub.json` in the data directory (mode 0600)
 * that holds its address and a random 256-bit token. Whoever may read the data directory owns the hub anyway, so
 * reading that file is the proof. The caller provides the app behind the door; the door only guards it.
 */
import { timingSafeEqual } from "node:crypto"
import { Effect, FileSystem, Path, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"

/** The content of `hub.json`. */
export const HubFile = Schema.Struct({
  pid: Schema.Number,
  /** The door's address, on loopback. */
  url: Schema.String,
  /** The door's bearer token: new at every start, base64url of 32 random bytes. */
  token: Schema.String,
  /** The address for MCP clients. */
  mcpUrl: Schema.String,
  version: Schema.String,
  /** ISO 8601, UTC. */
  startedAt: Schema.String
})
export type HubFile = typeof HubFile.Type

export const hubFileName = "hub.json"

const HubFileJson = Schema.fromJsonString(HubFile)

export interface DoorOptions {
  readonly dataDir: string
  readonly mcpUrl: string
  readonly version: string
  readonly startedAt: Date
  readonly pid: number
}

/**
 * Admits a request only with the door's token, compared in constant time. A browser's request never gets in. A GET only
 * asks whether a hub is there; the door itself answers it.
 */
export const guarded = <E, R>(
  token: string,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> => {
  const expected = new TextEncoder().encode(`Bearer ${token}`)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const presented = new TextEncoder().encode(request.headers["authorization"] ?? "")
    const same = presented.length === expected.length && timingSafeEqual(presented, expected)
    if (!same || request.headers["origin"] !== undefined)
      return Effect.succeed(HttpServerResponse.empty({ status: 401 }))
    return request.method === "GET" ? Effect.succeed(HttpServerResponse.empty({ status: 204 })) : app
  })
}

/**
 * Serves the app behind the door for as long as the scope lives, and writes the address into the data directory. The
 * file appears complete (written aside and renamed) once the door listens, and goes before the door closes.
 */
export const open = Effect.fnUntraced(function* <E, R>(
  options: DoorOptions,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const server = yield* HttpServer.HttpServer
  const token = Base64Url.encode(SecureRandom.randomBytesUnsafe(32))
  yield* server.serve(guarded(token, app))

  const file = path.join(options.dataDir, hubFileName)
  const text = Schema.encodeSync(HubFileJson)({
    pid: options.pid,
    url: HttpServer.formatAddress(server.address),
    token,
    mcpUrl: options.mcpUrl,
    version: options.version,
    startedAt: options.startedAt.toISOString()
  })
  yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const aside = `${file}.${options.pid}`
      yield* fs.writeFileString(aside, text, { mode: 0o600, flag: "w" })
      yield* fs.chmod(aside, 0o600)
      yield* fs.rename(aside, file)
    }),
    // A hub that started later on the same folder has its own file there.
    () =>
      fs.readFileString(file).pipe(
        Effect.flatMap((found) => (found === text ? fs.remove(file) : Effect.void)),
        Effect.ignore
      )
  )
})

/** The hub that runs on this data directory, if its file exists and is readable. */
export const find = Effect.fnUntraced(function* (dataDir: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs
    .readFileString(path.join(dataDir, hubFileName))
    .pipe(Effect.flatMap(Schema.decodeUnknownEffect(HubFileJson)), Effect.option)
})

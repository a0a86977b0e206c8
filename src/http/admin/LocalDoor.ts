/**
 * The local admin door of a running hub, by which the command line of the same machine reaches it.
 *
 * A listener of its own on loopback, apart from the public one, and a file `hub.json` in the data directory (mode 0600)
 * that holds its address and a random 256-bit token. Whoever may read the data directory owns the hub anyway, so
 * reading that file is the proof. The door proves in turn that it knows the token before a client sends it: another
 * program may have got the port of a hub that was killed. The caller provides the app behind the door.
 */
import { timingSafeEqual } from "node:crypto"
import { Effect, FileSystem, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import * as Base64Url from "effect/encoding/Base64Url"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { folderIdentity } from "./FolderIdentity.ts"
import { challengeHeader, hubFile, HubFileJson, proofHeader, proofOf } from "./HubFile.ts"

export interface DoorOptions {
  readonly dataDir: string
  readonly mcpUrl: string
  readonly version: string
  readonly startedAt: Date
  readonly pid: number
}

/**
 * Admits a request only with the door's token, compared in constant time. A browser's request never gets in. A GET with a
 * challenge asks whether the hub of the token is there; the door itself answers it.
 */
export const guarded = <E, R>(
  token: string,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> => {
  const expected = new TextEncoder().encode(`Bearer ${token}`)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const isBrowser = request.headers["origin"] !== undefined
    const challenge = request.headers[challengeHeader]
    if (request.method === "GET" && challenge !== undefined && !isBrowser) {
      const headers = { [proofHeader]: proofOf(token, challenge) }
      return Effect.succeed(HttpServerResponse.empty({ status: 204, headers }))
    }
    const presented = new TextEncoder().encode(request.headers["authorization"] ?? "")
    const same = presented.length === expected.length && timingSafeEqual(presented, expected)
    return !same || isBrowser ? Effect.succeed(HttpServerResponse.empty({ status: 401 })) : app
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
  const server = yield* HttpServer.HttpServer
  const token = Base64Url.encode(SecureRandom.randomBytesUnsafe(32))
  yield* server.serve(guarded(token, app))

  const file = hubFile(options.dataDir)
  const text = Schema.encodeSync(HubFileJson)({
    pid: options.pid,
    url: HttpServer.formatAddress(server.address),
    token,
    mcpUrl: options.mcpUrl,
    version: options.version,
    startedAt: options.startedAt.toISOString(),
    folder: folderIdentity(options.dataDir)
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

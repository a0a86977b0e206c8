/**
 * The first words to a child process: `initialize` in the eras with sessions, `server/discover` in the one without.
 *
 * A server that does not speak the era may refuse, stay silent or exit, because published servers do all three on a
 * first request they do not know. Any of these says so about `server/discover`; about `initialize` only a refusal in
 * words does, since a server that starts slowly or falls over is no server of the other era.
 *
 * Source: MCP `basic/lifecycle`; MCP 2026-07-28 `basic/transports` (stdio, backward compatibility).
 */
import { Effect } from "effect"
import { firstAnswerBytes, readIntroduction } from "../../../domain/protocol/json/ServerResults.ts"
import { isStateful, latestStateful } from "../../../domain/protocol/Versions.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import { discoveredInfo, discoverRefused, initializeRefused, patienceFor } from "../era/EraEvidence.ts"
import type { StartLimits } from "../connection/StartLimits.ts"
import type { StdioConnection } from "./StdioConnection.ts"
import type { ConnectOptions, UpstreamInfo } from "../connection/UpstreamConnection.ts"
import { type EraNotSpoken, eraNotSpoken, UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import { waiting } from "../../../domain/requests/Waits.ts"

export interface HandshakeOptions {
  readonly options: ConnectOptions
  readonly connection: StdioConnection
  readonly limits: StartLimits
  /** What the child wrote to stderr, as the end of a sentence; "" when that is nothing. */
  readonly lastWords: () => string
}

type Handshake = Effect.Effect<UpstreamInfo, UpstreamUnavailable | EraNotSpoken>

const unavailable = (server: string, reason: UpstreamUnavailable["reason"], message: string) =>
  new UpstreamUnavailable({ server, reason, message })

const orNothing = (words: string): string => (words === "" ? " and wrote nothing to stderr" : words)

/** The message of its end may have the words in it. */
const ended = (message: string, words: string): string =>
  words !== "" && message.endsWith(words) ? message : `${message}${orNothing(words)}`

export const initialize = (handshake: HandshakeOptions): Handshake => {
  const { connection, lastWords, limits, options } = handshake
  const { clientCapabilities: capabilities, clientInfo, context, name, onMessage } = options
  const protocolVersion = isStateful(options.protocolVersion) ? options.protocolVersion : latestStateful
  const greeted = connection.request({
    method: "initialize",
    params: { protocolVersion, capabilities, clientInfo },
    context,
    maxBytes: firstAnswerBytes,
    onMessage
  })
  return waiting(context.waits, { kind: "connection", stage: "initialize", server: name }, greeted).pipe(
    timeoutAwake(limits.startMs, () => {
      const limit = `did not answer initialize within ${limits.startMs} ms`
      const remedy = "check its command, or raise its options.initTimeout or INIT_TIMEOUT if it is slow to start"
      return Effect.fail(unavailable(name, "timeout", `Server "${name}" ${limit}; ${remedy}${orNothing(lastWords())}`))
    }),
    Effect.catchTags({
      UpstreamFailed: ({ message }) => Effect.fail(unavailable(name, "exited", ended(message, lastWords()))),
      UpstreamErrorResponse: (error) => Effect.fail(initializeRefused(error))
    }),
    Effect.flatMap((result) => {
      const read = readIntroduction(result)
      if (read.ok && (isStateful(read.value.protocolVersion) || read.value.protocolVersion === "2024-11-05")) {
        return Effect.succeed(read.value)
      }
      const found = read.ok ? "answered initialize with no protocol revision this hub speaks" : read.what
      return Effect.fail(unavailable(name, "initialize", `Server "${name}" ${found}; update the server`))
    })
  )
}

export const discover = (handshake: HandshakeOptions): Handshake => {
  const { connection, lastWords, limits, options } = handshake
  const { config, context, name } = options
  const question = {
    method: "server/discover" as const,
    params: undefined,
    maxBytes: firstAnswerBytes,
    onMessage: () => {}
  }
  const duration = patienceFor(config, limits)
  const other = (reason: UpstreamUnavailable["reason"], message: string) =>
    Effect.fail(eraNotSpoken("stateless", unavailable(name, reason, message)))
  const asked = connection.request({ ...question, context })
  return waiting(context.waits, { kind: "connection", stage: question.method, server: name }, asked).pipe(
    timeoutAwake(duration, () =>
      other("timeout", `Server "${name}" did not answer server/discover within ${duration} ms${orNothing(lastWords())}`)
    ),
    Effect.catchTags({
      UpstreamFailed: ({ message }) => other("exited", ended(message, lastWords())),
      UpstreamErrorResponse: (error) => Effect.fail(discoverRefused(error))
    }),
    Effect.flatMap((result) => discoveredInfo(name, result))
  )
}

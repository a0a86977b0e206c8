/**
 * A loopback proxy that adds a user's key to every request: the conformance suite sends none. It changes nothing else,
 * Host and Origin included, and passes on the disconnect of a client.
 */
import { Effect, type Scope } from "effect"
import { createServer, request as forward } from "node:http"
import type { AddressInfo } from "node:net"

/** The origin of a proxy before `target`, an origin of 127.0.0.1. */
export const make = (target: string, key: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly origin: string; readonly close: () => void }>((resume) => {
      const server = createServer({ requestTimeout: 0 }, (request, response) => {
        const onward = forward(new URL(request.url ?? "/", target), {
          method: request.method,
          headers: { ...request.headers, authorization: `Bearer ${key}` }
        })
        onward.on("response", (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          response.flushHeaders()
          answer.on("error", () => response.destroy())
          answer.pipe(response)
        })
        onward.on("error", () => response.destroy())
        response.on("close", () => onward.destroy())
        request.pipe(onward)
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ origin }) => origin))

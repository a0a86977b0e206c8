/** Requests of which the body stays under way until the test sends the rest. */
import { Context, Effect } from "effect"
import { BodyBytes } from "../../../src/actors/limits/BodyBytes.ts"
import { RudeClients, type RunningHub } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"

export interface HalfSentRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly message: object
}

/** Comes back when the hub waits for the rest; `finish` sends it, and succeeds with the answer's head and body. */
export const halfSent = Effect.fnUntraced(function* (
  hub: RunningHub & { readonly services: Context.Context<BodyBytes> },
  { headers, message, path }: HalfSentRequest
) {
  const bodies = Context.get(hub.services, BodyBytes)
  const before = bodies.held()
  const body = JSON.stringify(message)
  const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
  const all = { host: "127.0.0.1", ...headers, "content-length": String(Buffer.byteLength(body)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body.slice(0, 10)}`)
  yield* eventually(Effect.sync(bodies.held), (held) => held > before, { every: "5 millis" })
  return {
    finish: Effect.suspend(() => {
      socket.write(body.slice(10))
      return RudeClients.statusLine(socket)
    })
  }
})

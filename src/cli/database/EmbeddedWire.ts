/**
 * A PostgreSQL connection without a socket: a Duplex that speaks the wire protocol with an embedded PGlite.
 *
 * The same client, SQL and migrations then serve the embedded database and a PostgreSQL server. PGlite is one session,
 * so at most one of these may be open at a time (`maxConnections: 1`); opening one resets what an earlier one left.
 */
import type { PGlite } from "@electric-sql/pglite"
import { Buffer } from "node:buffer"
import { Duplex } from "node:stream"

const sslRequest = 80877103
const cancelRequest = 80877102
const terminate = 0x58

/** Length of the first message in `bytes`, or undefined while it is incomplete. Start-up messages carry no type byte. */
const frameLength = (bytes: Buffer, started: boolean): number | undefined => {
  const header = started ? 1 : 0
  if (bytes.length < header + 4) return undefined
  const length = header + bytes.readInt32BE(header)
  return bytes.length < length ? undefined : length
}

export const embeddedWire = (db: PGlite): Duplex => {
  let pending: Buffer = Buffer.alloc(0)
  let started = false
  // An earlier session may have been dropped inside a transaction or with prepared statements.
  let fresh: Promise<unknown> | undefined

  const answer = async (message: Buffer): Promise<void> => {
    const code = started ? 0 : message.readInt32BE(4)
    if (code === sslRequest) return void wire.push("N")
    if (code === cancelRequest || (started && message[0] === terminate)) return void wire.push(null)
    if (!started) {
      started = true
      fresh ??= db.exec("ROLLBACK").then(() => db.exec("DISCARD ALL"))
      await fresh
    }
    const reply = await db.execProtocolRaw(message)
    if (reply.length > 0 && !wire.destroyed) wire.push(reply)
  }

  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const drain = async () => {
        for (let length = frameLength(pending, started); length !== undefined; length = frameLength(pending, started)) {
          const message = pending.subarray(0, length)
          pending = pending.subarray(length)
          await answer(message)
        }
      }
      drain().then(
        () => done(),
        (cause: unknown) => done(cause instanceof Error ? cause : new Error(String(cause)))
      )
    }
  })
  return wire
}

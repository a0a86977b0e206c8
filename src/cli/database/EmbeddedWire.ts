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

/** Length of the first message from `at` on, or undefined while it is incomplete. Start-up messages carry no type byte. */
const frameLength = (bytes: Buffer, at: number, started: boolean): number | undefined => {
  const header = started ? 1 : 0
  if (bytes.length < at + header + 4) return undefined
  const length = header + bytes.readInt32BE(at + header)
  return bytes.length < at + length ? undefined : length
}

export const embeddedWire = (db: PGlite): Duplex => {
  let pending: Buffer = Buffer.alloc(0)
  let started = false
  // An earlier session may have been dropped inside a transaction or with prepared statements.
  let fresh: Promise<unknown> | undefined

  /** Takes the first message, and once started all complete ones, which are one turn of the database then. */
  const take = (): Buffer | undefined => {
    let end = 0
    for (let length = frameLength(pending, 0, started); length !== undefined;) {
      const isLast = !started || pending[end] === terminate
      // A farewell is answered by itself, after what came before it.
      if (isLast && end > 0) break
      end += length
      length = isLast ? undefined : frameLength(pending, end, started)
    }
    if (end === 0) return undefined
    const messages = pending.subarray(0, end)
    pending = pending.subarray(end)
    return messages
  }

  const answer = async (messages: Buffer): Promise<void> => {
    const code = started ? 0 : messages.readInt32BE(4)
    if (code === sslRequest) return void wire.push("N")
    if (code === cancelRequest || (started && messages[0] === terminate)) return void wire.push(null)
    if (!started) {
      started = true
      fresh ??= db.exec("ROLLBACK").then(() => db.exec("DISCARD ALL"))
      await fresh
    }
    const reply: Array<Buffer> = []
    // Not `execProtocolRaw`: it also parses every reply, and keeps what it has parsed for as long as the database is
    // open. The pieces lie in the database's memory, which the next call overwrites.
    await db.execProtocolRawStream(messages, {
      syncToFs: false,
      onRawData: (piece) => void reply.push(Buffer.from(piece))
    })
    if (reply.length > 0 && !wire.destroyed) wire.push(reply.length === 1 ? reply[0] : Buffer.concat(reply))
  }

  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const drain = async () => {
        for (let messages = take(); messages !== undefined; messages = take()) await answer(messages)
      }
      drain().then(
        () => done(),
        (cause: unknown) => done(cause instanceof Error ? cause : new Error(String(cause)))
      )
    }
  })
  return wire
}

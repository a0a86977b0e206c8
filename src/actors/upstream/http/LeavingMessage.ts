/**
 * A message that carries something on its way into a socket, a piece at a time and no faster than the server takes it. It
 * holds nothing once all has been written, though undici keeps the object until the answer has come.
 */
import type { CarryingMessage } from "../../../domain/protocol/json/CarriedJson.ts"

export class LeavingMessage implements IterableIterator<Uint8Array> {
  private message: CarryingMessage | undefined
  private pieces: ReadonlyArray<Uint8Array>
  private at = 0
  private readonly isLast: boolean

  /** `isLast`: what it carries is let go of once it has left. */
  constructor(message: CarryingMessage, isLast: boolean) {
    this.message = message
    this.pieces = message.pieces()
    this.isLast = isLast
  }

  next(): IteratorResult<Uint8Array> {
    const piece = this.pieces[this.at++]
    if (piece !== undefined) return { done: false, value: piece }
    if (this.isLast) this.message?.release()
    return this.return()
  }

  return(): IteratorResult<Uint8Array> {
    this.message = undefined
    this.pieces = []
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}

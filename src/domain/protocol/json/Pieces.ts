/**
 * The bytes of one message in order, held in about as much memory as they are long. The sender decides how they are
 * cut: a chunk of 1 byte takes 100 bytes as an object of its own, and a chunk cut from a larger buffer keeps all of
 * that buffer. So small chunks are copied together once there are more than a few.
 */

/** Bytes from which on a piece stays as it came. */
const ownBytes = 16 * 1024
/** Pieces that stay as they came however small they are: most messages have no more. */
const few = 8
const blockBytes = 64 * 1024
const noBlock = new Uint8Array()

export class Pieces {
  private pieces: Array<Uint8Array> = []
  /** Of all pieces. */
  byteLength = 0
  /** The buffer that small pieces are copied to, and how far it is filled and listed. */
  private block: Uint8Array = noBlock
  private full = 0
  private listed = 0

  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return
    this.byteLength += piece.byteLength
    if (this.pieces.length < few || isItsOwn(piece)) {
      if (this.full !== this.listed) this.list()
      // An empty array would make room for sixteen; most messages come in one piece.
      if (this.pieces.length === 0) this.pieces = [piece]
      else this.pieces.push(piece)
    } else this.copy(piece)
  }

  /** All pieces. More may follow; those already returned do not change. */
  all(): ReadonlyArray<Uint8Array> {
    if (this.full !== this.listed) this.list()
    return this.pieces
  }

  /** All bytes as one piece. */
  whole(): Uint8Array {
    const pieces = this.all()
    return pieces.length === 1 ? pieces[0]! : joined(pieces, this.byteLength)
  }

  private copy(piece: Uint8Array): void {
    for (let at = 0; at < piece.byteLength;) {
      if (this.full === this.block.byteLength) {
        if (this.full !== this.listed) this.list()
        this.block = new Uint8Array(blockBytes)
        this.full = this.listed = 0
      }
      const part = piece.subarray(at, at + this.block.byteLength - this.full)
      this.block.set(part, this.full)
      this.full += part.byteLength
      at += part.byteLength
    }
  }

  private list(): void {
    this.pieces.push(this.block.subarray(this.listed, this.full))
    this.listed = this.full
  }
}

const isItsOwn = (piece: Uint8Array): boolean =>
  piece.byteLength >= ownBytes && piece.buffer.byteLength <= 2 * piece.byteLength

/** The pieces, of this total length, as one. */
export const joined = (pieces: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const all = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return all
}

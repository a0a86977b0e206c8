/**
 * Decodes an answer that comes compressed although the hub asks for `identity`: piece by piece as it arrives, so that an
 * event stream is heard at once, and with pauses in both directions, so that little input that stands for much output
 * waits where it is.
 *
 * Source: RFC 9110 §8.4.1 (gzip, deflate), RFC 7932 (br).
 */
import type { Transform } from "node:stream"
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib"
import type { Guard } from "../../../domain/Guard.ts"

export interface DecodingOptions {
  readonly coding: string
  readonly guard: Guard
  readonly onData: (chunk: Buffer) => void
  /** The end shows by itself: what is decoded of an input that is cut off is taken as it is. */
  readonly mayBeCut: boolean
  /** What came is not of that coding, or is cut off. */
  readonly onBroken: (why: "other" | "cut") => void
  /** The source of what is decoded here has to wait, and may go on. */
  readonly onFull: () => void
  readonly onDrain: () => void
}

/** What is there is handed on without waiting for more. */
const zlib = { flush: constants.Z_SYNC_FLUSH }
const brotli = { flush: constants.BROTLI_OPERATION_FLUSH }
/** An input that is cut off is no error of its own. */
const cutZlib = { ...zlib, finishFlush: zlib.flush }
const cutBrotli = { ...brotli, finishFlush: brotli.flush }
/** The code of the error of an input that is cut off. */
const cutOff = "Z_BUF_ERROR"

/** Some servers send deflate without the header of zlib that belongs around it. */
const hasZlibHeader = (first: number): boolean => (first & 0x0f) === 0x08

/** By the first byte of the content. */
const decoders: Readonly<Record<string, (first: number, mayBeCut: boolean) => Transform>> = {
  gzip: (_, mayBeCut) => createGunzip(mayBeCut ? cutZlib : zlib),
  "x-gzip": (_, mayBeCut) => createGunzip(mayBeCut ? cutZlib : zlib),
  deflate: (first, mayBeCut) => {
    const options = mayBeCut ? cutZlib : zlib
    return hasZlibHeader(first) ? createInflate(options) : createInflateRaw(options)
  },
  br: (_, mayBeCut) => createBrotliDecompress(mayBeCut ? cutBrotli : brotli)
}

export const isDecodable = (coding: string): boolean => Object.hasOwn(decoders, coding)

/** Bytes of the window that a brotli stream asks for in its first byte; the others need less than counts. */
const windowOf = (coding: string, first: number): number => {
  if (coding !== "br") return 0
  if ((first & 1) === 0) return 2 ** 16
  const large = (first >> 1) & 7
  const small = (first >> 4) & 7
  return 2 ** (large > 0 ? 17 + large : small === 0 ? 17 : 8 + small)
}

export class ContentDecoding {
  private readonly options: DecodingOptions
  private decoder: Transform | undefined
  private atEnd: (() => void) | undefined
  private isStopped = false
  /** Bytes that decoding itself takes. */
  memory = 0

  constructor(options: DecodingOptions) {
    this.options = options
  }

  push(chunk: Buffer): void {
    if (this.isStopped || chunk.length === 0) return
    this.decoder ??= this.start(chunk[0]!)
    if (!this.decoder.write(chunk)) this.options.onFull()
  }

  /** Runs the step once all that was pushed has been decoded. */
  end(step: () => void): void {
    if (this.decoder === undefined || this.isStopped) return step()
    this.atEnd = step
    this.decoder.end()
  }

  pause(): void {
    this.decoder?.pause()
  }

  resume(): void {
    this.decoder?.resume()
  }

  /** Nothing is decoded any more. */
  stop(): void {
    if (this.isStopped) return
    this.isStopped = true
    this.decoder?.destroy()
    this.finish()
  }

  private start(first: number): Transform {
    const { coding, guard, mayBeCut, onBroken, onData, onDrain } = this.options
    const decoder = decoders[coding]!(first, mayBeCut)
    this.memory = windowOf(coding, first)
    guard.on(decoder, "data", (chunk: Buffer) => {
      if (!this.isStopped) onData(chunk)
    })
    guard.on(decoder, "drain", onDrain)
    guard.once(decoder, "end", () => this.finish())
    guard.on(decoder, "error", ({ code }: NodeJS.ErrnoException) => {
      if (!this.isStopped) onBroken(code === cutOff ? "cut" : "other")
    })
    return decoder
  }

  private finish(): void {
    const { atEnd } = this
    this.atEnd = undefined
    atEnd?.()
  }
}

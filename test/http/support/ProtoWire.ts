/** The wire form of Protocol Buffers, read without a schema: the values of each field of a message, by its number. */

export type Field = bigint | Uint8Array
export type Message = ReadonlyMap<number, ReadonlyArray<Field>>

/** Throws where the bytes are no message. */
export const decode = (bytes: Uint8Array): Message => {
  const fields = new Map<number, Array<Field>>()
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error("A varint is cut off")
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new Error("A varint is too long")
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error("A field is cut off")
    return bytes.subarray(at, (at += length))
  }
  while (at < bytes.length) {
    const tag = varint()
    const wire = Number(tag & 7n)
    const value =
      wire === 0
        ? varint()
        : wire === 1
          ? take(8)
          : wire === 2
            ? take(Number(varint()))
            : wire === 5
              ? take(4)
              : undefined
    if (value === undefined) throw new Error(`There is no wire type ${wire}`)
    const number = Number(tag >> 3n)
    fields.set(number, [...(fields.get(number) ?? []), value])
  }
  return fields
}

const bytesIn = (message: Message, field: number): ReadonlyArray<Uint8Array> =>
  (message.get(field) ?? []).filter((value): value is Uint8Array => typeof value !== "bigint")

export const messages = (message: Message, field: number): ReadonlyArray<Message> =>
  bytesIn(message, field).map((bytes) => decode(bytes))

export const text = (message: Message, field: number): string =>
  new TextDecoder("utf-8", { fatal: true }).decode(bytesIn(message, field)[0] ?? new Uint8Array())

export const hex = (message: Message, field: number): string =>
  Buffer.from(bytesIn(message, field)[0] ?? new Uint8Array()).toString("hex")

export const fixed64 = (message: Message, field: number): bigint => {
  const [bytes] = bytesIn(message, field)
  return bytes === undefined ? 0n : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
}

export const doubles = (message: Message, field: number): ReadonlyArray<number> =>
  bytesIn(message, field).flatMap((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return Array.from({ length: bytes.length / 8 }, (_, index) => view.getFloat64(index * 8, true))
  })

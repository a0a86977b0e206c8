/**
 * Planted secrets. All of one run share a marker, so that one search finds any of them anywhere; each names its owner
 * and the place it was planted as, so that a find names the leak.
 */
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface Canaries {
  /** The secret of this owner with this purpose, both of lower-case letters and digits. */
  readonly plant: (owner: string, purpose: string) => string
  /** `owner-purpose` of every canary in the text, once each, sorted. */
  readonly foundIn: (text: string) => ReadonlyArray<string>
  /** Files under the folder that hold a canary, in clear or as base64. */
  readonly filesWith: (folder: string) => ReadonlyArray<string>
}

export const make = (): Canaries => {
  const marker = `cnry${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`
  const pattern = new RegExp(`${marker}-([a-z0-9]+-[a-z0-9]+)`, "g")
  // What base64 makes of the marker depends on where it stands in its group of three bytes.
  const encoded = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${"x".repeat(offset)}${marker}`)
      .toString("base64")
      .replace(/=+$/, "")
    return text.slice(offset === 0 ? 0 : 4, -2)
  })
  const traces = [marker, ...encoded, Buffer.from(marker).toString("hex")].map((text) => Buffer.from(text))
  return {
    plant: (owner, purpose) => `${marker}-${owner}-${purpose}`,
    foundIn: (text) => [...new Set(Array.from(text.matchAll(pattern), (match) => match[1]!))].sort(),
    filesWith: (folder) =>
      (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []).filter((name) => {
        if (!lstatSync(join(folder, name)).isFile()) return false
        const content = readFileSync(join(folder, name))
        return traces.some((trace) => content.includes(trace))
      })
  }
}

/** Repeatable random order: mulberry32, and Fisher and Yates. */
export const shuffled = <A>(values: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const result = [...values]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other]!, result[last]!]
  }
  return result
}

/**
 * The last defence of everything the hub writes out: text shaped like an MCPHub key never leaves, whatever mistake
 * brought it there. Secrets are `Redacted` values long before; this covers the case that one was not.
 */

/**
 * A key that the hub made has 64 digits, one that an operator chose any letters and at least 16 of them. Code that cuts
 * text may leave a part of one, and 16 already count.
 */
const madeKey = /mcphub_[0-9a-f]{16,}/gi
const chosenKey = /mcphub_[A-Za-z0-9_-]{16,}/g

export const scrub = (text: string): string =>
  text.includes("cphub_") || text.includes("CPHUB_")
    ? text.replace(madeKey, "mcphub_<redacted>").replace(chosenKey, "mcphub_<redacted>")
    : text

/** A client's text for a log line, a span or an id: without keys, and at most `length` characters. */
export const excerpt = (text: string, length: number): string =>
  text.length <= length ? scrub(text) : scrub(text.slice(0, length + 128)).slice(0, length)

const unsafe = /[\u007f-\u009f\u2028\u2029]/g
/** Everything `logLine` changes, looked for in one pass, since hardly any line contains it. */
const suspect = /cphub_|[\u007f-\u009f\u2028\u2029]/i

/**
 * One line of JSON that is safe in a terminal and any log reader. JSON escapes newlines and ESC; this escapes the other
 * control characters (CSI as one character, line separators) and removes keys.
 */
export const logLine = (json: string): string =>
  suspect.test(json)
    ? scrub(json).replace(unsafe, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
    : json

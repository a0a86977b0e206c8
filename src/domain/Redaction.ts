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

/** As programs write them in their last words: `Bearer …`, a name that says so and a value, a password in an address. */
const credentials = [
  /\b((?:bearer|basic)\s{1,4})([A-Za-z0-9._~+/=-]{8,})/gi,
  /((?:api[-_ ]?key|access[-_ ]?key|token|secret|passw(?:or)?d|pwd|authorization|credential)s?["']?\s{0,4}[:=]\s{0,4}["']?)([^\s"',;]{6,})/gi,
  /(:\/\/[^\s/:@]{0,128}:)([^\s/@]{1,256})(?=@)/g,
  /\b()((?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|sk-|AKIA)[A-Za-z0-9_-]{12,})/g
]
/** A word such as "expired" behind `token:` is none. */
const isWord = /^[A-Za-z.<>-]{1,19}$/

/** What a program says on its own account, without what looks like a credential that nobody has given it. */
export const withoutCredentials = (text: string): string =>
  credentials.reduce(
    (rest, pattern) =>
      rest.replace(pattern, (all, before: string, value: string) => (isWord.test(value) ? all : `${before}<redacted>`)),
    text
  )

/** Names behind which a secret stands: of keys, flags, variables, headers and parts of a query. */

const secretPart =
  /key|token|secret|pass|pwd|auth|cred|cookie|session|bearer|refresh|private|signature|connection.?string|webhook/i
/** Words that other words contain, as "path" does "pat". */
const secretWords: ReadonlySet<string> = new Set("pat pw jwt otp pin dsn sig sid salt value".split(" "))

/** Names of tokens and other words, which say nothing. */
const openNames: ReadonlySet<string> = new Set(["contextTokens", "authProvider"])

/** `myPat`, `MY_PAT` and `my-pat` are the words "my" and "pat". */
const wordsOf = (name: string): ReadonlyArray<string> =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)

export const namesSecret = (name: string): boolean =>
  !openNames.has(name) && (secretPart.test(name) || wordsOf(name).some((word) => secretWords.has(word)))

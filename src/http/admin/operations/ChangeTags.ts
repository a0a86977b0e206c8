/** Tags of what can be changed by two people at once: a change names the tag of what its maker has seen. */
import { createHmac, randomBytes } from "node:crypto"

/** A tag says nothing of a secret that it was made of; after a restart all are others. */
const secret = randomBytes(32)

export const tagOf = (value: unknown): string =>
  `"${createHmac("sha256", secret).update(JSON.stringify(value)).digest("base64url").slice(0, 22)}"`

/** Whether a change made for `expected` may be made to what has this tag now. */
export const tagMatches = (expected: string, tag: string): boolean =>
  expected.trim() === "*" || expected.split(",").some((one) => one.trim() === tag)

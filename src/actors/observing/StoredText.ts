/** A text that came from a client or a server, as it can be stored: bounded, without keys, well-formed. */
import { excerpt } from "../../domain/Redaction.ts"

const maxText = 256
/** PostgreSQL has no NUL in its texts, and nobody wants the others in a terminal. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Nearly every text is stored as it is: short, printable, and without what a key begins with. */
const isPlain = /^(?!.*cphub_)[\x20-\x7e]{0,256}$/i

export const storedText = (text: string): string => (isPlain.test(text) ? text : cleaned(text))

const cleaned = (text: string): string => excerpt(text, maxText).toWellFormed().replace(unprintable, "\ufffd")

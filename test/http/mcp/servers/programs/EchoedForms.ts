/** A secret in every form in which a server may repeat it, by what the form is called. */
import { Buffer } from "node:buffer"

export const formsOf = (secret: string): Readonly<Record<string, string>> => ({
  plain: secret,
  url: encodeURIComponent(secret),
  lowerUrl: encodeURIComponent(secret).replace(/%../g, (digits) => digits.toLowerCase()),
  form: new URLSearchParams({ t: secret }).toString().slice(2),
  json: JSON.stringify({ secret }),
  escapedSlashes: JSON.stringify(secret).replaceAll("/", "\\/"),
  base64: Buffer.from(secret).toString("base64"),
  base64url: Buffer.from(secret).toString("base64url"),
  basic: Buffer.from(`a:${secret}`).toString("base64"),
  basicShifted: Buffer.from(`ab:${secret}`).toString("base64"),
  basicUser: Buffer.from(`${secret}:x-oauth-basic`).toString("base64")
})

/** An error that repeats it in its message, and in the texts and names of its data. */
export const errorWith = (secret: string) => {
  const forms = formsOf(secret)
  return {
    code: -32000,
    message: Object.entries(forms)
      .map(([name, text]) => `${name} ${text}`)
      .join("; "),
    data: { forms, list: Object.values(forms), named: { [secret]: true } }
  }
}

/**
 * The rules for stored values of users, keys, groups and service tokens, checked here once for every repository: an
 * accepted value fits the legacy columns and, where it travels upstream, a header.
 */
import { Effect, Redacted, Schema } from "effect"
import { isKeyText, keyDays } from "./HubKey.ts"
import { InvalidValue } from "./IdentityErrors.ts"
import { Username } from "./User.ts"
import { isUuid } from "../Ids.ts"

const tokenName = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/

/** Printable ASCII without outer spaces: such text survives an HTTP header unchanged (RFC 9110 §5.5). */
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

const maxTokenLength = 8192

/** Up to 100 characters, none of them a control character or the half of a pair, which no database keeps. */
const label = /^[^\p{Cc}\p{Cs}]{1,100}$/u

export const usernameProblem = (username: string): string | undefined =>
  Schema.is(Username)(username)
    ? undefined
    : "a user name is 1 to 100 characters, without slashes, control or invisible characters, halves of surrogate pairs or outer spaces"

export const idProblem = (id: string): string | undefined =>
  isUuid(id) ? undefined : "an id is a uuid such as 123e4567-e89b-42d3-a456-426614174000"

export const labelProblem = (name: string): string | undefined =>
  label.test(name) && name.trim() === name
    ? undefined
    : "a name is 1 to 100 characters, without control characters, halves of surrogate pairs or outer spaces"

export const daysProblem = (days: number): string | undefined =>
  Number.isInteger(days) && days >= keyDays.least && days <= keyDays.most
    ? undefined
    : `a key is valid for ${keyDays.least} to ${keyDays.most} whole days`

export const keyTextProblem = (key: Redacted.Redacted<string>): string | undefined =>
  isKeyText(Redacted.value(key))
    ? undefined
    : "a key is mcphub_ and 16 to 200 letters, digits, hyphens or underscores (usually 64 hex digits)"

/** The problem, without the value. */
export const tokenProblem = (name: string, value: Redacted.Redacted<string>): string | undefined => {
  if (!tokenName.test(name)) {
    return "a token name is 1 to 100 letters, digits, dots, hyphens or underscores, a letter or underscore first"
  }
  const text = Redacted.value(value)
  if (text.length > maxTokenLength) return `the value of ${name} is longer than ${maxTokenLength} characters`
  return headerValue.test(text)
    ? undefined
    : `the value of ${name} cannot stand in an HTTP header; use printable ASCII without line breaks or outer spaces`
}

/** The comma separates names in the old hub's group column, so no server name may hold one. */
export const serversProblem = (servers: ReadonlyArray<string>): string | undefined =>
  servers.every((name) => labelProblem(name) === undefined && !name.includes(","))
    ? undefined
    : "a server name is 1 to 100 characters, without commas, control characters, halves of surrogate pairs or outer spaces"

export const check = (problems: Readonly<Record<string, string | undefined>>): Effect.Effect<void, InvalidValue> => {
  for (const [field, problem] of Object.entries(problems)) {
    if (problem !== undefined) {
      return Effect.fail(new InvalidValue({ field, message: `The ${field} cannot be stored: ${problem}` }))
    }
  }
  return Effect.void
}

export const checkTokens = (
  tokens: Readonly<Record<string, Redacted.Redacted<string>>>
): Effect.Effect<void, InvalidValue> =>
  check(
    Object.fromEntries(
      Object.entries(tokens).map(([name, value], index) => {
        const problem = tokenProblem(name, value)
        // An invalid name is not shown either: somebody may have pasted the value there.
        return [problem !== undefined && !tokenName.test(name) ? `token ${index + 1}` : `token ${name}`, problem]
      })
    )
  )

/**
 * Reader of the hub's own variables: each variable knows its name, what is allowed and how its text becomes a value,
 * and the reader reports all wrong ones together.
 *
 * The text comes from Effect's `ConfigProvider`, so a `.env` file, a directory of secrets or a test's record can
 * replace the environment without a change here. A report gives the shape of what was found and never the text itself:
 * a secret easily ends up in the wrong variable.
 */
import { ByteSize, ConfigProvider, Duration, Effect, Option, Redacted, Schema } from "effect"

export interface ConfigProblem {
  readonly variable: string
  /** The shape of what was found, e.g. `text of 12 characters`. */
  readonly found: string
  readonly allowed: string
}

/** Variables the hub cannot start with. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  problems: Schema.Array(Schema.Struct({ variable: Schema.String, found: Schema.String, allowed: Schema.String })),
  message: Schema.String
}) {}

export const configInvalid = (problems: ReadonlyArray<ConfigProblem>): ConfigInvalid =>
  new ConfigInvalid({
    problems,
    message: problems.map(({ variable, found, allowed }) => `${variable} is ${found}; allowed: ${allowed}`).join("\n")
  })

/** One variable: its names (the first one that is set counts) and what its text must be. */
export interface Variable<A> {
  readonly names: ReadonlyArray<string>
  readonly allowed: string
  /** The value, or undefined where the text is not allowed. */
  readonly parse: (text: string) => A | undefined
  /** The value when the variable is not set. */
  readonly absent: A
}

/** The shape of a text, without the text. */
export const shapeOf = (text: string): string => {
  if (text.trim() === "") return "empty"
  if (/^-\d+(\.\d+)?$/.test(text)) return "a negative number"
  if (/^\d+\.\d+$/.test(text)) return "a decimal number"
  if (/^\d+$/.test(text)) return `a whole number of ${text.length} digit${text.length === 1 ? "" : "s"}`
  return `text of ${text.length} character${text.length === 1 ? "" : "s"}`
}

export const integer = (name: string, min: number, max: number, absent: number): Variable<number> => ({
  names: [name],
  allowed: `a whole number from ${min} to ${max}`,
  parse: (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : undefined
  },
  absent
})

/** The longest delay of the runtime's timers, about 24.8 days. */
const maxTimerMs = 2 ** 31 - 1

/** Milliseconds, written as a plain number or as text with a unit. */
export const duration = (name: string, minMs: number, absent: number): Variable<number> => ({
  names: [name],
  allowed: `milliseconds or text such as "30 seconds", from ${minMs} to ${maxTimerMs} ms`,
  parse: (text) => {
    const value = /^\d+$/.test(text)
      ? Number(text)
      : Option.getOrElse(Option.map(Duration.fromInput(text as Duration.Input), Duration.toMillis), () => Number.NaN)
    return value >= minMs && value <= maxTimerMs ? Math.round(value) : undefined
  },
  absent
})

/** Bytes, written as a plain number or as text with a unit. */
export const bytes = (name: string, min: number, absent: number): Variable<number> => ({
  names: [name],
  allowed: `bytes or text such as "4 MiB", at least ${min}`,
  parse: (text) => {
    const size = /^\d+$/.test(text)
      ? Option.some(BigInt(text))
      : Option.map(ByteSize.fromString(text), ByteSize.toBigInt)
    const value = Number(Option.getOrElse(size, () => -1n))
    return value >= min && Number.isSafeInteger(value) ? value : undefined
  },
  absent
})

const truths: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const)
])

export const flag = (name: string, absent: boolean): Variable<boolean> => ({
  names: [name],
  allowed: "true or false (also yes, no, on, off, 1, 0)",
  parse: (text) => truths.get(text.toLowerCase()),
  absent
})

/** One of these words, in upper or lower case. */
export const choice = <const A extends string>(name: string, values: ReadonlyArray<A>, absent: A): Variable<A> => ({
  names: [name],
  allowed: values.join(", "),
  parse: (text) => values.find((value) => value.toLowerCase() === text.toLowerCase()),
  absent
})

/** Text with a rule of its own; `parse` may also normalise it. */
export const parsed = <A>(
  name: string,
  allowed: string,
  parse: (text: string) => A | undefined,
  absent: A
): Variable<A> => ({ names: [name], allowed, parse, absent })

export const text = (
  name: string,
  allowed: string,
  isAllowed: (text: string) => boolean
): Variable<string | undefined> => ({
  names: [name],
  allowed,
  parse: (value) => (isAllowed(value) ? value : undefined),
  absent: undefined
})

export const secret = (
  names: ReadonlyArray<string>,
  allowed: string,
  isAllowed: (text: string) => boolean
): Variable<Redacted.Redacted<string> | undefined> & { readonly isSecret: true } => ({
  names,
  allowed,
  parse: (value) => (isAllowed(value) ? Redacted.make(value, { label: names[0]! }) : undefined),
  absent: undefined,
  isSecret: true
})

/** Texts that take precedence over the environment, by variable name: the flags of the command line. */
export type Overrides = Readonly<Record<string, string | number | boolean | undefined>>

const found = Effect.fnUntraced(function* (names: ReadonlyArray<string>, overrides: Overrides) {
  const provider = yield* ConfigProvider.ConfigProvider
  for (const name of names) {
    const override = overrides[name]
    if (override !== undefined) return { name, text: String(override) }
    const node = yield* provider.load([name])
    if (node?.value !== undefined && node.value !== "") return { name, text: node.value }
  }
  return undefined
})

/** Reads a record of variables. Fails with all values that are not allowed; an empty variable counts as not set. */
// oxlint-disable-next-line typescript/no-explicit-any -- a record of variables of different types
export const readVariables = Effect.fnUntraced(function* <R extends Readonly<Record<string, Variable<any>>>>(
  variables: R,
  overrides: Overrides = {}
): Effect.fn.Return<{ readonly [K in keyof R]: R[K] extends Variable<infer A> ? A : never }, ConfigInvalid> {
  const values: Record<string, unknown> = {}
  const problems: Array<ConfigProblem> = []
  for (const [key, variable] of Object.entries(variables)) {
    const source = yield* Effect.catch(found(variable.names, overrides), ({ message }) =>
      Effect.succeed({ name: variable.names[0]!, unreadable: message })
    )
    if (source === undefined) values[key] = variable.absent
    else if ("unreadable" in source) {
      problems.push({ variable: source.name, found: `unreadable: ${source.unreadable}`, allowed: variable.allowed })
    } else {
      const value = variable.parse(source.text.trim())
      if (value !== undefined) values[key] = value
      else problems.push({ variable: source.name, found: shapeOf(source.text), allowed: variable.allowed })
    }
  }
  if (problems.length > 0) return yield* configInvalid(problems)
  return values as { readonly [K in keyof R]: R[K] extends Variable<infer A> ? A : never }
})

/** Values of service tokens in the old interface, which showed them: here they go in, and never come out. */
import { Effect, Redacted } from "effect"
import { refused } from "./Answers.ts"

/** In place of a value. What a script has read and sends back changes nothing. */
export const masked = "********"

export interface GivenTokens {
  readonly set: Readonly<Record<string, Redacted.Redacted<string>>>
  /** Names of those that are taken away. */
  readonly blank: ReadonlyArray<string>
}

/** The members of a flat map of names and values. */
export const textsIn = (members: Readonly<Record<string, unknown>>) =>
  Effect.suspend(() => {
    const set: Record<string, Redacted.Redacted<string>> = {}
    const blank: Array<string> = []
    for (const [name, value] of Object.entries(members)) {
      if (typeof value !== "string") return Effect.fail(refused(400, "The values of service tokens are texts"))
      if (value.trim() === "") blank.push(name)
      else if (value !== masked) set[name] = Redacted.make(value, { label: "service token" })
    }
    return Effect.succeed<GivenTokens>({ set, blank })
  })

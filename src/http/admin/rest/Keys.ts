/** The change of a key: its name, its days, or both, of which the first one is made only if the second one can be. */
import { Effect } from "effect"
import { keyDays } from "../../../domain/identity/HubKey.ts"
import { Unprocessable } from "./api/Problems.ts"
import { type Operations, orProblem } from "./Operations.ts"

export interface KeyChange {
  readonly name?: string | undefined
  readonly days?: number | undefined
}

export const changeKey = Effect.fnUntraced(function* (
  operations: Operations["Service"],
  key: string,
  owner: string,
  { days, name }: KeyChange
) {
  if (days !== undefined && (days < keyDays.least || days > keyDays.most)) {
    const detail = `A key is valid for ${keyDays.least} to ${keyDays.most} days`
    return yield* new Unprocessable({ kind: "InvalidValue", detail })
  }
  const renamed = name === undefined ? undefined : yield* orProblem(operations.keyRename({ key, owner, name }))
  if (days !== undefined) return yield* orProblem(operations.keyExtend({ key, owner, days }))
  return renamed ?? (yield* orProblem(operations.keyShow({ key, owner })))
})

/**
 * The defects that nothing caught: exceptions of the whole process, so there is one count for all of it. A hub with one
 * is no longer ready: nobody knows what the exception left half done.
 */
import { Context } from "effect"

export interface DefectsShape {
  readonly note: () => void
  readonly uncaught: () => number
}

const counting = (): DefectsShape => {
  let uncaught = 0
  return { note: () => void uncaught++, uncaught: () => uncaught }
}

export class Defects extends Context.Reference<DefectsShape>("mcphub/actors/observing/Defects", {
  defaultValue: counting
}) {}

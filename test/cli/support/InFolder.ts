/** Most tests of the command line begin in an empty folder of their own. */
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { folder, patience } from "./Program.ts"

/** A test on the real clock whose folder goes with it. */
export const inFolder = <E>(title: string, test: (cwd: string) => Effect.Effect<void, E, Scope.Scope>): void =>
  it.live(title, () => Effect.scoped(Effect.flatMap(folder, test)), patience)

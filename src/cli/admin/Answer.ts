/** The body of most commands: one question to the hub, and its answer printed, for scripts or for people. */
import { Effect } from "effect"
import { withAdmin } from "./Admin.ts"
import { print } from "../terminal/Output.ts"
import type { Admin } from "../../http/admin/operations/AdminOperations.ts"

export const answer = <A, E, R>(ask: (admin: Admin) => Effect.Effect<A, E, R>, text: (answered: A) => string) =>
  withAdmin((admin) => Effect.flatMap(ask(admin), (answered) => print(answered, () => text(answered))))

/** The bench's users as a provisioning file. */
import type { User } from "./Target.ts"

export const provisionOf = (users: ReadonlyArray<User>) => ({
  users: users.map(({ id, key, name }) => ({ username: name, id, keys: [{ key }] }))
})

/** The users of an old hub: how they sign in here, and whether their names tell them apart. */
import { usernameProblem } from "../identity/IdentityRules.ts"
import { counted, findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"
import { nameOf, type OldHub, type OldUser } from "./OldHub.ts"

const { ok, warn } = findingsIn("users")

const place = (user: OldUser): string => `user ${nameOf(user)} (${user.id})`

/** The beginning of this hub's own digests. */
const ownScheme = "pbkdf2-"

/** Those whose name is another's as well, unless it is their own `username`, which goes before. */
const shadowed = (users: ReadonlyArray<OldUser>): ReadonlyArray<OldUser> => {
  const byName = new Map<string, Array<OldUser>>()
  for (const user of users) byName.set(nameOf(user), [...(byName.get(nameOf(user)) ?? []), user])
  return [...byName.values()].flatMap((all) => (all.length < 2 ? [] : all.filter((user) => user.username === null)))
}

export const userFindings = ({ users }: Pick<OldHub, "users">): ReadonlyArray<MigrationFinding> => {
  const active = users.filter((user) => user.isActive)
  const named = (which: (user: OldUser) => boolean) => users.filter(which).map(place)
  return [
    ok({
      kind: "users",
      detail: `${counted(users.length, "user")}, ${active.length} of them active, kept as they are`
    }),
    ...ofSome(
      named(({ passwordScheme }) => passwordScheme !== null && !passwordScheme.startsWith(ownScheme)),
      warn,
      (count) => ({
        kind: "oldPasswords",
        detail: `${counted(count, "password")} of the old hub: they do not count here; these users' keys do`,
        remedy: "let these users choose new ones by a link: mcphub user signin-link NAME"
      })
    ),
    ...ofSome(shadowed(users).map(place), warn, () => ({
      kind: "duplicateNames",
      detail:
        "These go by the name of another user: commands and files that give the name mean the other, or are refused",
      remedy: "name them by id, or give each a username of its own"
    })),
    ...ofSome(
      named((user) => usernameProblem(nameOf(user)) !== undefined),
      warn,
      () => ({
        kind: "oddNames",
        detail: "These names hold a slash, control characters or outer spaces: no address can hold them",
        remedy: "name these users by id, or rename them"
      })
    ),
    ...(active.some((user) => user.isAdmin)
      ? []
      : [
          warn({
            kind: "noAdmin",
            detail: "No active user is an admin",
            remedy: "make one: mcphub user add NAME --admin"
          })
        ])
  ]
}

/**
 * The last steps of a sign-in at a provider: which user a person is, what the rules make of what the provider says of
 * them, and the cookie. A person whom the hub does not know is let in only where the settings say so.
 */
import { Effect, Option } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { type Claims, groupsFrom, roleFrom, type Rule } from "../../domain/access/SignInSettings.ts"
import { ExternalUsers } from "../../domain/identity/ExternalUsers.ts"
import { Groups } from "../../domain/identity/Groups.ts"
import { Roles } from "../../domain/identity/Roles.ts"
import type { User } from "../../domain/identity/User.ts"
import { type GithubProfile, Users } from "../../domain/identity/Users.ts"
import { databaseSilent, Refused } from "./Problems.ts"
import { personOf, SignInDoor } from "./SignInDoor.ts"

type Request = HttpServerRequest.HttpServerRequest

export interface OpenIdPerson {
  readonly issuer: string
  readonly subject: string
  readonly username: string
  readonly displayName: string | undefined
  readonly email: string | undefined
}

const unknownPerson = new Refused({
  status: 403,
  kind: "UnknownPerson",
  detail: "The hub has no user for you; ask its operator to add you, or to let new users in by this way"
})

const noUser = (detail: string): Refused => new Refused({ status: 403, kind: "NoUser", detail })

export interface Entering {
  readonly way: string
  readonly claims: Claims
  readonly rules: ReadonlyArray<Rule>
}

export type ExternalSignIn = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const door = yield* SignInDoor
  const [users, people, roles, groups] = [yield* Users, yield* ExternalUsers, yield* Roles, yield* Groups]

  const applyGroups = Effect.fnUntraced(function* (user: User, { claims, rules }: Entering) {
    const wanted = groupsFrom(rules, claims)
    if (wanted.length === 0) return
    const known = new Map((yield* groups.listByUser(user.id)).map((group) => [group.name, group]))
    for (const { isActive, name, servers, tools } of wanted) {
      const before = known.get(name)
      const group = before ?? (yield* groups.create({ userId: user.id, name, servers, tools }))
      if (before !== undefined) yield* groups.update(group.id, { servers, tools: tools ?? null }, user.id)
      if (group.isActive !== isActive) yield* groups.setActive(group.id, isActive, user.id)
    }
  })

  const applyRole = Effect.fnUntraced(function* (user: User, { claims, rules }: Entering) {
    const role = roleFrom(rules, claims)
    if (role === undefined) return
    if (user.isAdmin !== (role === "admin")) yield* users.setAdmin(user.id, role === "admin")
    yield* roles.set(user.id, role === "auditor" ? "auditor" : "user")
  })

  return {
    /** The user of a person at an OpenID provider. */
    person: Effect.fnUntraced(function* (
      { displayName, email, issuer, subject, username }: OpenIdPerson,
      isNew: boolean
    ) {
      const known = yield* people.find({ issuer, subject })
      if (Option.isSome(known)) return known.value
      if (!isNew) return yield* unknownPerson
      const user = yield* users.add({ username, displayName, email }).pipe(
        Effect.catchTags({
          UsernameTaken: () =>
            Effect.fail(
              noUser(`The hub has another user of the name that you have there; its operator must rename one`)
            ),
          InvalidValue: ({ message }) => Effect.fail(noUser(`The hub can take no user by your name: ${message}`))
        })
      )
      yield* people.link({ issuer, subject }, user.id)
      return user
    }),

    /** The user of a person at GitHub, where an old hub's users may be. */
    githubPerson: Effect.fnUntraced(function* (profile: GithubProfile, isNew: boolean) {
      if (!isNew)
        yield* Effect.catchTag(users.byGithubId(profile.githubId), "UserNotFound", () => Effect.fail(unknownPerson))
      return yield* Effect.catchTag(users.fromGithub(profile), "InvalidValue", ({ message }) =>
        Effect.fail(noUser(message))
      )
    }),

    /** Rules before the cookie: nobody comes in with more than they say. */
    enter: Effect.fnUntraced(
      function* (request: Request, user: User, entering: Entering) {
        if (!user.isActive) {
          return yield* door.refused(request, entering.way, personOf(user), unknownPerson)
        }
        yield* applyGroups(user, entering)
        yield* applyRole(user, entering)
        const answer = HttpServerResponse.redirect(`${door.hub.basePath}/admin/`, { status: 303 })
        return (yield* door.enter(request, user, entering.way, answer)).response
      },
      Effect.catchTags({
        DatabaseUnavailable: () => Effect.fail(databaseSilent),
        UserNotFound: () => Effect.fail(unknownPerson),
        GroupNotFound: () => Effect.fail(databaseSilent),
        GroupNameTaken: () => Effect.fail(databaseSilent),
        InvalidValue: ({ message }) =>
          Effect.fail(noUser(`A rule of the settings makes a group that cannot be: ${message}`))
      })
    )
  }
})

/**
 * Sign-in with user name and password, and the change of one's own password.
 *
 * An unknown name, a user without a password and a wrong password take the same time and have the same answer.
 */
import { Clock, Effect, Option, Redacted } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { UserId } from "../../domain/Ids.ts"
import * as Password from "../../domain/identity/Password.ts"
import { type SignedIn, SignIns } from "../../domain/identity/SignIns.ts"
import { Users } from "../../domain/identity/Users.ts"
import { databaseSilent, malformed, Refused, wrongPassword } from "./Problems.ts"
import * as SignInBody from "./SignInBody.ts"
import { addressOf, personOf, SignInDoor } from "./SignInDoor.ts"

type Request = HttpServerRequest.HttpServerRequest

const way = "password"

/** As long after a sign-in by a one-time link its user may set a password without the one that is lost. */
const freshMs = 15 * 60_000

const nobody = UserId.make("00000000-0000-0000-0000-000000000000")

const textIn = (members: Readonly<Record<string, unknown>>, name: string, most: number) => {
  const value = members[name]
  return typeof value === "string" && value !== "" && value.length <= most && value.isWellFormed()
    ? Effect.succeed(value)
    : Effect.fail(malformed(`"${name}" must be a text of 1 to ${most} characters`))
}

export const unfit = (detail: string): Refused => new Refused({ status: 422, kind: "InvalidValue", detail })

const currentNeeded = new Refused({
  status: 403,
  kind: "WrongPassword",
  detail: "The current password is needed to set another one; without it, sign in anew by a link of an admin's"
})

export type PasswordSignIn = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const door = yield* SignInDoor
  const users = yield* Users
  const signIns = yield* SignIns
  const { attempts, refused } = door

  /** Whether it is this user's password; without a user or a digest it takes as long. */
  const isRight = Effect.fnUntraced(function* (userId: UserId | undefined, password: string) {
    const digest = yield* Effect.catchTag(users.passwordDigest(userId ?? nobody), "UserNotFound", () =>
      Effect.succeed(Option.none<Redacted.Redacted<string>>())
    )
    const known = Option.getOrElse(Option.filter(digest, Password.isKnown), () => Password.decoy)
    return yield* attempts.hashing(Password.verify(Redacted.make(password), known))
  })

  const digestOf = (password: string) => attempts.hashing(Password.digest(Redacted.make(password)))

  /** Sets a user's password and ends the other sign-ins, which whoever knew the old one may have. */
  const store = Effect.fnUntraced(function* (
    request: Request,
    person: Pick<SignedIn, "userId" | "username" | "signInId">,
    digest: Redacted.Redacted<string>
  ) {
    yield* users.setPasswordDigest(person.userId, digest)
    yield* signIns.revokeAll(person.userId, person.signInId)
    door.write("password_changed", request, person, way)
  })

  return {
    digestOf,
    store,

    signIn: Effect.fnUntraced(
      function* (request: Request) {
        yield* door.ownPage(request)
        const body = yield* SignInBody.members(request)
        const username = yield* textIn(body, "username", 200)
        const password = yield* textIn(body, "password", Password.passwordLength.most)
        const trying = { address: addressOf(request), name: username }
        const found = yield* attempts.begin(trying).pipe(
          Effect.mapError((problem) => refused(request, way, undefined, problem)),
          Effect.andThen(users.byName(username)),
          Effect.map(Option.some),
          Effect.catchTag("UserNotFound", () => Effect.succeed(Option.none()))
        )
        const user = Option.getOrUndefined(found)
        const right = yield* isRight(user?.id, password)
        if (user === undefined || !right || !user.isActive) {
          return yield* refused(request, way, user && personOf(user), wrongPassword)
        }
        attempts.forgive(trying)
        const answer = HttpServerResponse.jsonUnsafe({ userId: user.id, username: user.username })
        return (yield* door.enter(request, user, way, answer)).response
      },
      Effect.catchTag("DatabaseUnavailable", () => Effect.fail(databaseSilent))
    ),

    change: Effect.fnUntraced(
      function* (request: Request) {
        const viewer = yield* door.changing(request)
        const body = yield* SignInBody.members(request)
        const password = yield* textIn(body, "password", Password.passwordLength.most)
        const problem = Password.passwordProblem(password)
        if (problem !== undefined) return yield* unfit(problem)
        const [stored, all] = [yield* users.passwordDigest(viewer.userId), yield* signIns.listByUser(viewer.userId)]
        const own = all.find(({ id }) => id === viewer.signInId)
        const isFresh = own?.way === "once" && (yield* Clock.currentTimeMillis) - own.createdAt <= freshMs
        if (Option.isSome(stored) && !isFresh) {
          const current = body["current"]
          const trying = { user: viewer.userId }
          yield* Effect.mapError(attempts.begin(trying), (problem) => refused(request, way, viewer, problem))
          if (typeof current !== "string" || !(yield* isRight(viewer.userId, current))) {
            return yield* refused(request, way, viewer, currentNeeded)
          }
          attempts.forgive(trying)
        }
        yield* store(request, viewer, yield* digestOf(password))
        return HttpServerResponse.empty({ status: 204 })
      },
      Effect.catchTags({
        DatabaseUnavailable: () => Effect.fail(databaseSilent),
        UserNotFound: () => Effect.fail(databaseSilent)
      })
    )
  }
})

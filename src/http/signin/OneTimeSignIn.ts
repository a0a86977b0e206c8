/**
 * Sign-in by a one-time link: of the first start, an invitation, or for a lost password. Its page hands the code over by
 * POST, because programs that look at links in messages fetch them, and would use the code up.
 *
 * A code cannot be guessed, so a right one is taken however many wrong attempts came from its address, where everybody
 * behind a proxy may be; only wrong ones count. A password is worked on for right codes alone.
 */
import { Effect, Option, Redacted } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Password from "../../domain/identity/Password.ts"
import { SignInCodes } from "../../domain/identity/SignInCodes.ts"
import { isSecretText } from "../../domain/identity/SignIns.ts"
import { Users } from "../../domain/identity/Users.ts"
import type { PasswordSignIn } from "./PasswordSignIn.ts"
import { databaseSilent, Refused } from "./Problems.ts"
import * as SignInBody from "./SignInBody.ts"
import { addressOf, SignInDoor } from "./SignInDoor.ts"
import * as SignInPages from "./SignInPages.ts"

type Request = HttpServerRequest.HttpServerRequest

const way = "once"

const over = (request: Request): Refused =>
  new Refused({ status: 403, kind: "LinkOver", detail: SignInPages.wordsFor(request).over })

/** The last part of the path, without the query. */
const codeIn = (request: Request): string => request.url.split("?", 1)[0]!.split("/").at(-1)!

export const make = Effect.fnUntraced(function* (passwords: PasswordSignIn) {
  const door = yield* SignInDoor
  const codes = yield* SignInCodes
  const users = yield* Users
  const { attempts, refused } = door

  const wrong = (request: Request): Effect.Effect<never, Refused> =>
    attempts.begin({ address: addressOf(request) }).pipe(
      Effect.andThen(Effect.fail(over(request))),
      Effect.mapError((problem) => refused(request, way, undefined, problem))
    )

  return {
    /** Uses nothing up and asks nobody: the same for a good code, a used one, and one that never was. */
    page: (request: Request) =>
      Effect.suspend(() => {
        const code = codeIn(request)
        return isSecretText("once", Redacted.make(code))
          ? Effect.succeed(SignInPages.oneTime(request, code))
          : Effect.fail(over(request))
      }),

    signIn: Effect.fnUntraced(
      function* (request: Request) {
        yield* door.ownPage(request)
        const fields = yield* SignInBody.fields(request)
        const code = fields.get("code") ?? ""
        const chosen = fields.get("password") ?? ""
        const given = Redacted.make(code)
        if (!(yield* attempts.lookup(codes.isValid(given)))) return yield* wrong(request)
        const problem = chosen === "" ? undefined : Password.passwordProblem(chosen)
        if (problem !== undefined) return SignInPages.oneTime(request, code, problem)
        // Before the code is used up: this can fail and be tried again.
        const digest = chosen === "" ? undefined : yield* passwords.digestOf(chosen)
        const redeemed = yield* codes.redeem(given)
        if (Option.isNone(redeemed)) return yield* wrong(request)
        const user = yield* users.byId(redeemed.value.userId)
        // Relative, so that it holds behind a proxy that adds a path.
        const answer = HttpServerResponse.redirect("../admin/", { status: 303 })
        const { response, signIn } = yield* door.enter(request, user, way, answer)
        if (digest !== undefined) {
          yield* passwords.store(request, { userId: user.id, username: user.username, signInId: signIn.id }, digest)
        }
        return response
      },
      (effect, request) =>
        Effect.catchTags(effect, {
          DatabaseUnavailable: () => Effect.fail(databaseSilent),
          UserNotFound: () => Effect.fail(over(request))
        })
    )
  }
})

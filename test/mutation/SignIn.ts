/** Sign-in: whose cookie it is, when it ends, and what a page of another site can do. */
import type { Mutation } from "./Mutation.ts"

const stored = "src/domain/storage/sql/SignInsSql.ts"
const users = "src/domain/storage/sql/UsersSql.ts"
const door = "src/http/signin/SignInDoor.ts"
const passwords = "src/http/signin/PasswordSignIn.ts"
const once = "src/http/signin/OneTimeSignIn.ts"
const onceTests = ["test/http/signin/OneTimeSignIn.test.ts"]
const flow = "src/http/signin/SignInFlow.ts"
const external = "src/http/signin/ExternalSignIn.ts"
const openIdTests = ["test/http/signin/OpenIdSignIn.test.ts"]
const storedTests = ["test/domain/storage/SignIns.test.ts"]
const passwordTests = ["test/http/signin/PasswordSignIn.test.ts"]

export const signInRules: ReadonlyArray<Mutation> = [
  {
    wrong: "anybody revokes anybody's sign-in",
    file: stored,
    find: `"id" = \${uuid(id)} and "userId" = \${uuid(userId)} returning`,
    replace: `"id" = \${uuid(id)} returning`,
    tests: storedTests
  },
  {
    wrong: "a sign-in that has expired goes on",
    file: stored,
    find: `and s."expiresAt" > \${instant(now)} and "users"."isActive"\``,
    replace: `and "users"."isActive"\``,
    tests: storedTests
  },
  {
    wrong: "a one-time code can be used again",
    file: stored,
    find: `delete from \${table} \${redeemable(code, now)}`,
    replace: `update \${table} set "purpose" = "purpose" \${redeemable(code, now)}`,
    tests: storedTests
  },
  {
    wrong: "sign-ins of a deactivated user come back with the user",
    file: users,
    find: "if (revoked) yield* signInRows.shutOut(id)",
    replace: "if (revoked && id === undefined) yield* signInRows.shutOut(id)",
    tests: storedTests
  },
  {
    wrong: "a change needs no csrf token",
    file: door,
    find: `if (!sameText(request.headers[csrfHeader] ?? "", found.value.csrf)) return yield* noCsrf`,
    replace: "",
    tests: passwordTests
  },
  {
    wrong: "a page of another site may sign in",
    file: door,
    find: `site === "same-origin" || site === "none"`,
    replace: `site !== ""`,
    tests: passwordTests
  },
  {
    wrong: "a deactivated user signs in",
    file: passwords,
    find: "if (user === undefined || !right || !user.isActive)",
    replace: "if (user === undefined || !right)",
    tests: passwordTests
  },
  {
    wrong: "a new password leaves the sign-ins of whoever knew the old one",
    file: passwords,
    find: "yield* signIns.revokeAll(person.userId, person.signInId)",
    replace: "",
    tests: passwordTests
  },
  {
    wrong: "an answer of a provider counts again",
    file: flow,
    find: "if (ended.has(name)) return yield* flowOver",
    replace: "",
    tests: openIdTests
  },
  {
    wrong: "a flow that was begun at one provider ends at another",
    file: flow,
    find: "credentials.open(owner, provider, text)",
    replace: 'credentials.open(owner, "oidc one", text)',
    tests: openIdTests
  },
  {
    wrong: "a cookie of a flow needs no seal",
    file: flow,
    find: 'if (!text.startsWith("enc:v1:")) return yield* flowOver',
    replace: "",
    tests: openIdTests
  },
  {
    wrong: "everybody at a provider gets a user",
    file: external,
    find: "if (!isNew) return yield* unknownPerson",
    replace: "",
    tests: openIdTests
  },
  {
    wrong: "a group whose rule does not hold is active",
    file: external,
    find: "if (group.isActive !== isActive)",
    replace: "if (group.isActive && isActive)",
    tests: openIdTests
  },
  {
    wrong: "a provider's metadata may lead anywhere",
    file: "src/http/signin/ProviderFetch.ts",
    find: "return to.origin === from.origin ||",
    replace: 'return to.origin !== "" ||',
    tests: openIdTests
  },
  {
    wrong: "each route to sign in has limits of its own",
    file: passwords,
    find: "const { attempts, refused } = door",
    replace:
      'const { refused } = door\n  const attempts = yield* (yield* Effect.promise(() => import("./Attempts.ts"))).make',
    tests: passwordTests
  },
  {
    wrong: "wrong attempts keep a right one-time code out",
    file: once,
    find: "if (!(yield* attempts.lookup(codes.isValid(given)))) return yield* wrong(request)",
    replace:
      "if (!(yield* attempts.lookup(codes.isValid(given)))) return yield* wrong(request)\n        yield* attempts.begin({ address: addressOf(request) })",
    tests: onceTests
  },
  {
    wrong: "one-time codes are guessed without a limit",
    file: once,
    find: "attempts.begin({ address: addressOf(request) }).pipe(",
    replace: "Effect.void.pipe(",
    tests: onceTests
  },
  {
    wrong: "a stranger's guesses keep a signed-in user from changing their password",
    file: passwords,
    find: "const trying = { user: viewer.userId }",
    replace: "const trying = { address: addressOf(request), name: viewer.username }",
    tests: passwordTests
  },
  {
    wrong: "guesses are counted when they have been looked at",
    file: "src/http/signin/Attempts.ts",
    find: "if (seconds !== undefined) return Effect.fail(tooManyAttempts(seconds))",
    replace: "if (seconds === 0) return Effect.fail(tooManyAttempts(seconds))",
    tests: passwordTests
  }
]

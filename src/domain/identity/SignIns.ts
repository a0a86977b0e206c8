/**
 * The sign-ins of people: who is signed in to the dashboard and the admin API, by the secret that their browser keeps in a
 * cookie. The database holds a digest of it, so that whoever reads the database signs in as nobody.
 *
 * A sign-in ends after a week without use and after a month at all events, when it is revoked, and when its user is
 * deactivated or removed. Each look-up asks the database, so an end counts from the next request on.
 */
import { hash } from "node:crypto"
import { Context, type Effect, type Option, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SignInId, UserId } from "../Ids.ts"
import type { DatabaseUnavailable, UserNotFound } from "./IdentityErrors.ts"
import { millisPerDay } from "./HubKey.ts"
import type { HubRole } from "./Roles.ts"

/** How somebody signed in: `once` is a one-time link, anything else than these three the name of an OpenID provider. */
export type SignInWay = "password" | "once" | "github" | (string & {})

export const SignIn = Schema.Struct({
  id: SignInId,
  userId: UserId,
  way: Schema.String,
  /** What the browser said of itself, for the user to tell sign-ins apart by. */
  userAgent: Schema.NullOr(Schema.String),
  /** Milliseconds since the epoch, as all times here. */
  createdAt: Schema.Number,
  /** To the minute. */
  lastSeenAt: Schema.Number,
  expiresAt: Schema.Number
})
export type SignIn = typeof SignIn.Type

/** Whoever comes with the cookie of a live sign-in. */
export interface SignedIn {
  readonly signInId: SignInId
  readonly userId: UserId
  readonly username: string
  readonly isAdmin: boolean
  readonly role: HubRole
  /** What a page must send along to change something; see `csrfOf`. */
  readonly csrf: string
}

export interface NewSignIn {
  readonly userId: UserId
  readonly way: SignInWay
  readonly userAgent: string | undefined
}

/** Another user's sign-in and one that there is not are the same. */
export class SignInNotFound extends Schema.TaggedError<SignInNotFound>()("SignInNotFound", {
  message: Schema.String
}) {}

export const signInNotFound = (id: string): SignInNotFound =>
  new SignInNotFound({ message: `There is no sign-in ${id}; it may have ended already` })

export class SignIns extends Context.Service<
  SignIns,
  {
    /** Only for users who are active. The secret is shown here and never again. */
    readonly open: (
      signIn: NewSignIn
    ) => Effect.Effect<
      { readonly signIn: SignIn; readonly cookie: Redacted.Redacted<string> },
      UserNotFound | DatabaseUnavailable
    >
    /** Whose cookie this is, and that they were seen now; nobody's for any text that is none. */
    readonly viewer: (cookie: Redacted.Redacted<string>) => Effect.Effect<Option.Option<SignedIn>, DatabaseUnavailable>
    /** Those that live, the one seen last first. */
    readonly listByUser: (userId: UserId) => Effect.Effect<ReadonlyArray<SignIn>, DatabaseUnavailable>
    readonly revoke: (userId: UserId, id: SignInId) => Effect.Effect<void, SignInNotFound | DatabaseUnavailable>
    /** All of a user, or all but one; how many there were. */
    readonly revokeAll: (userId: UserId, except?: SignInId) => Effect.Effect<number, DatabaseUnavailable>
    /** Removes rows of sign-ins and one-time codes that have ended; how many. */
    readonly sweep: Effect.Effect<number, DatabaseUnavailable>
  }
>()("mcphub/domain/identity/SignIns") {}

/** The cookie's name. */
export const signInCookie = "mcphub_session"

/** The header that repeats the sign-in's `csrf`. */
export const csrfHeader = "x-mcphub-csrf"

/** A sign-in ends after this time without use, and after `longestMs` in any case. */
export const idleMs = 7 * millisPerDay
export const longestMs = 30 * millisPerDay
/** How exactly it is known when somebody was seen: a page that asks once a second must not write once a second. */
export const seenEveryMs = 60_000
/** Sign-ins of one user; one more, and the one seen longest ago ends. */
export const mostPerUser = 50

export const endOf = ({ createdAt }: Pick<SignIn, "createdAt">, seenAt: number): number =>
  Math.min(seenAt + idleMs, createdAt + longestMs)

/** The form begins like a key's, so that whatever removes keys from texts (`scrub`) removes these secrets as well. */
const secretTexts = { signin: /^mcphub_signin_[0-9a-f]{64}$/, once: /^mcphub_once_[0-9a-f]{64}$/ }

export const isSecretText = (kind: keyof typeof secretTexts, secret: Redacted.Redacted<string>): boolean =>
  secretTexts[kind].test(Redacted.value(secret))

export const secretDigest = (secret: Redacted.Redacted<string>): string =>
  `sha256:${hash("sha256", Redacted.value(secret))}`

/** The secret of a sign-in or of a one-time link: 256 random bits. */
export const mintSecret = (kind: "signin" | "once"): Redacted.Redacted<string> =>
  Redacted.make(`mcphub_${kind}_${Buffer.from(SecureRandom.randomBytesUnsafe(32)).toString("hex")}`, {
    label: `${kind} secret`
  })

/**
 * The token that a change must bring beside the cookie. It is derived from the cookie, so that it belongs to one sign-in
 * and nothing has to be stored; a page of another site can make a browser send the cookie, and cannot know this.
 */
export const csrfOf = (cookie: Redacted.Redacted<string>): string =>
  hash("sha256", `mcphub csrf ${Redacted.value(cookie)}`, "base64url")

/** At most 200 printable characters of what a browser says of itself. */
export const userAgentText = (given: string | undefined): string | null => {
  const text = (given ?? "")
    .slice(0, 200)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd")
    .trim()
  return text === "" ? null : text
}

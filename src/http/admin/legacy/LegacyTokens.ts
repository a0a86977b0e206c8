/**
 * The JSON web tokens of the old interface (`x-auth-token`): short-lived, signed with the hub's secret, and each one of a
 * sign-in in the database. Every use asks for that sign-in again, so a token ends with it: when it is revoked, when the
 * password changes, and when its user is deactivated. What the token says of its user's rights is never believed.
 */
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { jwtVerify, SignJWT } from "jose"
import type { Viewer } from "../../../domain/access/Viewer.ts"
import { HubSecrets } from "../../../domain/config/HubSecrets.ts"
import { Credentials } from "../../../domain/identity/Credentials.ts"
import { SignIns } from "../../../domain/identity/SignIns.ts"
import type { User } from "../../../domain/identity/User.ts"
import { UserId } from "../../../domain/Ids.ts"

const algorithm = "HS256"
const issuer = "mcphub"
const audience = "mcphub-legacy"
const lifetimeSeconds = 3_600

/** The name under which a sign-in's secret is sealed into a token, for its user alone. */
const sealName = "legacy sign-in"

const Claims = Schema.Struct({
  user: Schema.Struct({ id: UserId, username: Schema.String, isAdmin: Schema.Boolean }),
  signIn: Schema.String
})

const decode = Schema.decodeUnknownOption(Claims)

export type LegacyTokens = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const credentials = yield* Credentials
  const signIns = yield* SignIns
  const { jwtSecret } = yield* HubSecrets
  // Without a secret of the operator's, as in an embedded hub, tokens end with the process.
  const key =
    jwtSecret === undefined ? SecureRandom.randomBytesUnsafe(32) : new TextEncoder().encode(Redacted.value(jwtSecret))

  return {
    /** A token of a sign-in that has just been opened. */
    issue: Effect.fnUntraced(function* (user: User, secret: Redacted.Redacted<string>) {
      const signIn = yield* credentials.seal(user.id, sealName, secret)
      const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const { id, isAdmin, username } = user
      return yield* Effect.promise(() =>
        new SignJWT({ user: { id, username, isAdmin }, signIn })
          .setProtectedHeader({ alg: algorithm, typ: "JWT" })
          .setIssuer(issuer)
          .setAudience(audience)
          .setIssuedAt(seconds)
          .setExpirationTime(seconds + lifetimeSeconds)
          .sign(key)
      )
    }),

    /** Whose token it is, as the database has it now; nobody's for any text that is no token of this hub. */
    viewer: Effect.fnUntraced(function* (token: string) {
      const currentDate = new Date(yield* Clock.currentTimeMillis)
      const options = { algorithms: [algorithm], issuer, audience, currentDate, requiredClaims: ["exp", "iat"] }
      const verified = yield* Effect.option(Effect.tryPromise(() => jwtVerify(token, key, options)))
      const claims = Option.flatMap(verified, ({ payload }) => decode(payload))
      if (Option.isNone(claims)) return Option.none<Viewer>()
      const { signIn, user } = claims.value
      const secret = yield* Effect.option(credentials.open(user.id, sealName, signIn))
      const found = Option.isNone(secret) ? Option.none() : yield* signIns.viewer(secret.value)
      return Option.map(found, ({ isAdmin, role, signInId, userId, username }): Viewer => {
        return { userId, username, role: isAdmin ? "admin" : role, via: "cookie", signInId }
      })
    })
  }
})

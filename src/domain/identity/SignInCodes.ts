/**
 * One-time codes: each signs one user in, once. They are the secret in the links of a first start, an invitation and a
 * lost password; the database holds a digest.
 */
import { Context, type Effect, type Option, Redacted, Schema } from "effect"
import type { UserId } from "../Ids.ts"
import { millisPerDay } from "./HubKey.ts"
import type { DatabaseUnavailable, UserNotFound } from "./IdentityErrors.ts"

export const codePurposes = ["first-start", "invitation", "link"] as const
export const CodePurpose = Schema.Literals(codePurposes)
export type CodePurpose = typeof CodePurpose.Type

/** Where a code is handed over, below the hub's base path. */
export const codePath = (code: Redacted.Redacted<string>): string => `/signin/once/${Redacted.value(code)}`

/** Milliseconds for which a code is valid; that of a first start ends with the next one. */
export const validMs: Readonly<Record<CodePurpose, number>> = {
  "first-start": 365 * millisPerDay,
  invitation: 7 * millisPerDay,
  link: 15 * 60_000
}

export interface NewCode {
  readonly userId: UserId
  readonly purpose: CodePurpose
}

export interface IssuedCode {
  readonly code: Redacted.Redacted<string>
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export class SignInCodes extends Context.Service<
  SignInCodes,
  {
    /** A code for an active user. One for the same purpose that the user has not used ends. */
    readonly issue: (code: NewCode) => Effect.Effect<IssuedCode, UserNotFound | DatabaseUnavailable>
    /** Whether a code could be redeemed now; it stays. */
    readonly isValid: (code: Redacted.Redacted<string>) => Effect.Effect<boolean, DatabaseUnavailable>
    /** Uses a code up; nothing for one that is unknown, used or over, or whose user is not active any more. */
    readonly redeem: (code: Redacted.Redacted<string>) => Effect.Effect<Option.Option<NewCode>, DatabaseUnavailable>
    /** Ends all codes for a purpose. */
    readonly forget: (purpose: CodePurpose) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("mcphub/domain/identity/SignInCodes") {}

/**
 * People as OpenID Connect providers know them: an issuer and its immutable name for a person stand for one user of the
 * hub. A name or an e-mail address never does, because whoever gets to bear it at a provider would become that user.
 */
import { Context, type Effect, type Option } from "effect"
import type { UserId } from "../Ids.ts"
import type { DatabaseUnavailable, UserNotFound } from "./IdentityErrors.ts"
import type { User } from "./User.ts"

export interface ExternalId {
  readonly issuer: string
  readonly subject: string
}

export class ExternalUsers extends Context.Service<
  ExternalUsers,
  {
    readonly find: (id: ExternalId) => Effect.Effect<Option.Option<User>, DatabaseUnavailable>
    /** From now on this person is this user; the first link counts. */
    readonly link: (id: ExternalId, userId: UserId) => Effect.Effect<void, UserNotFound | DatabaseUnavailable>
  }
>()("mcphub/domain/identity/ExternalUsers") {}

/**
 * The rows behind the memory layers of users, keys and groups: for embedders and tests that want no database.
 *
 * Rows are immutable values in maps, replaced on change, so a snapshot is a copy of three maps.
 */
import { Context, Effect, Layer } from "effect"
import type { Group } from "./Group.ts"
import type { HubKey } from "./HubKey.ts"
import type { GroupId, KeyId, UserId } from "./Ids.ts"
import type { User } from "./User.ts"

export interface MemoryUser extends User {
  readonly passwordDigest?: string | undefined
  readonly githubId?: string | undefined
}

export interface MemoryKey extends Omit<HubKey, "tokenNames"> {
  readonly digest: string
  /** Stored forms by name. */
  readonly tokens: Readonly<Record<string, string>>
}

export class MemoryStore extends Context.Service<
  MemoryStore,
  {
    readonly users: Map<UserId, MemoryUser>
    readonly keys: Map<KeyId, MemoryKey>
    readonly groups: Map<GroupId, Group>
  }
>()("mcphub/domain/MemoryStore") {
  static readonly layer: Layer.Layer<MemoryStore> = Layer.effect(
    MemoryStore,
    Effect.sync(() => MemoryStore.of({ users: new Map(), keys: new Map(), groups: new Map() }))
  )
}

export const byText =
  <A>(text: (row: A) => string) =>
  (a: A, b: A): number =>
    text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0

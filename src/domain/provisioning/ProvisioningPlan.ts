/**
 * The writes that a provisioning file needs, given what is stored: the decisions, without a database.
 *
 * The memory and SQL layers of `Provisioning` share it. Nothing to write means nothing to announce, so applying a file
 * again disturbs no session.
 */
import { Clock, Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Credentials } from "../identity/Credentials.ts"
import { keyDays, keyDigest, millisPerDay, mintKey } from "../identity/HubKey.ts"
import { GroupId, KeyId, UserId } from "../Ids.ts"
import type { ProvisioningSummary } from "./Provisioning.ts"
import { expiryOf, type Problem, type ProvisioningUser } from "./ProvisioningFile.ts"
import { openTokens, sealTokens } from "../identity/ServiceTokens.ts"
import type { KeyEvent } from "../identity/KeyEvents.ts"

export interface StoredState {
  readonly users: ReadonlyArray<StoredUser>
  readonly groups: ReadonlyArray<PlannedGroup>
  readonly keys: ReadonlyArray<{
    readonly id: KeyId
    readonly userId: UserId
    readonly name: string
    readonly digest: string
    readonly expiresAt: number
    readonly tokens: unknown
  }>
  readonly userTokens: ReadonlyArray<{ readonly userId: UserId; readonly tokens: unknown }>
}

export interface StoredUser {
  readonly id: UserId
  readonly username: string
  readonly isAdmin: boolean
  /** False: the user has no username, and goes by a GitHub or display name, as others may, too. */
  readonly isOwnName: boolean
}

export interface PlannedGroup {
  readonly id: GroupId
  readonly userId: UserId
  readonly name: string
  readonly servers: ReadonlyArray<string>
  readonly tools: ReadonlyArray<string> | null
}

export interface PlannedKey {
  readonly id: KeyId
  readonly userId: UserId
  readonly name: string
  readonly digest: string
  readonly expiresAt: number
}

export interface Writes {
  readonly newUsers: Array<{ readonly id: UserId; readonly username: string; readonly isAdmin: boolean }>
  readonly adminChanges: Array<{ readonly id: UserId; readonly isAdmin: boolean }>
  readonly newGroups: Array<PlannedGroup>
  readonly groupChanges: Array<PlannedGroup>
  readonly newKeys: Array<PlannedKey>
  readonly keyChanges: Array<Omit<PlannedKey, "digest">>
  /** Sealed values; those of the same names go from the user's keys. */
  readonly tokens: Array<{ readonly userId: UserId; readonly tokens: Readonly<Record<string, string>> }>
  readonly events: Array<KeyEvent>
}

const hasMember = (stored: unknown, name: string): boolean =>
  typeof stored === "object" && stored !== null && Object.hasOwn(stored, name)

export interface Plan {
  readonly problems: ReadonlyArray<Problem>
  readonly writes: Writes
  readonly summary: ProvisioningSummary
}

const sameList = (a: ReadonlyArray<string> | null, b: ReadonlyArray<string> | null): boolean =>
  JSON.stringify(a) === JSON.stringify(b)

/** Whom a name means: the user whose username it is, else whoever goes by it, and nobody where several do. */
const whomOf = (users: ReadonlyArray<StoredUser>, id: string | undefined): StoredUser | undefined | "several" => {
  const own = users.find(({ isOwnName }) => isOwnName)
  if (own !== undefined || users.length < 2) return own ?? users[0]
  return users.find((user) => user.id.toLowerCase() === id) ?? "several"
}

const groupBy = <A>(rows: ReadonlyArray<A>, key: (row: A) => string): ReadonlyMap<string, ReadonlyArray<A>> =>
  Map.groupBy(rows, key)

export const makePlan = Effect.fnUntraced(function* (
  entries: ReadonlyArray<ProvisioningUser>,
  state: StoredState,
  credentials: Credentials["Service"]
) {
  const random = yield* SecureRandom.SecureRandom
  const now = yield* Clock.currentTimeMillis
  const usual = now + keyDays.usual * millisPerDay
  const problems: Array<Problem> = []
  const writes: Writes = {
    newUsers: [],
    adminChanges: [],
    newGroups: [],
    groupChanges: [],
    newKeys: [],
    keyChanges: [],
    tokens: [],
    events: []
  }
  const counts = {
    users: { created: 0, updated: 0, unchanged: 0 },
    groups: { created: 0, updated: 0, unchanged: 0 },
    keys: { created: 0, updated: 0, unchanged: 0 }
  }
  const minted: Array<ProvisioningSummary["minted"][number]> = []
  let tokensWritten = 0

  const byName = groupBy(state.users, (user) => user.username)
  const byId = new Map(state.users.map((user) => [user.id.toLowerCase(), user]))
  const byDigest = new Map(state.keys.map((key) => [key.digest, key]))
  const keysOf = groupBy(state.keys, (key) => key.userId)
  const tokensOf = new Map(state.userTokens.map(({ tokens, userId }) => [userId, tokens]))
  const groupsOf = groupBy(state.groups, (group) => group.userId)

  for (const [index, entry] of entries.entries()) {
    const at = `users[${index}]`
    const known = whomOf(byName.get(entry.username) ?? [], entry.id?.toLowerCase())
    if (known === "several") {
      const reason = `several users go by the name "${entry.username}"; say by "id" which of them is meant`
      problems.push({ path: `${at}.username`, reason })
      continue
    }
    const holder = entry.id === undefined ? undefined : byId.get(entry.id.toLowerCase())
    if (known !== undefined && entry.id !== undefined && known.id.toLowerCase() !== entry.id.toLowerCase()) {
      problems.push({ path: `${at}.id`, reason: `"${entry.username}" exists with the id ${known.id}; give that one` })
      continue
    }
    if (known === undefined && holder !== undefined) {
      problems.push({ path: `${at}.id`, reason: `is the id of the user "${holder.username}"; give another` })
      continue
    }
    const userId = known?.id ?? UserId.make(entry.id?.toLowerCase() ?? (yield* random.uuidV4()))
    let changed = false

    if (known === undefined) {
      writes.newUsers.push({ id: userId, username: entry.username, isAdmin: entry.admin ?? false })
      counts.users.created++
      changed = true
    } else if (entry.admin !== undefined && entry.admin !== known.isAdmin) {
      writes.adminChanges.push({ id: userId, isAdmin: entry.admin })
      counts.users.updated++
      changed = true
    } else counts.users.unchanged++

    for (const group of entry.groups ?? []) {
      const wanted = { userId, name: group.name, servers: group.servers, tools: group.tools ?? null }
      const stored = groupsOf.get(userId)?.find((row) => row.name === group.name)
      if (stored === undefined) {
        writes.newGroups.push({ id: GroupId.make(yield* random.uuidV4()), ...wanted })
        counts.groups.created++
        changed = true
      } else if (!sameList(stored.servers, wanted.servers) || !sameList(stored.tools, wanted.tools)) {
        writes.groupChanges.push({ id: stored.id, ...wanted })
        counts.groups.updated++
        changed = true
      } else counts.groups.unchanged++
    }

    const storedKeys = keysOf.get(userId) ?? []
    for (const [k, key] of (entry.keys ?? []).entries()) {
      const digest = key.key === undefined ? undefined : keyDigest(Redacted.value(key.key))
      const name = key.name ?? "MCPHub Key"
      const stored = digest === undefined ? storedKeys.find((row) => row.name === name) : byDigest.get(digest)
      if (stored !== undefined && stored.userId !== userId) {
        problems.push({
          path: `${at}.keys[${k}].key`,
          reason: "belongs to another user; give each user keys of their own"
        })
        continue
      }
      const expiresAt = key.expiresAt === undefined ? undefined : expiryOf(key.expiresAt)
      if (stored === undefined) {
        const text = key.key ?? (yield* mintKey)
        const row = {
          id: KeyId.make(yield* random.uuidV4()),
          userId,
          name,
          digest: digest ?? keyDigest(Redacted.value(text)),
          expiresAt: expiresAt ?? usual
        }
        writes.newKeys.push(row)
        if (key.key === undefined) {
          minted.push({ username: entry.username, userId, keyId: row.id, name, key: text, expiresAt: row.expiresAt })
        }
        counts.keys.created++
        changed = true
        continue
      }
      const wanted = { id: stored.id, userId, name: key.name ?? stored.name, expiresAt: expiresAt ?? stored.expiresAt }
      if (wanted.name === stored.name && wanted.expiresAt === stored.expiresAt) counts.keys.unchanged++
      else {
        writes.keyChanges.push(wanted)
        counts.keys.updated++
        changed = true
        if (wanted.expiresAt <= now) writes.events.push({ userId, keyId: stored.id, revoked: true })
      }
    }

    const tokens = entry.serviceTokens ?? {}
    const names = Object.keys(tokens)
    if (names.length > 0) {
      const { serviceTokens: opened } = yield* openTokens(credentials, userId, tokensOf.get(userId))
      const isStored = (name: string): boolean => {
        const stored = opened.get(name)
        return stored !== undefined && Redacted.value(stored) === Redacted.value(tokens[name]!)
      }
      const isOnKey = storedKeys.some(({ tokens }) => names.some((name) => hasMember(tokens, name)))
      if (isOnKey || !names.every(isStored)) {
        writes.tokens.push({ userId, tokens: yield* sealTokens(credentials, userId, tokens) })
        tokensWritten += names.length
        changed = true
      }
    }
    if (changed) writes.events.push({ userId, revoked: false })
  }
  const plan: Plan = { problems, writes, summary: { ...counts, serviceTokens: tokensWritten, minted } }
  return plan
})

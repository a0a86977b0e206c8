/**
 * Sealing in the legacy tables, as `Sealing` has it. A portion of rows is read, held and written in one transaction: a
 * hub beside it, or a second run, changes none of them meanwhile, and an interruption loses the portion's work only.
 *
 * The sealed texts of keys stand in `user_tokens`, which the old hub made for encrypted values and neither hub reads
 * otherwise, so that a backup of the database holds them and a removed user takes them along.
 */
import { Clock, Effect, Layer, Redacted, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { Credentials, isSealed } from "../../identity/Credentials.ts"
import { isKeyText, keyDigest } from "../../identity/HubKey.ts"
import { OtherCredentialKey, type Resealed, Sealing } from "../../identity/Sealing.ts"
import { dialectOf } from "./Dialect.ts"
import { orUnavailable } from "./Unavailable.ts"
import { keptName, type KeyRow, makeSealedRows } from "./SealedRows.ts"

/** Rows of one transaction: held for some ten milliseconds. */
const portion = 100

/** Places that a refusal names. */
const mostNamed = 5

type Tokens = Readonly<Record<string, unknown>>

const membersOf = (stored: unknown): Tokens | undefined =>
  typeof stored === "object" && stored !== null && !Array.isArray(stored) ? (stored as Tokens) : undefined

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom
  const rows = makeSealedRows(sql, dialectOf(sql))

  /** The members with some of their texts changed, and how many; undefined where none is. */
  const changed = Effect.fnUntraced(function* (
    stored: unknown,
    change: (name: string, value: string) => Effect.Effect<string>
  ) {
    const members = membersOf(stored)
    if (members === undefined) return undefined
    let count = 0
    const next: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(members)) {
      next[name] = isText(value) ? yield* change(name, value) : value
      if (next[name] !== value) count++
    }
    return count === 0 ? undefined : { tokens: next, count }
  })

  const sealed = (userId: KeyRow["userId"]) => (name: string, value: string) =>
    isSealed(value) ? Effect.succeed(value) : credentials.seal(userId, name, Redacted.make(value))

  /** All were looked at before anything was changed. */
  const opened = (userId: KeyRow["userId"]) => (name: string, value: string) =>
    Effect.map(Effect.orDie(credentials.open(userId, name, value)), Redacted.value)

  /** Walks a table by portions, each in a transaction of its own; a change holds its rows, a look nobody's. */
  const walk = <Row, E>(
    way: "look" | "change",
    read: (after: string | undefined, limit: number, isHeld: boolean) => Effect.Effect<ReadonlyArray<Row>, E>,
    idOf: (row: Row) => string,
    act: (found: ReadonlyArray<Row>) => Effect.Effect<void, E>
  ) =>
    Effect.gen(function* () {
      let after: string | undefined
      while (true) {
        const isHeld = way === "change"
        const found: ReadonlyArray<Row> = yield* sql.withTransaction(Effect.tap(read(after, portion, isHeld), act))
        if (found.length < portion) return
        after = idOf(found[found.length - 1]!)
      }
    })

  const refuseOthers = Effect.gen(function* () {
    const lost: Array<string> = []
    const look = Effect.fnUntraced(function* (userId: KeyRow["userId"], name: string, value: unknown) {
      if (!isText(value) || !isSealed(value)) return
      if (Result.isFailure(yield* Effect.result(credentials.open(userId, name, value))))
        lost.push(`${name} of user ${userId}`)
    })
    const lookAll = (userId: KeyRow["userId"], stored: unknown) =>
      Effect.forEach(Object.entries(membersOf(stored) ?? {}), ([name, value]) => look(userId, name, value), {
        discard: true
      })
    yield* walk(
      "look",
      rows.keys,
      (key) => key.id,
      Effect.forEach(
        (key) => Effect.andThen(lookAll(key.userId, key.tokens), look(key.userId, keptName(key.id), key.kept)),
        {
          discard: true
        }
      )
    )
    yield* walk(
      "look",
      rows.users,
      (user) => user.userId,
      Effect.forEach((user) => lookAll(user.userId, user.tokens), { discard: true })
    )
    if (lost.length === 0) return
    const named = lost.slice(0, mostNamed).join(", ")
    return yield* new OtherCredentialKey({
      message: `${lost.length} sealed values do not open with this credential key (${named}${lost.length > mostNamed ? ", …" : ""}), and nothing was changed; set CREDENTIAL_KEY to the one they were sealed with, or remove those that are damaged: mcphub token rm`
    })
  })

  const digested = Effect.fnUntraced(function* (found: ReadonlyArray<KeyRow>) {
    const texts = found.filter((key) => isKeyText(key.value))
    const known = yield* rows.stored(texts.map((key) => keyDigest(key.value)))
    const alone = texts.filter((key) => !known.has(keyDigest(key.value)))
    const now = yield* Clock.currentTimeMillis
    const kept = yield* Effect.forEach(alone, (key) =>
      Effect.gen(function* () {
        const text = yield* credentials.seal(key.userId, keptName(key.id), Redacted.make(key.value))
        return { id: yield* random.uuidV4(), userId: key.userId, keyId: key.id, text, now }
      })
    )
    yield* rows.keep(kept)
    yield* rows.setValues(alone.map((key) => ({ id: key.id, value: keyDigest(key.value) })))
    return { keys: alone.length, twins: texts.length - alone.length }
  })

  const seal = Effect.fnUntraced(function* ({ final }: { readonly final: boolean }) {
    yield* refuseOthers
    const done = { keys: 0, tokens: 0, twins: 0 }
    yield* walk(
      "change",
      rows.keys,
      (key) => key.id,
      Effect.fnUntraced(function* (found) {
        const { keys, twins } = yield* digested(found)
        const tokens = yield* Effect.forEach(found, (key) =>
          Effect.map(changed(key.tokens, sealed(key.userId)), (next) =>
            next === undefined ? [] : [{ id: key.id, ...next }]
          )
        )
        yield* rows.setKeyTokens(tokens.flat())
        done.keys += keys
        done.twins += twins
        for (const { count } of tokens.flat()) done.tokens += count
      })
    )
    done.tokens += yield* changeUsers(sealed)
    if (final) yield* rows.forget
    return { ...done, kept: yield* rows.countKept, digests: 0 } satisfies Resealed
  })

  const changeUsers = Effect.fnUntraced(function* (
    change: (userId: KeyRow["userId"]) => (name: string, value: string) => Effect.Effect<string>
  ) {
    let count = 0
    yield* walk(
      "change",
      rows.users,
      (user) => user.userId,
      Effect.fnUntraced(function* (found) {
        const next = yield* Effect.forEach(found, ({ tokens, userId }) =>
          Effect.map(changed(tokens, change(userId)), (made) => (made === undefined ? [] : [{ userId, ...made }]))
        )
        yield* rows.setUserTokens(next.flat())
        for (const one of next.flat()) count += one.count
      })
    )
    return count
  })

  const unseal = Effect.gen(function* () {
    yield* refuseOthers
    const done = { keys: 0, tokens: 0, digests: 0 }
    yield* walk(
      "change",
      rows.keys,
      (key) => key.id,
      Effect.fnUntraced(function* (found) {
        const texts: Array<{ readonly id: string; readonly value: string }> = []
        const tokens: Array<{ readonly id: string; readonly tokens: Tokens }> = []
        for (const key of found) {
          const text = key.kept === null ? undefined : yield* opened(key.userId)(keptName(key.id), key.kept)
          if (text !== undefined && keyDigest(text) === key.value) texts.push({ id: key.id, value: text })
          else if (key.value.startsWith("sha256:")) done.digests++
          // The old hub looks for a user's tokens on the key alone.
          const all = { ...membersOf(key.ofUser), ...membersOf(key.tokens) }
          const next = yield* changed(all, opened(key.userId))
          const isMore = Object.keys(all).length > Object.keys(membersOf(key.tokens) ?? {}).length
          if (next !== undefined || isMore) tokens.push({ id: key.id, tokens: next?.tokens ?? all })
          done.tokens += next?.count ?? 0
        }
        yield* rows.setValues(texts)
        yield* rows.setKeyTokens(tokens)
        done.keys += texts.length
      })
    )
    done.tokens += yield* changeUsers(opened)
    yield* rows.forget
    return { ...done, kept: yield* rows.countKept, twins: 0 } satisfies Resealed
  })

  return Sealing.of({
    seal: (options) => orUnavailable(seal(options)),
    unseal: orUnavailable(unseal)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<Sealing, never, SqlClient.SqlClient | Credentials> = Layer.effect(Sealing, make).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)

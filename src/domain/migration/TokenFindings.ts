/**
 * The service tokens of an old hub's users: which of them can be sent here, and which servers they still reach. The old
 * hub sent all of a user's tokens to every server; here a token reaches the servers whose entries name it.
 */
import { Redacted } from "effect"
import { entitledTokens, storedTokenName } from "../context/TokenHeaders.ts"
import { isSealed } from "../identity/Credentials.ts"
import { tokenProblem } from "../identity/IdentityRules.ts"
import type { UserId } from "../Ids.ts"
import type { ServerConfig } from "../servers/ServerConfig.ts"
import { referencedTokens } from "../servers/ServerTemplates.ts"
import { counted, findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"
import { keyPlace, namesIn, type OldHub } from "./OldHub.ts"

const { fail, ok, warn } = findingsIn("tokens")

/** A member of a stored value, with the place that names it. */
export interface OldToken {
  readonly userId: UserId
  readonly name: string
  readonly value: unknown
  readonly place: string
}

const isMembers = (stored: unknown): stored is Readonly<Record<string, unknown>> =>
  typeof stored === "object" && stored !== null && !Array.isArray(stored)

/** A name that is none is not shown: somebody may have put the value there. */
const shown = (name: string): string =>
  /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/.test(name) ? name : "a token without a proper name"

const rowsOf = (hub: Pick<OldHub, "users" | "keys" | "userTokens">) => {
  const owner = namesIn(hub)
  return [
    ...hub.keys.map(({ tokens, ...key }) => ({
      userId: key.userId,
      tokens,
      place: keyPlace({ ...key, tokens }, owner(key.userId))
    })),
    ...hub.userTokens.map(({ tokens, userId }) => ({ userId, tokens, place: `user ${owner(userId)} (${userId})` }))
  ]
}

export const tokensIn = (hub: Pick<OldHub, "users" | "keys" | "userTokens">): ReadonlyArray<OldToken> =>
  rowsOf(hub).flatMap(({ place, tokens, userId }) =>
    isMembers(tokens)
      ? Object.entries(tokens).map(([name, value]) => ({ userId, name, value, place: `${shown(name)} at ${place}` }))
      : []
  )

/** `unreadable`: places of sealed tokens that do not open; undefined where there is no credential key to try. */
export const tokenFindings = (
  hub: Pick<OldHub, "users" | "keys" | "userTokens">,
  servers: Readonly<Record<string, ServerConfig>>,
  unreadable: ReadonlyArray<string> | undefined
): ReadonlyArray<MigrationFinding> => {
  const all = tokensIn(hub)
  const texts = all.filter((token) => typeof token.value === "string" && token.value !== "")
  const sealed = texts.filter(({ value }) => isSealed(value as string))
  const plain = texts.filter(({ value }) => !isSealed(value as string))
  const bad = plain.filter(({ name, value }) => tokenProblem(name, Redacted.make(value as string)) !== undefined)
  return [
    ok({
      kind: "tokens",
      detail: `${counted(texts.length, "service token")}: servers whose entries name them get them`
    }),
    ...ofSome(
      plain.map(({ place }) => place),
      warn,
      (count) => ({
        kind: "plainTokens",
        detail: `${counted(count, "service token")} stored as text: they work, and whoever reads the database can use them`,
        remedy: "seal them once the old hub is not needed any more: mcphub migrate --seal"
      })
    ),
    ...ofSome(
      bad.map(({ place }) => place),
      fail,
      () => ({
        kind: "badTokens",
        detail:
          "These hold line breaks, outer spaces or other than printable ASCII, or have no proper name: no header can carry them",
        remedy: "set them again: mcphub token set NAME --user USER"
      })
    ),
    ...ofSome(
      all.flatMap(({ place, value }) => (typeof value === "string" ? [] : [place])),
      fail,
      () => ({
        kind: "tokensOfOtherTypes",
        detail: "These are no texts, so that nobody can send them",
        remedy: "set them again: mcphub token set NAME --user USER"
      })
    ),
    ...ofSome(
      rowsOf(hub).flatMap(({ place, tokens }) => (tokens === null || isMembers(tokens) ? [] : [place])),
      fail,
      () => ({
        kind: "malformedTokens",
        detail: "The tokens of these are no JSON object; they count as none",
        remedy: "set them again: mcphub token set NAME --user USER"
      })
    ),
    ...(unreadable === undefined
      ? ofSome(
          sealed.map(({ place }) => place),
          fail,
          () => ({
            kind: "sealedTokens",
            detail: "These are sealed, and there is no credential key here",
            remedy: "set CREDENTIAL_KEY to the one they were sealed with, or name its data folder with --data"
          })
        )
      : ofSome(unreadable, fail, () => ({
          kind: "unreadableTokens",
          detail: "These are sealed with another credential key, or damaged",
          remedy: "set CREDENTIAL_KEY to the one they were sealed with, or set the tokens again"
        }))),
    ...reachFindings(hub, texts, servers)
  ]
}

/** Tokens that no server gets any more, and servers that work for nobody who has not set a token. */
const reachFindings = (
  hub: Pick<OldHub, "users">,
  tokens: ReadonlyArray<OldToken>,
  servers: Readonly<Record<string, ServerConfig>>
): ReadonlyArray<MigrationFinding> => {
  const enabled = Object.entries(servers).filter(([, config]) => config.enabled !== false)
  const named = new Set(enabled.flatMap(([server, config]) => entitledTokens(server, config).map(({ name }) => name)))
  const holders = new Map<string, Set<UserId>>()
  for (const { name, userId } of tokens) {
    const stored = storedTokenName(name)
    holders.set(stored, (holders.get(stored) ?? new Set()).add(userId))
  }
  const lost = [...holders].filter(([name]) => !named.has(name))
  const active = hub.users.filter((user) => user.isActive)
  const wanting = enabled.flatMap(([server, config]) =>
    [...referencedTokens(config)].flatMap((name) => {
      const without = active.filter((user) => holders.get(name)?.has(user.id) !== true).length
      return without === 0
        ? []
        : [`${name} for mcpServers.${server}: ${without} of ${counted(active.length, "active user")} have none`]
    })
  )
  return [
    ...ofSome(
      lost.map(([name, users]) => `${shown(name)} of ${counted(users.size, "user")}`),
      warn,
      () => ({
        kind: "tokensForNobody",
        detail: "No server's entry names these tokens, so that no server gets them any more",
        remedy:
          'name each at its server: "headers": { "Authorization": "Bearer ${USER_NAME}" }, or "contextTokens": ["NAME"] with "context": "full"'
      })
    ),
    ...ofSome(wanting, warn, () => ({
      kind: "tokensMissing",
      detail:
        "Servers refer to tokens that some users have not set: for them a call fails with 1401 and says how to set it",
      remedy: "set them: mcphub token set NAME --user USER"
    }))
  ]
}

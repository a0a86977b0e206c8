/** The MCPHub keys of an old hub: which of them open this one, and how they are stored. */
import { counted, findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"
import { keyPlace, namesIn, type OldHub, type OldKey } from "./OldHub.ts"

const { fail, ok, warn } = findingsIn("keys")

/** Keys that expire within this time are worth a word before the move. */
const soonMs = 14 * 86_400_000

export const keyFindings = (hub: Pick<OldHub, "users" | "keys">, now: number): ReadonlyArray<MigrationFinding> => {
  const owner = namesIn(hub)
  const activeUsers = new Set(hub.users.flatMap((user) => (user.isActive ? [user.id] : [])))
  const places = (keys: ReadonlyArray<OldKey>) => keys.map((key) => keyPlace(key, owner(key.userId)))
  const active = hub.keys.filter((key) => key.isActive)
  const shaped = active.filter((key) => key.form !== "malformed")
  const valid = shaped.filter((key) => key.expiresAt > now)
  const opening = valid.filter((key) => activeUsers.has(key.userId))
  return [
    ok({ kind: "validKeys", detail: `${counted(opening.length, "key")} of active users: clients keep using them` }),
    ...ofSome(places(hub.keys.filter((key) => key.form === "text")), warn, (count) => ({
      kind: "plainKeys",
      detail: `${counted(count, "key")} stored as text: they work, and whoever reads the database can use them`,
      remedy: "seal them once the old hub is not needed any more: mcphub migrate --seal"
    })),
    ...ofSome(places(active.filter((key) => key.form === "malformed")), fail, (count) => ({
      kind: "malformedKeys",
      detail: `${counted(count, "key")} that the old hub made up from the time of day, or that somebody wrote by hand: anybody can guess such a key, so this hub takes none`,
      remedy: "give these users keys: mcphub key create --user NAME"
    })),
    ...ofSome(places(shaped.filter((key) => key.expiresAt <= now)), warn, (count) => ({
      kind: "expiredKeys",
      detail: `${counted(count, "key")} expired; neither hub takes them`,
      remedy: "lengthen those that are still wanted: mcphub key extend ID"
    })),
    ...ofSome(places(opening.filter((key) => key.expiresAt <= now + soonMs)), warn, (count) => ({
      kind: "endingKeys",
      detail: `${counted(count, "key")} of the valid ones within 14 days of ${count === 1 ? "its" : "their"} end`,
      remedy: "lengthen them: mcphub key extend ID"
    })),
    ...ofSome(places(valid.filter((key) => !activeUsers.has(key.userId))), warn, (count) => ({
      kind: "keysOfInactive",
      detail: `${counted(count, "key")} of users who are not active: neither hub takes them`,
      remedy: "nothing, or: mcphub user enable NAME"
    }))
  ]
}

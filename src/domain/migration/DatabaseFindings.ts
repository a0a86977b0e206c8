/** The database of an old hub as such: whether this hub can be started on it. */
import { counted, findingsIn, type MigrationFinding } from "./MigrationFinding.ts"
import type { OldHub } from "./OldHub.ts"

const { fail, ok } = findingsIn("database")

const oldestVersion = 140_000

/** `hub` undefined: the database has no tables of a hub. */
export const databaseFindings = (
  hub: Pick<OldHub, "version" | "mayCreate" | "pending"> | undefined
): ReadonlyArray<MigrationFinding> => {
  if (hub === undefined) {
    return [
      fail({
        kind: "noTables",
        detail: "There are no tables users, mcphub_keys and user_groups: this is not the database of an old hub",
        remedy: "set DATABASE_URL to what the old hub had in DB_URL (or in systemConfig.smartRouting.dbUrl)"
      })
    ]
  }
  const found: Array<MigrationFinding> = []
  const major = Math.floor(hub.version / 10_000)
  if (hub.version < oldestVersion) {
    found.push(
      fail({
        kind: "oldPostgres",
        detail: `The server is PostgreSQL ${major}; the hub needs 14 or later`,
        remedy: "upgrade the server first"
      })
    )
  }
  if (!hub.mayCreate) {
    found.push(
      fail({
        kind: "mayNotCreate",
        detail: "The user of DATABASE_URL may not make the schema mcphub_hub",
        remedy: "let its owner run: grant create on database NAME to USER"
      })
    )
  }
  return [
    ...found,
    ok({
      kind: "database",
      detail:
        hub.pending.length === 0
          ? `PostgreSQL ${major}; this hub has used it before`
          : `PostgreSQL ${major}; its tables are used as they are, ${counted(hub.pending.length, "step")} would add the hub's own in the schema mcphub_hub`
    })
  ]
}

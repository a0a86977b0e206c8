/**
 * One thing that an operator learns before a database and a settings file of the old hub are taken over: where it is,
 * what becomes of it here, and what to do. No finding holds a key, a token's value or a password.
 */
export interface MigrationFinding {
  /** `ok` works as before, `warn` works differently, `fail` worked with the old hub and does not work here. */
  readonly level: "ok" | "warn" | "fail"
  readonly area: "environment" | "database" | "users" | "keys" | "tokens" | "groups" | "settings"
  /** The fact in one word, for scripts. */
  readonly kind: string
  readonly detail: string
  /** Rows, entries or variables that it is about; empty where it is about the whole area. */
  readonly places: ReadonlyArray<string>
  readonly remedy: string | null
}

type Rest = Pick<MigrationFinding, "kind" | "detail"> & Partial<Pick<MigrationFinding, "places" | "remedy">>

/** Makes the findings of one area. */
export const findingsIn = (area: MigrationFinding["area"]) => {
  const at =
    (level: MigrationFinding["level"]) =>
    ({ detail, kind, places = [], remedy = null }: Rest): MigrationFinding => ({
      level,
      area,
      kind,
      detail,
      places,
      remedy
    })
  return { ok: at("ok"), warn: at("warn"), fail: at("fail") }
}

/** The finding about rows, or nothing where there are none. */
export const ofSome = (
  rows: ReadonlyArray<string>,
  make: (about: Rest) => MigrationFinding,
  about: (count: number) => Rest
): ReadonlyArray<MigrationFinding> => (rows.length === 0 ? [] : [make({ ...about(rows.length), places: rows })])

/** `1 key`, `2 keys`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

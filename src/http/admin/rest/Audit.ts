/**
 * Rows of the audit trail for the API, the newest first: a page at a time, or all that fit as a file, which is read from
 * the database as fast as it is taken, and paid for by whoever takes it.
 */
import { Effect, Option, Stream } from "effect"
import { Csv, Ndjson } from "effect/encoding"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { type FairShare, turn } from "../../../actors/limits/FairShare.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { AuditView } from "../operations/AuditOperations.ts"
import type { UserRef } from "../operations/UserRef.ts"
import type { Problem } from "./api/Problems.ts"
import { usualLimit } from "./api/Shapes.ts"
import { type Operations, orProblem } from "./Operations.ts"
import { cursorOfNumber, numberOf, type PageQuery } from "./Pages.ts"

export interface AuditQuery extends PageQuery {
  readonly session?: string | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly outcome?: AuditView["outcome"] | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** What asking costs, and whom. */
export interface Asked {
  readonly operations: Operations["Service"]
  readonly share: FairShare["Service"]
  readonly viewer: { readonly userId: UserId }
  readonly request: HttpServerRequest.HttpServerRequest
}

const millis = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time))

const filterOf = (user: UserRef | undefined, { outcome, server, session, since, tool, until }: AuditQuery) => ({
  user,
  outcome,
  server,
  session,
  target: tool,
  since: millis(since),
  until: millis(until)
})

const columns = Object.keys(AuditView.fields) as ReadonlyArray<keyof AuditView>

/** A program for tables takes a text that begins like this for a formula, and users choose names. */
const cell = (value: AuditView[keyof AuditView]): string => {
  if (value === null) return ""
  return typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
}

const record = (row: AuditView) => Object.fromEntries(columns.map((name) => [name, cell(row[name])]))

/** Rows of one question to the database. */
const batch = 500

const forms = {
  "application/x-ndjson": (rows: Stream.Stream<AuditView, Problem>) =>
    rows.pipe(Stream.pipeThroughChannel(Ndjson.encode()), Stream.catchTag("NdjsonError", Stream.die)),
  "text/csv": (rows: Stream.Stream<AuditView, Problem>) =>
    rows.pipe(Stream.map(record), Stream.pipeThroughChannel(Csv.encode({ columns, headers: true })))
} as const

/** A weight of 0 says that a form is not wanted. Source: RFC 9110 §12.4.2. */
const formOf = (accept: string | undefined) => {
  const wanted = (accept ?? "")
    .toLowerCase()
    .split(",")
    .map((range) => range.split(";").map((part) => part.trim()))
    .filter(([, ...parameters]) => !parameters.some((parameter) => /^q\s*=\s*0(?:\.0{0,3})?$/.test(parameter)))
    .map(([type]) => type)
  return (Object.keys(forms) as ReadonlyArray<keyof typeof forms>).find((form) => wanted.includes(form))
}

/** The rows of a user, or of everybody where none is named. */
export const auditAnswer = Effect.fnUntraced(function* (
  { operations: { auditFind }, request, share, viewer }: Asked,
  user: UserRef | undefined,
  query: AuditQuery
) {
  const { cursor, limit } = query
  const from = cursor === undefined ? undefined : yield* numberOf(cursor)
  const filter = filterOf(user, query)
  const find = (before: number | undefined, count: number) => orProblem(auditFind({ ...filter, before, limit: count }))

  const form = formOf(request.headers["accept"])
  if (form === undefined) {
    // One more than asked for says whether there are more.
    const rows = yield* find(from, (limit ?? usualLimit) + 1)
    const items = rows.slice(0, limit ?? usualLimit)
    const last = items.at(-1)
    return { items, next: rows.length > items.length && last !== undefined ? cursorOfNumber(last.seq) : null }
  }
  // Before the status is sent, so that a database that does not answer is a problem.
  const first = yield* find(from, batch)
  const rest = (before: number): ReturnType<typeof find> =>
    Effect.andThen(turn(share, viewer.userId, "answer", 1), find(before, batch))
  const following = Stream.paginate(first, (rows) => {
    const last = rows.at(-1)
    if (last === undefined || rows.length < batch) return Effect.succeed([rows, Option.none()] as const)
    return Effect.map(rest(last.seq), (next) => [rows, Option.some(next)] as const)
  })
  const rows = limit === undefined ? following : Stream.take(following, limit)
  return HttpServerResponse.stream(forms[form](rows), {
    contentType: form,
    headers: { "content-disposition": `attachment; filename="audit.${form === "text/csv" ? "csv" : "jsonl"}"` }
  })
})

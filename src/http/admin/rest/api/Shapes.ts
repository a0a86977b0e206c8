/** The shapes that many operations of the contract have in common: pages, ids, times, and the tags by which changes are guarded. */
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

export const Id = Schema.String.check(Schema.isGUID())

// oxlint-disable-next-line no-control-regex
const plain = Schema.isPattern(/^[^\u0000]*$/)

/** A text that a database can look for. */
export const Text = Schema.String.check(plain, Schema.isMaxLength(256))

/** A name that may be stored. */
export const Name = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Cs}]{1,256}$/u))

const timeForm = "Expected a day or a time of ISO 8601 that there is, such as 2026-01-31 or 2026-01-31T12:00:00Z"

/** ISO 8601. */
export const Time = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\d(?:T[0-9:.]{1,12}(?:Z|[+-]\d\d:?\d\d)?)?$/, { message: timeForm }),
  Schema.makeFilter((text) => (Number.isNaN(Date.parse(text)) ? timeForm : undefined))
).annotate({ format: "date-time" })

/** A part of a list; `next` is the cursor of the following part, null behind the last one. */
export const Page = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next: Schema.NullOr(Schema.String) })

export const pageQuery = {
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.String.check(plain, Schema.isMaxLength(1_000)))
}

export const usualLimit = 100

export const created = <S extends Schema.Top>(schema: S) => schema.pipe(HttpApiSchema.status(201))

/** Its tag is what the next change of it has to repeat. */
export const tagged = <S extends Schema.Top>(schema: S) => HttpApiSchema.WithHeaders(schema, { etag: Schema.String })

/** What a change was made for; a request without it is told so (428), and one that is too late, too (412). */
export const ifMatch = { "if-match": Schema.optional(Text) }

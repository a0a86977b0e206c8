/** The way an operation names a user. */
import { Schema } from "effect"

/** A person types a name or an id; a program that has the id means this one, whatever others are called. */
export const UserRef = Schema.Union([Schema.String, Schema.Struct({ id: Schema.String })])
export type UserRef = typeof UserRef.Type

/** The user to whom the thing must belong, by id: part of the query. Absent only where an operator asks. */
export const Owner = Schema.optional(Schema.String)

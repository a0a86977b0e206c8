/** The errors of users, keys, groups and service tokens. Each message names cause and remedy. */
import { Schema } from "effect"

/** The database cannot be reached, does not answer or has no room; the same request may succeed later. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  message: Schema.String,
  /** Its disk is full: the message says which. */
  isFull: Schema.optional(Schema.Boolean)
}) {}

export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", { message: Schema.String }) {}

export class UsernameTaken extends Schema.TaggedError<UsernameTaken>()("UsernameTaken", { message: Schema.String }) {}

export class KeyNotFound extends Schema.TaggedError<KeyNotFound>()("KeyNotFound", { message: Schema.String }) {}

/** A provisioning file gives the text of a key that belongs to another user. */
export class KeyTaken extends Schema.TaggedError<KeyTaken>()("KeyTaken", { message: Schema.String }) {}

export class GroupNotFound extends Schema.TaggedError<GroupNotFound>()("GroupNotFound", { message: Schema.String }) {}

export class GroupNameTaken extends Schema.TaggedError<GroupNameTaken>()("GroupNameTaken", {
  message: Schema.String
}) {}

/**
 * A value that cannot be stored: `field` names it, the message says what is allowed. Never holds the value of a secret.
 */
export class InvalidValue extends Schema.TaggedError<InvalidValue>()("InvalidValue", {
  field: Schema.String,
  message: Schema.String
}) {}

export const userNotFound = (user: string): UserNotFound =>
  new UserNotFound({ message: `There is no user "${user}"; \`mcphub user ls\` lists them` })

/** Several of an old hub's users may go by one GitHub or display name. */
export const nameOfSeveral = (name: string): UserNotFound =>
  new UserNotFound({
    message: `Several users go by the name "${name}", and none has it as username; give the id of one`
  })

export const usernameTaken = (username: string): UsernameTaken =>
  new UsernameTaken({ message: `The user name "${username}" or one that looks like it is taken; choose another` })

export const keyNotFound = (id: string): KeyNotFound =>
  new KeyNotFound({ message: `There is no key ${id}; \`mcphub key ls\` lists them` })

export const groupNotFound = (id: string): GroupNotFound =>
  new GroupNotFound({ message: `There is no group ${id}; \`mcphub group ls\` lists them` })

export const groupNameTaken = (name: string): GroupNameTaken =>
  new GroupNameTaken({ message: `The user has a group "${name}" already; choose another name or change that group` })

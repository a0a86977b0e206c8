/** `mcphub key …`: the keys that clients present. A key's text is printed once, at its creation. */
import { Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import { minute, table, yesNo } from "../terminal/Output.ts"
import type { KeyView } from "../../http/admin/operations/KeyOperations.ts"
import { millisPerDay } from "../../domain/identity/HubKey.ts"
import { onlyUser, user } from "../terminal/UserFlag.ts"

const id = Argument.String("id").pipe(Argument.withDescription("Id of the key, see `mcphub key ls`"))
const days = Flag.Int("days").pipe(Flag.withDescription("Days of validity from now, 1 to 90 (default 90)"))

/** Such as `in 3 days`, or `2 days ago`. */
export const endingIn = ({ expiresAt }: Pick<KeyView, "expiresAt">): string => {
  const days = (Date.parse(expiresAt) - Date.now()) / millisPerDay
  const whole = Math.floor(Math.abs(days))
  const count = whole === 0 ? "less than a day" : whole === 1 ? "1 day" : `${whole} days`
  return days > 0 ? `in ${count}` : `${count} ago`
}

const create = Command.make(
  "create",
  {
    user,
    name: Flag.String("name").pipe(Flag.withDescription("What the key is for, e.g. laptop"), Flag.optional),
    days: Flag.optional(days)
  },
  ({ days, name, user }) =>
    answer(
      (admin) =>
        admin.keyCreate({
          user,
          name: Option.getOrNull(name),
          days: Option.getOrNull(days)
        }),
      (key) =>
        `${key.key}\n\nKey "${key.name}" of ${key.username}, valid until ${minute(key.expiresAt)} UTC, id ${key.id}.\nIt is shown only now. Connect a client with \`mcphub connect claude\`.`
    )
).pipe(
  Command.withDescription("Create a key and print it once"),
  Command.withExamples([
    { command: "mcphub key create --user ada --name laptop", description: "A key for ada, valid for 90 days" },
    { command: "mcphub key create --user ada --days 7 --json", description: "Machine-readable, valid for a week" }
  ])
)

const ls = Command.make("ls", { user: onlyUser("keys") }, ({ user }) =>
  answer(
    (admin) => admin.keyList({ user }),
    (keys) =>
      table(
        ["user", "name", "active", "expires", "last used", "uses", "tokens", "id"],
        keys.map((key) => [
          key.username,
          key.name,
          yesNo(key.isActive),
          minute(key.expiresAt) + (key.ending === null ? "" : `, ${endingIn(key)}`),
          minute(key.lastUsedAt),
          String(key.usageCount),
          key.serviceTokens.join(",") || "-",
          key.id
        ]),
        "No keys yet; create one with `mcphub key create --user NAME`"
      )
  )
).pipe(Command.withDescription("List keys (never their text)"))

const extend = Command.make("extend", { id, days: days.pipe(Flag.withDefault(90)) }, ({ days, id }) =>
  answer(
    (admin) => admin.keyExtend({ key: id, days }),
    (key) => `Key "${key.name}" of ${key.username} is valid until ${minute(key.expiresAt)} UTC`
  )
).pipe(Command.withDescription("Extend a key, counted from now"))

const newName = Argument.String("name").pipe(Argument.withDescription("Its new name, e.g. laptop"))

const rename = Command.make("rename", { id, name: newName }, ({ id, name }) =>
  answer(
    (admin) => admin.keyRename({ key: id, name }),
    (key) => `Key ${key.id} of ${key.username} is called "${key.name}"`
  )
).pipe(Command.withDescription("Give a key another name"))

const revoke = Command.make("revoke", { id }, ({ id }) =>
  answer(
    (admin) => admin.keyRevoke({ key: id }),
    (key) => `Revoked key "${key.name}" of ${key.username}; its sessions end`
  )
).pipe(Command.withDescription("Revoke a key; its sessions end"))

export const KeyCommand = Command.make("key").pipe(
  Command.withDescription("Create, list, rename, extend and revoke MCPHub keys"),
  Command.withSubcommands([create, ls, rename, extend, revoke])
)

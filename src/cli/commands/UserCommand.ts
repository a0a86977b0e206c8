/** `mcphub user …`: the people and machines that may use the hub. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { withAdmin } from "../admin/Admin.ts"
import { answer } from "../admin/Answer.ts"
import { minute, print, table, yesNo } from "../terminal/Output.ts"

const user = Argument.String("user").pipe(Argument.withDescription("User name or id"))

const add = Command.make(
  "add",
  {
    username: Argument.String("username").pipe(Argument.withDescription("Name of the new user")),
    admin: Flag.Boolean("admin").pipe(
      Flag.withDescription("May change servers, users and settings"),
      Flag.withDefault(false)
    ),
    key: Flag.Boolean("key").pipe(
      Flag.withDescription("Create a first key as well and print it once"),
      Flag.withDefault(false)
    )
  },
  ({ admin: isAdmin, key, username }) =>
    withAdmin((admin) =>
      Effect.gen(function* () {
        const created = yield* admin.userAdd({ username, isAdmin })
        const first = key
          ? Option.some(yield* admin.keyCreate({ user: created.id, name: null, days: null }))
          : Option.none()
        yield* print({ ...created, ...Option.match(first, { onNone: () => ({}), onSome: (key) => ({ key }) }) }, () =>
          Option.match(first, {
            onNone: () => `Added ${username}; give them a key with \`mcphub key create --user ${username}\``,
            onSome: (key) => `Added ${username}. Their key, shown only now:\n${key.key}`
          })
        )
      })
    )
).pipe(
  Command.withDescription("Add a user"),
  Command.withExamples([{ command: "mcphub user add ada --key", description: "Add ada and print her first key" }])
)

const ls = Command.make("ls", {}, () =>
  answer(
    (admin) => admin.userList(),
    (users) =>
      table(
        ["username", "admin", "active", "created", "id"],
        users.map((one) => [one.username, yesNo(one.isAdmin), yesNo(one.isActive), minute(one.createdAt), one.id]),
        "No users yet; add one with `mcphub user add NAME`"
      )
  )
).pipe(Command.withDescription("List users"))

const rm = Command.make("rm", { user }, ({ user }) =>
  answer(
    (admin) => admin.userRemove({ user }),
    ({ files, username }) =>
      `Removed ${username} with all keys and groups` +
      (files === null ? "" : `; what servers kept for them stays until you remove it: ${files}`)
  )
).pipe(Command.withDescription("Remove a user with all keys and groups; their sessions end"))

const setActive = (verb: "enable" | "disable", description: string) =>
  Command.make(verb, { user }, ({ user }) =>
    answer(
      (admin) => admin.userSetActive({ user, isActive: verb === "enable" }),
      (changed) => `${changed.username} is ${changed.isActive ? "active" : "disabled"}`
    )
  ).pipe(Command.withDescription(description))

export const UserCommand = Command.make("user").pipe(
  Command.withDescription("Add, list, remove, enable and disable users"),
  Command.withSubcommands([
    add,
    ls,
    rm,
    setActive("disable", "Lock a user out: keys stop working, sessions end, everything else is kept"),
    setActive("enable", "Let a disabled user in again")
  ])
)

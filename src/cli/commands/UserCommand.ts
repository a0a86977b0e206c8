/** `mcphub user …`: the people and machines that may use the hub. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { withAdmin } from "../admin/Admin.ts"
import { answer } from "../admin/Answer.ts"
import type { SignInLink } from "../../http/admin/operations/UserOperations.ts"
import { asCliFailure } from "../terminal/CliFailure.ts"
import { siteOf } from "../../domain/ClientSnippets.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"
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

/** The whole link: from the hub's own `PUBLIC_URL`, or its address on this machine. */
const whole = Effect.fnUntraced(function* (made: SignInLink) {
  if (!made.link.startsWith("/")) return made
  const { dataDir } = yield* currentWorkspace
  const { find } = yield* Effect.promise(() => import("../../http/admin/HubFile.ts"))
  const running = Option.map(yield* Effect.mapError(find(dataDir), asCliFailure), (hub) => siteOf(hub.mcpUrl))
  return { ...made, link: Option.getOrElse(running, () => "http://127.0.0.1:3000") + made.link }
})

const linkText = ({ expiresAt, link, username }: SignInLink): string =>
  `This link signs ${username} in, once, until ${minute(expiresAt)} UTC. Whoever has it is ${username} to the hub:\n${link}`

const invite = Command.make(
  "invite",
  {
    username: Argument.String("username").pipe(Argument.withDescription("Name of the new user")),
    admin: Flag.Boolean("admin").pipe(
      Flag.withDescription("May change servers, users and settings"),
      Flag.withDefault(false)
    )
  },
  ({ admin: isAdmin, username }) =>
    withAdmin((admin) =>
      Effect.gen(function* () {
        const made = yield* whole(yield* admin.userInvite({ username, isAdmin }))
        yield* print(made, () => `Added ${username}. ${linkText(made)}`)
      })
    )
).pipe(Command.withDescription("Add a user and print a link for their first sign-in, valid for seven days"))

const signInLink = Command.make("signin-link", { user }, ({ user }) =>
  withAdmin((admin) =>
    Effect.gen(function* () {
      const made = yield* whole(yield* admin.userSignInLink({ user }))
      yield* print(made, () => linkText(made))
    })
  )
).pipe(Command.withDescription("Print a link that signs a user in once, valid for 15 minutes, for a lost password"))

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
  Command.withDescription("Add, invite, list, remove, enable and disable users; links to sign in"),
  Command.withSubcommands([
    add,
    invite,
    signInLink,
    ls,
    rm,
    setActive("disable", "Lock a user out: keys stop working, sessions end, everything else is kept"),
    setActive("enable", "Let a disabled user in again")
  ])
)

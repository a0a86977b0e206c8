/**
 * The servers a session may have to do with, kept to what the user's groups and the settings admit now. A link that is
 * no longer admitted is closed: the server's notifications, log lines and questions reach the client no more, and it
 * hears nothing more of the client's. Requests that are at such a server, or call a tool that is no longer granted, end.
 */
import { Effect } from "effect"
import type { Access } from "../../domain/access/Access.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { JsonRpcRequest } from "../../domain/protocol/JsonRpc.ts"
import type { ParkedCalls } from "../calls/ParkedCalls.ts"
import type { ServerLists } from "../catalog/ServerLists.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import { type AccessInForce, admitsRequest } from "./SessionAccess.ts"
import type { SessionIntake } from "./SessionIntake.ts"
import type { SessionMessages } from "./SessionMessages.ts"

export interface SessionAdmission {
  /** Applies what is in force now. `changed`: servers whose entries in the settings are others than before. */
  readonly apply: (changed: ReadonlyArray<string>) => Effect.Effect<void>
  /** Takes up the user's groups and tokens as they are now. */
  readonly renew: Effect.Effect<void>
  /** Ends the connection to a server, with what is in flight there. */
  readonly restart: (server: string) => Effect.Effect<void>
}

export interface AdmissionOptions {
  readonly access: AccessInForce
  readonly links: UpstreamLinks
  readonly lists: ServerLists
  readonly parked: ParkedCalls
  readonly intake: SessionIntake
  readonly messages: SessionMessages
}

const announced = ["tools", "prompts", "resources"] as const

const reason = "The user's groups, or the settings, no longer admit this request to its server"

/** The sets of names in it as sorted lists. */
const textOf = (access: Access): string =>
  JSON.stringify([...access], (_, value: unknown) => (value instanceof Set ? [...value].sort() : value))

export const make = Effect.fnUntraced(function* (options: AdmissionOptions) {
  const { access, intake, links, lists, messages, parked } = options
  const { nameSeparator } = yield* HubConfig
  /** What the client has been shown, or told to ask for again. */
  let shown = textOf(access())

  /** The names that the tool of a call may have: the client may write it with its server's before it, or without. */
  const namesOf = (server: string, { params }: JsonRpcRequest): ReadonlyArray<string> => {
    const name = textOrEmpty(params?.["name"])
    const prefix = `${server}${nameSeparator}`
    return name.startsWith(prefix) ? [name, name.slice(prefix.length)] : [name]
  }

  const drop = (server: string, why: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      lists.forget(server)
      return links.drop(server, why)
    })

  const announceAll = (): void => {
    for (const kind of announced) messages.announce(kind)
  }

  const apply: SessionAdmission["apply"] = Effect.fnUntraced(function* (changed) {
    const now = access()
    const ended = intake.endWhere(
      ({ server }, message) =>
        server !== undefined &&
        // What is in flight there ends with its connection, and says so.
        !changed.includes(server) &&
        !admitsRequest(now, server, message.method, namesOf(server, message), nameSeparator),
      reason
    )
    const left = [...links.linked()].filter((server) => !now.has(server))
    // Requests first, so that their clients hear why; and no server waits for another to be closed.
    yield* Effect.all(
      [
        ended,
        ...left.map((server) => Effect.andThen(parked.end(server), drop(server, "no longer admitted"))),
        ...changed.map((server) => drop(server, "settings changed"))
      ],
      { concurrency: "unbounded", discard: true }
    )
    const text = textOf(now)
    if (changed.length === 0 && text === shown) return
    shown = text
    announceAll()
  })

  return {
    apply,
    renew: Effect.gen(function* () {
      const renewed = yield* links.renew
      yield* apply([])
      if (renewed.length > 0) announceAll()
    }),
    restart: (server) => Effect.andThen(drop(server, "restarted by an operator"), Effect.sync(announceAll))
  } satisfies SessionAdmission
})

/**
 * The word to people about servers that are missing: `_meta["mcphub/missing"]` of a list, a log notification where the
 * client listens, the built-in tool `mcphub_status`, and an error where nothing can be reached at all.
 *
 * The tool is listed only while something is missing, behind several servers, and never where a server's own tool has
 * its name; it can be called at any time.
 */
import { Effect } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { type ListKind, lists as listMethods } from "../../domain/protocol/Methods.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { Target } from "../../domain/access/Target.ts"
import { lateWord } from "../../domain/requests/MissingWords.ts"
import { NothingReachable } from "../../domain/requests/RequestErrors.ts"
import type { Call } from "../calls/Call.ts"
import type { Catalog } from "../catalog/Catalog.ts"
import type { Item } from "../catalog/KeptList.ts"
import { type MissingServer, MissingServers } from "../catalog/MissingServers.ts"
import type { AccessInForce } from "./SessionAccess.ts"
import type { SessionMessages } from "./SessionMessages.ts"

export const statusTool = "mcphub_status"

const tool: Item = {
  name: statusTool,
  title: "Missing servers",
  description:
    "Some servers behind this hub cannot be reached, so their tools are missing. Says which, why and since when.",
  inputSchema: { type: "object", properties: {} },
  annotations: { readOnlyHint: true, openWorldHint: false }
}

export interface MissingReport {
  /** The result of a list. */
  readonly list: (call: Call, kind: ListKind) => Effect.Effect<unknown, NothingReachable>
  /** Whether a call of that name is for the hub itself. */
  readonly answers: (name: string, call: Call) => Effect.Effect<boolean>
  readonly status: (call: Call) => Effect.Effect<unknown>
}

export interface ReportOptions {
  readonly era: Era
  readonly target: Target
  readonly access: AccessInForce
  readonly catalog: Catalog
  readonly messages: SessionMessages
}

const view = ({ since, ...missing }: MissingServer) => ({ ...missing, since: new Date(since).toISOString() })

const lineOf = ({ reason, server, since, why }: MissingServer): string =>
  `${server} (${why}, since ${new Date(since).toISOString()}): ${reason}`

/** Servers that one text names. */
const maxNamed = 20

const linesOf = (missing: ReadonlyArray<MissingServer>): string => {
  const more = missing.length > maxNamed ? [`and ${missing.length - maxNamed} more`] : []
  return [...missing.slice(0, maxNamed).map(lineOf), ...more].join("\n")
}

/** One line for those who read no further: names and words. */
export const missingLine = (missing: ReadonlyArray<MissingServer>, hasTool: boolean): string => {
  const named = missing.slice(0, maxNamed).map(({ server, why }) => `${server} (${why})`)
  const more = missing.length > maxNamed ? ` and ${missing.length - maxNamed} more` : ""
  const hint = hasTool ? `; the tool ${statusTool} says more` : ""
  return `Missing at the moment: ${named.join(", ")}${more}${hint}`
}

export const make = Effect.fnUntraced(function* (options: ReportOptions) {
  const { access, catalog, era, messages, target } = options
  const hub = yield* HubConfig
  const servers = yield* MissingServers
  const hasTool = hub.statusTool && target.kind !== "server"
  /** What the client was last told, by server. */
  const told = new Map<string, string>()

  const look = Effect.fnUntraced(function* (call: Call, kind: ListKind) {
    const asked = access()
    const listing = yield* catalog.list(kind, asked, call.context)
    const missing = yield* servers.note(call.context.principal, kind, asked.keys(), listing.missing)
    return { ...listing, missing }
  })

  const tell = (call: Call, missing: ReadonlyArray<MissingServer>): void => {
    const news = missing.filter(({ server, why }) => told.get(server) !== why)
    told.clear()
    for (const { server, why } of missing) told.set(server, why)
    if (news.length > 0) messages.say(call, "warning", missingLine(news, hasTool), "where it listens")
  }

  const list: MissingReport["list"] = Effect.fnUntraced(function* (call, kind) {
    const { isReached, items, leftOut, missing, ttlMs } = yield* look(call, kind)
    const isListed = kind === "tools" && missing.length > 0 && hasTool && !items.some(({ name }) => name === statusTool)
    // A first look must not fail over servers that are still starting: what comes later is announced.
    const isAwaited = isListed && missing.every(({ why }) => why === lateWord)
    if (!isReached && !isAwaited) {
      const message = `None of the servers behind this address can be reached:\n${linesOf(missing)}`
      return yield* new NothingReachable({ message, missing: missing.map(view) })
    }
    if (kind === "tools") tell(call, missing)
    const result = {
      [listMethods[kind].field]: isListed ? [...items, tool] : items,
      ...(era === "stateless" ? { ttlMs } : {})
    }
    const lacking = [...missing.map(view), ...leftOut]
    return lacking.length === 0 ? result : { ...result, _meta: { "mcphub/missing": lacking } }
  })

  return {
    list,
    answers: (name, call) =>
      name !== statusTool || !hasTool
        ? Effect.succeed(false)
        : Effect.map(Effect.result(catalog.tool(name, access(), call.context)), ({ _tag }) => _tag === "Failure"),
    status: Effect.fnUntraced(function* (call) {
      const { missing } = yield* look(call, "tools")
      const text = missing.length === 0 ? "All servers behind this address are there" : linesOf(missing)
      return { content: [{ type: "text", text }], structuredContent: { missing: missing.map(view) } }
    })
  } satisfies MissingReport
})

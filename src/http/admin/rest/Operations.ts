/**
 * The operations of the command line, for the admin API: the same handlers, run in this process. What they refuse becomes
 * a problem here, with its status and without the words that are about the command line.
 */
import { Context, Effect, Layer } from "effect"
import type { RpcClient } from "effect/rpc"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { AuditHandlers } from "../handlers/AuditHandlers.ts"
import { GroupHandlers } from "../handlers/GroupHandlers.ts"
import { KeyHandlers } from "../handlers/KeyHandlers.ts"
import { LiveHandlers } from "../handlers/LiveHandlers.ts"
import { ServerHandlers } from "../handlers/ServerHandlers.ts"
import { SettingsHandlers } from "../handlers/SettingsHandlers.ts"
import { StatisticsHandlers } from "../handlers/StatisticsHandlers.ts"
import { UserHandlers } from "../handlers/UserHandlers.ts"
import { AuditOperations } from "../operations/AuditOperations.ts"
import { GroupOperations } from "../operations/GroupOperations.ts"
import { inProcess } from "../operations/InProcess.ts"
import { KeyOperations } from "../operations/KeyOperations.ts"
import { LiveOperations } from "../operations/LiveOperations.ts"
import type { OperationRefused } from "../operations/OperationRefused.ts"
import { ServerOperations } from "../operations/ServerOperations.ts"
import { SettingsOperations } from "../operations/SettingsOperations.ts"
import { StatisticsOperations } from "../operations/StatisticsOperations.ts"
import { UserOperations } from "../operations/UserOperations.ts"
import { stale } from "./Tags.ts"
import { Conflict, NotFound, type Problem, Unavailable, Unprocessable } from "./api/Problems.ts"

const served = UserOperations.merge(
  KeyOperations,
  GroupOperations,
  AuditOperations,
  ServerOperations,
  LiveOperations,
  SettingsOperations,
  StatisticsOperations
)

const live = Layer.unwrap(
  Effect.map(HubConfig, ({ basePath, version }) =>
    LiveHandlers({ pid: process.pid, url: `${basePath}/mcp`, version, startedAt: Date.now() })
  )
)

const handlers = Layer.mergeAll(
  SettingsHandlers,
  UserHandlers,
  KeyHandlers,
  GroupHandlers,
  AuditHandlers,
  ServerHandlers,
  StatisticsHandlers,
  live
)

export class Operations extends Context.Service<Operations, RpcClient.FromGroup<typeof served>>()(
  "mcphub/http/admin/rest/Operations"
) {
  static readonly layer = Layer.effect(Operations, inProcess(served)).pipe(Layer.provide(handlers))
}

/** Another's and an unknown thing are one answer, whoever asks for it. */
const absent: Readonly<Record<string, string>> = {
  UserNotFound: "There is no such user",
  KeyNotFound: "There is no such key",
  GroupNotFound: "There is no such group",
  TokenNotFound: "There is no such service token",
  ServerNotFound: "The settings have no such server",
  SessionNotFound: "There is no such live session",
  UnknownRequest: "No such request is in flight"
}

const conflicts: ReadonlySet<string> = new Set([
  "ServerNameTaken",
  "SettingsUnsettled",
  "SettingsFixed",
  "SettingsUnavailable",
  "UsernameTaken",
  "KeyTaken",
  "GroupNameTaken",
  "LastAdmin",
  "RoleOfAdmin",
  "ServerShared"
])

/** A remedy at the command line is none for somebody in a browser. */
const withoutCommand = (message: string): string => message.replace(/[;:][^;:]*\bmcphub \w.*$/s, "")

export const problemOf = ({ kind, message }: OperationRefused): Problem => {
  const none = absent[kind]
  if (none !== undefined) return new NotFound({ kind, detail: none })
  if (kind === "Stale") return stale
  const detail = withoutCommand(message)
  if (conflicts.has(kind)) return new Conflict({ kind, detail })
  if (kind === "DatabaseUnavailable") return new Unavailable({ kind, detail, retryAfterSeconds: 2 })
  return new Unprocessable({ kind, detail })
}

/** What an operation refuses, as a problem. */
export const orProblem = <A, R>(effect: Effect.Effect<A, OperationRefused, R>): Effect.Effect<A, Problem, R> =>
  Effect.mapError(effect, problemOf)

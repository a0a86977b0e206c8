/** `mcphub status`: whether a hub is running here, and how it is doing. */
import { Command } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import { facts, minute } from "../terminal/Output.ts"

export const StatusCommand = Command.make("status", {}, () =>
  answer(
    (admin) => admin.hubStatus(),
    (hub) =>
      facts([
        ["listening on", hub.url],
        ["version", hub.version],
        ["process", String(hub.pid)],
        ["started", `${minute(hub.startedAt)} UTC`],
        ["users", String(hub.users)],
        ["sessions", String(hub.sessions)],
        ["in flight", String(hub.pending)],
        ["requests", `${hub.requests}, ${(hub.errorRate * 100).toFixed(1)} % errors, p95 ${Math.round(hub.p95Ms)} ms`]
      ])
  )
).pipe(Command.withDescription("Show the running hub; exit code 3 when there is none"))

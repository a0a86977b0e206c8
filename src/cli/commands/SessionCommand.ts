/** `mcphub session …`: the live user sessions of a running hub. */
import { Argument, Command } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import { facts, minute, table } from "../terminal/Output.ts"
import { requestTable } from "./RequestCommand.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

const id = Argument.String("id").pipe(Argument.withDescription("Id of the session, see `mcphub session ls`"))

const ls = Command.make("ls", { user: onlyUser("sessions") }, ({ user }) =>
  answer(
    (admin) => admin.sessionList({ user }),
    (sessions) =>
      table(
        ["session", "user", "client", "target", "protocol", "state", "in flight", "last active"],
        sessions.map((one) => [
          one.sessionId,
          one.username,
          one.client.name,
          one.target,
          one.protocolVersion,
          one.state,
          String(one.inFlight),
          minute(one.lastActiveAt)
        ]),
        "No sessions"
      )
  )
).pipe(Command.withDescription("List live sessions"))

const show = Command.make("show", { id }, ({ id }) =>
  answer(
    (admin) => admin.sessionShow({ sessionId: id }),
    ({ memory, requests, session }) =>
      [
        facts([
          ["session", session.sessionId],
          ["user", session.username],
          ["key", session.keyName],
          ["client", `${session.client.name} ${session.client.version}`.trim()],
          ["target", session.target],
          ["protocol", session.protocolVersion],
          ["state", session.state],
          ["created", minute(session.createdAt) + (session.recovered ? ", before the hub's last start" : "")],
          ["last active", minute(session.lastActiveAt)],
          ["streams", String(session.streams)]
        ]),
        "",
        table(
          [`memory of ${session.username}`, "bytes"],
          Object.entries(memory).flatMap(([kind, bytes]) => (bytes === 0 ? [] : [[kind, String(bytes)]])),
          `Nothing large is kept in memory for ${session.username}`
        ),
        "",
        table(
          ["upstream", "state", "protocol", "reason"],
          session.upstreams.map((one) => [
            one.server,
            one.retryAfterMs === null ? one.state : `${one.state} ${Math.ceil(one.retryAfterMs / 1_000)} s`,
            one.protocolVersion ?? "-",
            one.reason ?? ""
          ]),
          "No upstream connections"
        ),
        "",
        requestTable(requests)
      ].join("\n")
  )
).pipe(
  Command.withDescription("Show one session: client, memory of its user, upstream connections, requests in flight")
)

const kill = Command.make("kill", { id }, ({ id }) =>
  answer(
    (admin) => admin.sessionKill({ sessionId: id }),
    (session) => `Ended session ${session.sessionId} of ${session.username}`
  )
).pipe(Command.withDescription("End a session with everything it holds"))

export const SessionCommand = Command.make("session").pipe(
  Command.withDescription("List, show and end live sessions"),
  Command.withSubcommands([ls, show, kill])
)

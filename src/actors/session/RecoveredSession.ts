/**
 * The news that a session gives its client when it goes on after a restart, as far as the protocol has a way: its lists
 * may have changed, and servers that keep state in a connection or a process have begun a new one. The next call that
 * needs a connection opens it; only where the client waits to hear of resources does the hub open it at once.
 */
import { Effect } from "effect"
import type { Principal } from "../../domain/identity/Principal.ts"
import { isLogLevel, passes } from "../../domain/protocol/LogLevels.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { SessionEvents } from "../streams/SessionEvents.ts"
import type { SessionMemory } from "./SessionMemory.ts"
import type { SessionMessages } from "./SessionMessages.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"

export interface RecoveredOptions {
  readonly principal: Principal
  readonly background: SessionBackground
  readonly events: SessionEvents
  readonly links: UpstreamLinks
  readonly memory: SessionMemory
  readonly messages: SessionMessages
}

const notice =
  "The hub was restarted: this session goes on, its connections to servers begin anew and what they kept in them is gone"

export const welcomeBack = ({ background, events, links, memory, messages, principal }: RecoveredOptions): void => {
  for (const kind of ["tools", "prompts", "resources"] as const) messages.announce(kind)
  const level = memory.logLevel()
  if (isLogLevel(level) && passes("notice", level)) {
    const params = { level: "notice", logger: "mcphub", data: notice }
    events.publish({ jsonrpc: "2.0", method: "notifications/message", params })
  }
  for (const server of new Set(memory.subscriptions().map((one) => one.server)))
    background.track(principal, "resources/subscribe", (context) => Effect.ignore(links.get(server, context)))
}

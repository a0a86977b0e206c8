/**
 * Sessions without a wire to their clients: what `UpstreamLinks`, `ServerLists` and `Catalog` stand on, with real
 * connections over real sockets, for as many users as a test needs, and settings that can change while they live.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Layer, Scope, SubscriptionRef } from "effect"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { KnownServers } from "../../../../src/actors/catalog/KnownServers.ts"
import * as ServerLists from "../../../../src/actors/catalog/ServerLists.ts"
import { SharedUpstreams } from "../../../../src/actors/upstream/links/SharedUpstreams.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { UpstreamConnector } from "../../../../src/actors/upstream/UpstreamConnector.ts"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { UpstreamHttp } from "../../../../src/actors/upstream/http/UpstreamHttp.ts"
import * as UpstreamLinks from "../../../../src/actors/upstream/links/UpstreamLinks.ts"
import { UpstreamStdio } from "../../../../src/actors/upstream/stdio/UpstreamStdio.ts"
import { UserPools } from "../../../../src/actors/upstream/http/UserPools.ts"
import { Retained } from "../../../../src/actors/limits/Retained.ts"
import { AnswerBytes } from "../../../../src/actors/limits/AnswerBytes.ts"
import { UserLimits } from "../../../../src/actors/limits/UserLimits.ts"
import { defaults, HubConfig, type HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import * as Repositories from "../../../../src/domain/storage/Repositories.ts"
import { SessionId } from "../../../../src/domain/Ids.ts"
import type { ListKind } from "../../../../src/domain/protocol/Methods.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { fromRef, Settings, type SettingsValue } from "../../../../src/domain/servers/Settings.ts"
import { credentials } from "../../../support/Identity.ts"
import * as Heard from "../../../support/Heard.ts"
import { contextOf } from "./HttpCalls.ts"

export type Servers = Readonly<Record<string, ServerConfig>>

const layer = (settings: SubscriptionRef.SubscriptionRef<SettingsValue>, config: Partial<HubConfigShape>) =>
  SharedUpstreams.layer.pipe(
    Layer.provideMerge([UpstreamConnector.layer, KnownServers.layer]),
    Layer.provideMerge([UpstreamHttp.layerNoDeps, UpstreamStdio.layer]),
    Layer.provideMerge([
      UpstreamHeaders.layer,
      UpstreamHealth.layer,
      UserPools.layer,
      FairShare.layer,
      UserLimits.layer,
      AnswerBytes.layer.pipe(Layer.provideMerge(Retained.layer)),
      StdioChildren.layer,
      RequestTracker.layerMemory,
      HubMetrics.layer,
      Repositories.layerMemory
    ]),
    Layer.provideMerge([
      Layer.succeed(Settings, fromRef(settings)),
      Layer.succeed(HubConfig, { ...defaults, ...config }),
      credentials,
      NodeServices.layer
    ])
  )

export interface SessionOptions {
  /** Service tokens of the user's key. */
  readonly tokens?: Record<string, string>
  readonly onOpen?: UpstreamLinks.LinkOptions["onOpen"]
  readonly isIdle?: () => boolean
}

/** The upstream side of a hub with these servers; everything is gone when the scope closes. */
export const upstreams = Effect.fnUntraced(function* (servers: Servers, config: Partial<HubConfigShape> = {}) {
  const settings = yield* SubscriptionRef.make<SettingsValue>({ mcpServers: servers })
  const services = yield* Layer.build(layer(settings, config))
  let opened = 0

  const session = Effect.fnUntraced(function* (username: string, options: SessionOptions = {}) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const messages = yield* Heard.make<UpstreamMessage>()
    const closed = yield* Heard.make<string>()
    const announced = yield* Heard.make<ListKind>()
    const sessionId = SessionId.make(`session-${username}-${++opened}`)
    /** A fresh context, with a request id of its own. */
    const context = () => ({ ...contextOf(username, options.tokens), sessionId })
    const links: UpstreamLinks.UpstreamLinks = yield* UpstreamLinks.make({
      principal: () => contextOf(username, options.tokens).principal,
      admits: () => true,
      isIdle: options.isIdle ?? (() => true),
      listens: () => false,
      protocolVersion: "2025-11-25",
      offered: () => ({}),
      clientInfo: { name: "test", version: "1" },
      onMessage: (_, message) => messages.add(message),
      onOpen: (connection, context) =>
        Effect.andThen(lists.opened(connection, context), options.onOpen?.(connection, context) ?? Effect.void),
      onFailed: (server, error, context) => lists.failed(server, error, context),
      onClosed: (server) => {
        lists.closed(server)
        closed.add(server)
      }
    }).pipe(Scope.provide(scope))
    const retained = yield* Retained
    const changes: Array<() => void> = []
    const { userId } = contextOf(username).principal
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const lists: ServerLists.ServerLists = yield* ServerLists.make({
      principal: () => context().principal,
      protocolVersion: "2025-11-25",
      clientCapabilities: {},
      links,
      onChange: () => {
        for (const tell of changes) tell()
      },
      announce: (kind) => announced.add(kind),
      onMessage: (_, message) => messages.add(message),
      track: (_, use) => void runFork(Effect.ignore(use(context())))
    }).pipe(Scope.provide(scope))
    return {
      links,
      lists,
      context,
      get: (server: string) => Effect.suspend(() => links.get(server, context())),
      /** Calls back whenever a list becomes another one. */
      onListChange: (tell: () => void) => void changes.push(tell),
      list: (server: string, kind: ListKind = "tools") => Effect.suspend(() => lists.get(server, kind, context())),
      listForCall: (server: string) => Effect.suspend(() => lists.getForCall(server, "tools", context())),
      /** Bytes that the lists of all of the user's sessions take. */
      listBytes: () => retained.heldBy(userId).lists,
      /** What servers sent on no call's stream, or beside a list. */
      messages: messages.all,
      nextMessage: messages.next,
      /** Servers whose connection ended. */
      closed: closed.all,
      nextClosed: closed.next,
      /** Lists that came after somebody had been answered without them. */
      announced: announced.all,
      nextAnnounced: announced.next,
      end: Scope.close(scope, Exit.void)
    }
  }, Effect.provideContext(services))

  return {
    services,
    session,
    /** What a change of the settings file does, but for telling the sessions. */
    change: (next: Servers) => SubscriptionRef.set(settings, { mcpServers: next })
  }
})

/** Who shares a socket, a connection, a list; and what servers tell whom. */
import { everybodys, type Mutation } from "./Mutation.ts"

const pools = "src/actors/upstream/http/UserPools.ts"
const tunnel = "src/actors/upstream/http/ProxyTunnel.ts"
const proxies = "test/http/mcp/servers/Proxies.test.ts"
const shared = "src/actors/upstream/links/SharedUpstreams.ts"
const holders = "src/actors/upstream/links/SharedHolders.ts"
const wire = "src/actors/upstream/http/UpstreamHttpWire.ts"
const links = "src/actors/upstream/links/UpstreamLinks.ts"
const pauses = "src/actors/upstream/guards/UpstreamPauses.ts"
const lists = "src/actors/catalog/ServerLists.ts"
const sharing = "test/actors/upstream/links/SharedUpstreams.test.ts"
const linking = "test/actors/upstream/links/UpstreamLinks.test.ts"
const sharedLinks = "test/actors/upstream/links/SharedLinks.test.ts"
const endings = "test/http/mcp/sessions/Endings.test.ts"
const secrets = "src/actors/upstream/connection/UpstreamSecrets.ts"
const scrubber = "src/domain/Scrubber.ts"
const scrubbing = "test/domain/Scrubber.test.ts"
const echoed = "test/http/mcp/servers/EchoedSecrets.test.ts"
const canaries = "test/e2e/CanaryFaults.test.ts"
const renewal = "test/http/mcp/servers/TokenRenewal.test.ts"
const listing = "test/actors/catalog/ServerLists.test.ts"
const places = "src/actors/upstream/guards/ChildPlaces.ts"
const giving = "test/http/mcp/servers/ChildrenGiveWay.test.ts"
const known = "src/actors/catalog/KnownServers.ts"
const knowing = "test/http/mcp/servers/KnownServers.test.ts"

const spawning = "test/actors/upstream/spawner/ChildSpawner.test.ts"

export const upstreamRules: ReadonlyArray<Mutation> = [
  {
    wrong: "whoever connects to the socket of the spawner is taken for the child that starts",
    file: "src/actors/upstream/spawner/ChildSpawner.ts",
    find: "const child = this.children.get(id)\n    if (child === undefined) socket.destroy()",
    replace:
      "const child = this.children.get(id) ?? [...this.children.values()].at(-1)\n    if (child === undefined) socket.destroy()",
    tests: [spawning]
  },
  {
    wrong: "the streams of two children that start together are mixed up",
    file: "src/actors/upstream/spawner/ChildSpawner.ts",
    find: "this.children.get(id)\n    if (child === undefined) socket.destroy()",
    replace:
      "[...this.children.values()].find(({ isStarting }) => isStarting)\n    if (child === undefined) socket.destroy()",
    tests: [spawning]
  },
  {
    wrong: "a child process keeps a token that its user has changed",
    file: links,
    find: `([server, { config, tokens }]) => tokens !== "" && tokens !== builtWith(server, config, principal)`,
    replace: "() => false",
    tests: [renewal]
  },
  {
    wrong: "a connection made with an old token is found by the user's next session",
    file: shared,
    find: "builtWith(options.name, options.config, options.context.principal)",
    replace: '""',
    tests: [renewal]
  },
  {
    wrong: "a call in flight ends when its user's token changes",
    file: "src/actors/upstream/links/OpenLinks.ts",
    find: "return link.inFlight === 0 ? Scope.close(link.scope, Exit.void) : Effect.void",
    replace: "return Scope.close(link.scope, Exit.void)",
    tests: [renewal]
  },
  {
    wrong: "restarting a server for one user ends another's connections",
    file: "src/actors/registry/ServerRestart.ts",
    find: "(userId === undefined || actor.principal().userId === userId) &&",
    replace: "",
    tests: [renewal]
  },
  {
    wrong: "two users share sockets",
    file: pools,
    find: "RcMap.get(pools, new PoolKey(userId, origin))",
    replace: 'RcMap.get(pools, new PoolKey("" as UserId, origin))',
    tests: ["test/actors/upstream/http/UserPools.test.ts"]
  },
  {
    wrong: "two users share sockets while everything goes wrong",
    file: pools,
    find: "RcMap.get(pools, new PoolKey(userId, origin))",
    replace: 'RcMap.get(pools, new PoolKey("" as UserId, origin))',
    tests: [canaries]
  },
  {
    wrong: "a redirect is followed with all that was meant for the server",
    file: pools,
    find: "pool.dispatch(options, handler)",
    replace:
      "new Agent().compose(interceptors.redirect({ maxRedirections: 1 })).dispatch({ ...options, origin: key.origin }, handler)",
    also: [
      {
        file: pools,
        find: 'import type { buildConnector, Dispatcher, Pool } from "undici"',
        replace: 'import { Agent, interceptors, type buildConnector, type Dispatcher, type Pool } from "undici"'
      }
    ],
    tests: [canaries]
  },
  {
    wrong: "a child's error gives away what it was started with",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: "scrub: scrubber.json,",
    replace: "scrub: (error) => error,",
    tests: ["test/actors/upstream/stdio/UpstreamStdio.test.ts"]
  },
  {
    wrong: "an HTTP server's error gives away what it was given",
    file: "src/actors/upstream/http/UpstreamHttpAnswer.ts",
    find: "scrubber.json(serverError(response.error))",
    replace: "(void scrubber, serverError(response.error))",
    tests: [echoed]
  },
  {
    wrong: "a child's last words give away what it was started with",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: 'scrubber.text(child.stderr().slice(-10).join("\\n"))',
    replace: 'child.stderr().slice(-10).join("\\n")',
    tests: [echoed]
  },
  {
    wrong: "an error gives away what the operator's settings put into a header",
    file: secrets,
    find: "add(template, expanded.headers?.[name])",
    replace: "add(template, name)",
    tests: [echoed]
  },
  {
    wrong: "a secret leaks as a part of a URL",
    file: scrubber,
    find: "...inUrls(sound), ",
    replace: "",
    tests: [scrubbing]
  },
  {
    wrong: "a secret leaks in JSON",
    file: scrubber,
    find: ", ...inJson(secret)]",
    replace: "]",
    tests: [scrubbing]
  },
  {
    wrong: "a secret leaks in base64",
    file: scrubber,
    find: ", ...inBase64(secret)]",
    replace: "]",
    tests: [scrubbing]
  },
  {
    wrong: "a secret leaks in base64 when something stands before it",
    file: scrubber,
    find: "[0, 1, 2].flatMap",
    replace: "[0].flatMap",
    tests: [scrubbing]
  },
  {
    wrong: "a secret's edges leak in base64",
    file: scrubber,
    find: "formOf(text, before > 0, isShared)",
    replace: "formOf(text)",
    tests: [scrubbing]
  },
  {
    wrong: "two origins share a pool",
    file: pools,
    find: " && that.origin === this.origin",
    replace: "",
    also: [
      {
        file: pools,
        find: "Hash.combine(Hash.string(this.userId), Hash.string(this.origin))",
        replace: "Hash.string(this.userId)"
      }
    ],
    tests: ["test/actors/upstream/http/UserPools.test.ts"]
  },
  {
    wrong: "a proxy is asked for what the hub may not reach",
    file: "src/actors/upstream/http/AddressGuard.ts",
    find: "answer(found.every((address) => mayReach(host, address, allowed)) ? whereaboutsOf(found) : blocked())",
    replace: "answer(whereaboutsOf(found))",
    tests: [proxies]
  },
  {
    wrong: "a proxy is asked for the hub's own networks",
    file: tunnel,
    find: 'if (found === "own" || ',
    replace: "if (",
    tests: [proxies]
  },
  {
    wrong: "two users share a connection",
    file: shared,
    find: 'isolation === "shared" ? undefined : { userId, keyId }',
    replace: "undefined",
    tests: [sharing]
  },
  {
    wrong: "two keys of a user share a connection",
    file: shared,
    find: "      this.owner,\n",
    replace: "      this.owner?.userId,\n",
    tests: [sharing]
  },
  {
    wrong: "the user is no part of a shared connection's key",
    file: shared,
    find: "      this.owner,\n",
    replace: "      this.owner?.keyId,\n",
    tests: [sharing]
  },
  {
    wrong: "two servers share a connection",
    file: shared,
    find: "      options.name,\n",
    replace: "",
    tests: [sharing]
  },
  {
    wrong: "two revisions share a connection",
    file: shared,
    find: "      options.protocolVersion,\n",
    replace: "",
    tests: [sharing]
  },
  {
    wrong: "clients of other capabilities share a connection",
    file: shared,
    find: "      options.clientCapabilities,\n",
    replace: "",
    tests: [sharing]
  },
  {
    wrong: "a connection outlives the settings it was made under",
    file: shared,
    find: "      options.config,\n      builtWith(",
    replace: "      builtWith(",
    tests: [sharing]
  },
  {
    wrong: "the end of a user's key ends other users' connections",
    file: shared,
    find: "this.owner?.userId === userId && (keyId",
    replace: "(keyId",
    tests: [endings, sharing]
  },
  {
    wrong: "the end of one key ends connections of the user's other keys",
    file: shared,
    find: " && (keyId === undefined || this.owner.keyId === keyId)",
    replace: "",
    tests: [endings, sharing]
  },
  {
    wrong: "the end of a key leaves its connections",
    file: shared,
    find: "event.revoked ? keyEnded(event) : Effect.void",
    replace: "Effect.void",
    tests: [endings]
  },
  {
    wrong: "changed settings leave the connections made under the old ones",
    file: shared,
    find: "JSON.stringify(mcpServers[options.name]) !== JSON.stringify(options.config)",
    replace: "false",
    tests: ["test/http/mcp/sessions/SettingsChange.test.ts"]
  },
  {
    wrong: "what is shared goes before the user's own settings say so",
    file: links,
    find: 'keepsNoState(name) ? "user" : "session"',
    replace: 'keepsNoState(name) ? "shared" : "session"',
    tests: [sharedLinks]
  },
  {
    wrong: "sessions share a connection though their server keeps state",
    file: links,
    find: 'isolation === "session" ? connector.connect(request)',
    replace: "false ? connector.connect(request)",
    tests: [sharedLinks]
  },
  {
    wrong: "sharing goes on when the server turns out to keep state",
    file: links,
    find: "config.isolation !== undefined || !connection.stateful",
    replace: "true",
    tests: [sharedLinks]
  },
  {
    wrong: "every session has one and the same connection",
    file: "src/actors/upstream/links/OpenLinks.ts",
    find: "const open = new Map<string, OpenLink>()",
    replace: `const open: Map<string, OpenLink> = ${everybodys("Links")}`,
    tests: [linking]
  },
  {
    wrong: "everybody waits for the moment that a server named to one user",
    file: pauses,
    find: "pauses.get(context.principal.userId)?.get(server)",
    replace: "[...pauses.values()].find((servers) => servers.has(server))?.get(server)",
    tests: ["test/http/mcp/calls/RetryAfter.test.ts"]
  },
  {
    wrong: "a call that may have been executed is reported as safe to repeat",
    file: "src/domain/requests/UpstreamErrors.ts",
    find: ' || error.reason !== "closed" || isRepeatable(method)',
    replace: ' || method !== ""',
    tests: ["test/http/mcp/streams/LostAnswers.test.ts"]
  },
  {
    wrong: "a call that a server refused for now is sent again",
    file: pauses,
    find: "!isPaused || !isRepeatable(method)",
    replace: "!isPaused",
    tests: ["test/http/mcp/calls/RetryAfter.test.ts"]
  },
  {
    wrong: "holders hear of resources they did not ask for",
    file: holders,
    find: "if (!isUpdate || holder.uris.has(uriOf(message.params))) holder.hear(message)",
    replace: "holder.hear(message)",
    tests: [sharing]
  },
  {
    wrong: "who has left still hears",
    file: holders,
    find: "      holders.delete(holder)\n",
    replace: "",
    tests: [sharing]
  },
  {
    wrong: "one holder's unsubscribe silences the others",
    file: holders,
    find: "isWanted(uri) ? Effect.succeed({}) : connection.request(call)",
    replace: "connection.request(call)",
    tests: [sharing]
  },
  {
    wrong: "one holder's leaving silences the others",
    file: holders,
    find: "[...holder.uris].filter((uri) => !isWanted(uri))",
    replace: "[...holder.uris]",
    tests: [sharing, "test/http/mcp/eras/OldClientOnNewServer.test.ts"]
  },
  {
    wrong: "one holder's subscription replaces the others'",
    file: holders,
    find: "Effect.tapError(listen(union(), by)",
    replace: "Effect.tapError(listen(uris, by)",
    tests: ["test/http/mcp/eras/OldClientOnNewServer.test.ts"]
  },
  {
    wrong: "a session id in any response is taken over",
    file: wire,
    find: "request.initialize === true && head.status < 300",
    replace: "head.sessionId !== undefined",
    tests: ["test/actors/upstream/http/UpstreamHttpFaults.test.ts"]
  },
  {
    wrong: "an upstream's session is named to another host",
    file: wire,
    find: "    if (address.origin !== home.origin) return Effect.fail(sessionLost(server))\n",
    replace: "",
    tests: ["test/actors/upstream/http/UpstreamHttpConnect.test.ts"]
  },
  {
    wrong: "what a shared connection sends on its own carries another user's context",
    file: "src/actors/upstream/http/UpstreamHttpSession.ts",
    find: "if (by.principal.userId === options.context.principal.userId) context = by",
    replace: "context = by",
    tests: ["test/actors/upstream/http/UpstreamHttpSession.test.ts"]
  },
  {
    wrong: "one user's address says which era another user's speaks",
    file: "src/actors/upstream/era/UpstreamEra.ts",
    find: 'config.url?.includes("${USER_") === true ? context.principal.userId : ""',
    replace: '""',
    tests: ["test/actors/upstream/era/UpstreamEra.test.ts"]
  },
  {
    wrong: "every list waits for a server that is being tried again",
    file: "src/actors/catalog/ListPatience.ts",
    find: "if (!isWaitedFor) return tooLate(known)",
    replace: "",
    tests: [listing]
  },
  {
    wrong: "a list waits as long as ever for a server that has failed its user lately",
    file: "src/actors/catalog/ListPatience.ts",
    find: "known === undefined ? listTimeout : Math.min(listTimeout, secondPatience)",
    replace: "listTimeout",
    tests: [listing]
  },
  {
    wrong: "sessions share what is known of a server's lists",
    file: lists,
    find: "const own = new Map<string, Own>()",
    replace: `const own: Map<string, Own> = ${everybodys("Lists")}`,
    tests: [listing]
  },
  {
    wrong: "what is missing for one user is said to be missing for all",
    file: "src/actors/catalog/MissingServers.ts",
    find: "of: ({ keyId }) => [...(keys.get(keyId)?.values() ?? [])].map(({ missing }) => missing)",
    replace: "of: () => [...keys.values()].flatMap((entries) => [...entries.values()].map(({ missing }) => missing))",
    tests: ["test/http/mcp/servers/MissingServers.test.ts"]
  },
  {
    wrong: "a child of another user gives way though its user has no more of them",
    file: places,
    find: 'limits.taken(owner, "children") > limits.taken(userId, "children") + 1',
    replace: "true",
    tests: [giving]
  },
  {
    wrong: "a child whose session is in use gives way",
    file: "src/actors/upstream/links/OpenLinks.ts",
    find: "((!isUsed && !isNew) || isIdle())",
    replace: "!isNew",
    tests: [giving]
  },
  {
    wrong: "a client is not told that what its server kept for it is gone",
    file: "src/actors/upstream/links/OpenLinks.ts",
    find: "if (link.isChild && link.isUsed) losses.set(server, reason)",
    replace: "if (link.isChild && !link.isUsed) losses.set(server, reason)",
    tests: [giving]
  },
  {
    wrong: "what is known of a server to one user is known to all",
    file: known,
    find: "const { userId } = by.principal\n    const key = keyOf(by)",
    replace: 'const userId = "all" as UserId\n    const key = keyOf(by)',
    also: [
      {
        file: known,
        find: "const { standing, userId } = by.principal",
        replace: 'const { standing } = by.principal\n    const userId = "all" as UserId'
      },
      { file: known, find: "JSON.stringify([principal.keyId, server,", replace: "JSON.stringify([server," }
    ],
    tests: [knowing]
  },
  {
    wrong: "what is known under one key is known under the user's others, which may have other tokens",
    file: known,
    find: "JSON.stringify([principal.keyId, server,",
    replace: "JSON.stringify([server,",
    tests: [knowing]
  },
  {
    wrong: "what was known with a token that has changed is still shown",
    file: known,
    find: "if (!known.principal.standing.isCurrent) {",
    replace: "if (known.principal.standing.key.isRevoked) {",
    also: [{ file: known, find: "Effect.sync(() => forgetUser(userId))", replace: "Effect.void" }],
    tests: [knowing]
  },
  {
    wrong: "what a server shows to one session after it has changed is shown to the others",
    file: lists,
    find: " && !unlike.has(key)\n",
    replace: "\n",
    tests: [knowing]
  },
  {
    wrong: "what a server shows to one session after a call is taken for its start",
    file: lists,
    find: "if (links.isUsed(server)) unlike",
    replace: "if (!links.isUsed(server)) unlike",
    tests: [knowing]
  },
  {
    wrong: "whoever looks at a server for the first time waits for another user's process",
    file: known,
    find: "const key = `${kind}:${keyOf(by)}`",
    replace: "const key = `${kind}:${by.server}`",
    tests: ["test/actors/catalog/KnownServers.test.ts"]
  },
  {
    wrong: "sessions share the lists that are being fetched",
    file: lists,
    find: "const fetching = SingleFlight.make<string, Items, UpstreamError>(session)",
    replace:
      "const fetching: SingleFlight.SingleFlight<string, Items, UpstreamError> = ((globalThis as any).fetching ??= SingleFlight.make(session))",
    tests: [listing]
  },
  {
    wrong: "a server's lists of all kinds are one",
    file: lists,
    find: "`${kind}:${server}`",
    replace: "server",
    tests: [listing]
  },
  {
    wrong: "the lists of all servers are one",
    file: lists,
    find: "`${kind}:${server}`",
    replace: "kind",
    tests: [listing, "test/actors/catalog/Catalog.test.ts"]
  },
  {
    wrong: "a session hears of resources it did not subscribe to",
    file: "src/actors/session/SessionMessages.ts",
    find: 'of options.resourceNames(server, textOrEmpty(message.params?.["uri"]))',
    replace: 'of [textOrEmpty(message.params?.["uri"])]',
    tests: ["test/http/mcp/calls/Methods.test.ts"]
  },
  {
    wrong: "a user's answer goes to another server than the one that asked",
    file: "src/actors/session/SessionActor.ts",
    find: "[...links.live()].find((live) => live.server === server)",
    replace: "[...links.live()][0]",
    tests: ["test/http/mcp/calls/Questions.test.ts"]
  }
]

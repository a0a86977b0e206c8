/** Rules about the owner of a stream of the HTTP+SSE transport, and about everything that ends with the stream. */
import type { Mutation } from "./Mutation.ts"

const transport = "src/http/mcp/McpEventTransport.ts"
const registry = "src/actors/registry/SessionRegistry.ts"
const owners = "test/http/mcp/event-transport/OldTransport.test.ts"
const endings = "test/http/mcp/event-transport/OldTransportEndings.test.ts"

export const eventTransport: ReadonlyArray<Mutation> = [
  {
    wrong: "a stream of HTTP+SSE is found by its id alone",
    file: transport,
    find: "connections.get(keyOf(principal, id))",
    replace: "[...connections.values()].find(({ wireId }) => wireId === id)",
    tests: [owners]
  },
  {
    wrong: "a stream of HTTP+SSE is found by its user's other keys",
    file: transport,
    find: "connections.get(keyOf(principal, id))",
    replace: "[...connections.values()].find(({ userId, wireId }) => userId === principal.userId && wireId === id)",
    tests: [owners]
  },
  {
    wrong: "a session over HTTP+SSE is found under its id over streamable HTTP",
    file: registry,
    find: "keyOf(principal, target, `\\u0000${wireId}`)",
    replace: "keyOf(principal, target, wireId)",
    tests: [owners]
  },
  {
    wrong: "a session over HTTP+SSE is written down for a restart",
    file: registry,
    find: ' === "stateful" && options.streamed === undefined',
    replace: ' === "stateful"',
    tests: [owners]
  },
  {
    wrong: "what the user may reach is not looked at again after the stream was opened",
    file: transport,
    find: "const target = connection?.targetFor(principal)",
    replace: "const target = connection?.target",
    tests: [owners]
  },
  {
    wrong: "the session stays when its stream has ended",
    file: transport,
    find: 'Effect.ignore(sessions.close(sessionId, "its event stream has ended"))',
    replace: "Effect.sync(() => void sessionId)",
    tests: [endings]
  },
  {
    wrong: "the place of a stream stays taken",
    file: transport,
    find: "({ leave }) => Effect.sync(leave)",
    replace: "() => Effect.void",
    tests: [endings]
  },
  {
    wrong: "a stream without a session survives its key",
    file: transport,
    find: "waiting.stream.end()",
    replace: "void waiting",
    tests: [endings]
  },
  {
    wrong: "a revoked key ends everybody's streams that have no session yet",
    file: transport,
    find: " || waiting.userId !== userId",
    replace: "",
    also: [{ file: transport, find: "keyId === undefined || waiting.keyId === keyId", replace: "keyId !== null" }],
    tests: [endings]
  },
  {
    wrong: "a stream takes no place until there is a session",
    file: registry,
    find: "return yield* takePlace(principal)\n  })\n\n  const open",
    replace: "return placeOf(principal.userId)\n  })\n\n  const open",
    tests: [endings]
  },
  {
    wrong: "events over HTTP+SSE without data reach the client",
    file: transport,
    find: 'json === "" || ',
    replace: "",
    tests: [owners]
  }
]

/** What one user, or one server, can take away from the others. */
import type { Mutation } from "./Mutation.ts"

const places = "src/actors/upstream/ServerPlaces.ts"
const counted = "test/actors/upstream/ServerPlaces.test.ts"
const hanging = "test/http/ServerPlaces.test.ts"

export const bulkheads: ReadonlyArray<Mutation> = [
  {
    wrong: "the requests of all users at a server count as one's",
    file: places,
    find: "if (taken(context.principal.userId, server) >= max)",
    replace: "if ([...users.values()].reduce((sum, servers) => sum + (servers.get(server) ?? 0), 0) >= max)",
    tests: [counted, hanging]
  },
  {
    wrong: "a user's requests at all servers count as one server's",
    file: places,
    find: "users.get(userId)?.get(server) ?? 0",
    replace: "[...(users.get(userId)?.values() ?? [])].reduce((sum, count) => sum + count, 0)",
    tests: [counted]
  },
  {
    wrong: "a user may have one request more at a server than allowed",
    file: places,
    find: "server) >= max) return overloaded",
    replace: "server) > max) return overloaded",
    tests: [counted, hanging]
  },
  {
    wrong: "a server's own limit of requests is not read",
    file: places,
    find: "config.options?.maxInflight ?? maxInflightPerServer",
    replace: "config === undefined ? 0 : maxInflightPerServer",
    tests: [hanging]
  },
  {
    wrong: "a place at a server is not given back",
    file: places,
    find: "() => Effect.sync(() => give(asking))",
    replace: "() => Effect.void",
    tests: [counted, hanging]
  },
  {
    wrong: "a request on an open connection takes no place at its server",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: "call.own === true ? places.beside(asking, sent) : places.within(asking, sent)",
    replace: "sent",
    tests: [counted]
  },
  {
    wrong: "a request on an open connection is never beyond its user's places",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: ": places.within(asking, sent)",
    replace: ": places.beside(asking, sent)",
    tests: [counted]
  },
  {
    wrong: "requests that wait for a connection to open take no place at its server",
    file: "src/actors/Carrier.ts",
    find: "config === undefined ? reached : places.within({ server, config, context }, reached)",
    replace: "reached",
    tests: [hanging]
  },
  {
    wrong: "a server whose places are taken is no longer listed",
    file: "src/actors/ServerLists.ts",
    find: "context, own: true, onMessage",
    replace: "context, onMessage",
    tests: [hanging]
  },
  {
    wrong: "a new conversation is not told the log level when the places at its server are taken",
    file: "src/actors/SessionLogLevel.ts",
    find: "              own: true,\n",
    replace: "",
    tests: [hanging]
  }
]

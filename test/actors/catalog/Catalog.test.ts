import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import * as Catalog from "../../../src/actors/catalog/Catalog.ts"
import type { Route } from "../../../src/actors/catalog/Route.ts"
import type { Access } from "../../../src/domain/access/Access.ts"
import type { ToolGrant } from "../../../src/domain/access/ToolGrant.ts"
import type { HubConfigShape } from "../../../src/domain/config/HubConfig.ts"
import type { JsonObject } from "../../../src/domain/protocol/JsonRpc.ts"
import type { ListKind } from "../../../src/domain/protocol/Methods.ts"
import { lists } from "../../../src/domain/protocol/Methods.ts"
import type { ServerConfig } from "../../../src/domain/servers/ServerConfig.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { upstreams } from "../upstream/support/UpstreamSessions.ts"

/** What a server lists: names of tools and prompts, URIs of resources and templates. */
type Offer = Readonly<Partial<Record<ListKind, ReadonlyArray<string>>>>

interface Behind {
  readonly offer: Offer
  readonly config?: Omit<ServerConfig, "url">
  /** Answers no list any more. */
  readonly dead?: boolean
}

const itemOf = (kind: ListKind, key: string): JsonObject => {
  if (kind === "resources") return { uri: key, name: key }
  if (kind === "templates") return { uriTemplate: key, name: key }
  return { name: key, description: `says ${key}` }
}

const serving = ({ dead, offer }: Behind) =>
  ScriptedHttpUpstream.make({
    sessions: false,
    methods: {
      initialize: (call) =>
        call.result({
          protocolVersion: "2025-11-25",
          capabilities: { tools: {}, prompts: {}, resources: {} },
          serverInfo: { name: "offering", version: "1" }
        }),
      ...Object.fromEntries(
        Object.entries(lists).map(([kind, { field, method }]) => [
          method,
          (call) =>
            dead === true
              ? call.error(-32603, "out of order")
              : call.result({ [field]: (offer[kind as ListKind] ?? []).map((key) => itemOf(kind as ListKind, key)) })
        ])
      )
    }
  })

/** The catalog of one session in front of these servers; each look is made with the access given, all of it at first. */
const catalog = Effect.fnUntraced(function* (
  servers: Readonly<Record<string, Behind>>,
  options: { readonly direct?: boolean; readonly config?: Partial<HubConfigShape> } = {}
) {
  const running = yield* Effect.forEach(Object.entries(servers), ([name, behind]) =>
    Effect.map(serving(behind), (server) => ({ name, server, config: { ...behind.config, url: server.url } }))
  )
  const hub = yield* upstreams(
    Object.fromEntries(running.map(({ config, name }) => [name, config])),
    options.config ?? {}
  )
  const everything: Access = new Map(running.map(({ name }): [string, ToolGrant] => [name, "all"]))
  const of = Effect.fnUntraced(function* (username: string, access: Access = everything) {
    const session = yield* hub.session(username)
    const { direct = false } = options
    const room = { hold: () => true, release: () => {} }
    const own = yield* Catalog.make({ lists: session.lists, direct, era: "stateful", room }).pipe(
      Effect.provideContext(hub.services)
    )
    session.onListChange(own.forget)
    const route = (kind: "tool" | "prompt" | "resource" | "template") => (name: string) =>
      Effect.suspend(() =>
        Effect.map(own[kind](name, access, session.context()), (found) => `${found.server}:${found.name}`)
      ).pipe(Effect.catch((error) => Effect.succeed(`${error._tag}: ${error.message}`)))
    return {
      list: (kind: ListKind) => Effect.suspend(() => own.list(kind, access, session.context())),
      /** What a client finds in the list. */
      shown: (kind: ListKind) =>
        Effect.map(
          Effect.suspend(() => own.list(kind, access, session.context())),
          ({ items }) =>
            items.map((item) =>
              String(item[kind === "resources" ? "uri" : kind === "templates" ? "uriTemplate" : "name"])
            )
        ),
      /** Where a name leads, `server:name`, or the error. */
      tool: route("tool"),
      toolWith: (other: Access, name: string) =>
        Effect.suspend(() => own.tool(name, other, session.context())).pipe(
          Effect.map((found) => `${found.server}:${found.name}`),
          Effect.catch((error) => Effect.succeed(`${error._tag}: ${error.message}`))
        ),
      invalidate: session.lists.closed,
      prompt: route("prompt"),
      resource: route("resource"),
      template: route("template"),
      /** What the client calls a URI that the server puts into a result, and where it leads with other access. */
      given: (server: string, uri: string) => {
        const call = { method: "tools/call", route: { server, name: "t" }, asked: "t" }
        const result: any = own.inResult(call, { content: [{ type: "resource_link", uri }] }, access)
        return result.content[0].uri as string
      },
      resourceWith: (other: Access, uri: string) =>
        Effect.suspend(() => Effect.result(own.resource(uri, other, session.context()))),
      toolOf: (found: Route) => Effect.suspend(() => own.toolOf(found, session.context()))
    }
  })
  return { of, servers: Object.fromEntries(running.map(({ name, server }) => [name, server])) }
})

const unknownTool = (name: string) => `InvalidParams: Unknown tool: ${name}`

describe("names of tools and prompts", () => {
  it.effect("carry their server's name, and lead back to it", () =>
    Effect.gen(function* () {
      const offer = { tools: ["search"], prompts: ["greet"] }
      const ada = yield* (yield* catalog({ notes: { offer }, mail: { offer } })).of("ada")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["notes-search", "mail-search"])
      assert.deepStrictEqual(yield* ada.shown("prompts"), ["notes-greet", "mail-greet"])
      assert.strictEqual(yield* ada.tool("mail-search"), "mail:search")
      assert.strictEqual(yield* ada.prompt("notes-greet"), "notes:greet")
      assert.strictEqual(yield* ada.prompt("greet"), "InvalidParams: Unknown prompt: greet")
      assert.strictEqual(yield* ada.tool("search"), unknownTool("search"))
    }).pipe(Effect.scoped)
  )

  it.effect("that led to a tool are looked for again with another access, and when a list is another one", () =>
    Effect.gen(function* () {
      const tools = ["search"]
      const hub = yield* catalog({ notes: { offer: { tools } }, mail: { offer: { tools: ["send"] } } })
      const [ada, bo] = [yield* hub.of("ada"), yield* hub.of("bo")]
      yield* ada.shown("tools")
      yield* bo.shown("tools")
      assert.strictEqual(yield* ada.tool("notes-search"), "notes:search")
      assert.strictEqual(yield* ada.toolWith(new Map([["mail", "all"]]), "notes-search"), unknownTool("notes-search"))
      assert.strictEqual(
        yield* ada.toolWith(new Map([["notes", new Set(["other"])]]), "notes-search"),
        unknownTool("notes-search")
      )
      assert.strictEqual(yield* ada.tool("notes-search"), "notes:search")
      tools[0] = "find"
      ada.invalidate("notes")
      assert.strictEqual(yield* ada.tool("notes-search"), unknownTool("notes-search"))
      assert.strictEqual(yield* ada.tool("notes-find"), "notes:find")
      // Bo's list is his own: nothing has changed in it yet.
      assert.strictEqual(yield* bo.tool("notes-search"), "notes:search")
    }).pipe(Effect.scoped)
  )

  it.effect("are known without a list having been asked for, and bare where only one server has them", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ notes: { offer: { tools: ["search"] } }, mail: { offer: { tools: ["send"] } } })
      const ada = yield* hub.of("ada")
      assert.strictEqual(yield* ada.tool("notes-search"), "notes:search")
      assert.strictEqual(hub.servers["mail"]!.calls("tools/list").length, 0)
      assert.strictEqual(yield* ada.tool("send"), "mail:send")
      assert.strictEqual(yield* ada.tool("notes-send"), unknownTool("notes-send"))
    }).pipe(Effect.scoped)
  )

  it.effect("A48: lead nowhere while a list is missing that may hold the same name, and say so", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: { offer: { tools: ["search"], prompts: ["greet"] } },
        mail: { offer: {}, dead: true }
      })
      const ada = yield* hub.of("ada")
      assert.match(yield* ada.tool("search"), /^UpstreamUnavailable: .*"search".*list of server mail is missing/)
      assert.match(yield* ada.prompt("greet"), /^UpstreamUnavailable: .*list of server mail/)
      assert.strictEqual(yield* ada.tool("notes-search"), "notes:search")
      assert.strictEqual(yield* ada.tool("absent"), unknownTool("absent"))
      // Whoever may not use the other server has no twin there.
      const bo = yield* hub.of("bo", new Map<string, ToolGrant>([["notes", "all"]]))
      assert.strictEqual(yield* bo.tool("search"), "notes:search")
    }).pipe(Effect.scoped)
  )

  it.effect("A48: that two servers could have exposed lead nowhere while the list of one of them is missing", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ a: { offer: { tools: ["b-c"] } }, "a-b": { offer: {}, dead: true } })
      const ada = yield* hub.of("ada")
      assert.match(yield* ada.tool("a-b-c"), /^UpstreamUnavailable: .*list of server a-b is missing/)
    }).pipe(Effect.scoped)
  )

  it.effect("are the server's own behind an endpoint of one server", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ notes: { offer: { tools: ["search"], resources: ["a+b://x"] } } }, { direct: true })
      const ada = yield* hub.of("ada")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["search"])
      assert.strictEqual(yield* ada.tool("search"), "notes:search")
      assert.strictEqual(yield* ada.resource("a+b://x"), "notes:a+b://x")
      const bo = yield* hub.of("bo", new Map())
      assert.strictEqual(yield* bo.tool("search"), unknownTool("search"))
      assert.strictEqual(yield* bo.resource("a+b://x"), "ResourceUnknown: Resource not found")
    }).pipe(Effect.scoped)
  )

  it.effect("are joined by the configured separator", () =>
    Effect.gen(function* () {
      const servers = { notes: { offer: { tools: ["search"] } } }
      const ada = yield* (yield* catalog(servers, { config: { nameSeparator: "__" } })).of("ada")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["notes__search"])
      assert.strictEqual(yield* ada.tool("notes__search"), "notes:search")
      assert.strictEqual(yield* ada.tool("notes-search"), unknownTool("notes-search"))
    }).pipe(Effect.scoped)
  )

  it.effect("that two servers would expose are exposed by neither and never guessed", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ a: { offer: { tools: ["b-c", "own"] } }, "a-b": { offer: { tools: ["c", "d"] } } })
      const ada = yield* hub.of("ada")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["a-own", "a-b-d"])
      assert.strictEqual(yield* ada.tool("a-b-c"), unknownTool("a-b-c"))
      assert.strictEqual(yield* ada.tool("a-b-d"), "a-b:d")
    }).pipe(Effect.scoped)
  )

  it.effect("are no longer ambiguous where the user may use only one of the two", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ a: { offer: { tools: ["b-c"] } }, "a-b": { offer: { tools: ["c", "d"] } } })
      const access: Access = new Map<string, ToolGrant>([
        ["a", "all"],
        ["a-b", new Set(["d"])]
      ])
      const ada = yield* hub.of("ada", access)
      assert.deepStrictEqual(yield* ada.shown("tools"), ["a-b-c", "a-b-d"])
      assert.strictEqual(yield* ada.tool("a-b-c"), "a:b-c")
      const bo = yield* hub.of("bo")
      assert.deepStrictEqual(yield* bo.shown("tools"), ["a-b-d"])
      assert.strictEqual(yield* bo.tool("a-b-c"), unknownTool("a-b-c"))
    }).pipe(Effect.scoped)
  )
})

describe("what a user may not use", () => {
  it.effect("is neither shown nor called, by no name it might have; bo, who may, finds it", () =>
    Effect.gen(function* () {
      const offer = { tools: ["search", "delete"] }
      const hub = yield* catalog({ notes: { offer }, vault: { offer: { tools: ["open"], prompts: ["greet"] } } })
      const ada = yield* hub.of("ada", new Map([["notes", new Set(["search"])]]))
      const bo = yield* hub.of("bo")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["notes-search"])
      assert.deepStrictEqual(yield* ada.shown("prompts"), [])
      for (const name of ["notes-delete", "delete", "vault-open", "open"]) {
        assert.strictEqual(yield* ada.tool(name), unknownTool(name))
        assert.notStrictEqual(yield* bo.tool(name), unknownTool(name))
      }
      const asked = hub.servers["vault"]!.received.map(({ headers }) => headers["x-mcphub-user-id"])
      assert.deepStrictEqual([...new Set(asked)], ["bo-id"])
    }).pipe(Effect.scoped)
  )

  it.effect("may be named by a group in either way, with or without the server", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({ notes: { offer: { tools: ["search", "add", "delete"] } } })
      const ada = yield* hub.of("ada", new Map([["notes", new Set(["notes-search", "add"])]]))
      assert.deepStrictEqual(yield* ada.shown("tools"), ["notes-search", "notes-add"])
    }).pipe(Effect.scoped)
  )

  it.effect("includes tools that the settings switch off, and no other server answers in their place", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: {
          offer: { tools: ["search", "add", "delete"] },
          config: { tools: { search: { enabled: false }, "notes-add": { enabled: false } } }
        },
        other: { offer: { tools: ["notes-search"] } }
      })
      const ada = yield* hub.of("ada")
      assert.deepStrictEqual(yield* ada.shown("tools"), ["notes-delete", "other-notes-search"])
      assert.strictEqual(yield* ada.tool("notes-search"), unknownTool("notes-search"))
      assert.strictEqual(yield* ada.tool("notes-add"), unknownTool("notes-add"))
      assert.strictEqual(yield* ada.tool("other-notes-search"), "other:notes-search")
    }).pipe(Effect.scoped)
  )
})

describe("a description in the settings", () => {
  it.effect("takes the place of the server's own; everything else of a tool stays", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: { offer: { tools: ["search", "add"] }, config: { tools: { search: { description: "Looks" } } } }
      })
      const ada = yield* hub.of("ada")
      // Its server gives none.
      const inputSchema = { type: "object" }
      assert.deepStrictEqual((yield* ada.list("tools")).items, [
        { name: "notes-search", description: "Looks", inputSchema },
        { name: "notes-add", description: "says add", inputSchema }
      ])
      const route = { server: "notes", name: "search" }
      assert.deepStrictEqual(yield* ada.toolOf(route), { name: "search", description: "says search", inputSchema })
      assert.isUndefined(yield* ada.toolOf({ server: "notes", name: "absent" }))
    }).pipe(Effect.scoped)
  )
})

describe("a server that does not answer", () => {
  it.effect("is left out of the list, named with the reason, and a call to it says what is wrong", () =>
    Effect.gen(function* () {
      const offer = { tools: ["search"] }
      const ada = yield* (yield* catalog({ notes: { offer }, broken: { offer, dead: true } })).of("ada")
      const listing = yield* ada.list("tools")
      assert.deepStrictEqual(
        listing.items.map(({ name }) => name),
        ["notes-search"]
      )
      assert.deepStrictEqual(listing.missing, [{ server: "broken", why: "upstream_error", reason: "out of order" }])
      assert.strictEqual(yield* ada.tool("broken-search"), "UpstreamErrorResponse: out of order")
      assert.isUndefined(yield* ada.toolOf({ server: "broken", name: "search" }))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* ada.tool("notes-search"), "notes:search")
    }).pipe(Effect.scoped)
  )
})

describe("resources", () => {
  it.effect("keep their URI where one server offers it, and are named with the server where several do", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: { offer: { resources: ["file:///a", "file:///b"], templates: ["file:///n/{x}"] } },
        mail: { offer: { resources: ["file:///a"], templates: ["file:///n/{x}", "mail:///{id}"] } }
      })
      const ada = yield* hub.of("ada")
      assert.deepStrictEqual(yield* ada.shown("resources"), ["notes+file:///a", "mail+file:///a", "file:///b"])
      assert.deepStrictEqual(yield* ada.shown("templates"), [
        "notes+file:///n/{x}",
        "mail+file:///n/{x}",
        "mail:///{id}"
      ])
      assert.strictEqual(yield* ada.resource("file:///b"), "notes:file:///b")
      assert.strictEqual(yield* ada.resource("mail+file:///a"), "mail:file:///a")
      assert.strictEqual(
        yield* ada.resource("file:///a"),
        "InvalidParams: Several servers offer file:///a; name one of them: notes+file:///a, mail+file:///a"
      )
      assert.strictEqual(yield* ada.template("mail:///{id}"), "mail:mail:///{id}")
      assert.strictEqual(yield* ada.template("mail+file:///n/{x}"), "mail:file:///n/{x}")
      assert.strictEqual(yield* ada.template("file:///n/{x}"), "ResourceUnknown: Resource template not found")
    }).pipe(Effect.scoped)
  )

  it.effect("on no list go to the server whose template fits best, and to none where two fit alike", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: { offer: { templates: ["file:///{+path}", "{+anything}"] } },
        mail: { offer: { templates: ["file:///mail/{id}"] } },
        post: { offer: { templates: ["post:///{id}"] } },
        host: { offer: { templates: ["post:///{name}"] } }
      })
      const ada = yield* hub.of("ada")
      assert.strictEqual(yield* ada.resource("file:///x"), "notes:file:///x")
      assert.strictEqual(yield* ada.resource("file:///mail/7"), "mail:file:///mail/7")
      assert.match(yield* ada.resource("post:///7"), /^InvalidParams: Several servers offer post:\/\/\/7/)
      assert.strictEqual(yield* ada.resource("https://x"), "ResourceUnknown: Resource not found")
    }).pipe(Effect.scoped)
  )

  it.effect("whose own URI looks like a server and a plus are read where they are offered", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        git: { offer: { resources: ["file:///a"] } },
        forge: { offer: { resources: ["git+ssh://forge/repo"], templates: ["git+ssh://forge/{repo}"] } }
      })
      const ada = yield* hub.of("ada")
      assert.deepStrictEqual(yield* ada.shown("resources"), ["file:///a", "git+ssh://forge/repo"])
      assert.strictEqual(yield* ada.resource("git+ssh://forge/repo"), "forge:git+ssh://forge/repo")
      assert.deepStrictEqual(yield* ada.shown("templates"), ["git+ssh://forge/{repo}"])
      assert.strictEqual(yield* ada.template("git+ssh://forge/{repo}"), "forge:git+ssh://forge/{repo}")
      assert.strictEqual(yield* ada.resource("git+file:///a"), "git:file:///a")
    }).pipe(Effect.scoped)
  )

  it.effect("of a server out of reach do not exist, by no name", () =>
    Effect.gen(function* () {
      const hub = yield* catalog({
        notes: { offer: { resources: ["file:///a"], templates: ["file:///n/{x}"] } },
        mail: { offer: {} },
        web: { offer: {} }
      })
      const within: Access = new Map([
        ["mail", "all"],
        ["web", "all"]
      ])
      const ada = yield* hub.of("ada", within)
      const bo = yield* hub.of("bo")
      for (const uri of ["file:///a", "notes+file:///a", "file:///n/1"]) {
        assert.strictEqual(yield* ada.resource(uri), "ResourceUnknown: Resource not found")
        assert.match(yield* bo.resource(uri), /^notes:file/)
      }
      assert.strictEqual(yield* ada.template("file:///n/{x}"), "ResourceUnknown: Resource template not found")
      // What a server gave while it was within reach leads nowhere once it no longer is.
      assert.strictEqual(bo.given("notes", "doc://1"), "doc://1")
      assert.strictEqual(yield* bo.resource("doc://1"), "notes:doc://1")
      assert.isTrue(Result.isFailure(yield* bo.resourceWith(within, "doc://1")))
    }).pipe(Effect.scoped)
  )
})

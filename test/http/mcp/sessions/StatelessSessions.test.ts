import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { createHash } from "node:crypto"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { capabilityClass } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import { type HubUser, McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { type ClientOptions, requestOf } from "../../support/StatelessClient.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const call = Effect.fnUntraced(function* (
    user: HubUser,
    name: string,
    args: object,
    options: ClientOptions & { readonly state?: string }
  ) {
    const { headers, ...request } = requestOf(user, "tools/call", { name: `files-${name}`, arguments: args }, options)
    const state = options.state === undefined ? {} : { "x-mcphub-state-id": options.state }
    const answer = yield* hub.http.open({ ...request, headers: { ...headers, ...state } })
    return ((yield* answer.rest).at(-1) as any).result.structuredContent.project as unknown
  })
  return {
    hub,
    /** Leaves a word in the session that such a request has at the upstream. */
    leave: (user: HubUser, project: string, options: ClientOptions & { readonly state?: string }) =>
      call(user, "set-context", { project }, options),
    find: (user: HubUser, options: ClientOptions & { readonly state?: string }) => call(user, "get-data", {}, options)
  }
})

describe("the session of a client without sessions", () => {
  it.live("is the user's own for one state, one name and one class of capabilities", () =>
    Effect.gen(function* () {
      const { find, hub, leave } = yield* start
      const editor = { name: "editor" }
      const apart = [
        editor,
        { name: "shell" },
        { name: "editor", capabilities: { elicitation: {} } },
        { name: "editor", state: "11111111-0000-4000-8000-000000000000" },
        { name: "editor", state: "22222222-0000-4000-8000-000000000000" },
        // Called what a client calls itself, a state is another session all the same.
        { name: "other", state: "editor" }
      ]
      for (const [index, options] of apart.entries()) {
        assert.isNull(yield* find(hub.ada, options), JSON.stringify(options))
        yield* leave(hub.ada, `ada-${index}`, options)
      }
      for (const [index, options] of apart.entries()) {
        assert.strictEqual(yield* find(hub.ada, options), `ada-${index}`)
        assert.isNull(yield* find(hub.bo, options), "bo sees what ada left")
      }
      // A state is the client's wherever it goes: the name of the program does not matter then.
      assert.strictEqual(
        yield* find(hub.ada, { name: "shell", state: "11111111-0000-4000-8000-000000000000" }),
        "ada-3"
      )
    })
  )

  it.live("cannot be named by a client that has sessions, not even the user's own", () =>
    Effect.gen(function* () {
      const { find, hub, leave } = yield* start
      yield* leave(hub.ada, "apollo", { name: "editor" })
      const digest = createHash("sha256")
        .update(JSON.stringify(["client", "editor", capabilityClass({})]))
        .digest("hex")
      const sessions = Context.get(hub.services, Sessions)
      for (const [index, user] of [hub.ada, hub.bo].entries()) {
        const answer = yield* hub.http.send({
          path: "/mcp",
          headers: { ...McpClient.clientHeaders(user.key), "mcp-session-id": digest },
          body: JSON.stringify({
            jsonrpc: "2.0",
            id: 1,
            method: "tools/call",
            params: { name: "files-get-data", arguments: {} }
          })
        })
        // A label of the client's own, and so a session of its own.
        assert.isNull(JSON.parse(answer.text).result.structuredContent.project)
        assert.strictEqual(sessions.size(), index + 2)
      }
      assert.strictEqual(yield* find(hub.ada, { name: "editor" }), "apollo")
    })
  )
})

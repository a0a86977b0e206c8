/**
 * The MCP Inspector's command line, as published, in each of its protocol eras and on upstreams of both: a client that
 * nobody here wrote.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { served } from "../conformance/Served.ts"
import { ClientHub, node } from "./ClientHub.ts"
import { run } from "./Programs.ts"

const inspector = (() => {
  const manifest = createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json")
  const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly bin: Readonly<Record<string, string>> }
  return join(dirname(manifest), bin["mcp-inspector"]!)
})()

const inspect = (url: string, key: string, era: string, ...args: ReadonlyArray<string>) =>
  run(node, [inspector, "--cli", url, ...options(key, era), ...args, "--format", "json", "-q"])

const options = (key: string, era: string) =>
  Object.entries({ transport: "http", "protocol-era": era, header: `Authorization: Bearer ${key}` }).flatMap(
    ([name, value]) => [`--${name}`, value]
  )

layer(ClientHub.layer, { excludeTestServices: true, timeout: "60 seconds" })("the Inspector", (it) => {
  for (const era of served.statelessClients ? ["legacy", "modern", "auto"] : ["legacy", "auto"]) {
    for (const server of served.statelessUpstreams ? (["old", "new", "both"] as const) : (["old", "both"] as const)) {
      describe(`in its ${era} era on the upstream "${server}"`, () => {
        it.effect("lists the tools", () =>
          Effect.gen(function* () {
            const { ada, endpoint } = yield* ClientHub
            const ran = yield* inspect(endpoint(server), ada.key, era, "--method", "tools/list")
            assert.strictEqual(ran.code, 0, ran.stderr)
            const { result } = JSON.parse(ran.stdout) as { result: { tools: ReadonlyArray<{ name: string }> } }
            const names = result.tools.map(({ name }) => name)
            assert.includeMembers(names, ["echo", "test_simple_text", "json_schema_2020_12_tool"])
          })
        )

        it.effect("calls a tool", () =>
          Effect.gen(function* () {
            const { ada, endpoint } = yield* ClientHub
            const call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "text=hello"]
            const ran = yield* inspect(endpoint(server), ada.key, era, ...call)
            assert.strictEqual(ran.code, 0, ran.stderr)
            const { result } = JSON.parse(ran.stdout) as { result: { content: ReadonlyArray<{ text: string }> } }
            assert.strictEqual(result.content[0]!.text, "hello")
          })
        )
      })
    }

    describe(`in its ${era} era`, () => {
      it.effect("is shown nothing with a key the hub does not know", () =>
        Effect.gen(function* () {
          const { endpoint } = yield* ClientHub
          const ran = yield* inspect(endpoint("both"), `mcphub_${"0".repeat(64)}`, era, "--method", "tools/list")
          assert.notStrictEqual(ran.code, 0)
          assert.notInclude(ran.stdout, "test_simple_text")
        })
      )
    })
  }
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { parse } from "jsonc-parser"
import { parse as parseToml, stringify } from "smol-toml"
import type { EntryChange } from "../../../src/domain/ClientEntries.ts"
import { editForeign } from "../../../src/domain/settings/ForeignEdits.ts"

const hub: EntryChange = { path: ["mcpServers", "mcphub"], value: { url: "http://127.0.0.1:3000/mcp" } }
const input: EntryChange = { path: ["inputs"], sameBy: "id", value: { id: "mcphub-key", password: true } }
const table: EntryChange = { path: ["mcp_servers", "mcphub"], value: { url: "http://hub/mcp", required: true } }

const json = (text: string, ...changes: ReadonlyArray<EntryChange>) => editForeign("json", text, changes)

/** Lines of the first text that are not in the second in this order. */
const lostLines = (before: string, after: string): ReadonlyArray<string> => {
  const left = after.split("\n")
  return before.split("\n").filter((line) => {
    const at = left.indexOf(line)
    if (at !== -1) left.splice(0, at + 1)
    return at === -1
  })
}

describe("a change to another program's JSON", () => {
  it.effect("writes no other line anew, and keeps comments, tabs, ends of lines and the comma after the last", () =>
    Effect.gen(function* () {
      const text =
        '\uFEFF// mine\r\n{\r\n\t"mcpServers": {\r\n\t\t"a": { "env": { "T": "x" } }, // of a\r\n\t\t// the end\r\n\t},\r\n\t"z": [1, 2]\r\n}\r\n'
      const after = yield* json(text, hub)
      assert.deepStrictEqual(lostLines(text, after), [])
      assert.include(
        after,
        '\r\n\t\t"mcphub": {\r\n\t\t\t"url": "http://127.0.0.1:3000/mcp"\r\n\t\t},\r\n\t\t// the end'
      )
      assert.isTrue(after.startsWith("\uFEFF// mine\r\n"))
      assert.deepStrictEqual(yield* json(after, hub), after)
    })
  )

  it.effect("puts a comma behind the member before it, and not behind that one's comment", () =>
    Effect.gen(function* () {
      const after = yield* json('{\n  "mcpServers": {\n    "a": {} // of a\n  }\n}\n', hub)
      assert.include(after, '    "a": {}, // of a\n    "mcphub": {\n')
    })
  )

  it.effect("replaces an entry of its name and an item of its id, and no other", () =>
    Effect.gen(function* () {
      const text =
        '{ "inputs": [{ "id": "other" }, { "id": "mcphub-key", "old": 1 }], "mcpServers": { "mcphub": { "command": "x" }, "b": {} } }'
      assert.deepStrictEqual(parse(yield* json(text, input, hub)), {
        inputs: [{ id: "other" }, input.value],
        mcpServers: { mcphub: hub.value, b: {} }
      })
    })
  )

  it.effect("begins a file that is empty, and refuses one it does not understand, quoting nothing of it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(parse(yield* json("", input, hub)), {
        inputs: [input.value],
        mcpServers: { mcphub: hub.value }
      })
      for (const [text, said] of [
        ['{ "canary-77" ', "the file is not JSON from line 1, column 15 on"],
        ['["canary-77"]', "it is no object"],
        ['{ "mcpServers": "canary-77" }', "its member mcpServers is no object"],
        ['{ "inputs": { "canary-77": 1 }, "mcpServers": {} }', "its member inputs is no list"],
        ['{ "mcpServers": { "__proto__": { "x": "canary-77" } } }', "it has a member named __proto__"],
        ['{ "mcpServers": {}, "mcpServers": { "a": 1 } }', "has to be changed by hand"]
      ] as const) {
        const { message } = yield* Effect.flip(json(text, input, hub))
        assert.include(message, said, text)
        assert.notInclude(message, "canary-77")
      }
    })
  )

  it("whatever else a file holds and however it is spaced, the rest stays as it was", () => {
    const name = fc.string().filter((one) => !["__proto__", "inputs", "mcpServers"].includes(one))
    const value = fc.jsonValue().filter((one) => !JSON.stringify(one).includes("__proto__"))
    const members = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true })
    fc.assert(
      fc.property(members, fc.option(members), fc.constantFrom(undefined, 2, "\t"), (others, servers, space) => {
        const document = JSON.parse(JSON.stringify({ ...others, ...(servers === null ? {} : { mcpServers: servers }) }))
        const text = `// first\n${JSON.stringify(document, null, space)} // last\n`
        const after = Effect.runSync(json(text, input, hub))
        assert.deepStrictEqual(parse(after), {
          ...document,
          inputs: [input.value],
          mcpServers: { ...document.mcpServers, mcphub: hub.value }
        })
        assert.isTrue(after.startsWith("// first\n") && after.endsWith(" // last\n"))
      })
    )
  })
})

describe("a change to another program's TOML", () => {
  const toml = (text: string) => editForeign("toml", text, [table])

  it.effect("adds a table at the end, or writes the one of its name anew; comments and subtables stay", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* toml(""), '[mcp_servers.mcphub]\nurl = "http://hub/mcp"\nrequired = true\n')
      const text =
        '# mine\nmodel = "x" # why\n\n[mcp_servers."mcphub"] # old\ncommand = "npx"\n\n[mcp_servers.mcphub.tools.a]\nask = true\n\n# of b\n[mcp_servers.b]\nurl = "http://b"\n'
      const after = yield* toml(text)
      assert.deepStrictEqual(lostLines(text, after), ['command = "npx"'])
      assert.deepStrictEqual(parseToml(after)["mcp_servers"], {
        mcphub: { ...table.value, tools: { a: { ask: true } } },
        b: { url: "http://b" }
      })
      assert.strictEqual(yield* toml(after), after)
    })
  )

  it.effect("is refused where the file says it in another way, and nothing of it is quoted", () =>
    Effect.gen(function* () {
      for (const text of [
        'mcp_servers = { mcphub = { url = "http://canary-77" } }\n',
        '[mcp_servers]\nmcphub.url = "http://canary-77"\n',
        'text = """\n[mcp_servers.mcphub]\ncanary-77\n"""\n'
      ]) {
        const { message } = yield* Effect.flip(toml(text))
        assert.strictEqual(message, "mcp_servers.mcphub is written there in a way that has to be changed by hand")
      }
      assert.include((yield* Effect.flip(toml('a = "canary-77'))).message, "the file is not TOML")
    })
  )

  it("whatever else a file holds, the rest stays as it was", () => {
    const inner = fc.dictionary(fc.stringMatching(/^[a-z ."#[\]]{1,8}$/), fc.string(), { noNullPrototype: true })
    const tables = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), inner, { maxKeys: 4, noNullPrototype: true })
    fc.assert(
      fc.property(tables, (others) => {
        const text = `# first\n${stringify(others)}`
        const after = Effect.runSync(toml(text))
        assert.deepStrictEqual(JSON.parse(JSON.stringify(parseToml(after))), {
          ...JSON.parse(JSON.stringify(others)),
          mcp_servers: { mcphub: table.value }
        })
        assert.isTrue(after.startsWith(text.trimEnd()))
      })
    )
  })
})

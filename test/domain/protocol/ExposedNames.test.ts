import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { candidates, expose, literalPrefix, qualifyUri } from "../../../src/domain/protocol/ExposedNames.ts"

describe("exposed names", () => {
  it("are the server's name, the separator and the name over there", () => {
    assert.strictEqual(expose("notes", "search", "-"), "notes-search")
    assert.strictEqual(expose("notes", "search", "__"), "notes__search")
  })

  it("lead to every server that could have exposed them, and to nobody where none could", () => {
    const servers = ["a", "a-b", "c"]
    const found = (exposed: string, separator = "-") => [...candidates(exposed, servers, separator)]
    assert.deepStrictEqual(found("a-b-c"), [
      { server: "a", name: "b-c" },
      { server: "a-b", name: "c" }
    ])
    assert.deepStrictEqual(found("c-x"), [{ server: "c", name: "x" }])
    for (const exposed of ["a", "a-", "b-c", "ac-x", "", "-a"]) assert.deepStrictEqual(found(exposed), [], exposed)
    assert.deepStrictEqual(found("a-b-", "-"), [{ server: "a", name: "b-" }])
    assert.deepStrictEqual(found("c-x", "__"), [])
  })

  /** Few letters and the separators themselves, so that names collide. */
  const Text = Schema.Array(Schema.Literals(["a", "b", "-", "_", "."])).check(Schema.isMaxLength(4))
  const text = (letters: typeof Text.Type): string => letters.join("")
  const Separator = Schema.Literals(["-", "_", ".", "--", "-_-"])

  it.prop(
    "lead back to the server and the name they were made from, also where others would read the same",
    { server: Text, name: Text, others: Schema.Array(Text), separator: Separator },
    ({ separator, ...letters }) => {
      const [server, name] = [text(letters.server), `${text(letters.name)}a`]
      const exposed = expose(server, name, separator)
      const found = [...candidates(exposed, new Set([...letters.others.map(text), server]), separator)]
      assert.deepInclude(found, { server, name })
      for (const one of found) assert.strictEqual(expose(one.server, one.name, separator), exposed)
      assert.strictEqual(new Set(found.map((one) => one.server)).size, found.length)
    }
  )

  it.prop(
    "are unambiguous among servers none of whose names begins with another's and the separator",
    { servers: Schema.Array(Text), exposed: Text, separator: Separator },
    ({ exposed, separator, servers }) => {
      const apart = [...new Set(servers.map(text))].filter(
        (one, index, all) => !all.some((other, at) => at !== index && (one + separator).startsWith(other + separator))
      )
      assert.isAtMost([...candidates(text(exposed), apart, separator)].length, 1)
    }
  )
})

describe("URIs of resources", () => {
  it("are named with their server by a plus", () => {
    assert.strictEqual(qualifyUri("notes", "file:///a"), "notes+file:///a")
  })

  it("of a template begin with its text up to the first expression", () => {
    const prefixes = { "file:///a/{id}": "file:///a/", "{+path}": "", "mem://all": "mem://all", "x{a}{b}": "x" }
    for (const [template, prefix] of Object.entries(prefixes)) assert.strictEqual(literalPrefix(template), prefix)
  })
})

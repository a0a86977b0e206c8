/** `.env` files: what each line means, and what of them reaches templates and child processes. */
import { assert, describe, it } from "@effect/vitest"
import { readDotEnv } from "../../../src/domain/config/DotEnv.ts"
import { behind, childEnvironment } from "../../../src/domain/config/Environment.ts"

const read = (text: string) => {
  const found = readDotEnv(text)
  return "problem" in found ? found.problem : Object.fromEntries(found.variables)
}

describe("a .env file", () => {
  it("is read as shells and the old hub's library wrote it, and nothing in it is expanded or run", () => {
    assert.deepStrictEqual(
      read(
        [
          "\uFEFF# of the old hub",
          "",
          "PORT=3000",
          "  export HOST = 0.0.0.0  # everywhere",
          "EMPTY=",
          "HASH=a#b",
          `DOUBLE="a \\"quoted\\" # text\\nof two lines" # and a comment`,
          "SINGLE='$HOME \\n stays'",
          "LATER=$(touch /tmp/canary) `id` ${PORT}",
          'PEM="-----BEGIN-----',
          "abc=",
          '-----END-----"',
          "PORT=4000\r",
          "AFTER=1"
        ].join("\n")
      ),
      {
        PORT: "4000",
        HOST: "0.0.0.0",
        EMPTY: "",
        HASH: "a#b",
        DOUBLE: 'a "quoted" # text\nof two lines',
        SINGLE: "$HOME \\n stays",
        LATER: "$(touch /tmp/canary) `id` ${PORT}",
        PEM: "-----BEGIN-----\nabc=\n-----END-----",
        AFTER: "1"
      }
    )
  })

  const wrong = [
    ["a word alone", "A=1\ncanary\n", 2, "expected NAME=value"],
    ["a name with a hyphen", "MY-canary=1", 1, "expected NAME=value"],
    ["a quote that nothing closes", 'A=1\n\nB="canary\nC=2', 3, "B has no closing"],
    ["text behind a quote", "A='x'canary", 1, "follows the closing"],
    ["a NUL", "A=can\0ary", 1, "NUL"],
    ["a mistake behind a value of several lines", "A='1\n2\n3'\ncanary", 4, "expected NAME=value"]
  ] as const
  for (const [what, text, line, reason] of wrong) {
    it(`names the line of ${what}, and quotes nothing of it`, () => {
      const problem = read(text) as { line: number; reason: string }
      assert.strictEqual(problem.line, line)
      assert.include(problem.reason, reason)
      assert.notInclude(problem.reason, "canary")
    })
  }

  it("stands behind the process's variables, for templates; child processes inherit none of it", () => {
    const environment = behind(
      { PATH: "/bin", EMPTY: "", SET: "process" },
      { EMPTY: "file", SET: "file", HTTP_PROXY: "http://p", MORE: "file" }
    )
    assert.deepStrictEqual(
      ["PATH", "EMPTY", "SET", "MORE", "HTTP_PROXY", "constructor"].map((name) => environment[name]),
      ["/bin", "file", "process", "file", "http://p", undefined]
    )
    assert.deepStrictEqual(childEnvironment(environment), { PATH: "/bin" })
  })
})

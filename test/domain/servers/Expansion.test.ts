import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { bindTemplate, parseTemplate, renderTemplate, userTokens } from "../../../src/domain/servers/Expansion.ts"

const expand = (text: string, environment: Record<string, string>, tokens: Record<string, string>) => {
  const { problems, template } = bindTemplate(parseTemplate(text), environment)
  return problems.length > 0 ? problems : renderTemplate(template, ({ name }) => tokens[name])
}

describe("Expansion", () => {
  it("${USER_X} is the user's token and never the process environment", () => {
    assert.strictEqual(expand("Bearer ${USER_GITHUB_TOKEN}", {}, { GITHUB_TOKEN: "t" }), "Bearer t")
    assert.deepStrictEqual(expand("${USER_GITHUB_TOKEN}", { USER_GITHUB_TOKEN: "env", GITHUB_TOKEN: "env" }, {}), {
      missing: "GITHUB_TOKEN",
      scope: "user"
    })
  })

  it("${X} is the environment and never the user's token", () => {
    assert.strictEqual(expand("https://${REGION}.example", { REGION: "eu" }, { REGION: "token" }), "https://eu.example")
    assert.deepStrictEqual(expand("${REGION}", {}, { REGION: "token" }), [{ kind: "unset", name: "REGION" }])
  })

  it("${X:-default} is the default where X is unset or empty", () => {
    assert.strictEqual(expand("${A:-x} ${B:-y} ${C:-z} ${D:-}", { B: "", C: "c" }, {}), "x y c ")
    assert.strictEqual(expand("${USER_A:-anonymous}", {}, {}), "anonymous")
    assert.strictEqual(expand("${USER_A:-anonymous}", {}, { A: "" }), "anonymous")
  })

  it("a blank token counts as not connected", () => {
    assert.deepStrictEqual(expand("${USER_A}", {}, { A: "" }), { missing: "A", scope: "user" })
  })

  it("$X without braces, and braces that are no reference, stay as they are", () => {
    for (const text of ["$HOME", "$$", "${}", "${a-b}", "$(date)", "a}b", "${", "${A", "{A}", "100 %"]) {
      assert.strictEqual(expand(text, { HOME: "/h", A: "a" }, {}), text)
    }
  })

  it("defect 18: a secret of the hub is refused whatever the template looks like", () => {
    const secrets = [
      "DATABASE_URL",
      "DB_URL",
      "JWT_SECRET",
      "CREDENTIAL_KEY",
      "ADMIN_PASSWORD",
      "GITHUB_CLIENT_SECRET",
      "CONTEXT_SIGNING_KEY"
    ]
    for (const name of secrets) {
      assert.deepStrictEqual(expand(`x\${${name}}`, { [name]: "canary" }, {}), [{ kind: "secret", name }])
      assert.deepStrictEqual(expand(`x\${${name}:-d}`, { [name]: "canary" }, {}), [{ kind: "secret", name }])
    }
  })

  it("defect 20: a reference to a token that is misspelt, nested or built from parts is a problem, not text", () => {
    const malformed = [{ kind: "malformed", name: "" }] as const
    assert.deepStrictEqual(expand("${USER_A-B}", {}, {}), malformed)
    assert.deepStrictEqual(expand("${USER_", {}, {}), malformed)
    assert.deepStrictEqual(expand("${X:-${USER_A}}", {}, {}), malformed)
    assert.deepStrictEqual(expand("${X:-$}{USER_A}", {}, {}), malformed)
    assert.deepStrictEqual(expand("${X}", { X: "${USER_A}" }, {}), malformed)
  })

  it("a text of many unclosed references is read in linear time", () => {
    const time = (count: number): number => {
      const text = "${A:-".repeat(count)
      const start = performance.now()
      for (let round = 0; round < 5; round++) {
        parseTemplate(text)
        parseTemplate(`${text}}`)
        parseTemplate(`}${text}`)
      }
      return performance.now() - start
    }
    time(1_000)
    // Sixteen times the text; read in quadratic time it would take half a minute.
    assert.isBelow(time(160_000), 40 * Math.max(time(10_000), 25))
  })

  const Fragment = Schema.Literals([
    "${USER_A}",
    "${USER_B:-d}",
    "${E}",
    "${F:-f}",
    "$E",
    "${",
    "}",
    "x",
    "",
    " ",
    "${USER_",
    ":-"
  ])

  it.prop(
    "expanded text is never expanded again",
    { fragments: Schema.Array(Fragment), value: Schema.String },
    ({ fragments, value }) => {
      const token = `${value}\${E}\${F:-f}$E`
      const template = fragments.join("")
      const result = expand(template, { E: "e" }, { A: token, B: token })
      if (typeof result !== "string") return
      const expected = parseTemplate(template)
        .map((part) =>
          typeof part === "string" ? part : part.scope === "user" ? token : part.name === "E" ? "e" : part.fallback
        )
        .join("")
      assert.strictEqual(result, expected)
    }
  )

  it.prop(
    "defect 20: whatever the template, no ${USER_…} is left in what is sent",
    { fragments: Schema.Array(Fragment) },
    ({ fragments }) => {
      const result = expand(fragments.join(""), { E: "e" }, { A: "a", B: "b" })
      if (typeof result === "string") assert.notInclude(result, "${USER_")
    }
  )

  it.prop("text without ${ is its own expansion", { text: Schema.String }, ({ text }) => {
    const plain = text.replaceAll("${", "")
    assert.strictEqual(expand(plain, {}, {}), plain)
  })

  it("the tokens of a template are found by their stored names", () => {
    assert.deepStrictEqual(userTokens(parseTemplate("${USER_A} ${B} ${USER_C_D:-x} $USER_E ${USER_}")), ["A", "C_D"])
  })
})

import { assert, describe, it } from "@effect/vitest"
import {
  groupsFrom,
  holds,
  roleFrom,
  type Rule,
  signInProblems,
  signInSettings
} from "../../../src/domain/access/SignInSettings.ts"

const provider = { issuer: "https://id.example.com", clientId: "hub" }

const pathsOf = (value: unknown): ReadonlyArray<string> => signInProblems(value).map(({ path }) => path.join("."))

describe("rules about people who sign in elsewhere", () => {
  it("hold where a claim is the value or has it in a list, and for nothing that only looks like it", () => {
    const rule: Rule = { claim: "groups", has: "ops" }
    for (const groups of ["ops", ["dev", "ops"]]) assert.isTrue(holds(rule, { groups }))
    for (const groups of [undefined, null, "devops", ["Ops"], { ops: true }, [["ops"]], ""]) {
      assert.isFalse(holds(rule, { groups }), JSON.stringify(groups))
    }
    assert.isFalse(holds({ claim: "constructor", has: "x" }, {}))
    assert.isTrue(holds({ claim: "verified", has: true }, { verified: true }))
    assert.isFalse(holds({ claim: "verified", has: true }, { verified: "true" }))
  })

  it("give the highest role that holds, and a plain user's where none does; without any, they say nothing", () => {
    const rules: ReadonlyArray<Rule> = [
      { claim: "groups", has: "audit", role: "auditor" },
      { claim: "groups", has: "ops", role: "admin" }
    ]
    assert.strictEqual(roleFrom(rules, { groups: ["audit", "ops"] }), "admin")
    assert.strictEqual(roleFrom(rules, { groups: ["audit"] }), "auditor")
    assert.strictEqual(roleFrom(rules, { groups: [] }), "user")
    assert.isUndefined(roleFrom([{ claim: "groups", has: "ops" }], { groups: ["ops"] }))
  })

  it("name each group once, inactive where no rule for it holds", () => {
    const group = (name: string, server: string) => ({ name, servers: [server] })
    const rules: ReadonlyArray<Rule> = [
      { claim: "team", has: "a", group: group("tools", "one") },
      { claim: "team", has: "b", group: group("tools", "two") },
      { claim: "team", has: "b", group: group("more", "three") }
    ]
    const shown = (claims: Record<string, unknown>) =>
      groupsFrom(rules, claims).map(({ isActive, name, servers }) => [name, servers[0], isActive])
    assert.deepStrictEqual(shown({ team: "a" }), [
      ["tools", "one", true],
      ["more", "three", false]
    ])
    assert.deepStrictEqual(shown({ team: "b" }), [
      ["tools", "two", true],
      ["more", "three", true]
    ])
    assert.deepStrictEqual(
      shown({}).map(([, , isActive]) => isActive),
      [false, false]
    )
  })
})

describe("the settings of sign-in", () => {
  it("are refused with their path where they are wrong or misspelt, and never hold a secret", () => {
    assert.deepStrictEqual(signInProblems(undefined), [])
    assert.deepStrictEqual(pathsOf({ providers: { one: provider }, github: { newUsers: true } }), [])
    assert.deepStrictEqual(pathsOf({ providers: { one: { ...provider, clientSecret: "${SECRET}" } } }), [])
    assert.deepStrictEqual(pathsOf({ providers: { one: { ...provider, clientSecret: "hunter2-hunter2" } } }), [
      "providers.one.clientSecret"
    ])
    const said = JSON.stringify(signInProblems({ providers: { one: { ...provider, clientSecret: "hunter2" } } }))
    assert.notInclude(said, "hunter2")
    for (const issuer of ["http://id.example.com", "https://u:p@id.example.com", "ftp://id", "id", "https://id/?a"]) {
      assert.deepStrictEqual(pathsOf({ providers: { one: { ...provider, issuer } } }), ["providers.one.issuer"], issuer)
    }
    for (const issuer of ["http://127.0.0.1:8080", "http://keycloak:8080/realms/hub", "https://id.example.com/x"]) {
      assert.deepStrictEqual(pathsOf({ providers: { one: { ...provider, issuer } } }), [], issuer)
    }
    const rules = [{ claim: "groups", has: "ops", rol: "admin" }]
    assert.deepStrictEqual(pathsOf({ providers: { one: { ...provider, rules } } }), ["providers.one.rules.0.rol"])
  })

  it("let nobody in while they are wrong", () => {
    const wrong = { providers: { one: provider, two: { ...provider, newUser: true } } }
    assert.deepStrictEqual(signInSettings({ mcpServers: {}, systemConfig: { signIn: wrong } }), {})
    assert.deepStrictEqual(signInSettings({ mcpServers: {} }), {})
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { masked, unmasked } from "../../../src/domain/settings/SecretMasks.ts"

const server = (entry: Record<string, unknown>) => ({ mcpServers: { one: entry } })

/** Places where people write secrets. */
const places: ReadonlyArray<(secret: string) => unknown> = [
  ...[
    (s: string) => ["mcp-remote", "https://x", "--header", `Authorization: Bearer ${s}`],
    (s: string) => [`--header=Authorization: Bearer ${s}`],
    (s: string) => ["-H", `X-Api-Key: ${s}`],
    (s: string) => ["-H", `X-Plain:${s}`],
    (s: string) => [`-HX-Plain: ${s}`],
    (s: string) => ["--header", s],
    (s: string) => ["run", "-i", "-e", `GH_PAT=${s}`, "image"],
    (s: string) => [`-eANY=${s}`],
    (s: string) => ["--env", `DB=postgres://u:${s}@h/x`],
    (s: string) => [`--env=ANY=${s}`],
    (s: string) => [`ANY=${s}`],
    (s: string) => [`Any: ${s}`],
    (s: string) => ["--pat", s],
    (s: string) => ["--pw", s],
    (s: string) => ["--session", s],
    (s: string) => ["--cred-file", s],
    (s: string) => ["--cookie", s],
    (s: string) => [`--passphrase=${s}`],
    (s: string) => ["-p", s],
    (s: string) => ["-u", `me:${s}`],
    (s: string) => [`Server=h;Password=${s}`],
    (s: string) => [`Data Source=h;Password=${s}`],
    (s: string) => ["-c", `exec server --token ${s}`],
    (s: string) => ["-c", `curl -H 'X-Any: ${s}' https://x`],
    (s: string) => ["--config", `{"port":1,"any":"${s}"}`],
    (s: string) => [`me:${s}@host:6379`],
    (s: string) => [`/password:${s}`],
    (s: string) => [`see https://me:${s}@host now`]
  ].map((args) => (secret: string) => server({ command: "npx", args: args(secret) })),
  ...[
    (s: string) => `https://h/#token=${encodeURIComponent(s)}`,
    (s: string) => `https://h/#${encodeURIComponent(s)}`,
    (s: string) => `https://h/?any=${encodeURIComponent(s)}&b=${encodeURIComponent(s)}`,
    (s: string) => `https://h/?${encodeURIComponent(s)}`,
    (s: string) => `https://h/a;token=${encodeURIComponent(s)}/b`,
    () => "https://h/?Y2FuYXJ5canary==",
    (s: string) => `https://u:p@${s}@host/x`,
    (s: string) => `https://u:${s}@p@host/x`,
    (s: string) => `https://u:p/${s}@host/x`,
    (s: string) => `https://u:p?${s}@host/x`,
    (s: string) => `https://${encodeURIComponent(s)}@host/x`,
    (s: string) => `https://u:p ${s}@host/x`
  ].map((url) => (secret: string) => server({ url: url(secret) })),
  (s) => server({ url: "https://h", oauth: { refresh: s, nested: [{ any: s }] } }),
  (s) => server({ url: "https://h", headers: { Any: s } }),
  (s) => server({ command: "x", env: { ANY: s } }),
  (s) => server({ command: `npx server --token ${s}` }),
  (s) => ({ mcpServers: {}, note: `the database is postgres://me:${s}@host/x` }),
  (s) => ({ mcpServers: {}, database: { dsn: s, pat: s, connectionString: s } }),
  (s) => ({ mcpServers: {}, database: `Server=h;Password=${s}` })
]

/** As generators of passwords make them, punctuation and all, around a word to look for. */
const secrets = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9!$%&*+,.:;=?@^_~#/-]{0,12}$/),
    fc.stringMatching(/^[A-Za-z0-9!$%*+,.;=^_~-]{0,12}$/)
  )
  .map(([before, after]) => `${before}canary${after}`)

describe("SecretMasks", () => {
  it("whatever a secret looks like, it is not shown in any place where people write secrets", () => {
    for (const place of places) {
      fc.assert(
        fc.property(secrets, (secret) => {
          const stored = place(secret)
          const shown = masked(stored)
          assert.notInclude(JSON.stringify(shown), "canary")
          // And what is shown can be sent back.
          assert.deepStrictEqual(unmasked(shown, stored), { value: stored, problems: [] })
        }),
        { numRuns: 60 }
      )
    }
  })

  it("what is no secret stays readable", () => {
    const entry = {
      command: "npx",
      args: ["-y", "@scope/server@1.2.3", "--port=80", "--verbose", "-p", "8080:80", "mcp/image:tag", "/data:/data"],
      url: "https://host:8443/a/@scope/b?x=${USER_X}",
      headers: { Authorization: "Bearer ${USER_X}" },
      tools: { "get-token": { description: "Gets one: for you", enabled: true } },
      options: { timeout: 5 }
    }
    const auth = { mcpServers: { "auth-server": entry } }
    assert.deepStrictEqual(masked(auth), auth)
    const remote = server({ args: ["mcp-remote", "https://h/mcp", "--header", "Authorization:${AUTH}"] })
    assert.deepStrictEqual(masked(remote), remote)
    assert.deepStrictEqual(masked(server({ args: ["-H", "X-Api-Key: abc", "--env", "A=b"] })), {
      ...server({ args: ["-H", "X-Api-Key: ********", "--env", "A=********"] })
    })
  })

  it("takes no longer than the text is long", () => {
    const many = 200_000
    for (const piece of ["a", "a:", "/a:b", " -a", '" ', "://", "a=", "${", "@a:"]) {
      const text = piece.repeat(many)
      const began = performance.now()
      masked(server({ args: [text], url: text, note: text }))
      assert.isBelow(performance.now() - began, 5_000, piece)
    }
  })

  const stored = server({
    command: "npx",
    args: ["srv", "--token", "canary-a", "--env", "DB=canary-b"],
    url: "https://host/mcp",
    headers: { Authorization: "canary-c" },
    env: { X: "canary-d", URL: "canary-e" }
  })
  const shownEntry = () => structuredClone((masked(stored) as any).mcpServers.one)

  it("a mask is put back only where all that it belongs to is what it was", () => {
    const kept = (change: (entry: any) => void) => {
      const entry = shownEntry()
      change(entry)
      return unmasked(entry, stored.mcpServers.one, ["mcpServers", "one"])
    }
    for (const change of [
      (entry: any) => (entry.args[1] = "--name"),
      (entry: any) => (entry.args[0] = "other"),
      (entry: any) => (entry.args[4] = "URL=********"),
      (entry: any) => (entry.command = "echo"),
      (entry: any) => (entry.url = "https://host.evil/mcp"),
      (entry: any) => (entry.url = "http://host/mcp"),
      (entry: any) => (entry.httpUrl = "https://evil/mcp"),
      (entry: any) => (entry.openapi = { url: "https://evil/spec" }),
      (entry: any) => delete entry.command
    ]) {
      const { problems, value } = kept(change)
      assert.notStrictEqual(problems.length, 0, String(change))
      assert.notInclude(JSON.stringify(problems), "canary")
      assert.include(problems[0]!.reason, "mask")
      if (!String(change).includes("args")) assert.notInclude(JSON.stringify(value), "canary", String(change))
    }
    for (const change of [
      (entry: any) => (entry.url = "https://host/other"),
      (entry: any) => (entry.enabled = false),
      (entry: any) => entry.args.push("--verbose"),
      (entry: any) => (entry.env.NEW = "https://new")
    ]) {
      const { problems, value } = kept(change)
      assert.deepStrictEqual(problems, [], String(change))
      assert.include(JSON.stringify(value), "canary-d")
    }
    const users = {
      mcpServers: {},
      users: [
        { username: "ada", password: "a" },
        { username: "bo", password: "b" }
      ]
    }
    const swapped = structuredClone(masked(users) as any)
    swapped.users.reverse()
    assert.strictEqual(unmasked(swapped, users).problems.length, 2)
  })

  it("a document that is nested too deep is a problem with its place, not a crash", () => {
    let deep: unknown = {}
    for (let level = 0; level < 5000; level++) deep = [deep]
    const { problems } = unmasked({ mcpServers: {}, z: deep }, { mcpServers: {} })
    assert.deepStrictEqual(
      problems.map(({ path }) => path),
      ["z[0][0][0][0]"]
    )
  })
})

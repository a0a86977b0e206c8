import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { everything, type Target, targetNamed } from "../../../src/domain/access/Target.ts"
import { type Access, accessOf, accessOrNothing, accessTo, resolveTarget } from "../../../src/domain/access/Access.ts"
import { grantsTool } from "../../../src/domain/access/ToolGrant.ts"
import { GroupId } from "../../../src/domain/Ids.ts"
import type { GroupGrant } from "../../../src/domain/identity/Principal.ts"
import type { SettingsValue } from "../../../src/domain/servers/Settings.ts"

const group = (name: string, servers: ReadonlyArray<string>, more: Partial<GroupGrant> = {}): GroupGrant => ({
  id: GroupId.make(name),
  name,
  isActive: true,
  servers,
  ...more
})

const settings: SettingsValue = {
  mcpServers: { notes: {}, mail: {}, vault: {}, off: { enabled: false } },
  groups: [
    { name: "office", servers: ["mail", { name: "vault" }, 7, "off", "absent"] },
    { name: "empty", servers: [] },
    { name: "broken", servers: "notes" }
  ]
}

const plain = (access: Access | undefined) =>
  access && [...access].map(([server, grant]) => (grant === "all" || "both" in grant ? server : [server, ...grant]))

const toServer = (name: string): Target => targetNamed("server", name)
const toGroup = (name: string): Target => targetNamed("group", name)

describe("what a user may reach", () => {
  it("is every enabled server without groups, and nothing with groups none of which is active", () => {
    assert.deepStrictEqual(plain(accessOf([], settings)), ["notes", "mail", "vault"])
    assert.deepStrictEqual(plain(accessOf([group("a", ["notes"], { isActive: false })], settings)), [])
  })

  it("is what the active groups name, added up, in the order of the settings", () => {
    const groups = [
      group("a", ["vault", "off", "absent"]),
      group("b", ["notes"], { tools: ["read"] }),
      group("c", ["notes"], { tools: ["write", "read"] }),
      group("d", ["mail"], { isActive: false })
    ]
    assert.deepStrictEqual(plain(accessOf(groups, settings)), [["notes", "read", "write"], "vault"])
    assert.deepStrictEqual(plain(accessOf([...groups, group("e", ["notes"])], settings)), ["notes", "vault"])
    assert.deepStrictEqual(plain(accessOf([group("e", ["notes"]), ...groups], settings)), ["notes", "vault"])
  })

  it("A69: is all tools of its servers for a group without a list, and none for an empty list", () => {
    assert.deepStrictEqual(plain(accessOf([group("a", ["notes"])], settings)), ["notes"])
    const none = accessOf([group("a", ["notes"], { tools: [] })], settings)
    assert.deepStrictEqual(plain(none), [["notes"]])
    assert.isFalse(grantsTool(none.get("notes")!, "notes", "read", "-"))
  })

  it("admits a tool by its own name or with its server's, and by no other", () => {
    const grant = new Set(["read", "notes-write", "mail-send"])
    const admitted = ["read", "write", "send", "notes-write", "delete"].filter((tool) =>
      grantsTool(grant, "notes", tool, "-")
    )
    assert.deepStrictEqual(admitted, ["read", "write", "notes-write"])
    assert.isFalse(grantsTool(grant, "notes", "write", "__"))
    assert.isTrue(grantsTool("all", "notes", "anything", "-"))
  })
})

describe("a target", () => {
  const adas = [group("work", ["notes"]), group("old", ["mail"], { isActive: false })]

  it("of one server is that server with the user's own grant, or unknown", () => {
    const narrow = [group("work", ["notes"], { tools: ["read"] })]
    assert.deepStrictEqual(plain(accessTo(toServer("notes"), narrow, settings)), [["notes", "read"]])
    for (const name of ["mail", "off", "absent", "work"]) {
      assert.isUndefined(accessTo(toServer(name), adas, settings), name)
    }
  })

  it("of one group is that group alone; another's, an inactive and an unknown one are alike", () => {
    const two = [...adas, group("home", ["vault"])]
    assert.deepStrictEqual(plain(accessTo(toGroup("work"), two, settings)), ["notes"])
    for (const name of ["old", "bos-group", "absent"]) assert.isUndefined(accessTo(toGroup(name), two, settings), name)
  })

  it("of a group in the settings names a part of what the user may reach anyway, and never more", () => {
    assert.deepStrictEqual(plain(accessTo(toGroup("office"), [], settings)), ["mail", "vault"])
    const bos = [group("mine", ["vault", "notes"], { tools: ["open"] })]
    assert.deepStrictEqual(plain(accessTo(toGroup("office"), bos, settings)), [["vault", "open"]])
    assert.isUndefined(accessTo(toGroup("office"), adas, settings))
    assert.deepStrictEqual(plain(accessTo(toGroup("empty"), [], settings)), [])
    assert.isUndefined(accessTo(toGroup("broken"), [], settings))
  })

  it("A69: of a group in the settings has only the tools that it lists and the user may reach", () => {
    const groups = [
      { name: "listed", servers: ["notes", "mail"], tools: ["read", "mail-send"] },
      {
        name: "each",
        servers: [
          { name: "notes", tools: ["notes-read"] },
          { name: "mail", tools: "all" }
        ]
      },
      { name: "none", servers: ["notes"], tools: [] },
      { name: "noneEach", servers: [{ name: "notes", tools: [] }] },
      { name: "listedTwice", servers: [{ name: "notes", tools: ["read", "write"] }], tools: ["read"] }
    ]
    const admitted = (name: string, own: ReadonlyArray<GroupGrant>) => {
      const access = accessOrNothing(toGroup(name), own, { ...settings, groups })
      return ["notes", "mail"].flatMap((server) =>
        ["read", "write", "send"].flatMap((tool) => {
          const grant = access.get(server)
          return grant !== undefined && grantsTool(grant, server, tool, "-") ? [`${server}-${tool}`] : []
        })
      )
    }
    assert.deepStrictEqual(admitted("listed", []), ["notes-read", "mail-read", "mail-send"])
    assert.deepStrictEqual(admitted("each", []), ["notes-read", "mail-read", "mail-write", "mail-send"])
    assert.deepStrictEqual(admitted("none", []), [])
    assert.deepStrictEqual(admitted("noneEach", []), [])
    assert.deepStrictEqual(admitted("listedTwice", []), ["notes-read"])
    const bos = [group("mine", ["notes"], { tools: ["notes-write", "notes-read"] })]
    assert.deepStrictEqual(admitted("listed", bos), ["notes-read"])
    assert.deepStrictEqual(admitted("each", [group("mine", ["notes"], { tools: ["write"] })]), [])
  })

  it("A69: of a group in the settings with a member that nobody knows admits nothing", () => {
    const groups = [
      { name: "group", servers: ["notes"], tols: ["read"] },
      { name: "entry", servers: [{ name: "notes", tols: ["read"] }, "mail"] },
      { name: "shape", servers: ["notes"], tools: "read" },
      { name: "entryShape", servers: [{ name: "notes", tools: { read: true } }] },
      { name: "old", servers: ["notes"], id: "1", description: "", owner: "ada" }
    ]
    const of = (name: string) => plain(accessTo(toGroup(name), [], { ...settings, groups }))
    assert.deepStrictEqual(of("group"), [])
    assert.deepStrictEqual(of("entry"), ["mail"])
    assert.deepStrictEqual(of("shape"), [])
    assert.deepStrictEqual(of("entryShape"), [])
    assert.deepStrictEqual(of("old"), ["notes"])
  })

  it("of the user's own group goes before one of the same name in the settings", () => {
    assert.deepStrictEqual(plain(accessTo(toGroup("office"), [group("office", ["notes"])], settings)), ["notes"])
  })

  it("that a session was opened for and that has gone admits nothing", () => {
    assert.deepStrictEqual(plain(accessOrNothing(toGroup("work"), [], settings)), [])
    assert.deepStrictEqual(plain(accessOrNothing(toServer("notes"), [group("w", ["mail"])], settings)), [])
  })

  it("in the address is the group of that name, else the server, else nothing at all", () => {
    const both = [group("notes", ["mail", "notes"])]
    assert.deepStrictEqual(resolveTarget("notes", both, settings), toGroup("notes"))
    assert.deepStrictEqual(resolveTarget("mail", both, settings), toServer("mail"))
    assert.deepStrictEqual(resolveTarget("notes", [], settings), toServer("notes"))
    for (const name of ["vault", "off", "absent", "__proto__", "constructor"]) {
      assert.isUndefined(resolveTarget(name, both, settings), name)
    }
  })
})

describe("whatever groups and settings there are", () => {
  const Server = Schema.Literals(["a", "b", "c", "d", "__proto__"])
  const Name = Schema.Literals(["a", "g1", "g2", "s1"])
  const Tool = Schema.Literals(["x", "y", "a-x", "b-y"])
  const Grant = Schema.Struct({
    id: GroupId,
    name: Name,
    isActive: Schema.Boolean,
    servers: Schema.Array(Server),
    tools: Schema.optional(Schema.Array(Tool))
  })
  const World = Schema.Struct({
    enabled: Schema.Array(Server),
    disabled: Schema.Array(Server),
    shared: Schema.Array(Schema.Struct({ name: Name, servers: Schema.Array(Server) }))
  })
  const world = ({ disabled, enabled, shared }: typeof World.Type): SettingsValue => ({
    mcpServers: Object.fromEntries([
      ...enabled.map((name) => [name, {}]),
      ...disabled.map((name) => [name, { enabled: false }])
    ]),
    groups: shared
  })
  const allTargets: ReadonlyArray<Target> = [
    everything,
    ...Name.literals.flatMap((name) => [toGroup(name), toServer(name)]),
    ...Server.literals.map(toServer)
  ]
  /** Told apart from the code: what any one active group, or having none, gives. */
  const mayUse = (groups: ReadonlyArray<GroupGrant>, value: SettingsValue, server: string, tool: string): boolean => {
    const config = Object.entries(value.mcpServers).find(([name]) => name === server)?.[1]
    if (config === undefined || config.enabled === false) return false
    if (groups.length === 0) return true
    return groups.some(
      ({ isActive, servers, tools }) =>
        isActive &&
        servers.includes(server) &&
        (tools === undefined || tools.includes(tool) || tools.includes(`${server}-${tool}`))
    )
  }

  it.prop(
    "no target shows a server or a tool outside of the user's groups, and all of them together show nothing less",
    { groups: Schema.Array(Grant), setting: World },
    ({ groups, setting }) => {
      const value = world(setting)
      for (const target of allTargets) {
        for (const [server, grant] of accessOrNothing(target, groups, value)) {
          if (target.kind === "server") assert.strictEqual(server, target.name)
          for (const tool of Tool.literals) {
            if (grantsTool(grant, server, tool, "-")) assert.isTrue(mayUse(groups, value, server, tool))
          }
        }
      }
      const all = accessOf(groups, value)
      for (const server of Server.literals) {
        for (const tool of Tool.literals) {
          const grant = all.get(server)
          const isAdmitted = grant !== undefined && grantsTool(grant, server, tool, "-")
          assert.strictEqual(isAdmitted, mayUse(groups, value, server, tool), `${server} ${tool}`)
        }
      }
    }
  )

  it.prop(
    "an inactive group gives nothing, and one more active group takes nothing away",
    { groups: Schema.NonEmptyArray(Grant), more: Grant, setting: World },
    ({ groups, more, setting }) => {
      const value = world(setting)
      const before = accessOf(groups, value)
      assert.deepStrictEqual(plain(accessOf([...groups, { ...more, isActive: false }], value)), plain(before))
      const after = accessOf([...groups, { ...more, isActive: true }], value)
      for (const [server, grant] of before) {
        for (const tool of Tool.literals) {
          if (grantsTool(grant, server, tool, "-")) assert.isTrue(grantsTool(after.get(server)!, server, tool, "-"))
        }
      }
    }
  )
})

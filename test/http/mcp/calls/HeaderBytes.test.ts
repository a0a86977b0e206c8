import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { HubSecrets, type JsonObject } from "../../../../src/index.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { read, tableRows } from "../../../docs/Repository.ts"

/** As the document has them: header, and its bytes on the wire without what only a name makes longer. */
const documented = Object.fromEntries(
  tableRows(read("docs/internals/performance.md"))
    .filter(([header]) => /^`X-MCPHub-[\w-]+`$/.test(header ?? ""))
    .map(([header, bytes]) => [header!.replaceAll("`", "").toLowerCase(), Number.parseInt(bytes!)])
)

/** Their values are as long as the operator's own names. */
const named = ["x-mcphub-source-server", "x-mcphub-user-groups"]

const bytesOf = (headers: JsonObject): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith("x-mcphub-"))
      .map(([name, value]) => [name, `${name}: ${named.includes(name) ? "" : value}\r\n`.length])
  )

it.live("R29: the context adds to each request as many bytes as the document says, for every user alike", () =>
  Effect.gen(function* () {
    const upstream = yield* ScriptedHttpUpstream.make()
    const { url } = upstream
    const signing = { ...(yield* HubSecrets), contextSigningKey: Redacted.make("k".repeat(32)) }
    const hub = yield* TestHub.make({
      servers: { untold: { url, context: "none" }, told: { url, context: "ids" } },
      replace: Layer.succeed(HubSecrets, signing)
    })
    const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
    const ofAda = yield* ada.callTool("told-whoami")
    const ofBo = yield* bo.callTool("told-whoami")
    assert.isAbove(Object.keys(documented).length, 5)
    assert.deepStrictEqual(bytesOf(ofAda), documented)
    assert.deepStrictEqual(bytesOf(ofBo), documented)
    assert.notInclude(JSON.stringify(ofBo), hub.ada.user.id)
    assert.deepStrictEqual(bytesOf(yield* ada.callTool("untold-whoami")), {})
  }).pipe(Effect.scoped)
)

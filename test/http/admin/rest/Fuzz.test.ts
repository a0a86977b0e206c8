/** Every operation of the contract, asked by everybody with what the contract allows and with what it does not. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import fc from "fast-check"
import { documentOf } from "../../../../src/http/admin/rest/Document.ts"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { type Asking, asking, byCookie, operators } from "../../support/ApiViewers.ts"

const document: any = documentOf("")

const operations = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
  Object.entries<any>(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
)

const hostile = [
  "",
  " ",
  "../..",
  "%00",
  "\u0000",
  "\u202e",
  "<script>",
  "' or 1=1--",
  "${USER_X}",
  "{{7*7}}",
  "x".repeat(2_000),
  "__proto__",
  "null",
  "-1",
  "1e400",
  "\ud800",
  "ﾞ\u0301"
]

/** Values of a schema's form; now and then anything else. */
const valueOf = (schema: any, depth = 0): fc.Arbitrary<unknown> => {
  if (schema?.$ref !== undefined) return valueOf(document.components.schemas[schema.$ref.split("/").at(-1)], depth)
  const anything = fc.oneof(fc.constantFrom(...hostile), fc.jsonValue({ maxDepth: 2 }))
  const fitting = (): fc.Arbitrary<unknown> => {
    if (schema?.enum !== undefined) return fc.constantFrom(...schema.enum)
    if (schema?.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one: any) => valueOf(one, depth)))
    switch (schema?.type) {
      case "object": {
        const entries = Object.entries<any>(schema.properties ?? {})
        const all = Object.fromEntries(entries.map(([name, one]) => [name, valueOf(one, depth + 1)]))
        return fc.record(all, { requiredKeys: schema.required ?? [] })
      }
      case "array":
        return fc.array(valueOf(schema.items, depth + 1), { maxLength: 3 })
      case "integer":
      case "number":
        return fc.oneof(fc.integer({ min: -2, max: 600 }), fc.double())
      case "boolean":
        return fc.boolean()
      case "null":
        return fc.constant(null)
      default:
        return fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom(...hostile))
    }
  }
  return fc.oneof({ weight: 8, arbitrary: fitting() }, { weight: 1, arbitrary: anything })
}

/** Nothing that the hub would run: what an admin writes into the settings is theirs to decide. */
const harmless = (body: unknown): boolean => !/command|"(?:https?|stdio)/i.test(JSON.stringify(body) ?? "")

interface World {
  /** Ids, names and other values that mean something, by role of the asker. */
  readonly known: ReadonlyArray<string>
}

/** One call of an operation. */
const callOf = ({ method, operation, path }: (typeof operations)[number], { known }: World) => {
  const text = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...known) },
    { weight: 1, arbitrary: fc.constantFrom(...hostile) }
  )
  const parameters: ReadonlyArray<any> = operation.parameters ?? []
  const of = (place: string) => parameters.filter((one) => one.in === place)
  const inPath = fc.record(Object.fromEntries(of("path").map(({ name }) => [name, text])))
  const query = fc.record(
    Object.fromEntries(of("query").map(({ name, schema }) => [name, fc.oneof(text, valueOf(schema).map(String))])),
    { requiredKeys: [] }
  )
  const schema = operation.requestBody?.content?.["application/json"]?.schema
  const body = schema === undefined ? fc.constant(undefined) : valueOf(schema).filter(harmless)
  return fc.record({ body, inPath, query, ifMatch: fc.constantFrom("*", '"x"', undefined) }).map((call) => {
    const place = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encode(String((call.inPath as Record<string, unknown>)[name]))
    )
    const search = Object.entries(call.query).map(([name, value]) => `${name}=${encode(String(value))}`)
    return {
      call: `${method} ${place}${search.length === 0 ? "" : `?${search.join("&")}`}`,
      body: call.body,
      headers: call.ifMatch === undefined ? {} : { "if-match": call.ifMatch }
    }
  })
}

const encode = (text: string): string => encodeURIComponent(text.toWellFormed())

/** Cases of each operation and role. */
const runs = 3

describe("every operation of the admin API", () => {
  it.live(
    "defect 15: answers whoever asks whatever they like without a defect, another's data or a secret",
    () =>
      Effect.gen(function* () {
        const held: Array<ScriptedCall> = []
        const upstream = yield* ScriptedHttpUpstream.make({ tools: { hang: (call) => void held.push(call) } })
        const headers = { "X-Secret": "canary-of-the-settings" }
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, headers } } })
        const { admin, auditor } = yield* operators(hub)
        const ada = yield* byCookie(hub, hub.ada.user.id)
        const groups = Context.get(hub.services, Groups)
        const bosGroup = yield* Effect.orDie(
          groups.create({ userId: hub.bo.user.id, name: "group-of-bo", servers: ["files"] })
        )
        const adasKey = yield* Effect.orDie(Context.get(hub.services, HubKeys).create({ userId: hub.ada.user.id }))
        const connected = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* Effect.forkChild(Effect.ignore(connected[1].callTool("files-hang", { secret: "canary-argument" })))
        yield* upstream.await(({ body }) => body?.method === "tools/call")
        const sessions = (yield* auditor("GET /api/admin/sessions")).json.items as ReadonlyArray<any>
        const bosSession = sessions.find(({ username }) => username === "bo").sessionId as string
        const bosRequest = (yield* auditor("GET /api/admin/requests")).json.items[0].requestId as string

        const ofBo = [hub.bo.user.id, hub.bo.row.id, bosGroup.id, bosSession, bosRequest]
        const secrets = ["canary-", ...connected.map(({ sessionId }) => sessionId)]
        const known = [...ofBo, hub.ada.user.id, adasKey.row.id, "files", "hang", "GITHUB_TOKEN"]
        const roles: ReadonlyArray<readonly [string, Asking, ReadonlyArray<string>]> = [
          ["nobody", asking(hub), ofBo],
          ["ada", ada, ofBo],
          ["an auditor", auditor, []],
          ["an admin", admin, []]
        ]
        const seen = new Set<number>()
        for (const [role, ask, hidden] of roles) {
          for (const operation of operations) {
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(callOf(operation, { known }), async ({ body, call, headers }) => {
                  const answer = await Effect.runPromise(ask(call, { body, headers }))
                  seen.add(answer.status)
                  const about = `${role}: ${call} ${JSON.stringify(body)} → ${answer.status} ${answer.text}`
                  assert.isBelow(answer.status, 500, about)
                  if (role === "nobody") assert.include([401, 404], answer.status, about)
                  if (answer.status >= 400 && answer.status !== 415)
                    assert.strictEqual(answer.json?.status, answer.status, about)
                  const isOwnWord = (mark: string) =>
                    call.includes(encode(mark)) || (JSON.stringify(body) ?? "").includes(mark)
                  for (const mark of [...secrets, ...hidden]) {
                    if (!isOwnWord(mark)) assert.notInclude(answer.text, mark, about)
                  }
                }),
                { numRuns: runs, endOnFailure: true }
              )
            )
          }
        }
        for (const status of [200, 201, 400, 401, 403, 404]) assert.isTrue(seen.has(status), `no ${status}`)
      }).pipe(Effect.scoped),
    60_000
  )
})

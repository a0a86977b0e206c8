import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { HubMetrics } from "../../src/actors/observing/HubMetrics.ts"
import { DataFlag, SettingsFlag } from "../../src/cli/terminal/GlobalFlags.ts"
import { HubConfig, readHubConfig } from "../../src/domain/config/HubConfig.ts"
import { HubSecrets } from "../../src/domain/config/HubSecrets.ts"
import { ServerConfig, ServerOptions } from "../../src/domain/servers/ServerConfig.ts"
import * as OtlpExport from "../../src/http/probes/OtlpExport.ts"
import { files, read, tableRows } from "./Repository.ts"

const documents = files().filter((path) => path.endsWith(".md"))

/** What stands in backquotes in the first cells of a document's tables, under one heading. */
const documented = (path: string, heading: string): ReadonlyArray<string> => {
  const section = read(path)
    .split(/^## /m)
    .find((part) => part.startsWith(`${heading}\n`))
  assert.isDefined(section, `${path} has no heading «${heading}»`)
  return tableRows(section!).flatMap(([first]) => [...first!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
}

const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...new Set(names)].sort()

/** The names of all variables that reading the configuration asks for. */
const variablesAsked = Effect.gen(function* () {
  const asked = new Set<string>()
  const provider = ConfigProvider.make((path) => {
    asked.add(String(path[0]))
    // Without an endpoint the exporter is off; it is still asked for everything else.
    return Effect.succeed(undefined)
  })
  yield* readHubConfig().pipe(Effect.provideService(ConfigProvider.ConfigProvider, provider))
  yield* Effect.scoped(Layer.build(HubSecrets.layerEnv)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, provider)
  )
  yield* Effect.scoped(Layer.build(OtlpExport.layer.pipe(Layer.provide([HubMetrics.layer, HubConfig.layerEnv])))).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, provider)
  )
  return asked
})

describe("docs/operations/running.md", () => {
  it.effect("names every variable that the hub reads, and no other", () =>
    Effect.gen(function* () {
      const asked = yield* variablesAsked
      assert.isTrue(asked.has("REQUEST_TIMEOUT") && asked.has("DB_URL"))
      // Read by the command line itself, before there is a hub.
      const flags = read("src/cli/terminal/GlobalFlags.ts")
        .match(/Config\.String\("([A-Z_]+)"\)/g)!
        .map((text) => text.slice(15, -2))
      assert.deepStrictEqual([DataFlag, SettingsFlag].length, flags.length)
      // OpenTelemetry's own library reads it, not the hub.
      const byLibrary = ["OTEL_RESOURCE_ATTRIBUTES"]
      assert.deepStrictEqual(
        sorted(
          documented("docs/operations/running.md", "Variables").filter((name) => /^([A-Z_]+|[a-z]+_proxy)$/.test(name))
        ),
        sorted([...asked, ...flags, ...byLibrary])
      )
    })
  )
})

describe("docs/operations/observing.md", () => {
  it("names every metric, and no other", () => {
    const sources = files("src")
      .filter((path) => path.endsWith(".ts"))
      .map(read)
    const inCode = sources.flatMap((text) =>
      [
        ...text.matchAll(
          /(?:gauge|total|counter|histogram|durations|lifetimes|handle)\(\s*"((?:mcphub|process)_[a-z_]+|mcp\.[a-z.]+)"/g
        )
      ].map(([, name]) =>
        name!.endsWith(".duration") ? `${name!.replaceAll(".", "_")}_seconds` : name!.replaceAll(".", "_")
      )
    )
    assert.include(inCode, "mcphub_sessions")
    assert.deepStrictEqual(sorted(documented("docs/operations/observing.md", "Metrics")), sorted(inCode))
  })

  it("field D7: gives each metric the kind that it has", () => {
    const kinds: Readonly<Record<string, string>> = { gauge: "gauge", total: "counter", counter: "counter" }
    const inCode = new Map(
      files("src")
        .filter((path) => path.endsWith(".ts"))
        .flatMap((path) => [...read(path).matchAll(/(gauge|total|counter)\(\s*"((?:mcphub|process)_[a-z_]+)"/g)])
        .map(([, call, name]) => [name!, kinds[call!]!])
    )
    const rows = tableRows(read("docs/operations/observing.md")).flatMap(([name, kind]) => {
      const plain = name!.replaceAll("`", "")
      return inCode.has(plain) ? [[plain, kind!] as const] : []
    })
    assert.isAbove(rows.length, 30)
    assert.deepStrictEqual(
      rows.filter(([name, kind]) => inCode.get(name) !== kind),
      []
    )
  })

  it("names every key of a request's line", () => {
    const source = read("src/actors/observing/RequestLog.ts")
    const keys = [
      ...source
        .slice(source.indexOf("JSON.stringify({"))
        .split("})")[0]!
        .matchAll(/^\s+(\w+)[:,]/gm)
    ].map(([, key]) => key!)
    const all = source.includes("durationMs:") && !keys.includes("durationMs") ? [...keys, "durationMs"] : keys
    assert.include(all, "requestId")
    assert.deepStrictEqual(sorted(documented("docs/operations/observing.md", "Logs")), sorted(all))
  })
})

describe("docs/user/settings.md", () => {
  it("names every key of a server, and no other", () => {
    const options = Object.keys(ServerOptions.fields).map((key) => `options.${key}`)
    const keys = Object.keys(ServerConfig.fields).flatMap((key) => (key === "options" ? options : [key]))
    assert.include(keys, "isolation")
    assert.deepStrictEqual(
      sorted(documented("docs/user/settings.md", "Keys of a server")),
      sorted([...keys, "groups", "users", "systemConfig"])
    )
  })
})

describe("docs/user/troubleshooting.md", () => {
  const rows = tableRows(read("docs/user/troubleshooting.md"))
  const kinds = rows.flatMap((cells) =>
    /^-?\d+$/.test(cells[0]!) ? [...cells[1]!.matchAll(/`([a-z_]+)`/g)].map(([, kind]) => kind!) : []
  )

  it("names the kind of every error a call can end with, with its code", () => {
    const table = read("src/domain/requests/RequestErrorCodes.ts")
    const reasons = [
      ...read("src/domain/requests/UpstreamErrors.ts").matchAll(/"UpstreamFailed"[\s\S]*?Literals\(\[([^\]]+)\]/g)
    ]
      .flatMap(([, list]) => list!.split(","))
      .map((reason) => reason.trim().slice(1, -1).replaceAll("-", "_"))
    assert.include(reasons, "too_large")
    const plain = [...table.matchAll(/row\([^,()]+, "([a-z_]+)"/g)].map(([, kind]) => kind!)
    assert.include(plain, "timeout")
    const failed = reasons.filter((reason) => reason !== "bad_header").map((reason) => `upstream_${reason}`)
    // A server's own error carries the server's data and no kind of ours.
    const expected = sorted([...plain.filter((kind) => kind !== "upstream_error"), ...failed, "internal"])
    assert.deepStrictEqual(
      expected.filter((kind) => !kinds.includes(kind)),
      []
    )
  })

  it("names the kind of every refusal, and no kind that does not exist", () => {
    const sources = files("src/http")
      .filter((path) => path.endsWith(".ts"))
      .map(read)
    const everywhere = [
      ...sources,
      ...["src/actors", "src/domain/protocol", "src/domain/requests"]
        .flatMap((folder) => files(folder))
        .filter((path) => path.endsWith(".ts"))
        .map(read)
    ].join("\n")
    const refusals = sources.flatMap((text) =>
      [
        ...text.matchAll(
          /(?:refuse|refusal)\(\s*(?:[\w.]+,\s*)?(?:\d{3},\s*)?(?:rpcCodes\.\w+|\d{4}),\s*"([a-z_]+)"|kind: "([a-z]+_[a-z_]+)"/g
        )
      ].map(([, first, second]) => (first ?? second)!)
    )
    assert.include(refusals, "session_not_found")
    assert.deepStrictEqual(
      sorted(refusals).filter((kind) => !kinds.includes(kind)),
      []
    )
    const known = (kind: string): boolean =>
      everywhere.includes(`"${kind}"`) || everywhere.includes(`"${kind.replace("upstream_", "").replaceAll("_", "-")}"`)
    assert.deepStrictEqual(
      kinds.filter((kind) => !known(kind)),
      []
    )
  })
})

describe("the documents", () => {
  it("name no variable that nobody reads", () => {
    const sources = files()
      .filter((path) => /^(src|scripts|test|examples)\/.*\.(ts|mjs|json)$/.test(path) || path === "examples/run")
      .map(read)
      .join("\n")
    const named = documents
      .filter((path) => path.startsWith("docs/operations") || path.startsWith("docs/user") || path === "README.md")
      .flatMap((path) =>
        [...read(path).matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)].map(([, name]) => ({
          path,
          name: name!
        }))
      )
    assert.isAbove(named.length, 40)
    assert.deepStrictEqual(
      // Service tokens have whatever name a user gives them.
      named
        .filter(({ name }) => !name.endsWith("_TOKEN") && !sources.includes(name))
        .map(({ path, name }) => `${path}: ${name}`),
      []
    )
  })
})

/** `examples/monitoring`: what its dashboard and its alert rules ask for is there, and Prometheus understands it. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../src/testkit/index.ts"
import { read, root, tableRows } from "./Repository.ts"

const folder = join(root, "examples", "monitoring")

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly w: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}
const dashboard = JSON.parse(read("examples/monitoring/dashboard.json")) as { readonly panels: ReadonlyArray<Panel> }
const shown = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

const rules = read("examples/monitoring/alerts.yml")
/** The expressions, those over several lines too. */
const watched = [...rules.matchAll(/^ {8}expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)/gm)].map(([, many, one]) => many ?? one!)

const expressions = [...shown, ...watched]

interface Selector {
  readonly name: string
  readonly labels: ReadonlyArray<string>
}
const selectorsIn = (expression: string): ReadonlyArray<Selector> =>
  [...expression.matchAll(/\b((?:mcphub|mcp|process)_[a-z_]+)(?:\{([^}]*)\})?/g)]
    // Labels that begin alike stand where an expression is grouped.
    .filter(([, name]) => !["mcp_method_name", "mcp_protocol_version"].includes(name!))
    .map(([, name, inner = ""]) => ({
      name: name!,
      labels: [...inner.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!)
    }))

/** Set by Prometheus. */
const byPrometheus = new Set(["instance", "job"])

/** What a hub in a test does not come to show: the program's own, the machine's, and what has gone wrong. */
const unseen = new Set([
  "mcphub_data_disk_free_bytes",
  "mcphub_settings_rejected",
  "mcphub_open_descriptors",
  "mcphub_late_responses_total"
])

/** /metrics of a hub that ada and bo have used, one of them in vain. */
const scraped = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({ tools: { silent: () => {} } })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  yield* ada.callTool("files-echo", { n: 1 })
  yield* Effect.exit(bo.request("tools/call", { name: "files-silent", _meta: { "mcphub/timeoutMs": 50 } }))
  yield* ada.end
  yield* hub.http.send({ path: "/mcp", headers: { authorization: "Bearer nobody" }, body: "{}" })
  const { text } = yield* hub.http.send({ method: "GET", path: "/metrics", headers: {} })
  for (const secret of [hub.ada.user.id, hub.bo.user.id, "ada", "bo"]) assert.notMatch(text, new RegExp(`"${secret}"`))
  return text
})

describe("examples/monitoring", () => {
  it.live("asks for metrics and labels that the hub has", () =>
    Effect.gen(function* () {
      const text = yield* scraped
      const labelsOf = (name: string): ReadonlySet<string> | undefined => {
        const series = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
        if (series.length === 0) return undefined
        return new Set(series.flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label!)))
      }
      const documented = tableRows(read("docs/operations/observing.md")).map(([name]) => name)
      assert.isAbove(expressions.length, 40)
      for (const expression of expressions) {
        for (const { labels, name } of selectorsIn(expression)) {
          const has = labelsOf(name)
          if (has === undefined) {
            assert.isTrue(unseen.has(name) && documented.includes(`\`${name}\``), `${name} is not in /metrics`)
            continue
          }
          for (const label of labels) {
            assert.isTrue(byPrometheus.has(label) || has.has(label), `${name} has no label ${label}`)
          }
          for (const [, grouped] of expression.matchAll(/\bby \(([^)]*)\)/g)) {
            const isKnown = (label: string) =>
              byPrometheus.has(label) || selectorsIn(expression).some((one) => labelsOf(one.name)?.has(label) ?? true)
            for (const label of grouped!.split(", ")) assert.isTrue(isKnown(label), `${label} in ${expression}`)
          }
        }
      }
    })
  )

  it("has a dashboard whose panels are told apart and fit the screen", () => {
    const { panels } = dashboard
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    assert.strictEqual(new Set(panels.map(({ title }) => title)).size, panels.length)
    for (const { gridPos, targets, title, type } of panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      assert.strictEqual((targets ?? []).length > 0, type !== "row", title)
    }
  })

  it("says of every alert what it means and what to do", () => {
    const alerts = rules.split("- alert: ").slice(1)
    assert.isAbove(alerts.length, 20)
    for (const alert of alerts) {
      assert.match(alert, /severity: (critical|warning|info)\n/)
      assert.match(alert, /summary: ".+"\n +description: ".+"\n/)
    }
  })
})

const promtool = (args: ReadonlyArray<string>, cwd = folder) => {
  const { error, status, stderr, stdout } = spawnSync("promtool", args, { cwd, encoding: "utf8", timeout: 30_000 })
  return { isThere: error === undefined, status, said: `${stdout}${stderr}` }
}

/** Where there is none, these tests are left out, or fail with `MCPHUB_TEST_PROMTOOL=required`. */
const canCheck = process.env["MCPHUB_TEST_PROMTOOL"] === "required" || promtool(["--version"]).isThere

describe.runIf(canCheck)("examples/monitoring, for promtool", () => {
  for (const [what, args] of [
    ["a configuration", ["check", "config", "prometheus.yml"]],
    ["alerts that ring when they should", ["test", "rules", "alerts.test.yml"]]
  ] as const) {
    it(`holds ${what}`, () => {
      const { said, status } = promtool(args)
      assert.strictEqual(status, 0, said)
    })
  }

  it("has a dashboard of valid expressions, and a broken one would be found", () => {
    const own = mkdtempSync(join(tmpdir(), "mcphub-rules-"))
    try {
      const check = (all: ReadonlyArray<string>) => {
        const lines = all.map((expr, at) => {
          const plain = expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(instance|server)/g, ".*")
          return `      - { record: "panel:${at}", expr: ${JSON.stringify(plain)} }\n`
        })
        writeFileSync(join(own, "rules.yml"), `groups:\n  - name: dashboard\n    rules:\n${lines.join("")}`)
        return promtool(["check", "rules", "rules.yml"], own)
      }
      const { said, status } = check(shown)
      assert.strictEqual(status, 0, said)
      assert.notStrictEqual(check(["sum(mcphub_sessions"]).status, 0)
    } finally {
      rmSync(own, { recursive: true })
    }
  })
})

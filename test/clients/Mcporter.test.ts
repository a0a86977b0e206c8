/** mcporter, as published: a one-shot client for scripts and agents, which opens a session for each command line. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import type { Person } from "./Answering.ts"
import { ClientHub, node } from "./ClientHub.ts"
import { run } from "./Programs.ts"

/** By its path: the package exports its program to `import` alone. */
const program = fileURLToPath(new URL("../../node_modules/mcporter/dist/cli.js", import.meta.url))

const mcporter = (
  url: string,
  { key }: Pick<Person, "key">,
  command: "list" | "call",
  ...args: ReadonlyArray<string>
) =>
  run(node, [
    program,
    command,
    "--http-url",
    url,
    "--allow-http",
    "--name",
    "hub",
    "--header",
    `Authorization=Bearer ${key}`,
    ...args
  ])

const echo = (text: string) => ["hub.echo", "--args", JSON.stringify({ text }), "--output", "raw", "--no-oauth"]

layer(ClientHub.layer, { excludeTestServices: true, timeout: "60 seconds" })("mcporter", (it) => {
  it.effect("lists the tools of a server", () =>
    Effect.gen(function* () {
      const { ada, endpoint } = yield* ClientHub
      const ran = yield* mcporter(endpoint("both"), ada, "list", "--json")
      assert.strictEqual(ran.code, 0, ran.stderr)
      const { status, tools } = JSON.parse(ran.stdout) as { status: string; tools: ReadonlyArray<{ name: string }> }
      assert.strictEqual(status, "ok")
      assert.includeMembers(
        tools.map(({ name }) => name),
        ["echo", "test_simple_text"]
      )
    })
  )

  it.effect("calls a tool for two users at a time: each is told what they said", () =>
    Effect.gen(function* () {
      const { ada, bo, endpoint } = yield* ClientHub
      const [adas, bos] = yield* Effect.all(
        [ada, bo].map((person) => mcporter(endpoint("both"), person, "call", ...echo(`${person.name}'s`))),
        { concurrency: 2 }
      )
      assert.deepStrictEqual([adas!.code, bos!.code], [0, 0], adas!.stderr + bos!.stderr)
      assert.include(adas!.stdout, "ada's")
      assert.include(bos!.stdout, "bo's")
      assert.notInclude(adas!.stdout, "bo's")
      assert.notInclude(bos!.stdout, "ada's")
    })
  )

  it.effect("is given nothing for a key the hub does not know", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* ClientHub
      const ran = yield* mcporter(endpoint("both"), { key: `mcphub_${"0".repeat(64)}` }, "call", ...echo("nobody's"))
      assert.notStrictEqual(ran.code, 0)
      assert.notInclude(ran.stdout, "nobody's")
      assert.notInclude(ran.stdout + ran.stderr, "0".repeat(64))
    })
  )
})

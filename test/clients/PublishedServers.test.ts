/**
 * Servers as their authors publish them, over stdio, used by two people: each has the files, the memory, the train of
 * thought and the browser of nobody else.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createRequire } from "node:module"
import process from "node:process"
import { pathToFileURL } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { connect, type Person } from "./Answering.ts"
import { node } from "./ClientHub.ts"

const { resolve } = createRequire(import.meta.url)
/** Where distributions keep the browser that they package. */
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
/** Where none is, its test is left out, or fails with `MCPHUB_TEST_BROWSER=required`. */
const chromium =
  browsers.find(existsSync) ?? (process.env["MCPHUB_TEST_BROWSER"] === "required" ? browsers[0] : undefined)

const published = (file: string, args: ReadonlyArray<string> = []) => {
  const { command, args: before } = runtimeCommand(pathToFileURL(resolve(file)))
  return { command, args: [...before, ...args] }
}

const person = (name: string): Person => ({ name, key: `mcphub_${randomBytes(32).toString("hex")}` })

/** A web page that tells who reads it, by a cookie set on the first visit. */
const page = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
    const server = createServer((request, response) => {
      const name = new URL(request.url ?? "/", "http://page").searchParams.get("name")
      const known = /reader=(\w+)/.exec(request.headers.cookie ?? "")?.[1] ?? "a stranger"
      response.writeHead(200, {
        "content-type": "text/html",
        ...(name === null ? {} : { "set-cookie": `reader=${name}` })
      })
      response.end(`<title>A page</title><h1>Read by ${known}</h1>`)
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(
        Effect.succeed({
          url: `http://127.0.0.1:${port}/`,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        })
      )
    })
  }),
  ({ close }) => Effect.sync(close)
)

class Published extends Context.Service<
  Published,
  { readonly ada: Person; readonly bo: Person; readonly at: (server: string) => string; readonly page: string }
>()("mcphub/test/clients/Published") {
  static readonly layer = Layer.effect(
    Published,
    Effect.gen(function* () {
      const [ada, bo] = [person("ada"), person("bo")]
      const { url: pageUrl } = yield* page
      const own = "${MCPHUB_USER_DIR}"
      const hub = yield* HubProcess.make({
        settings: {
          mcpServers: {
            files: published("@modelcontextprotocol/server-filesystem/dist/index.js", [own]),
            memory: {
              ...published("@modelcontextprotocol/server-memory/dist/index.js"),
              env: { MEMORY_FILE_PATH: `${own}/memory.jsonl` }
            },
            thinking: published("@modelcontextprotocol/server-sequential-thinking/dist/index.js"),
            ...(chromium === undefined
              ? {}
              : {
                  browser: {
                    command: node,
                    args: [
                      resolve("@playwright/mcp/package.json").replace(/package\.json$/, "cli.js"),
                      "--headless",
                      "--isolated",
                      "--no-sandbox",
                      "--executable-path",
                      chromium
                    ]
                  }
                })
          }
        },
        provision: { users: [ada, bo].map(({ name, key }) => ({ username: name, keys: [{ key }] })) }
      })
      return { ada, bo, page: pageUrl, at: (server) => `${hub.url}/${server}` }
    })
  )
}

const both = (server: string) =>
  Effect.gen(function* () {
    const { ada, at, bo } = yield* Published
    return [yield* connect("1.x", at(server), ada), yield* connect("1.x", at(server), bo)] as const
  })

layer(Published.layer, { excludeTestServices: true, timeout: "60 seconds" })("published servers", (it) => {
  it.effect("server-filesystem: each user reads and writes in a folder of their own, and not in the other's", () =>
    Effect.gen(function* () {
      const [ada, bo] = yield* both("files")
      const folderOf = (text: string) => text.split("\n").at(-1)!.trim()
      const adas = folderOf((yield* ada.call("list_allowed_directories")).text)
      const bos = folderOf((yield* bo.call("list_allowed_directories")).text)
      assert.notStrictEqual(adas, bos)
      const path = `${adas}/note.txt`
      assert.isFalse((yield* ada.call("write_file", { path, content: "ada's words" })).isError)
      assert.include((yield* ada.call("read_text_file", { path })).text, "ada's words")
      const refused = yield* bo.call("read_text_file", { path })
      assert.isTrue(refused.isError)
      assert.notInclude(refused.text, "ada's words")
      assert.notInclude((yield* bo.call("list_directory", { path: bos })).text, "note.txt")
    })
  )

  it.effect("server-memory: what one user has it remember is no part of the other's graph", () =>
    Effect.gen(function* () {
      const [ada, bo] = yield* both("memory")
      const entities = [{ name: "Ada's cat", entityType: "cat", observations: ["sleeps"] }]
      assert.isFalse((yield* ada.call("create_entities", { entities })).isError)
      assert.include((yield* ada.call("read_graph")).text, "Ada's cat")
      assert.notInclude((yield* bo.call("read_graph")).text, "Ada's cat")
      const { ada: person, at } = yield* Published
      assert.include((yield* (yield* connect("1.x", at("memory"), person)).call("read_graph")).text, "Ada's cat")
    })
  )

  it.effect("server-sequential-thinking: each user's thoughts are counted alone", () =>
    Effect.gen(function* () {
      const [ada, bo] = yield* both("thinking")
      const thought = (thoughtNumber: number) => ({
        thought: "so far",
        nextThoughtNeeded: true,
        thoughtNumber,
        totalThoughts: 3
      })
      for (const number of [1, 2]) yield* ada.call("sequentialthinking", thought(number))
      assert.include((yield* ada.call("sequentialthinking", thought(3))).text, '"thoughtHistoryLength": 3')
      assert.include((yield* bo.call("sequentialthinking", thought(1))).text, '"thoughtHistoryLength": 1')
    })
  )

  it.effect.skipIf(chromium === undefined)(
    "@playwright/mcp: each user has a browser, whose cookies are nobody else's",
    () =>
      Effect.gen(function* () {
        const [ada, bo] = yield* both("browser")
        const { page } = yield* Published
        yield* ada.call("browser_navigate", { url: `${page}?name=ada` })
        yield* ada.call("browser_navigate", { url: page })
        yield* bo.call("browser_navigate", { url: page })
        assert.include((yield* ada.call("browser_snapshot")).text, "Read by ada")
        const seen = (yield* bo.call("browser_snapshot")).text
        assert.include(seen, "Read by a stranger")
        assert.notInclude(seen, "ada")
      }),
    60_000
  )
})

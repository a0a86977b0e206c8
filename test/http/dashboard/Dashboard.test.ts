import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as DashboardFolder from "../../../src/http/dashboard/DashboardFolder.ts"
import { TestHub } from "../../../src/testkit/index.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-dashboard-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const most = 60 * 1024

/** The addresses that a page asks for. */
const linked = (html: string): ReadonlyArray<string> =>
  [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path]) => path!)

describe("the dashboard", () => {
  for (const basePath of ["", "/hub"]) {
    it.live(
      `is built when it is first asked for, and served below the base path "${basePath}"`,
      () =>
        Effect.gen(function* () {
          const hub = yield* TestHub.make({ config: { basePath } })
          const get = (path: string, headers = {}) =>
            hub.http.send({ method: "GET", path: `${basePath}${path}`, headers })
          const bare = yield* get("/admin")
          assert.deepStrictEqual([bare.status, bare.headers["location"]], [308, "admin/"])
          const page = yield* get("/admin/?tab=x")
          assert.strictEqual(page.status, 200)
          assert.strictEqual(page.headers["content-type"], "text/html; charset=utf-8")
          assert.match(page.headers["content-security-policy"]!, /^default-src 'self'; .*frame-ancestors 'none'/)
          assert.strictEqual(page.headers["x-content-type-options"], "nosniff")
          assert.strictEqual(page.headers["cache-control"], "no-cache")
          // Nothing of its own in the page, which the policy would refuse, and nothing of other sites.
          assert.notMatch(page.text, /<style|<script(?![^>]* src="\.\/)|style=|https?:|data:/)
          const files = linked(page.text)
          assert.isAtLeast(files.length, 3)
          for (const file of files) {
            const asked = yield* get(`/admin/${file}`)
            assert.strictEqual(asked.status, 200, file)
            assert.match(asked.headers["content-type"]!, /^(text\/(javascript|css); charset=utf-8|image\/svg\+xml)$/)
            assert.include(asked.headers["cache-control"], "immutable")
          }
        }),
      60_000
    )
  }

  it.live("is not sent again to a browser that has it, and compressed to one that can read that", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const get = (headers: Record<string, string>) => hub.http.send({ method: "GET", path: "/admin/", headers })
      const plain = yield* get({})
      const small = yield* get({ "accept-encoding": "br, gzip" })
      assert.strictEqual(small.headers["content-encoding"], "gzip")
      assert.strictEqual(small.headers["vary"], "accept-encoding")
      assert.notStrictEqual(small.headers["etag"], plain.headers["etag"])
      assert.strictEqual((yield* get({ "accept-encoding": "gzip;q=0" })).headers["content-encoding"], undefined)
      const again = yield* get({ "if-none-match": `"other", ${plain.headers["etag"]}` })
      assert.deepStrictEqual([again.status, again.text], [304, ""])
      assert.strictEqual((yield* get({ "if-none-match": '"other"' })).status, 200)
    })
  )

  it.live("has no other files, and is only read", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      for (const path of ["/admin/nothing", "/admin/../package.json", "/admin/..%2Fpackage.json", "/admin/assets/"]) {
        assert.strictEqual((yield* hub.http.send({ method: "GET", path })).status, 404, path)
      }
      const posted = yield* hub.http.send({ method: "POST", path: "/admin/", body: "{}" })
      assert.deepStrictEqual([posted.status, posted.headers["allow"]], [405, "GET, HEAD"])
      const foreign = { host: "evil.example" }
      assert.strictEqual((yield* hub.http.send({ method: "GET", path: "/admin/", headers: foreign })).status, 403)
    })
  )

  it.live("needs no more than 60 KiB of script, compressed", () =>
    Effect.gen(function* () {
      const built = yield* Effect.flatMap(DashboardFolder.Places, DashboardFolder.find)
      const scripts = readdirSync(join(built, "assets")).filter((name) => name.endsWith(".js"))
      const bytes = scripts.map((name) => gzipSync(readFileSync(join(built, "assets", name))).byteLength)
      assert.isAtLeast(scripts.length, 1)
      assert.isAtMost(
        bytes.reduce((sum, one) => sum + one, 0),
        most
      )
    })
  )

  it.live("that cannot be built says why, and the hub serves its clients all the same", () =>
    Effect.gen(function* () {
      const empty = yield* folder
      const places = { packaged: join(empty, "dist"), sources: join(empty, "app"), built: join(empty, "built") }
      const hub = yield* TestHub.make({ replace: Layer.succeed(DashboardFolder.Places, places) })
      const page = yield* hub.http.send({ method: "GET", path: "/admin/" })
      assert.strictEqual(page.status, 503)
      assert.include(page.text, "this installation has no dashboard")
      assert.notInclude(page.text, empty)
      const client = yield* hub.connect(hub.ada)
      assert.isString(client.sessionId)
    })
  )

  it.live("of a package is served as it was built", () =>
    Effect.gen(function* () {
      const empty = yield* folder
      const packaged = join(empty, "dist")
      mkdirSync(packaged)
      writeFileSync(join(packaged, "index.html"), "<title>Packaged</title>")
      const places = { packaged, sources: join(empty, "app"), built: join(empty, "built") }
      const hub = yield* TestHub.make({ replace: Layer.succeed(DashboardFolder.Places, places) })
      const page = yield* hub.http.send({ method: "GET", path: "/admin/" })
      assert.strictEqual(page.text, "<title>Packaged</title>")
    })
  )
})

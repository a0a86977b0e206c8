/**
 * Serves the dashboard at `/admin/`. What it shows comes from the API with the viewer's own rights: the files are the
 * same for everybody, hold no data and need no sign-in.
 *
 * A hub whose dashboard cannot be built serves MCP all the same, and says here in a page why there is none.
 */
import { Clock, Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import type { RoomRoutes } from "../runtime/HubRoutes.ts"
import * as DashboardFiles from "./DashboardFiles.ts"
import * as DashboardFolder from "./DashboardFolder.ts"

const secure = {
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}
/** Everything of the hub's own, nothing in the page itself, and no other site around it. */
const policy =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

const missingPage = (why: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MCPHub</title>
<style>body { font: 1em/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em; color-scheme: light dark }</style>
<h1>No dashboard</h1>
<p>${escaped(why)}</p>
<p>The hub itself is running: MCP clients are served, and the command line works.</p>
`

const missing = (why: string) =>
  HttpServerResponse.text(missingPage(why), {
    status: 503,
    contentType: "text/html; charset=utf-8",
    headers: {
      ...secure,
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "retry-after": "60"
    }
  })

const notFound = HttpServerResponse.text("There is no such file in the dashboard\n", { status: 404, headers: secure })
const wrongMethod = HttpServerResponse.text("The dashboard is only read\n", {
  status: 405,
  headers: { ...secure, allow: "GET, HEAD" }
})

/** Relative, so that it holds behind a proxy that adds a path of its own. */
const toFolder = HttpServerResponse.empty({ status: 308, headers: { location: "admin/" } })

const answer = (file: DashboardFiles.DashboardFile, request: HttpServerRequest.HttpServerRequest) => {
  const accepts = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(request.headers["accept-encoding"] ?? "")
  const etag = `"${file.digest}${accepts ? "-gz" : ""}"`
  const headers = {
    ...secure,
    "content-security-policy": policy,
    "cache-control": file.isImmutable ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    etag
  }
  const known = request.headers["if-none-match"]?.split(",").map((one) => one.trim().replace(/^W\//, "")) ?? []
  if (known.includes(etag) || known.includes("*")) return HttpServerResponse.empty({ status: 304, headers })
  return HttpServerResponse.uint8Array(accepts ? file.compressed : file.bytes, {
    contentType: file.type,
    headers: accepts ? { ...headers, "content-encoding": "gzip" } : headers
  })
}

/** A failure is told to everybody who asks meanwhile; a build takes seconds of a processor. */
const failureMs = 60_000

export const routes = Effect.gen(function* () {
  const places = yield* DashboardFolder.Places
  const now = monotonicMillis(yield* Clock.Clock)
  const scope = yield* Effect.scope
  const stopping = () => new DashboardFolder.DashboardMissing({ message: "The hub is stopping" })
  const loading = SingleFlight.make<"files", DashboardFiles.DashboardFiles, DashboardFolder.DashboardMissing>(
    scope,
    stopping
  )
  let loaded: DashboardFiles.DashboardFiles | undefined
  let failed: { readonly error: DashboardFolder.DashboardMissing; readonly at: number } | undefined

  const load = DashboardFolder.find(places).pipe(
    Effect.flatMap(DashboardFiles.read),
    Effect.tap((files) => Effect.sync(() => void (loaded = files))),
    Effect.tapError((error) =>
      Effect.andThen(
        Effect.sync(() => void (failed = { error, at: now() })),
        Effect.logWarning(error.message)
      )
    )
  )
  const files = Effect.suspend(() => {
    if (loaded !== undefined) return Effect.succeed(loaded)
    if (failed !== undefined && now() - failed.at < failureMs) return Effect.fail(failed.error)
    return loading.run("files", () => load)
  })

  const serve = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.method !== "GET" && request.method !== "HEAD") return wrongMethod
    const path = request.url.split("?", 1)[0]!
    if (path === "/admin") return toFolder
    const name = path.slice("/admin/".length)
    const all = yield* files
    const file = all.get(name === "" ? "index.html" : name)
    return file === undefined ? notFound : answer(file, request)
  }).pipe(Effect.catchTag("DashboardMissing", ({ message }) => Effect.succeed(missing(message))))

  const routes = Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      yield* router.add("*", "/admin/*", serve)
    })
  )
  return { serves: (path) => path === "/admin" || path.startsWith("/admin/"), routes } satisfies RoomRoutes
})

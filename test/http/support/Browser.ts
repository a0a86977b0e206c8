/**
 * Chromium with a page of the dashboard: as wide as a desk or a phone, light or dark, in a language. A page that throws,
 * breaks its Content-Security-Policy or says an error on the console fails the test at the end of the visit.
 */
import { existsSync } from "node:fs"
import process from "node:process"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import { type Browser as Chromium, type BrowserContext, chromium, type Page } from "playwright-core"

/** Where distributions keep the browser that they package. */
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

/** Where none is, its tests are left out, or fail with `MCPHUB_TEST_BROWSER=required`. */
export const executable =
  browsers.find(existsSync) ?? (process.env["MCPHUB_TEST_BROWSER"] === "required" ? browsers[0] : undefined)

/** One for all tests of a file: each has profiles of its own. */
export class Browser extends Context.Service<Browser, Chromium>()("test/http/support/Browser") {
  static readonly layer = Layer.effect(
    Browser,
    Effect.acquireRelease(
      Effect.promise(() => chromium.launch({ executablePath: executable!, args: ["--no-sandbox"] })),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

export interface Look {
  readonly scheme: "light" | "dark"
  readonly width: number
  readonly locale: "en-US" | "ko-KR"
}

export const desk: Look = { scheme: "light", width: 1280, locale: "en-US" }
export const phone: Look = { scheme: "dark", width: 390, locale: "ko-KR" }

/** Answers by which a page learns something, and which the browser mentions on the console all the same. */
export type Expected = ReadonlyArray<readonly [status: number, path: RegExp]>

export interface Visit {
  readonly page: Page
  readonly context: BrowserContext
  /** All that the page said or met, and should not have. */
  readonly complaints: ReadonlyArray<string>
}

/** A fresh profile with one page, which has nothing to complain about when the scope closes. */
export const visit = (look: Look, expected: Expected = []): Effect.Effect<Visit, never, Browser | Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(Browser, (browser) =>
      Effect.promise(async () => {
        const { locale, scheme, width } = look
        const context = await browser.newContext({ colorScheme: scheme, locale, viewport: { width, height: 900 } })
        context.setDefaultTimeout(15_000)
        const page = await context.newPage()
        const complaints: Array<string> = []
        page.on("pageerror", (error) => complaints.push(`threw: ${error.message}`))
        page.on("console", (message) => {
          if (message.type() !== "error" && message.type() !== "warning") return
          const { url } = message.location()
          const isExpected = expected.some(
            ([status, path]) => message.text().includes(`status of ${status}`) && path.test(new URL(url).pathname)
          )
          if (!isExpected) complaints.push(`${message.text()} (${url})`)
        })
        return { page, context, complaints }
      })
    ),
    ({ complaints, context }) =>
      Effect.promise(async () => {
        await context.close()
        assert.deepStrictEqual(complaints, [])
      })
  )

/** Nothing of the page stands beyond its right edge. */
export const assertFits = async (page: Page): Promise<void> => {
  const [wanted, there] = (await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")) as [
    number,
    number
  ]
  assert.isAtMost(wanted, there, `${page.url()} is wider than the screen`)
}

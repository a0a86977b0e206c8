import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestHub } from "../../../src/testkit/index.ts"
import { assertFits, Browser, desk, executable, type Look, phone, visit } from "../support/Browser.ts"

/** Whoever is not signed in, at a hub with an API or without. */
const stranger = [
  [401, /\/api\/me$/],
  [404, /\/api\/(me|signin\/options)$/]
] as const

const backgroundOf = "getComputedStyle(document.body).backgroundColor"

describe.skipIf(executable === undefined)("the dashboard in a browser", () => {
  layer(Browser.layer, { excludeTestServices: true })((it) => {
    it.effect("meets a stranger with the sign-in, on a desk and a phone, light and dark, in English and Korean", () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ config: { basePath: "/hub" } })
        const colours = new Set<string>()
        for (const [look, title] of [
          [desk, "Sign in"],
          [phone, "로그인"]
        ] as ReadonlyArray<readonly [Look, string]>) {
          const { page } = yield* visit(look, stranger)
          yield* Effect.promise(async () => {
            await page.goto(new URL("/hub/?key=mcphub_canary", hub.url).href)
            await page.getByRole("heading", { level: 1, name: title }).waitFor()
            assert.strictEqual(new URL(page.url()).pathname, "/hub/admin/")
            assert.notInclude(page.url(), "canary")
            await assertFits(page)
            colours.add(await page.evaluate(backgroundOf))
            assert.strictEqual(await page.evaluate("document.documentElement.lang"), look.locale.slice(0, 2))
          })
        }
        assert.strictEqual(colours.size, 2)
      })
    )

    it.effect("remembers language and colours, which are chosen with the keyboard, and nothing else", () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make()
        const { page } = yield* visit(desk, stranger)
        yield* Effect.promise(async () => {
          await page.goto(new URL("/admin", hub.url).href)
          const light = await page.evaluate(backgroundOf)
          await page.getByLabel("Language").focus()
          await page.keyboard.press("ArrowDown")
          await page.getByRole("heading", { level: 1, name: "로그인" }).waitFor()
          await page.keyboard.press("Tab")
          await page.keyboard.press("End")
          assert.notStrictEqual(await page.evaluate(backgroundOf), light)
          await page.reload()
          await page.getByRole("heading", { level: 1, name: "로그인" }).waitFor()
          assert.notStrictEqual(await page.evaluate(backgroundOf), light)
          const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
          assert.deepStrictEqual(JSON.parse(kept as string), [
            { "mcphub.language": "ko", "mcphub.theme": "dark" },
            {},
            ""
          ])
        })
      })
    )
  })
})

import { assert, describe, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import { assertFits, Browser, desk, executable, phone, visit } from "../support/Browser.ts"
import { everywhere, korean, open, signIn, stranger } from "../support/DashboardPages.ts"
import { sdk1 } from "../support/OfficialClients.ts"
import { hubWithPasswords } from "../support/Visitors.ts"

const upstream = ScriptedHttpUpstream.make()

describe.skipIf(executable === undefined)("a user in the dashboard", () => {
  layer(Browser.layer, { excludeTestServices: true })((it) => {
    it.effect(
      "signs in, makes a key and sets a token, and a client of theirs calls a tool; nobody else's things are shown",
      () =>
        Effect.gen(function* () {
          const server = yield* upstream
          const hub = yield* hubWithPasswords({}, { servers: { files: { url: server.url, context: "full" } } })
          const bos = yield* hub.connect(hub.bo)
          yield* bos.request("tools/list")
          const { context, page } = yield* visit(desk, stranger)
          const key = yield* Effect.promise(async () => {
            await signIn(page, hub.url, "ada")
            await page.getByRole("heading", { level: 1, name: "Me" }).waitFor()
            await page.getByRole("button", { name: "New key" }).click()
            await page.getByLabel(/^Name/).fill("my laptop")
            await page.getByRole("button", { name: "Make the key" }).click()
            const shown = (await page.getByLabel("The key").textContent())!
            assert.match(shown, /^mcphub_[0-9a-f]{64}$/)
            await page.getByRole("button", { name: "Close" }).click()
            await page.getByRole("row", { name: /my laptop/ }).waitFor()
            assert.notInclude(await everywhere(page), shown)

            await page.getByRole("button", { name: "Set a token" }).click()
            await page.getByLabel(/^Name/).fill("FILES_TOKEN")
            await page.getByLabel("Value").fill("canary-of-ada")
            await page.getByRole("button", { name: "Save" }).click()
            await page.getByRole("row", { name: /FILES_TOKEN/ }).waitFor()
            assert.notInclude(await everywhere(page), "canary-of-ada")

            await open(page, "Connect")
            await page.getByText("Waiting for the first request").waitFor()
            for (const client of ["claude", "cursor", "vscode", "opencode", "gemini", "codex", "curl"]) {
              await page.getByLabel("Client").selectOption(client)
              const text = await page.locator(".copy pre").first().textContent()
              assert.include(text, new URL("/mcp", hub.url).href)
              assert.notInclude(await everywhere(page), shown)
            }
            return shown
          })
          const { client } = yield* sdk1(hub.url, { ...hub.ada, key: Redacted.make(key) })
          const answer = yield* Effect.promise(() => client.callTool({ name: "files-whoami", arguments: {} }))
          assert.include(JSON.stringify(answer), "canary-of-ada")
          yield* Effect.promise(async () => {
            await page.locator("[data-received=true]").waitFor()
            for (const title of ["Me", "Sessions", "Requests", "Audit"]) {
              await open(page, title)
              await page.getByText("Loading…").first().waitFor({ state: "detached" })
              const text = await everywhere(page)
              for (const theirs of [hub.bo.user.id, bos.sessionId, Redacted.value(hub.bo.key)])
                assert.notInclude(text, theirs, title)
              assert.notMatch(text, />\s*bo\s*</, title)
            }
            await page
              .getByRole("row", { name: /tools\/call/ })
              .first()
              .waitFor()
            const names = await page.getByRole("navigation").getByRole("link").allTextContents()
            assert.deepStrictEqual(names, ["Me", "Connect", "Sessions", "Requests", "Audit"])
            await page.getByRole("button", { name: "Sign out" }).click()
            await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor()
            assert.deepStrictEqual(await context.cookies(), [])
          })
        }),
      60_000
    )

    it.effect(
      "reads every page on a phone, in the dark, in Korean",
      () =>
        Effect.gen(function* () {
          const server = yield* upstream
          const hub = yield* hubWithPasswords({}, { servers: { files: { url: server.url, context: "full" } } })
          const client = yield* hub.connect(hub.ada)
          yield* client.request("tools/list")
          const { page } = yield* visit(phone, stranger)
          yield* Effect.promise(async () => {
            await signIn(page, hub.url, "ada", korean)
            for (const title of ["내 정보", "연결", "세션", "요청", "감사 기록"]) {
              await open(page, title)
              await assertFits(page)
              assert.notInclude(await everywhere(page), "Not available")
            }
          })
        }),
      60_000
    )
  })
})

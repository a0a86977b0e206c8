import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber } from "effect"
import { Roles } from "../../../src/domain/identity/Roles.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import { assertFits, Browser, desk, executable, type Look, phone, visit } from "../support/Browser.ts"
import { everywhere, open, signIn, stranger } from "../support/DashboardPages.ts"
import { hubWithPasswords } from "../support/Visitors.ts"

/** A hub of which ada is an admin, and in which a call of bo's hangs at its server. */
const hanging = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const server = yield* ScriptedHttpUpstream.make({
    tools: { hang: () => void Deferred.doneUnsafe(asked, Effect.void) }
  })
  const hub = yield* hubWithPasswords({}, { servers: { files: { url: server.url, options: { timeout: 120_000 } } } })
  yield* hub.users.setAdmin(hub.ada.user.id, true)
  const bos = yield* hub.connect(hub.bo)
  const call = yield* Effect.forkScoped(Effect.flip(bos.request("tools/call", { name: "files-hang", arguments: {} })))
  yield* Deferred.await(asked)
  return { hub, call, url: server.url }
})

const english: Look = { ...phone, locale: "en-US" }

describe.skipIf(executable === undefined)("an admin in the dashboard", () => {
  layer(Browser.layer, { excludeTestServices: true })((it) => {
    it.effect(
      "sees whose request hangs and what it waits for, and cancels it; the client is told so",
      () =>
        Effect.gen(function* () {
          const { call, hub } = yield* hanging
          const { page } = yield* visit(desk, stranger)
          yield* Effect.promise(async () => {
            await signIn(page, hub.url, "ada")
            await page.getByRole("heading", { level: 1, name: "Now" }).waitFor()
            const row = page.getByRole("row", { name: /tools\/call/ })
            await row.getByText("the server's answer (files)").waitFor()
            await row.getByText("bo", { exact: true }).waitFor()
            await page
              .getByRole("img", { name: /Requests per second/ })
              .locator("canvas")
              .waitFor()
            await open(page, "Sessions")
            await page.getByRole("heading", { level: 2, name: /bo/ }).waitFor()
            await page.getByText("the server's answer (files)").waitFor()
            await open(page, "Requests")
            await page.getByRole("button", { name: "Cancel" }).click()
            await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).first().click()
            await row.waitFor({ state: "detached" })
          })
          const failure = yield* Fiber.join(call)
          assert.include(JSON.stringify(failure), "cancelled")
          yield* Effect.promise(async () => {
            await open(page, "Audit")
            await page.getByLabel("User (name or id)").fill("bo")
            await page.getByLabel("Outcome").selectOption("cancelled")
            await page.getByRole("button", { name: "Show" }).click()
            await page.getByRole("row", { name: /files.*Cancelled/ }).waitFor()
            assert.include(page.url(), "outcome=cancelled")
          })
        }),
      60_000
    )

    it.effect(
      "adds a user and gives them a role and a group, on a phone, until the sign-in is revoked",
      () =>
        Effect.gen(function* () {
          const { hub } = yield* hanging
          const { page } = yield* visit(english, [...stranger, [401, /\/api\/users\//]])
          yield* Effect.promise(async () => {
            await signIn(page, hub.url, "ada")
            for (const title of ["Now", "Sessions", "Requests", "Audit", "Servers", "People", "Connect"]) {
              await open(page, title)
              await assertFits(page)
              assert.notInclude(await everywhere(page), "Not available", title)
            }
            await open(page, "People")
            await page.getByRole("button", { name: "Add a user" }).click()
            await page.getByLabel("User name").fill("carla")
            await page.getByRole("button", { name: "Add", exact: true }).click()
            await page.getByRole("link", { name: "carla" }).click()
            await page.getByRole("heading", { level: 1, name: "carla" }).waitFor()
            await page.getByRole("button", { name: "Role: Auditor" }).click()
            await page.getByRole("button", { name: "Role: User" }).waitFor()
            await page.getByRole("button", { name: "Add a group" }).click()
            // Markup is a name like any other.
            await page.getByLabel("Name").fill("<b>dev</b>")
            await page.getByLabel("Servers, one a line").fill("files")
            await page.getByLabel("Tools, one a line").fill("whoami")
            await page.getByRole("button", { name: "Save" }).click()
            await page.getByRole("row", { name: "<b>dev</b>" }).getByRole("button", { name: "Deactivate" }).click()
            await page.getByRole("row", { name: /<b>dev<\/b>.*Deactivated.*files.*whoami/ }).waitFor()
            await assertFits(page)
          })
          const carla = (yield* hub.users.list).find(({ username }) => username === "carla")!
          yield* hub.signIns.revokeAll(hub.ada.user.id)
          yield* Effect.promise(async () => {
            await page.getByRole("button", { name: "Role: User" }).click()
            await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor()
          })
          assert.strictEqual(yield* Context.get(hub.services, Roles).of(carla.id), "auditor")
        }),
      60_000
    )

    it.effect(
      "pastes a server of another program, tests it and takes a tool away; a change by somebody else is not overwritten",
      () =>
        Effect.gen(function* () {
          const { hub, url } = yield* hanging
          const entry = () => hub.settings().mcpServers["pasted"]
          const { page } = yield* visit(desk, [...stranger, [412, /\/api\/admin\/servers\/pasted$/]])
          yield* Effect.promise(async () => {
            await signIn(page, hub.url, "ada")
            await open(page, "Servers")
            await page.getByRole("button", { name: "Paste from another program" }).click()
            const text = page.getByRole("dialog").getByRole("textbox")
            await text.fill("{ broken")
            await page.getByRole("button", { name: "Add", exact: true }).click()
            await page.getByRole("alert").getByText("This is not JSON").waitFor()
            await text.fill(JSON.stringify({ servers: { pasted: { type: "http", url }, files: { command: "rm" } } }))
            await page.getByRole("button", { name: "Add", exact: true }).click()
            await page.getByText("Added: pasted Not touched, because they exist: files").waitFor()
            assert.deepStrictEqual(entry(), { type: "streamable-http", url })
            await page.getByRole("link", { name: "pasted" }).click()
            await page.getByRole("button", { name: "Test" }).click()
            await page.getByText(/It answered in .* revision 20/).waitFor()
            await page
              .getByRole("row", { name: /^whoami/ })
              .getByRole("button", { name: "Edit" })
              .click()
            await page.getByLabel("Clients see it").uncheck()
            await page.getByRole("button", { name: "Save" }).click()
            await page.getByRole("row", { name: /^whoami .*Off/ }).waitFor()
            assert.deepStrictEqual(entry()?.tools, { whoami: { enabled: false } })
            await page.getByRole("button", { name: "Edit" }).first().click()
          })
          yield* hub.setSettings({ mcpServers: { pasted: { url, enabled: false } } })
          yield* Effect.promise(async () => {
            await page.getByRole("button", { name: "Save" }).click()
            await page.getByRole("alert").getByText("Somebody else has changed it").waitFor()
          })
          assert.deepStrictEqual(entry(), { url, enabled: false })
        }),
      60_000
    )
  })
})

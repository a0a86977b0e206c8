/** A test hub with a settings file of its own, ada, bo, an auditor, and an admin who has logged in as 2.6.0's scripts do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { HubSecrets } from "../../../src/domain/config/HubSecrets.ts"
import * as Password from "../../../src/domain/identity/Password.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { SettingsFile } from "../../../src/domain/settings/SettingsFile.ts"
import { TestHub } from "../../../src/testkit/index.ts"
import { asking, byKey, operators } from "./ApiViewers.ts"

export const password = "correct horse battery"
export const secret = "a secret of the operator's, long enough"

export const github = {
  type: "streamable-http" as const,
  url: "http://127.0.0.1:9/mcp",
  headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}", "X-Fixed": "settings-canary" },
  tools: { search: { enabled: false, description: "Finds" } }
}
export const wiki = { type: "streamable-http" as const, url: "http://127.0.0.1:9/wiki" }
export const old = { enabled: false, url: "http://user:url-canary@127.0.0.1:9/old" }

/** Worked out once for all tests: it takes a while, as it should. */
let digest: Redacted.Redacted<string> | undefined

export const hubWithFile = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-legacy-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const path = join(folder, "mcp_settings.json")
  const systemConfig = { routing: { bearerAuthKey: "system-canary" } }
  writeFileSync(path, JSON.stringify({ mcpServers: { github, wiki, old }, systemConfig }))
  const file = SettingsFile.layer({ path }).pipe(Layer.orDie, Layer.provide(Logger.layer([])))
  const secrets = Layer.effect(
    HubSecrets,
    Effect.map(HubSecrets, (given) => ({ ...given, jwtSecret: Redacted.make(secret) }))
  )
  const hub = yield* TestHub.make({ replace: Layer.merge(file, secrets) })
  const people = yield* operators(hub)
  const users = Context.get(hub.services, Users)
  digest ??= yield* Password.digest(Redacted.make(password))
  for (const { id } of [people.adminUser, hub.ada.user]) yield* Effect.orDie(users.setPasswordDigest(id, digest))
  const anybody = asking(hub)
  const login = (username: string, given = password) =>
    anybody("POST /api/auth/login", { body: { username, password: given } })
  const token = (yield* login("grace")).json.token as string
  return {
    hub,
    users,
    people,
    anybody,
    login,
    token,
    read: () => JSON.parse(readFileSync(path, "utf8")),
    admin: asking(hub, { "x-auth-token": token }),
    ada: byKey(hub, hub.ada.key),
    bo: byKey(hub, hub.bo.key)
  }
})

/**
 * The release notes' four scenarios with the official SDK's clients, against real MCP servers over HTTP and stdio, through
 * the hub's own program.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { patience } from "../cli/support/Program.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as Programs from "../support/Programs.ts"
import { connect, type Generation } from "../support/SdkClients.ts"

const ada = { key: `mcphub_${"ada-".repeat(10)}`, token: "github-token-of-user-a", account: "octocat-a" }
const bo = { key: `mcphub_${"bo--".repeat(10)}`, token: "github-token-of-user-b", account: "octocat-b" }
const ids = { ada: "0a0a0a0a-0000-4000-8000-00000000000a", bo: "0b0b0b0b-0000-4000-8000-00000000000b" }

class Scenario extends Context.Service<Scenario, HubProcess.HubProcess>()("mcphub/test/e2e/SessionIsolation") {
  static readonly layer = Layer.effect(
    Scenario,
    Effect.gen(function* () {
      const identity = yield* Programs.listening("examples/upstreams/identity.mjs", { IDENTITY_PORT: "0" })
      const workspace = yield* Programs.listening("examples/upstreams/workspace.mjs", { WORKSPACE_PORT: "0" })
      const stdio = Programs.command("examples/upstreams/workspace.mjs")
      return yield* HubProcess.make({
        settings: {
          mcpServers: {
            github: { url: identity, context: "full", contextTokens: ["GITHUB_TOKEN"] },
            workspace: { url: workspace, isolation: "session" },
            // The same two once more, for the calls whose log is read.
            passport: { url: identity, context: "full", contextTokens: ["GITHUB_TOKEN"] },
            diary: { url: workspace, isolation: "session" },
            scratchpad: { command: stdio.command, args: [...stdio.args, "--stdio"] }
          }
        },
        provision: {
          users: [
            { username: "ada", id: ids.ada, keys: [{ key: ada.key }], serviceTokens: { GITHUB_TOKEN: ada.token } },
            { username: "bo", id: ids.bo, keys: [{ key: bo.key }], serviceTokens: { GITHUB_TOKEN: bo.token } }
          ]
        }
      })
    })
  )
}

const generations: ReadonlyArray<Generation> = ["1.x", "2.x"]

layer(Scenario.layer, { excludeTestServices: true, timeout: patience })("session isolation", (it) => {
  for (const generation of generations) {
    describe(`with the SDK's ${generation} client`, () => {
      it.effect("scenario 1: two users who call at the same time get their own answers, none of the other's", () =>
        Effect.gen(function* () {
          const { url } = yield* Scenario
          const [adas, bos] = yield* Effect.all([connect(generation, url, ada.key), connect(generation, url, bo.key)], {
            concurrency: 2
          })
          const rounds = Array.from({ length: 40 }, (_, round) => round)
          const answers = yield* Effect.forEach(
            rounds.flatMap((round) => [
              { client: adas, tool: "github-get-user", own: ada.account, round },
              { client: bos, tool: "github-get-user", own: bo.account, round }
            ]),
            ({ client, own, tool }) => Effect.map(client.call(tool), ({ text }) => ({ own, text })),
            { concurrency: "unbounded" }
          )
          assert.lengthOf(answers, 80)
          for (const { own, text } of answers) assert.strictEqual(text, own)
        })
      )

      it.effect("scenario 2, defects 1 and 4: the same tool shows each user the account of their own token", () =>
        Effect.gen(function* () {
          const { url } = yield* Scenario
          const adas = yield* connect(generation, url, ada.key)
          const bos = yield* connect(generation, url, bo.key)
          assert.strictEqual((yield* adas.call("github-get-user")).text, ada.account)
          assert.strictEqual((yield* bos.call("github-get-user")).text, bo.account)
          // And again on the connections that are open by now.
          assert.strictEqual((yield* adas.call("github-get-user")).text, ada.account)
        })
      )

      for (const server of ["workspace", "scratchpad"]) {
        it.effect(
          `scenario 3, defect 2: ${server} remembers for each session apart, also for one user's two sessions`,
          () =>
            Effect.gen(function* () {
              const { url } = yield* Scenario
              const adas = yield* connect(generation, url, ada.key)
              const adasOther = yield* connect(generation, url, ada.key)
              const bos = yield* connect(generation, url, bo.key)
              yield* adas.call(`${server}-set-context`, { project: "project-a" })
              yield* bos.call(`${server}-set-context`, { project: "project-b" })
              assert.strictEqual((yield* adas.call(`${server}-get-data`)).text, "data of project-a")
              assert.strictEqual((yield* bos.call(`${server}-get-data`)).text, "data of project-b")
              assert.strictEqual((yield* adasOther.call(`${server}-get-data`)).text, "data of none")
            })
        )
      }
    })
  }

  it.effect(
    "scenario 4, defect 12: the log tells users, sessions and requests apart, and holds no secret and no content",
    () =>
      Effect.gen(function* () {
        const hub = yield* Scenario
        const adas = yield* connect("1.x", hub.url, ada.key)
        const bos = yield* connect("1.x", hub.url, bo.key)
        yield* Effect.all(
          [
            adas.call("diary-set-context", { project: "secret-project-of-ada" }),
            bos.call("diary-set-context", { project: "secret-project-of-bo" }),
            adas.call("passport-get-user"),
            bos.call("passport-get-user")
          ],
          { concurrency: "unbounded" }
        )
        const lines = yield* hub.logged(4, ({ target }) => /^(diary|passport)-/.test(String(target)))
        assert.lengthOf(lines, 4)
        for (const { requestId, sessionId, user, userId } of lines) {
          assert.strictEqual(userId, user === "ada" ? ids.ada : ids.bo)
          assert.match(String(requestId), new RegExp(`^user-${userId}-${sessionId}-tools/call-[0-9]{13}-[0-9a-f]{24}$`))
        }
        const of = (user: string) => lines.filter((line) => line["user"] === user)
        for (const user of ["ada", "bo"]) {
          assert.sameMembers(
            of(user).map(({ server }) => server),
            ["diary", "passport"]
          )
          assert.lengthOf(new Set(of(user).map(({ sessionId }) => sessionId)), 1)
        }
        assert.lengthOf(new Set(lines.map(({ sessionId }) => sessionId)), 2)
        assert.lengthOf(new Set(lines.map(({ requestId }) => requestId)), 4)
        for (const secret of [
          ada.key,
          bo.key,
          ada.token,
          bo.token,
          ada.account,
          bo.account,
          "secret-project",
          "project-a"
        ]) {
          assert.notInclude(hub.stderr(), secret)
          assert.notInclude(hub.stdout(), secret)
        }
      })
  )
})

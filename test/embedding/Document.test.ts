/** The examples of docs/embedding are these very files, and they run. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { McpClient, RawHttp } from "../../src/testkit/index.ts"
import { read } from "../docs/Repository.ts"
import * as Programs from "../support/Programs.ts"

/** As a program outside of this repository imports it. */
const published = (text: string): string =>
  text
    .replaceAll(/"(\.\.\/)+src\/index\.ts"/g, '"mcphub"')
    .replaceAll(/"(\.\.\/)+src\/testkit\/index\.ts"/g, '"mcphub/testkit"')

const document = read("docs/embedding/README.md")
const blocks = [...document.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text!)

describe("docs/embedding", () => {
  it("shows the test of TenLines.test.ts and the program of programs/hub.ts as they stand there", () => {
    for (const path of ["test/embedding/TenLines.test.ts", "test/embedding/programs/hub.ts"]) {
      assert.include(blocks, published(read(path)), path)
    }
  })

  it("shows the example of the helper for authors of servers as it stands there", () => {
    const [, example = ""] =
      /@example\n \* ```ts\n([\s\S]*?) \* ```/.exec(read("src/domain/context/UpstreamAuthor.ts")) ?? []
    assert.include(blocks, example.replaceAll(/^ \* ?/gm, ""))
  })

  it("names only what the package exports", async () => {
    const names = {
      mcphub: await import("../../src/index.ts"),
      "mcphub/testkit": await import("../../src/testkit/index.ts")
    }
    const named = [...document.matchAll(/import \{ ([^}]+) \} from "(mcphub(?:\/testkit)?)"/g)].flatMap(
      ([, list, from]) => list!.split(", ").map((name) => ({ name, from: from as keyof typeof names }))
    )
    assert.isAbove(named.length, 5)
    assert.deepStrictEqual(
      named.filter(({ from, name }) => !(name in names[from])),
      []
    )
  })

  it.live("shows a program that serves: ada's key opens a session, another text does not", () =>
    Effect.gen(function* () {
      const child = yield* Programs.run("test/embedding/programs/hub.ts")
      const [url, key] = yield* Effect.callback<readonly [string, string]>((resume) => {
        let printed = ""
        child.stdout.on("data", (chunk: Buffer) => {
          printed += chunk.toString()
          const [, at, text] = /listening on (\S+), ada's key is (\S+)\n/.exec(printed) ?? []
          if (at !== undefined && text !== undefined) resume(Effect.succeed([at, text]))
        })
        child.once("exit", (code) => resume(Effect.die(`the program ended with ${code} before it listened`)))
      })
      const http = yield* RawHttp.make(new URL(url).origin)
      const ada = yield* McpClient.connect(http, { key: Redacted.make(key) })
      assert.deepStrictEqual(yield* ada.toolNames, [])
      const refused = yield* Effect.flip(McpClient.connect(http, { key: Redacted.make(`mcphub_${"0".repeat(64)}`) }))
      assert.strictEqual(refused.status, 401)
    }).pipe(Effect.scoped)
  )
})

/** The installation that comes before a first start, with the package manager of the runtime the tests run on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { remedyFor } from "../../scripts/setup.mjs"
import * as HubProcess from "../support/HubProcess.ts"
import * as OwnAuthority from "../support/OwnAuthority.ts"

const setup = new URL("../../scripts/setup.mjs", import.meta.url).href

/** A checkout that lacks one package, and where to get it. */
const checkout = (folder: string, registry: string) => {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  const dependencies = { "a-package": "1.0.0" }
  const resolved = `${registry}a-package/-/a-package-1.0.0.tgz`
  write("package.json", JSON.stringify({ name: "x", version: "1.0.0", dependencies }))
  write(
    "package-lock.json",
    JSON.stringify({
      name: "x",
      version: "1.0.0",
      lockfileVersion: 3,
      packages: {
        "": { name: "x", version: "1.0.0", dependencies },
        "node_modules/a-package": { version: "1.0.0", resolved, integrity: "sha512-AA==" }
      }
    })
  )
  write("deno.json", "{}")
  write(".npmrc", `registry=${registry}\nfetch-retries=0\ncache=${join(folder, "cache")}\n`)
  write(
    "install.mjs",
    `import { ensureInstalled } from ${JSON.stringify(setup)}\ntry { ensureInstalled(${JSON.stringify(folder)}) } catch (error) { console.log(error.message) }`
  )
}

/** What the start says when the installation has failed. */
const install = (folder: string) =>
  Effect.callback<string>((resume) => {
    const prefix = "Deno" in globalThis ? ["run", "-A", "--no-config"] : []
    const child = spawn(process.execPath, [...prefix, join(folder, "install.mjs")], {
      cwd: folder,
      env: { ...process.env, npm_execpath: "", DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text))
    child.once("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("the installation before a first start", () => {
  it.live("field C8: says how to trust a registry whose certificate is of an authority that is not known", () =>
    Effect.gen(function* () {
      const folder = yield* HubProcess.folder
      const { ca: _, ...identity } = OwnAuthority.certificates(folder, "localhost")
      // Nothing gets as far as the registry itself.
      const port = yield* OwnAuthority.secured(1, identity)
      checkout(folder, `https://localhost:${port}/`)
      const said = yield* install(folder)
      assert.match(
        said,
        /^Installing the dependencies failed \(exit code \d+\); the registry has a certificate of an authority/
      )
      assert.include(said, "NODE_EXTRA_CA_CERTS (npm) or DENO_CERT (Deno)")
    })
  )

  it("field C8: names the variable of the proxy where the network is the trouble", () => {
    assert.include(remedyFor("npm error code E407\nnpm error 407 Proxy Authentication Required"), "user:password@")
    assert.include(remedyFor("npm error code ENOTFOUND"), "behind a proxy set HTTPS_PROXY")
  })
})

/** The installation that comes before a first start, with the package manager of the runtime the tests run on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
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

/** The tests' own environment without what it trusts, and without the npm it may run in. */
const bare = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/CA_CERTS|SSL_CERT|SYSTEM_CA|^DENO_(CERT|TLS)|^npm_/i.test(name))
)

/** By name: what running.md says about packages at the first start, for an authority whose certificate is this file. */
const waysToTrust = (ca: string): Readonly<Record<string, Readonly<Record<string, string>>>> =>
  "Deno" in globalThis
    ? {
        NODE_EXTRA_CA_CERTS: { NODE_EXTRA_CA_CERTS: ca },
        DENO_CERT: { DENO_CERT: ca },
        DENO_TLS_CA_STORE: { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: ca }
      }
    : { NODE_EXTRA_CA_CERTS: { NODE_EXTRA_CA_CERTS: ca }, cafile: { npm_config_cafile: ca } }

/** A registry that has no package at all: whoever trusts it gets as far as that. */
const emptyRegistry = Effect.map(
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((_, response) => response.writeHead(404).end())
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ),
  (server) => (server.address() as AddressInfo).port
)

/** What the start says when the installation has failed. */
const install = (folder: string, trusting: Readonly<Record<string, string>> = {}) =>
  Effect.callback<string>((resume) => {
    const prefix = "Deno" in globalThis ? ["run", "-A", "--no-config"] : []
    const child = spawn(process.execPath, [...prefix, join(folder, "install.mjs")], {
      cwd: folder,
      env: { ...bare, DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", ...trusting },
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
      const { ca, ...identity } = OwnAuthority.certificates(folder, "localhost")
      const port = yield* OwnAuthority.secured(yield* emptyRegistry, identity)
      checkout(folder, `https://localhost:${port}/`)
      const said = yield* install(folder)
      assert.match(
        said,
        /^Installing the dependencies failed \(exit code \d+\); the registry has a certificate of an authority/
      )
      assert.include(said, "set NODE_EXTRA_CA_CERTS to a file with its certificate")
      for (const [name, trusting] of Object.entries(waysToTrust(ca))) {
        const next = yield* install(folder, trusting)
        assert.match(next, /^Installing the dependencies failed \(exit code \d+\); check the network/, name)
      }
    })
  )

  it("field C8: names the variable of the proxy where the network is the trouble", () => {
    assert.include(remedyFor("npm error code E407\nnpm error 407 Proxy Authentication Required"), "user:password@")
    assert.include(remedyFor("npm error code ENOTFOUND"), "behind a proxy set HTTPS_PROXY")
  })
})

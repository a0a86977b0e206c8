/** What stands in `deploy` is true of the program: variables, ports, paths, probes, times. */
import { assert, describe, it } from "@effect/vitest"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { defaults } from "../../src/domain/config/HubConfig.ts"
import { actions, instructions, leastStopSeconds, pairs, unit, valuePaths, variables, yaml } from "./Deploy.ts"
import { files, read, root } from "./Repository.ts"

const dockerfile = instructions(read("deploy/docker/Dockerfile"))
const all = (name: string) => dockerfile.filter((one) => one.name === name).map(({ rest }) => rest)
const image = pairs(all("ENV").join(" "))
const probes = [...read("src/http/probes/Probes.ts").matchAll(/"(\/[\w/]+)"/g)].map(([, path]) => path!)
const unknown = (names: ReadonlyArray<string>) => names.filter((name) => !variables.has(name))
const isBelow = (path: string, folders: ReadonlyArray<string>) =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`))

describe("deploy/docker", () => {
  it("runs the hub as an ordinary user, on a Node that can, at the port it says", () => {
    assert.match(all("USER").at(-1)!, /^[1-9]\d*:[1-9]\d*$/)
    assert.deepStrictEqual(unknown(Object.keys(image).filter((name) => name !== "NODE_ENV" && name !== "HOME")), [])
    assert.deepStrictEqual([image["PORT"], all("EXPOSE")], [String(defaults.port), [String(defaults.port)]])
    for (const from of all("FROM")) assert.match(from, /^node:24-/)
    assert.include(probes, /(\/\w+)`/.exec(all("HEALTHCHECK")[0]!)![1])
    assert.deepStrictEqual(
      [JSON.parse(all("ENTRYPOINT")[0]!).at(-1), JSON.parse(all("CMD")[0]!)],
      ["mcphub", ["start"]]
    )
  })

  // Deno has no such flag.
  it.runIf(!("Deno" in globalThis))("asks a hub whether it is ready, and is healthy only then", async () => {
    const [, line] = /CMD (\[.*\])$/.exec(all("HEALTHCHECK")[0]!)!
    const [program, ...args] = JSON.parse(line!) as ReadonlyArray<string>
    assert.strictEqual(program, "node")
    let ready = true
    const hub = createServer((request, response) => {
      response.writeHead(request.url === "/base/readyz" && ready ? 200 : 503).end()
    })
    await new Promise<void>((done) => hub.listen(0, "127.0.0.1", done))
    const env = { ...process.env, PORT: String((hub.address() as AddressInfo).port), BASE_PATH: "/base" }
    const health = () =>
      new Promise<number | null>((done) => spawn(process.execPath, args, { env, stdio: "inherit" }).on("close", done))
    assert.strictEqual(await health(), 0)
    ready = false
    assert.strictEqual(await health(), 1)
    await new Promise((done) => hub.close(done))
    assert.strictEqual(await health(), 1)
  })

  it("copies what is there, and takes all that it copies into the build, but no data or secrets", () => {
    const admitted = read("deploy/docker/Dockerfile.dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1))
    assert.include(read("deploy/docker/Dockerfile.dockerignore").split("\n"), "*")
    const made = ["dist", "node_modules"]
    const copied = all("COPY").flatMap((rest) =>
      rest
        .split(/\s+/)
        .slice(0, -1)
        .filter((word) => !word.startsWith("--") && word !== ".")
        .map((word) => word.replace("/build/", ""))
    )
    assert.isAbove(copied.length, 8)
    for (const path of copied)
      assert.isTrue(made.includes(path) || (admitted.includes(path) && existsSync(join(root, path))), path)
    for (const path of admitted) assert.isTrue(existsSync(join(root, path)), path)
  })

  it("has a compose file that gives the hub what the image needs, and the time to stop", () => {
    const { secrets, services, volumes } = yaml("deploy/docker/compose.yaml")
    const { hub } = services
    assert.deepStrictEqual(unknown(Object.keys(hub.environment)), [])
    for (const [name, path] of Object.entries<string>(hub.environment)) {
      if (name.endsWith("_FILE")) assert.include(hub.secrets, path.replace("/run/secrets/", ""))
    }
    for (const service of Object.values<any>(services)) {
      assert.isAtLeast(Number(/^(\d+)s$/.exec(service.stop_grace_period)![1]), leastStopSeconds)
      for (const name of service.secrets) assert.match(secrets[name].file, /^\.\/secrets\//)
    }
    const mounted = hub.volumes.map((one: string) => one.split(":")[1])
    for (const name of ["MCPHUB_DATA", "MCPHUB_SETTING_PATH", "HOME"]) {
      assert.isTrue(hub.read_only === true && isBelow(image[name]!, mounted), name)
    }
    assert.deepStrictEqual(hub.ports, [`127.0.0.1:${defaults.port}:${image["PORT"]}`])
    assert.hasAllKeys(volumes, ["data", "database"])
    assert.isTrue(existsSync(join(root, "deploy/docker", hub.build.context, hub.build.dockerfile)))
    const document = read("docs/operations/deploying.md")
    for (const { file } of Object.values<any>(secrets)) assert.include(document, `>${file.slice(2)}`)
  })
})

describe("deploy/systemd", () => {
  const text = read("deploy/systemd/mcphub.service")
  const keys = unit(text)
  const one = (key: string): string => keys.get(key)![0]!

  it("starts what is installed, lets it drain, and lets it write where its data are", () => {
    assert.isAtLeast(Number(one("TimeoutStopSec")), leastStopSeconds)
    // Else a signal to stop would reach the stdio servers first.
    assert.strictEqual(one("KillMode"), "mixed")
    const given = pairs(keys.get("Environment")!.join(" "))
    assert.deepStrictEqual(unknown(Object.keys(given).filter((name) => name !== "HOME")), [])
    for (const name of ["HOME", "MCPHUB_DATA", "MCPHUB_SETTING_PATH"]) {
      assert.isTrue(isBelow(given[name]!, [`/var/lib/${one("StateDirectory")}`]), name)
    }
    const [, prefix, command] = /^(\S+)\/node_modules\/\.bin\/mcphub (\w+)$/.exec(one("ExecStart"))!
    assert.strictEqual(command, "start")
    const document = read("docs/operations/deploying.md")
    assert.include(document, `npm install --prefix ${prefix} `)
    assert.include(document, one("EnvironmentFile").replace("-", ""))
    assert.include(document, `useradd --system --home-dir /var/lib/${one("StateDirectory")}`)
  })

  const analyzes = spawnSync("systemd-analyze", ["--version"]).status === 0
  it.runIf(analyzes)("is what systemd itself finds nothing wrong with", () => {
    const folder = mkdtempSync(join(tmpdir(), "mcphub-unit-"))
    try {
      const verified = (unit: string) => {
        const file = join(folder, "mcphub.service")
        // Not installed here.
        writeFileSync(file, unit.replace(/^ExecStart=\S+/m, "ExecStart=/bin/sh"))
        const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" })
        return { status, said: stderr.split("\n").filter((line) => line.includes("mcphub.service")) }
      }
      assert.deepStrictEqual(verified(text), { status: 0, said: [] })
      assert.isNotEmpty(verified(text.replace("KillMode=mixed", "KillMode=gentle")).said)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("deploy/helm", () => {
  const chart = "deploy/helm/mcphub"
  const values = yaml(`${chart}/values.yaml`)
  const stateful = read(`${chart}/templates/statefulset.yaml`)

  it("is of this version, as the image's user, with the probes of the hub and the time to stop", () => {
    assert.strictEqual(yaml(`${chart}/Chart.yaml`).appVersion, defaults.version)
    assert.isAtLeast(values.terminationGracePeriodSeconds, leastStopSeconds)
    assert.strictEqual(values.service.port, defaults.port)
    const [user, group] = all("USER").at(-1)!.split(":")
    assert.include(stateful, `runAsUser: ${user}\n`)
    assert.include(stateful, `runAsGroup: ${group}\n`)
    const paths = [...stateful.matchAll(/path: \{\{ \.Values\.basePath \}\}(\/\w+)/g)].map(([, path]) => path!)
    assert.deepStrictEqual(paths, ["/livez", "/livez", "/readyz"])
    assert.includeMembers(probes, paths)
    assert.strictEqual(stateful.match(/readOnlyRootFilesystem: true/g)?.length, 2)
  })

  it("mounts what the image writes, and sets variables that exist", () => {
    const mounts = [...stateful.matchAll(/mountPath: (\S+)/g)].map(([, path]) => path!)
    const settings = /name: MCPHUB_SETTING_PATH\s+value: (\S+)/.exec(stateful)![1]!
    for (const path of [image["MCPHUB_DATA"]!, image["HOME"]!, settings]) assert.isTrue(isBelow(path, mounts), path)
    const names = [...stateful.matchAll(/- name: ([A-Z_]+)\n/g)].map(([, name]) => name!)
    assert.isAbove(names.length, 5)
    assert.deepStrictEqual(unknown([...names, ...Object.keys(values.env)]), [])
  })

  it("uses every value it has, none that it has not, and closes what it opens", () => {
    const used = new Set(
      actions(chart).flatMap(({ action }) => [...action.matchAll(/\.Values\.([\w.]+)/g)].map(([, path]) => path!))
    )
    const paths = valuePaths(values)
    const isOf = (path: string, other: string) => path === other || path.startsWith(`${other}.`)
    assert.deepStrictEqual(
      paths.filter((path) => ![...used].some((one) => isOf(path, one))),
      []
    )
    assert.deepStrictEqual(
      [...used].filter((one) => !paths.some((path) => isOf(path, one))),
      []
    )
    for (const file of files(`${chart}/templates`)) {
      const own = actions(chart).filter(({ path }) => path === file)
      const opened = own.filter(({ action }) => /^(if|with|range|define)\b/.test(action)).length
      assert.strictEqual(own.filter(({ action }) => action === "end").length, opened, file)
    }
    const defined = actions(chart).flatMap(({ action }) => /^define "(.+)"$/.exec(action)?.[1] ?? [])
    const included = actions(chart).flatMap(({ action }) => /include "([^"]+)"/.exec(action)?.[1] ?? [])
    assert.deepStrictEqual([...new Set(included)].sort(), [...defined].sort())
  })
})

// Brings the dependencies of a checkout to what its lock files say, so that one command is enough on a fresh clone.
//
// Plain JavaScript on purpose: it runs before anything is installed, on Node 18 and later and on Deno alike. It
// installs with the package manager of the runtime it runs on (`npm ci` or `deno install`), never runs install
// scripts of packages, says on standard error what it does, and does nothing at all when everything is in place.

import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import process from "node:process"

const lockFiles = ["package-lock.json", "deno.lock"]

/**
 * Installs the dependencies below `root` when they are missing or older than the lock files, and tells whether it did.
 * Throws with the remedy.
 */
export function ensureInstalled(root) {
  const stamp = join(root, "node_modules", ".mcphub-setup")
  const wanted = digestOfLocks(root)
  if (readText(stamp) === wanted) return false
  const missing = !installedByNpm(root)
  if (missing) {
    process.stderr.write(
      "Dependencies are missing or older than the lock file: installing them, this takes a minute …\n"
    )
    rmSync(stamp, { force: true })
    const started = Date.now()
    install(root)
    process.stderr.write(`Dependencies installed in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
  }
  writeFileSync(stamp, wanted)
  return missing
}

function install(root) {
  const [command, args] = process.versions.deno ? denoInstall() : npmInstall()
  // Standard output belongs to the program that is started afterwards; errors are shown, and read for their cause.
  const options = { cwd: root, stdio: ["ignore", 2, "pipe"], encoding: "utf8", maxBuffer: 2 ** 28 }
  const result = spawnSync(command, args, options)
  process.stderr.write(result.stderr ?? "")
  // The Deno that made this tree is the runtime here. Inside `deno task` the package's own shim would stand before it,
  // and that one holds signals back, so the hub would outlive its task.
  if (result.status === 0 && process.versions.deno) rmSync(join(root, "node_modules", ".bin", "deno"), { force: true })
  if (result.status === 0) return
  const cause = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`)
  throw new Error(`Installing the dependencies failed (${cause}); ${remedyFor(result.stderr ?? "")}`)
}

/** What to do, by what npm or Deno wrote. */
export function remedyFor(written) {
  if (/SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|UnknownIssuer|unable to get local issuer/.test(written)) {
    return "the registry has a certificate of an authority that is not known here; if it is your company's, set NODE_EXTRA_CA_CERTS to a file with its certificate (PEM) and run the command again"
  }
  if (/\b407\b|Proxy Authentication/i.test(written)) {
    return "the proxy wants a login: set HTTPS_PROXY=http://user:password@host:port and run the command again"
  }
  return "check the network, behind a proxy set HTTPS_PROXY, and run the command again"
}

function denoInstall() {
  return [process.execPath, ["install", "--frozen", "--quiet"]]
}

function npmInstall() {
  const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"]
  args.push("--loglevel=error")
  const running = process.env.npm_execpath
  if (running && basename(running) === "npm-cli.js") return [process.execPath, [running, ...args]]
  return [process.platform === "win32" ? "npm.cmd" : "npm", args]
}

/** A developer's own `npm install` needs no second one: npm's record of the tree is compared with the lock. */
function installedByNpm(root) {
  const installed = readText(join(root, "node_modules", ".package-lock.json"))
  if (installed === undefined) return false
  const present = JSON.parse(installed).packages
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages
  return Object.entries(wanted).every(
    ([path, entry]) => path === "" || entry.optional || present[path]?.version === entry.version
  )
}

function digestOfLocks(root) {
  const hash = createHash("sha256")
  for (const file of lockFiles) hash.update(readText(join(root, file)) ?? "").update("\0")
  return hash.digest("hex")
}

function readText(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined
}

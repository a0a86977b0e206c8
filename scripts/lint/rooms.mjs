/**
 * The rooms of the house, bottom up, and the lint rule that keeps them in this order: a file imports from its own room
 * and from the rooms before it, never from a later one.
 *
 * oxlint loads this file as a plugin (`jsPlugins` in .oxlintrc.json), on Node and on Deno. A folder that is listed
 * nowhere is an error, so that a new room gets its place here before anything moves in.
 */
import { dirname, resolve } from "node:path"

/** Folders and files under `src`, bottom up. A room stands behind everything it may import from. */
export const rooms = [
  "domain/protocol",
  "domain/protocol/json",
  "domain",
  "domain/config",
  "domain/servers",
  "domain/protocol/eras",
  "domain/identity",
  "domain/access",
  "domain/context",
  "domain/settings",
  "domain/requests",
  "domain/records",
  "domain/provisioning",
  "domain/migration",
  "domain/storage/sql",
  "domain/storage/migrations",
  "domain/storage/memory",
  "domain/storage",
  "actors/observing",
  "actors/requests",
  "actors/limits",
  "actors/upstream/connection",
  "actors/upstream/guards",
  "actors/upstream/era",
  "actors/upstream/http",
  "actors/upstream/spawner",
  "actors/upstream/stdio",
  "actors/upstream",
  "actors/upstream/links",
  "actors/catalog",
  "actors/calls",
  "actors/streams",
  "actors/session",
  "actors/registry",
  "http/wire",
  "http/probes",
  "http/admission",
  "http/mcp",
  "http/runtime",
  "http/admin/operations",
  "http/admin/handlers",
  "http/signin",
  "http/admin/rest/api",
  "http/admin/rest",
  "http/admin/live",
  "http/admin/legacy",
  "http/admin",
  "http/dashboard/app/text",
  "http/dashboard/app/data",
  "http/dashboard/app/parts",
  "http/dashboard/app/pages",
  "http/dashboard/app",
  "http/dashboard",
  "Hub.ts",
  "index.ts",
  "cli/terminal",
  "cli/database",
  "cli/sample",
  "cli/workspace",
  "cli/admin",
  "cli/start",
  "cli/commands",
  "cli",
  "main.ts",
  "testkit"
]

const place = new Map(rooms.map((room, at) => [room, at]))

/** The room of a file, by its path from `src`: the file itself where it is listed, else its folder. */
const roomOf = (path) => [path, dirname(path)].find((one) => place.has(one))

const fromSrc = (file) => {
  const at = file.replaceAll("\\", "/").lastIndexOf("/src/")
  return at === -1 ? undefined : file.replaceAll("\\", "/").slice(at + "/src/".length)
}

const direction = {
  create(context) {
    const path = fromSrc(context.filename)
    if (path === undefined) return {}
    const room = roomOf(path)
    const check = (source) => {
      if (source?.type !== "Literal" || typeof source.value !== "string" || !source.value.startsWith(".")) return
      const target = fromSrc(resolve(dirname(context.filename), source.value))
      const other = target === undefined ? undefined : roomOf(target)
      if (room === undefined) return
      if (other === undefined) {
        context.report({ node: source, message: `No room for ${target ?? source.value}; see scripts/lint/rooms.mjs` })
      } else if (place.get(other) > place.get(room)) {
        context.report({ node: source, message: `${room} stands below ${other} and cannot import from it` })
      }
    }
    const ofDeclaration = (node) => check(node.source)
    return {
      Program(node) {
        const message = `No room for ${path}; give its folder a place in scripts/lint/rooms.mjs`
        if (room === undefined) context.report({ node, message })
      },
      ImportDeclaration: ofDeclaration,
      ExportNamedDeclaration: ofDeclaration,
      ExportAllDeclaration: ofDeclaration,
      ImportExpression: ofDeclaration
    }
  }
}

export default { meta: { name: "rooms" }, rules: { direction } }

/** One entry of `mcpServers` as an old hub's operator wrote it: where it does something else here. */
import { findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"

const { fail, ok, warn } = findingsIn("settings")

type Entry = Readonly<Record<string, unknown>>

/** `$X` without braces, which the old hub replaced in `env`. */
const bareReference = /\$[A-Za-z_][A-Za-z0-9_]*/

/** Types that this version does not connect to. */
const unserved: Readonly<Record<string, string>> = {
  sse: 'try "type": "streamable-http" with the address that the server\'s documentation gives for it',
  openapi: "keep it switched off (enabled: false) until a version of this hub serves it, or put an MCP server in front"
}

const typeFindings = (path: string, entry: Entry): ReadonlyArray<MigrationFinding> => {
  const { type } = entry
  if (type === undefined) {
    const isThere = entry["url"] !== undefined || entry["command"] !== undefined || entry["openapi"] !== undefined
    if (!isThere) return []
    return [
      warn({
        kind: "noType",
        places: [path],
        detail:
          "The old hub never connected to a server without type; this one infers it (url: streamable-http, command: stdio) and connects",
        remedy: 'switch it off where it is not wanted: "enabled": false'
      })
    ]
  }
  const remedy = typeof type === "string" && Object.hasOwn(unserved, type) ? unserved[type] : undefined
  if (remedy === undefined) return []
  return [
    fail({
      kind: `${String(type)}Server`,
      places: [`${path}.type`],
      detail: `This version does not connect to servers of type ${String(type)}`,
      remedy
    })
  ]
}

/** Paths are those of the settings file, as `mcphub config check` has them. */
export const serverEntryFindings = (name: string, entry: Entry): ReadonlyArray<MigrationFinding> => {
  const path = `mcpServers.${name}`
  if (entry["enabled"] === false) return []
  const isStdio = entry["type"] === "stdio" || (entry["type"] === undefined && entry["command"] !== undefined)
  const env = typeof entry["env"] === "object" && entry["env"] !== null ? Object.entries(entry["env"]) : []
  const bare = env.filter(([, value]) => typeof value === "string" && bareReference.test(value))
  const found: Array<MigrationFinding> = [...typeFindings(path, entry)]
  found.push(
    ...ofSome(
      bare.map(([variable]) => `${path}.env.${variable}`),
      fail,
      () => ({
        kind: "bareReferences",
        detail: "The old hub replaced $NAME here; this one sends it as text",
        remedy: "write ${NAME}; where a dollar is meant, nothing"
      })
    )
  )
  if (isStdio) {
    found.push(
      warn({
        kind: "stdioServer",
        places: [path],
        detail:
          "Runs once for each session, in an empty folder of its own, without the hub's environment: it gets PATH, HOME and the like, and its own env",
        remedy: 'name what it needs: "env": { "NAME": "${NAME}" }, and files by paths that begin with ./ or /'
      })
    )
  }
  if (entry["keepAliveInterval"] !== undefined) {
    found.push(
      ok({
        kind: "keepAliveInterval",
        places: [`${path}.keepAliveInterval`],
        detail: "Kept and without effect: the hub itself finds connections that have died"
      })
    )
  }
  return found
}

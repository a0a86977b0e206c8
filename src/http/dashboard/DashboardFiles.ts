/**
 * The dashboard's files in memory, each as it is and compressed, with what a browser is told of it. They are a few, and
 * together smaller than one answer of a server may be.
 */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { extname, join, relative, sep } from "node:path"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { Effect } from "effect"
import { DashboardMissing } from "./DashboardFolder.ts"

export interface DashboardFile {
  readonly bytes: Uint8Array
  readonly compressed: Uint8Array
  readonly type: string
  /** Of its bytes, without the quotes. */
  readonly digest: string
  /** Its name changes with its bytes, so that a browser need not ask again. */
  readonly isImmutable: boolean
}

/** By path below the dashboard's own, such as `assets/index-abc.js`; the page itself is `index.html`. */
export type DashboardFiles = ReadonlyMap<string, DashboardFile>

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml"
}

const fileOf = async (path: string, name: string): Promise<DashboardFile> => {
  const bytes = await readFile(path)
  return {
    bytes,
    compressed: await promisify(gzip)(bytes, { level: 9 }),
    type: types[extname(name)] ?? "application/octet-stream",
    digest: createHash("sha256").update(bytes).digest("base64url").slice(0, 22),
    isImmutable: name.startsWith("assets/")
  }
}

export const read = (folder: string): Effect.Effect<DashboardFiles, DashboardMissing> =>
  Effect.tryPromise({
    try: async () => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      const named = paths.map(async (path) => {
        const name = relative(folder, path).replaceAll(sep, "/")
        return [name, await fileOf(path, name)] as const
      })
      return new Map(await Promise.all(named))
    },
    catch: () => new DashboardMissing({ message: "The dashboard's files cannot be read; ask for it once more" })
  })

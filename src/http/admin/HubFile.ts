/**
 * The file `hub.json` of a running hub: where its local door is, and the door's token. Another user of the machine may
 * have put one there to be told secrets, so a file is believed only if its owner is this user or root, nobody else may
 * write it, and it names an address of this machine.
 */
import { createHmac } from "node:crypto"
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { Effect, Option, Schema } from "effect"
import { folderIdentity } from "./FolderIdentity.ts"

/** The content of `hub.json`. */
export const HubFile = Schema.Struct({
  pid: Schema.Number,
  /** The door's address, on loopback. */
  url: Schema.String,
  /** The door's bearer token: new at every start, base64url of 32 random bytes. */
  token: Schema.String,
  /** The address for MCP clients. */
  mcpUrl: Schema.String,
  version: Schema.String,
  /** ISO 8601, UTC. */
  startedAt: Schema.String,
  /** The folder it was written for, see `FolderIdentity`. */
  folder: Schema.optional(Schema.String)
})
export type HubFile = typeof HubFile.Type

export const HubFileJson = Schema.fromJsonString(HubFile)

export const hubFile = (dataDir: string): string => join(dataDir, "hub.json")

/** Somebody else may have written the file. Nothing was sent to where it points. */
export class HubFileNotTrusted extends Schema.TaggedError<HubFileNotTrusted>()("HubFileNotTrusted", {
  message: Schema.String
}) {}

/** Group and others may not write. */
const foreignWrite = 0o022

const isLoopback = (url: string): boolean => {
  try {
    const { hostname, protocol } = new URL(url)
    return protocol === "http:" && (/^127(\.\d+){3}$/.test(hostname) || hostname === "[::1]")
  } catch {
    return false
  }
}

/** The text of the file and what is wrong with it; undefined where there is none, or this user may not read it. */
const read = (
  file: string,
  uid: number | undefined
): { readonly text: string; readonly problem?: string } | undefined => {
  let open: number
  try {
    // Without waiting, since a pipe in its place would never open.
    open = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (cause) {
    const isLink = (cause as NodeJS.ErrnoException).code === "ELOOP"
    return isLink ? { text: "", problem: "is a link" } : undefined
  }
  try {
    const status = fstatSync(open)
    if (!status.isFile()) return { text: "", problem: "is no file" }
    const { mode, uid: owner } = status
    const text = readFileSync(open, "utf8")
    if (uid === undefined) return { text }
    if (owner !== uid && owner !== 0) return { text, problem: `belongs to user ${owner}` }
    return (mode & foreignWrite) === 0 ? { text } : { text, problem: "can be written by other users" }
  } catch {
    return undefined
  } finally {
    closeSync(open)
  }
}

const notTrusted = (file: string, problem: string) =>
  new HubFileNotTrusted({
    message:
      `${file} ${problem}, so it may lead to another user's program and is not followed; run this command as the user ` +
      `of the hub, or delete that file if no hub runs on this folder`
  })

/** The hub that runs on this data folder, if its file is there and can be believed. `uid`: this process's user. */
export const find = (
  dataDir: string,
  uid: number | undefined = process.getuid?.()
): Effect.Effect<Option.Option<HubFile>, HubFileNotTrusted> =>
  Effect.suspend((): Effect.Effect<Option.Option<HubFile>, HubFileNotTrusted> => {
    const file = hubFile(dataDir)
    const found = read(file, uid)
    if (found === undefined) return Effect.succeedNone
    if (found.problem !== undefined) return Effect.fail(notTrusted(file, found.problem))
    const hub = Schema.decodeUnknownOption(HubFileJson)(found.text)
    if (Option.isNone(hub)) return Effect.succeedNone
    if (!isLoopback(hub.value.url)) return Effect.fail(notTrusted(file, "names an address beyond this machine"))
    const { folder } = hub.value
    // Of another folder, this one is a copy: its hub is not asked.
    return folder === undefined || folder === folderIdentity(dataDir) ? Effect.succeed(hub) : Effect.succeedNone
  })

/** With this header a client asks the door, before it says anything secret, to prove that it knows the token. */
export const challengeHeader = "x-mcphub-challenge"
export const proofHeader = "x-mcphub-proof"

export const proofOf = (token: string, challenge: string): string =>
  createHmac("sha256", token).update(`mcphub door ${challenge}`).digest("base64url")

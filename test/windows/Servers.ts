/**
 * Servers as their authors publish them, and the sample, as child processes: the entry of each in the settings, and the
 * calls that a window makes one after the other. An answer is judged by what the window has told that server before.
 */
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import { sampleCommand } from "../../src/cli/sample/SampleCommand.ts"

/** What one window, or one user, has told one server. */
export interface Told {
  /** By the window, to the process that serves it: gone when the hub says that the process is another. */
  readonly session: { thoughts: number; project?: string | undefined }
  /** By the window, into a file. */
  readonly file: { folder?: string; isWritten?: boolean }
  /** By all windows of the user. */
  readonly remembered: Set<string>
}

export interface Ask {
  readonly tool: string
  readonly args: JsonObject
  /** What is wrong with the answer; notes in `told` what it has changed. */
  readonly judge: (text: string) => string | undefined
}

export interface Kind {
  readonly name: string
  readonly entry: JsonObject & { readonly command: string; readonly args: ReadonlyArray<string> }
  /** Answers may hold what other windows of the same user have said. */
  readonly isOfUser?: boolean
  readonly ask: (told: Told, canary: string) => Ask
}

const { resolve } = createRequire(import.meta.url)

const published = (file: string, ...args: ReadonlyArray<string>) => {
  const { args: before, command } = runtimeCommand(pathToFileURL(resolve(`@modelcontextprotocol/server-${file}`)))
  return { command, args: [...before, ...args] }
}

const includes =
  (expected: string) =>
  (text: string): string | undefined =>
    text.includes(expected) ? undefined : `lacks ${expected}`

const everything: Kind = {
  name: "everything",
  entry: published("everything/dist/index.js", "stdio"),
  ask: (_told, canary) => ({ tool: "echo", args: { message: canary }, judge: includes(canary) })
}

const files: Kind = {
  name: "files",
  entry: published("filesystem/dist/index.js", "${MCPHUB_USER_DIR}"),
  ask: ({ file }, canary) => {
    if (file.folder === undefined) {
      const judge = (text: string) => {
        file.folder = text.trim().split("\n").at(-1)!.trim()
        return file.folder.startsWith("/") ? undefined : "names no folder"
      }
      return { tool: "list_allowed_directories", args: {}, judge }
    }
    const path = `${file.folder}/${canary}.txt`
    if (file.isWritten === true) return { tool: "read_text_file", args: { path }, judge: includes(canary) }
    const judge = () => void (file.isWritten = true)
    return { tool: "write_file", args: { path, content: canary }, judge }
  }
}

const memory: Kind = {
  name: "memory",
  entry: {
    ...published("memory/dist/index.js"),
    env: { MEMORY_FILE_PATH: "${MCPHUB_USER_DIR}/memory.jsonl" }
  },
  isOfUser: true,
  ask: ({ remembered }, canary) => {
    if (remembered.has(canary)) {
      const judge = (text: string) => {
        const missing = [...remembered].filter((one) => !text.includes(one))
        return missing.length === 0 ? undefined : `lacks ${missing.join(", ")}`
      }
      return { tool: "read_graph", args: {}, judge }
    }
    const entities = [{ name: canary, entityType: "window", observations: ["is open"] }]
    return { tool: "create_entities", args: { entities }, judge: () => void remembered.add(canary) }
  }
}

const thinking: Kind = {
  name: "thinking",
  entry: published("sequential-thinking/dist/index.js"),
  ask: ({ session }, canary) => {
    const thoughtNumber = session.thoughts + 1
    const args = { thought: canary, thoughtNumber, totalThoughts: thoughtNumber + 1, nextThoughtNeeded: true }
    // Read when the answer is here: the hub may have said with it that the process is another one.
    const judge = (text: string) => {
      session.thoughts++
      return includes(`"thoughtHistoryLength": ${session.thoughts}`)(text)
    }
    return { tool: "sequentialthinking", args, judge }
  }
}

const sample: Kind = {
  name: "sample",
  entry: sampleCommand(),
  ask: ({ session }, canary) => {
    if (session.project === undefined) {
      return { tool: "set-context", args: { project: canary }, judge: () => void (session.project = canary) }
    }
    const judge = (text: string) => includes(session.project ?? '"project":null')(text)
    return { tool: "get-data", args: {}, judge }
  }
}

const kinds = [everything, files, memory, thinking, sample]

export interface Served {
  readonly server: string
  readonly kind: Kind
}

/** So many servers, each kind under several names. */
export const servers = (count: number): ReadonlyArray<Served> =>
  Array.from({ length: count }, (_, at) => {
    const kind = kinds[at % kinds.length]!
    const round = Math.floor(at / kinds.length)
    return { server: round === 0 ? kind.name : `${kind.name}${round + 1}`, kind }
  })

/**
 * Secrets the operator did not give: made once, kept in the data directory, readable by the owner only.
 *
 * No secret has a default: without `CREDENTIAL_KEY` or `JWT_SECRET` in the environment, each data directory gets its
 * own. Several nodes on one database need the same `CREDENTIAL_KEY` in their environment.
 */
import { Effect, Path, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import * as Base64Url from "effect/encoding/Base64Url"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { makeFolder, protectDataDir } from "../database/DataDirAccess.ts"
import { cannotBeWritten, createWhole, removeUnchanged } from "../database/WholeFile.ts"
import { CliFailure } from "../terminal/CliFailure.ts"

export interface Secret {
  readonly value: Redacted.Redacted<string>
  /** The file that holds it; absent when the environment gave it. */
  readonly file: string | undefined
}

const unusable = (message: string) => new CliFailure({ kind: "DataDirectory", exitCode: 2, message })

/** Creates the data directory if it is missing, and closes it to everybody but its owner. */
export const prepareDataDir = Effect.fnUntraced(function* (dataDir: string) {
  const problem = yield* Effect.try({
    try: () => {
      makeFolder(dataDir)
      return protectDataDir(dataDir)
    },
    catch: (cause) => unusable(`The data folder ${cannotBeWritten(dataDir, cause)}, or choose another with --data`)
  })
  if (problem !== undefined) return yield* unusable(problem)
})

/** The secret in a file; undefined where there is none. An empty file is what a full disk left, and has sealed nothing. */
const read = (file: string): string | undefined => {
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, "utf8")
  if (text.trim() !== "") return text.trim()
  removeUnchanged(file, text)
  return undefined
}

/** The key that has sealed here before, without making one: `CREDENTIAL_KEY`, or that of the data directory. */
export const knownCredentialKey = (
  dataDir: string,
  given: Redacted.Redacted<string> | undefined
): Redacted.Redacted<string> | undefined => {
  if (given !== undefined) return given
  const file = join(dataDir, "credential-key")
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : ""
  return text === "" ? undefined : Redacted.make(text, { label: "CREDENTIAL_KEY" })
}

const fromFile = Effect.fnUntraced(function* (dataDir: string, name: string, variable: string) {
  const file = (yield* Path.Path).join(dataDir, name)
  const text = yield* Effect.try({
    try: () => {
      const there = read(file)
      if (there !== undefined) return there
      const made = Base64Url.encode(SecureRandom.randomBytesUnsafe(32))
      // Of two that start at once one wins and the other reads what it wrote.
      return createWhole(file, `${made}\n`) ? made : readFileSync(file, "utf8").trim()
    },
    catch: (cause) =>
      unusable(
        existsSync(file)
          ? `The secret in ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)}); check its owner or set ${variable}`
          : `${cannotBeWritten(file, cause)}, or set ${variable}`
      )
  })
  const secret: Secret = { value: Redacted.make(text, { label: variable }), file }
  return secret
})

const secret = (variable: string, name: string) => (dataDir: string, given: Redacted.Redacted<string> | undefined) =>
  given === undefined ? fromFile(dataDir, name, variable) : Effect.succeed<Secret>({ value: given, file: undefined })

/** The key that seals service tokens: `CREDENTIAL_KEY`, or `credential-key` in the data directory. */
export const credentialKey = secret("CREDENTIAL_KEY", "credential-key")

/** The key that signs the tokens of the old interface's login: `JWT_SECRET`, or `jwt-secret` in the data directory. */
export const jwtSecret = secret("JWT_SECRET", "jwt-secret")

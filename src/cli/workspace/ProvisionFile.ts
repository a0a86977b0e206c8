/** A provisioning file as the command line reads it, and the report of applying it. */
import { Effect, FileSystem } from "effect"
import { CliFailure } from "../terminal/CliFailure.ts"
import type { ProvisionView } from "../../http/admin/operations/AdminOperations.ts"
import { facts } from "../terminal/Output.ts"

/** The text of a provisioning file, or a failure that names the file. */
export const readProvisionFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.mapError(
      (error) =>
        new CliFailure({
          kind: "FileUnreadable",
          exitCode: 2,
          message: `The provisioning file ${file} cannot be read (${error.reason._tag}); check the path and its permissions`
        })
    )
  )
})

const counts = (of: ProvisionView["users"]): string =>
  `${of.created} created, ${of.updated} updated, ${of.unchanged} unchanged`

/** The changes made, and the minted keys, which are shown only now. */
export const provisionReport = (done: ProvisionView): string =>
  [
    facts([
      ["users", counts(done.users)],
      ["groups", counts(done.groups)],
      ["keys", counts(done.keys)],
      ["service tokens", `${done.serviceTokens} set`]
    ]),
    ...(done.minted.length === 0
      ? []
      : ["", "New keys, shown only now:", ...done.minted.map((one) => `${one.username}  ${one.name}  ${one.key}`)])
  ].join("\n")

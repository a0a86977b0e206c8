/**
 * Secrets in files, as containers and service managers hand them over: `DATABASE_URL_FILE` is the path of a file that
 * holds what `DATABASE_URL` would, and so for every secret of the hub. The file is read when the variable is asked for;
 * what is wrong with it is said with the name of the variable, never with what the file holds.
 */
import { ByteSize, ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { secretNames } from "../../domain/config/HubSecrets.ts"

/** No secret comes near it, and no other file is taken for one. */
const largestBytes = 64 * 1024

export const layer = Layer.effect(
  ConfigProvider.ConfigProvider,
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const given = yield* ConfigProvider.ConfigProvider

    const textOf = Effect.fnUntraced(function* (name: string) {
      const node = yield* given.load([name])
      return node?.value === undefined || node.value === "" ? undefined : node.value
    })

    const contentOf = Effect.fnUntraced(function* (variable: string, file: string) {
      const wrong = (fact: string) => new ConfigProvider.SourceError({ message: `${variable} names ${fact}` })
      const unreadable = ({ reason }: { readonly reason: { readonly _tag: string } }) =>
        wrong(`a file that cannot be read (${reason._tag})`)
      const { size, type } = yield* Effect.mapError(files.stat(file), unreadable)
      // A pipe would be waited for without end.
      if (type !== "File") return yield* wrong("something that is no file")
      if (ByteSize.toBigInt(size) > largestBytes) return yield* wrong("a file of more than 64 KiB")
      const text = (yield* Effect.mapError(files.readFileString(file), unreadable)).trim()
      return text === "" ? yield* wrong("an empty file") : text
    })

    return ConfigProvider.make(
      Effect.fnUntraced(function* (path) {
        const [name] = path
        if (path.length !== 1 || typeof name !== "string" || !secretNames.has(name)) return yield* given.load(path)
        const variable = `${name}_FILE`
        const file = yield* textOf(variable)
        if (file === undefined) return yield* given.load(path)
        if ((yield* textOf(name)) !== undefined) {
          return yield* new ConfigProvider.SourceError({ message: `${variable} is set as well; keep one of them` })
        }
        return ConfigProvider.makeValue(yield* contentOf(variable, file))
      })
    )
  })
)

/** The files of `deploy` as values: the little of their formats that the checks need. */
import * as Yaml from "effect/encoding/Yaml"
import { defaults } from "../../src/domain/config/HubConfig.ts"
import { secretNames } from "../../src/domain/config/HubSecrets.ts"
import { files, read, tableRows } from "./Repository.ts"

/** Instructions of a Dockerfile, with continued lines joined. */
export const instructions = (text: string): ReadonlyArray<{ readonly name: string; readonly rest: string }> =>
  text
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .flatMap((line) => {
      const [, name, rest] = /^([A-Z]+)\s+(.+)$/.exec(line) ?? []
      return name === undefined || rest === undefined ? [] : [{ name, rest }]
    })

/** `NAME=value` pairs of an instruction. */
export const pairs = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries([...text.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]))

/** Keys of a systemd unit with all their values. */
export const unit = (text: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Array<string>>()
  for (const [, key, value] of text.matchAll(/^([A-Z]\w+)=(.*)$/gm)) {
    found.set(key!, [...(found.get(key!) ?? []), value!])
  }
  return found
}

export const yaml = (path: string): any => Yaml.parse(read(path))

/** Every variable that the hub reads, as the reference of the operators names them, secrets in files too. */
export const variables: ReadonlySet<string> = new Set([
  ...tableRows(read("docs/operations/running.md")).flatMap(([first]) =>
    [...first!.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name]) => name!)
  ),
  ...[...secretNames].map((name) => `${name}_FILE`)
])

/** Seconds from the signal to stop to the end by force: no less than what a drain, its children and the database take. */
export const leastStopSeconds = defaults.drainMs / 1_000 + 10

/** `{{ … }}` of a chart's templates. */
export const actions = (chart: string): ReadonlyArray<{ readonly path: string; readonly action: string }> =>
  files(`${chart}/templates`).flatMap((path) =>
    [...read(path).matchAll(/\{\{-?\s*(.*?)\s*-?\}\}/g)].map(([, action]) => ({ path, action: action! }))
  )

/** Dotted paths of a chart's values, those of empty objects as well. */
export const valuePaths = (value: unknown, path = ""): ReadonlyArray<string> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, one]) => valuePaths(one, path === "" ? key : `${path}.${key}`))
    : [path]

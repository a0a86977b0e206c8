/** The words of `mcphub start` to the operator on standard output, before the line that says it listens. */
import { Redacted } from "effect"
import { codePath } from "../../domain/identity/SignInCodes.ts"
import { snippet } from "../../domain/ClientSnippets.ts"
import { facts } from "../terminal/Output.ts"
import type { FirstStart } from "./FirstStart.ts"

const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "  ")

/** Link and key of the first start, shown once; the hub keeps neither in clear. `site`: the hub's address for people. */
export const credentials = (first: FirstStart, site: string): string => {
  const known: Array<readonly [string, string]> = [["admin user", first.username]]
  if (first.code !== undefined) known.push(["sign in, once", site + codePath(first.code)])
  if (first.key !== undefined) known.push(["MCPHub key", Redacted.value(first.key)])
  const use =
    first.key === undefined
      ? []
      : ["", "Put the key where your client finds it:", "", `  export MCPHUB_KEY=${Redacted.value(first.key)}`]
  return ["First start. This is shown only now; keep it:", "", indented(facts(known)), ...use, ""].join("\n")
}

/** Commands that connect the usual clients. Without the key: they take it from the environment or ask for it. */
export const connecting = (mcpUrl: string): string =>
  (["claude", "cursor", "vscode", "curl"] as const)
    .map((client) => snippet(client, mcpUrl))
    .flatMap((one) => [one.where, "", indented(one.text), ""])
    .join("\n")

/** The program of `AnsweringServer` over stdio, which gives the results that stand in its environment. */
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Era } from "../../../src/domain/protocol/Versions.ts"

/** Results by method; those of `tools/call` by `tools/call NAME`. */
export type Results = Readonly<Record<string, unknown>>

const capabilities = { tools: {}, prompts: {}, resources: {} }

export const handshakes: Readonly<Record<Era, (params: any) => Results>> = {
  stateful: ({ protocolVersion }) => ({
    initialize: { protocolVersion, capabilities, serverInfo: { name: "answering", version: "1.0.0" } }
  }),
  stateless: () => ({ "server/discover": { supportedVersions: ["2026-07-28"], capabilities } })
}

/** What it answers to a request: a result, or nothing that it knows. */
export const resultFor = (era: Era, results: Results, method: string, params: any): unknown => {
  const known = { ...handshakes[era](params ?? {}), ...results }
  const result = known[method === "tools/call" ? `tools/call ${params.name}` : method]
  return era === "stateless" && typeof result === "object" ? { resultType: "complete", ...result } : result
}

const serve = ({ era, results }: { readonly era: Era; readonly results: Results }): void => {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { id, method, params } = JSON.parse(line)
      if (id === undefined) return
      const result = resultFor(era, results, method, params)
      const answer = result === undefined ? { error: { code: -32601, message: "Unknown" } } : { result }
      process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...answer })}\n`)
    })
    .on("close", () => process.exit(0))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(JSON.parse(process.env["RESULTS"]!))

/** The whole tool list: what each server lists when it is asked without a hub. */
import { Client } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import { Effect } from "effect"
import type { Kind, Served } from "./Servers.ts"

const namesOf = ({ entry: { args, command, env = {} } }: Kind, folder: string) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const own = (text: string) => text.replace("${MCPHUB_USER_DIR}", folder)
      const variables = Object.entries(env as Record<string, string>).map(([name, value]) => [name, own(value)])
      const client = new Client({ name: "testkit", version: "1.0.0" }, { capabilities: {} })
      const transport = new StdioClientTransport({
        command,
        args: args.map(own),
        env: { PATH: process.env["PATH"] ?? "", ...Object.fromEntries(variables) },
        stderr: "ignore"
      })
      await client.connect(transport)
      return client
    }),
    (client) => Effect.promise(() => client.listTools().then(({ tools }) => tools.map(({ name }) => name))),
    (client) => Effect.promise(() => client.close())
  )

/** The names that the hub is to expose, by server. */
export const expected = Effect.fnUntraced(function* (served: ReadonlyArray<Served>, folder: string) {
  const byKind = new Map<Kind, ReadonlyArray<string>>()
  for (const { kind } of served) if (!byKind.has(kind)) byKind.set(kind, yield* namesOf(kind, folder))
  return new Map(served.map(({ kind, server }) => [server, byKind.get(kind)!.map((name) => `${server}-${name}`)]))
})

export type Expected = ReadonlyMap<string, ReadonlyArray<string>>

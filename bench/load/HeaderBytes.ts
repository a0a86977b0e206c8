/** The bytes that the hub adds to the head of a request to a server, header by header, for each level of context. */
import type { Target } from "../targets/Target.ts"
import { Connection } from "../wire/Connection.ts"
import { Client } from "./Client.ts"

/** Names of the servers of the target that is asked; each is given the context of its name. */
export const contexts = ["none", "ids", "full"] as const

export interface HeaderBytes {
  readonly context: string
  readonly headBytes: number
  /** Bytes on the wire by header, name, colon and line end included. */
  readonly added: Readonly<Record<string, number>>
}

interface Whoami {
  readonly headers: Readonly<Record<string, string>>
  readonly headBytes: number
}

export const headerBytes = async (target: Target): Promise<ReadonlyArray<HeaderBytes>> => {
  const connection = new Connection(target)
  const client = await Client.open(target, connection, target.users[0]!, 0)
  const found: Array<HeaderBytes> = []
  let without: Readonly<Record<string, string>> = {}
  for (const context of contexts) {
    const { result } = await client.request("tools/call", { name: `${context}-whoami`, arguments: { text: "" } })
    const [content] = result["content"] as ReadonlyArray<{ readonly text: string }>
    const { headBytes, headers } = JSON.parse(content!.text) as Whoami
    if (context === "none") without = headers
    const added = Object.entries(headers)
      .filter(([name]) => without[name] === undefined)
      .map(([name, value]) => [name, name.length + Buffer.byteLength(value) + ": \r\n".length] as const)
    found.push({ context, headBytes, added: Object.fromEntries(added) })
  }
  await client.close()
  connection.close()
  return found
}

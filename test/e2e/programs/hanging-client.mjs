// A client on the official SDK that connects, opens its event stream and waits for a call that is never answered.
//
//   hanging-client.mjs URL KEY TOOL NAME
//
// NAME goes along as the argument "client".

import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import process from "node:process"

const [url, key, tool, name] = process.argv.slice(2)
const client = new Client({ name: "hanging", version: "1.0.0" })
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${key}` } } })
)
await client.callTool({ name: tool, arguments: { client: name } })

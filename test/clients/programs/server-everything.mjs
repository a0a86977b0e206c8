// The published everything server over HTTP, on a free port of 127.0.0.1: it would take a fixed port of every interface.

import { Server } from "node:http"
import process from "node:process"

const listen = Server.prototype.listen
Server.prototype.listen = function (_port, ready) {
  return listen.call(this, 0, "127.0.0.1", () => {
    process.stdout.write(`server-everything listening on http://127.0.0.1:${this.address().port}/mcp\n`)
    ready?.()
  })
}

await import("@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js")

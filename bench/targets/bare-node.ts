/** A plain proxy on `node:http`, as one would write it; knows nothing of MCP: `bare-node.ts PORT UPSTREAM`. */
import { Agent, createServer, request } from "node:http"
import process from "node:process"

const upstream = new URL(process.argv[3]!)
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 1024 })

const without = (headers: NodeJS.Dict<string | ReadonlyArray<string>>, ...names: ReadonlyArray<string>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name))) as Record<string, string>

createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
  const headers = { ...without(incoming.headers, "connection"), host: upstream.host }
  const { method, url } = incoming
  const { hostname, port } = upstream
  const sent = request({ hostname, port, path: url, method, headers, agent }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, without(answer.headers, "connection", "keep-alive"))
    answer.pipe(outgoing)
  })
  sent.on("error", () => {
    if (!outgoing.headersSent) outgoing.writeHead(502)
    outgoing.end()
  })
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) sent.destroy()
  })
  incoming.pipe(sent)
}).listen(Number(process.argv[2]), "127.0.0.1")

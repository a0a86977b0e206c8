/**
 * A web-standard handler behind `node:http`, on Node and Deno alike: what the SDK serves with, on the server that also
 * notices a client that leaves before the answer begins.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as WebStream } from "node:stream/web"

export type FetchHandler = (request: Request) => Promise<Response>

const headersOf = (incoming: IncomingMessage): Headers => {
  const headers = new Headers()
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!)
  }
  return headers
}

const requestOf = async (incoming: IncomingMessage, signal: AbortSignal): Promise<Request> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of incoming) chunks.push(chunk)
  const { method = "GET" } = incoming
  return new Request(new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "127.0.0.1"}`), {
    method,
    headers: headersOf(incoming),
    signal,
    ...(method === "GET" || method === "HEAD" ? {} : { body: new Uint8Array(Buffer.concat(chunks)) })
  })
}

/** A listener for `createServer`. The request's signal aborts when the client leaves before the answer has ended. */
export const fetchListener =
  (handle: FetchHandler) =>
  (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const gone = new AbortController()
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) gone.abort()
    })
    requestOf(incoming, gone.signal)
      .then(handle)
      .then((response) => {
        outgoing.writeHead(response.status, Object.fromEntries(response.headers))
        if (response.body === null) return void outgoing.end()
        outgoing.flushHeaders()
        const body = Readable.fromWeb(response.body as WebStream)
        body.on("error", () => outgoing.destroy())
        outgoing.on("close", () => body.destroy())
        body.pipe(outgoing)
      })
      .catch(() => {
        if (outgoing.headersSent) return void outgoing.destroy()
        outgoing.writeHead(500).end()
      })
  }

/**
 * The bench checked by itself: framing however it is cut, the server's tools, and above all that it notices a gateway
 * which swaps answers, shares a session among users, or tells the server the wrong user.
 */
import assert from "node:assert/strict"
import { connect, createServer } from "node:net"
import { Client } from "./load/Client.ts"
import { isolation } from "./load/Isolation.ts"
import { closePool, openPool, type PoolOptions } from "./load/Pool.ts"
import { big, echo, list, progress, steady } from "./load/Steady.ts"
import { idOfKey, type Target, users } from "./targets/Target.ts"
import * as Upstream from "./upstream/Upstream.ts"
import { Connection } from "./wire/Connection.ts"
import { listen } from "./wire/Listener.ts"

const sliceMs = 150

const targetAt = (port: number): Target => ({
  plan: { name: "selftest", about: "" },
  host: "127.0.0.1",
  port,
  path: "/mcp",
  users,
  pid: undefined,
  readyMs: 0,
  offersStateless: true,
  tool: (name) => name,
  // Without a hub the server sees the key itself.
  identity: (headers) => headers["x-mcphub-user-id"] ?? idOfKey(headers["authorization"])
})

/** A response in chunks with a trailer and letters of several bytes, sent byte by byte. */
const splitResponse = async (): Promise<void> => {
  const body = Buffer.from('{"a":"한글 ✓"}')
  const wire = Buffer.concat([
    Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n"),
    body.subarray(0, 5),
    Buffer.from(`\r\n${(body.length - 5).toString(16)}\r\n`),
    body.subarray(5),
    Buffer.from("\r\n0\r\nX-Trailer: 1\r\n\r\n")
  ])
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", async () => {
      for (const byte of wire) await new Promise((sent) => socket.write(Buffer.from([byte]), sent))
    })
    socket.on("error", () => {})
  })
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  const address = server.address()
  assert.ok(typeof address === "object" && address !== null)
  const connection = new Connection({ host: "127.0.0.1", port: address.port })
  for (let turn = 0; turn < 3; turn++) {
    const reply = await connection.request("POST", "/", "", "x")
    assert.deepEqual([reply.status, reply.body], [200, body.toString()])
  }
  connection.close()
  server.close()
}

/** Two requests in one packet, one of them in chunks. */
const joinedRequests = async (): Promise<void> => {
  const { port, server } = await listen(0, (request, response) => response.send(200, "", `${request.body}|`))
  const received = await new Promise<string>((resolve) => {
    let text = ""
    const socket = connect(port, "127.0.0.1")
    socket.write("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    socket.write("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nde")
    socket.on("data", (data) => {
      text += data.toString()
      if (!text.includes("de|")) return
      socket.destroy()
      resolve(text)
    })
  })
  assert.match(received, /abc\|[\s\S]*de\|/)
  server.close()
}

const rightTarget = async (target: Target): Promise<void> => {
  for (const isStateless of [false, true]) {
    const options: PoolOptions = { users: 10, connections: 4, isStateless }
    const pool = await openPool(target, options)
    for (const ask of [echo, list, big(100_000), progress(7)]) {
      const slice = await steady(target, pool, sliceMs, ask)
      assert.ok(slice.ok > 5, "too few answers")
      assert.equal(slice.failed + slice.crossed + slice.wrong, 0, JSON.stringify(slice))
      if (slice.notifications > 0) assert.equal(slice.notifications, slice.ok * 7)
    }
    await closePool(pool)
    const found = await isolation(target, 5, { ...options, perUser: 2 })
    const { calls, crossed, failed, leaks, met, misnamed, nameless, wrong } = found
    assert.deepEqual([calls, crossed, failed, leaks, met, misnamed, nameless, wrong], [200, 0, 0, 0, 0, 0, 0, 0])
  }
}

/** A gateway with one session for all its users that gives every tenth caller the answer of another. */
const wrongGateway = async (upstream: Target) => {
  const connection = new Connection(upstream)
  const only = await Client.open(upstream, connection, users[0]!, 0)
  let queue: Promise<unknown> = Promise.resolve()
  let last: object | undefined
  let count = 0
  const { port, server } = await listen(0, (request, response) => {
    const answer = async (): Promise<void> => {
      const json = "Content-Type: application/json\r\n"
      const { id, method, params } = JSON.parse(request.body || "{}")
      if (method === "initialize") {
        const head = `${json}Mcp-Session-Id: s${++count}\r\n`
        return response.send(200, head, JSON.stringify({ jsonrpc: "2.0", id, result: {} }))
      }
      if (id === undefined) return response.send(202, "")
      let { result } = await only.request(method, params)
      if (params?.name === "echo") {
        const own = result
        if (++count % 10 === 0 && last !== undefined) result = last as typeof result
        last = own
      }
      response.send(200, json, JSON.stringify({ jsonrpc: "2.0", id, result }))
    }
    queue = queue.then(answer, answer)
  })
  return { port, close: () => (connection.close(), server.close()) }
}

const noticesWrongs = async (upstream: Target): Promise<void> => {
  const gateway = await wrongGateway(upstream)
  const target = targetAt(gateway.port)
  const pool = await openPool(target, { users: 10, connections: 10 })
  const slice = await steady(target, pool, 2 * sliceMs, echo)
  assert.ok(slice.crossed > 0, "an answer to somebody else was not noticed")
  await closePool(pool)
  const found = await isolation(target, 3, { users: 10, connections: 5 })
  assert.ok(found.leaks > 0, "the shared state of a session was not noticed")
  assert.equal(found.met, 1, "the shared session was not noticed")
  assert.ok(found.misnamed > 0, "the wrong user was not noticed")
  gateway.close()
}

export const selftest = async (): Promise<void> => {
  await splitResponse()
  await joinedRequests()
  const { port, server } = await Upstream.start(0)
  await rightTarget(targetAt(port))
  await noticesWrongs(targetAt(port))
  server.close()
}

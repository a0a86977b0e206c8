/** An authority of certificates that no system knows, such as a company's, and servers that it vouches for. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { type AddressInfo, connect, type Socket } from "node:net"
import { join } from "node:path"
import { createServer, type Server } from "node:tls"

/** An authority and a certificate of it for the host and for `localhost`, as files of a folder. */
export const certificates = (folder: string, host: string) => {
  const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" })
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  writeFileSync(join(folder, "names"), `subjectAltName=DNS:localhost,DNS:${host}`)
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Company")
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
  openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", ...signed)
  const read = (name: string) => readFileSync(join(folder, name))
  return { ca: join(folder, "ca.pem"), key: read("server.key"), cert: read("server.pem") }
}

/** TLS in front of a server. */
export const secured = (
  port: number,
  identity: { key: Buffer; cert: Buffer }
): Effect.Effect<number, never, Scope.Scope> => {
  const sockets = new Set<Socket>()
  const listen = Effect.callback<Server>((resume) => {
    const server = createServer(identity, (outside) => {
      const inside = connect(port, "127.0.0.1")
      for (const socket of [outside, inside]) {
        sockets.add(socket)
        socket.on("error", () => undefined)
      }
      outside.pipe(inside).pipe(outside)
    })
    server.on("tlsClientError", () => undefined)
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  })
  const close = (server: Server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
  return Effect.map(Effect.acquireRelease(listen, close), (server) => (server.address() as AddressInfo).port)
}

/**
 * The two ways in which a socket to a server comes up: by itself, or through a tunnel that the operator's proxy opens
 * (CONNECT), for http as for https. Of an https url the proxy sees host and port, and neither header nor token.
 *
 * A proxy is no way around `AddressGuard`: what the hub can find the address of is checked first, and what lies in its
 * own networks is reached without the proxy. Only a name that the hub cannot resolve is the proxy's to judge.
 *
 * Source: RFC 9110 §9.3.6 (CONNECT), §11.7.2 (Proxy-Authorization).
 */
import { Redacted } from "effect"
import { createRequire } from "node:module"
import type { Socket } from "node:net"
import type { buildConnector, Client, Dispatcher } from "undici"
import type { Guard } from "../../../domain/Guard.ts"
import type { AddressGuard } from "./AddressGuard.ts"

/** Parts alone, see `UserPools`. */
const part = createRequire(import.meta.url)
const UndiciClient = part("undici/lib/dispatcher/client.js") as typeof Client
const connectorOf = part("undici/lib/core/connect.js") as typeof buildConnector

/** Milliseconds for the hub's own look-up of a name: behind a proxy there may be no DNS that answers at all. */
const lookupMs = 1_000

/** The proxy was not reached, or did not open a tunnel. Nothing was sent to the server. */
export class ProxyFailed extends Error {
  override readonly name = "ProxyFailed"
  /** HTTP status of its refusal. */
  readonly status: number | undefined
  /** Of the connection to the proxy itself. */
  readonly failure: (Error & { code?: unknown }) | undefined
  constructor(reason: { readonly status?: number; readonly failure?: Error }) {
    super("The proxy did not open a tunnel")
    this.status = reason.status
    this.failure = reason.failure
  }
}

/** A socket that is coming up. Giving it up is its end, and reports the error. */
export interface Attempt {
  readonly destroy: (error?: Error) => void
}

type Done = (error: Error | null, socket: Socket | null) => void

/** Opens one socket and reports once. */
export type Dial = (options: buildConnector.Options, guard: Guard, done: Done) => Attempt

/** undici's connector returns the socket that it opens. */
type Connector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket

const connector = (options: buildConnector.BuildOptions & { lookup?: AddressGuard["lookup"] }): Connector =>
  connectorOf({ allowH2: false, timeout: 0, ...options }) as unknown as Connector

export const direct = (addresses: AddressGuard): Dial => {
  const connect = connector({ lookup: addresses.lookup })
  return (options, guard, done) => {
    const blocked = addresses.literal(options.hostname)
    if (blocked === undefined) {
      return connect(options, (...[error, socket]: Parameters<Done>) => guard.run(() => done(error, socket)))
    }
    guard.soon(() => done(blocked, null))
    return { destroy: () => undefined }
  }
}

const authorityOf = ({ host, hostname, port, protocol }: buildConnector.Options): string =>
  port === "" || port === undefined ? `${host ?? hostname}:${protocol === "https:" ? 443 : 80}` : (host ?? hostname)

const headersOf = (authority: string, { password, username }: URL): Record<string, string> => {
  if (username === "" && password === "") return { host: authority }
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
  return { host: authority, "proxy-authorization": `Basic ${login.toString("base64")}` }
}

/** Where the name stands for the machine itself, no proxy may take it for its own. */
const isThisMachine = (hostname: string): boolean => /(^|\.)localhost\.?$/i.test(hostname)

export const make = (proxy: Redacted.Redacted<string>, addresses: AddressGuard, withoutProxy: Dial): Dial => {
  const toProxy = connector({})
  const overTunnel = connector({})

  return (options, guard, done) => {
    let attempt: Attempt | undefined
    let isOver = false
    let isWithProxy = false
    const end: Done = (error, socket) => {
      if (isOver) return void socket?.destroy()
      isOver = true
      noTimer()
      done(error, socket)
    }

    const tunnel = (): void => {
      const url = new URL(Redacted.value(proxy))
      const client = new UndiciClient(url.origin, { connect: toProxy as unknown as buildConnector.connector })
      isWithProxy = true
      attempt = { destroy: (error) => void client.destroy(error ?? null).catch(() => undefined) }
      const failed = (reason: ConstructorParameters<typeof ProxyFailed>[0]) => {
        end(new ProxyFailed(reason), null)
        attempt?.destroy()
      }
      const authority = authorityOf(options)
      const request: Dispatcher.DispatchOptions = {
        method: "CONNECT",
        path: authority,
        headers: headersOf(authority, url)
      }
      client.dispatch(request, {
        onRequestStart: () => undefined,
        onRequestUpgrade: (_, status, __, opened) =>
          guard.run(() => {
            const socket = opened as Socket
            socket.on("error", () => {})
            void client.close().catch(() => undefined)
            if (isOver || status < 200 || status > 299) {
              socket.destroy()
              return failed({ status })
            }
            isWithProxy = false
            attempt = socket
            if (options.protocol !== "https:") return end(null, socket)
            attempt = overTunnel({ ...options, httpSocket: socket }, (...[error, secure]: Parameters<Done>) =>
              guard.run(() => end(error, secure))
            )
          }),
        onResponseError: (_, failure) => guard.run(() => failed({ failure }))
      })
    }

    const go = (found: Parameters<Parameters<AddressGuard["whereabouts"]>[1]>[0]): void => {
      if (isOver || attempt !== undefined) return
      noTimer()
      if (found instanceof Error) return end(found, null)
      // Such an address is looked at once more there, before it is connected to.
      if (found === "own" || isThisMachine(options.hostname)) attempt = withoutProxy(options, guard, end)
      else tunnel()
    }

    const noTimer = guard.after(lookupMs, () => go("unknown"))
    addresses.whereabouts(options.hostname, (found) => guard.soon(() => go(found)))

    return {
      destroy: (error) => {
        const failure = error ?? new Error("The attempt was given up")
        end(isWithProxy ? new ProxyFailed({ failure }) : failure, null)
        attempt?.destroy(failure)
      }
    }
  }
}

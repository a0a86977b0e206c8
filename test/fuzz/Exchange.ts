/**
 * One HTTP request of a fuzzing client and all that comes back, which must end in time, be JSON, be nobody else's, and
 * tell of no defect of the hub.
 */
import { connect } from "node:net"
import { Pool } from "undici"
import type { Standstill } from "./Standstill.ts"
import type { Headers } from "./Steps.ts"

/** What must never be seen, and ends the run. */
export class Broken extends Error {}

/** Milliseconds that a call may take: the hub's own limit, and what a busy machine adds. */
export const limitMs = 2_000
export const patienceMs = limitMs + 10_000

export interface Request {
  readonly method?: "POST" | "GET" | "DELETE" | "PUT"
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** What comes on an event stream, while it comes. */
  readonly onMessage?: (message: any) => void
  /** Leave as soon as the answer begins. */
  readonly leaves?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

export const poolOf = (origin: string): Pool =>
  new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 })

/** The mark that stands in everything that is this user's. */
export const markOf = (name: string): string => `of-${name}-`
const marks = /of-([a-z]+\d*)-/g

export const judge = (text: string, name: string): void => {
  for (const [, whose] of text.matchAll(marks)) {
    if (whose !== name) throw new Broken(`${name} was told what is ${whose}'s`)
  }
  if (text.includes('"kind":"internal"')) throw new Broken(`a defect: ${text.slice(0, 1_000)}`)
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Broken(`the hub said what is no JSON: ${text.slice(0, 500)}`)
  }
}

/** Messages of an event stream, as far as they are complete. */
export const eventsOf = (onMessage: (message: unknown) => void) => {
  let rest = ""
  return (chunk: string): void => {
    rest += chunk
    for (let end = rest.indexOf("\n\n"); end !== -1; end = rest.indexOf("\n\n")) {
      const event = rest.slice(0, end)
      rest = rest.slice(end + 2)
      const data = /^data: ?(.*)$/m.exec(event)?.[1] ?? ""
      if (data !== "" && !/^event: ?endpoint$/m.test(event)) onMessage(parse(data))
    }
  }
}

/** What an exchange is judged by. */
export interface Witness {
  readonly standstill: Standstill
  /** What the hub says of itself and of this user's requests. */
  readonly hubState: (name: string) => Promise<string>
}

/** Calls back once when this much time has passed in which the machine ran. */
const whenLate = (standstill: Standstill, late: (stoodStill: string) => void): (() => void) => {
  const begun = performance.now()
  const since = standstill.begin()
  const look = (): void => {
    const left = patienceMs + since.lostMs() - (performance.now() - begun)
    if (left > 0) timer = setTimeout(look, Math.ceil(left))
    else late(since.told())
  }
  let timer = setTimeout(look, patienceMs)
  return () => clearTimeout(timer)
}

/** Undefined: the connection broke, as it does for what is no HTTP. */
export const exchange = async (
  pool: Pool,
  name: string,
  { hubState, standstill }: Witness,
  request: Request
): Promise<Answer | undefined> => {
  const { body, headers, leaves = false, method = "POST", onMessage = () => {}, path } = request
  const abort = new AbortController()
  let late: Promise<Broken> | undefined
  let seen = "no answer has begun"
  const inTime = whenLate(standstill, (stoodStill) => {
    const told = [`${method} ${path} did not end within ${patienceMs} ms`, seen, shownRequest(request), stoodStill]
    // Asked before the request is given up: afterwards the hub knows nothing of it any more.
    late = hubState(name).then((state) => new Broken([...told, state].join("\n  ")))
    void late.then(() => abort.abort())
  })
  try {
    const answer = await pool.request({ method, path, headers, body: body ?? null, signal: abort.signal })
    const { headers: answered, statusCode: status } = answer
    const type = String(answered["content-type"])
    const isStream = type.startsWith("text/event-stream")
    seen = `an answer has begun: ${status} ${type}`
    let text = ""
    if (leaves) answer.body.on("error", () => {}).destroy()
    else {
      const take = eventsOf(onMessage)
      for await (const chunk of answer.body.setEncoding("utf8")) {
        text += chunk
        seen = `an answer has begun: ${status} ${type}, ${text.length} characters, the last ones ${text.slice(-300)}`
        if (isStream) take(chunk)
      }
      if (type.startsWith("application/json")) parse(text)
    }
    judge(text, name)
    if (late !== undefined) throw await late
    return { status, headers: answered, text }
  } catch (error) {
    if (error instanceof Broken) throw error
    if (late !== undefined) throw await late
    return undefined
  } finally {
    inTime()
  }
}

const shownRequest = ({ body, headers }: Request): string => {
  const { authorization: _, ...rest } = headers
  return `the request was ${JSON.stringify(rest)} ${Buffer.from(body ?? "")
    .toString("latin1")
    .slice(0, 1_000)}`
}

/** Sends as much of a request as there is, and leaves. */
export const leaveHalfway = (origin: string, path: string, headers: Headers, sent: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(origin)
    const socket = connect(Number(port), hostname)
    socket.on("error", () => {}).once("close", () => resolve())
    const lines = [`POST ${path} HTTP/1.1`, `Host: ${hostname}:${port}`, `Content-Length: ${sent.byteLength + 1}`]
    const head = [...lines, ...headers.map(([header, value]) => `${header}: ${value}`), "", ""].join("\r\n")
    socket.write(Buffer.from(head, "latin1"))
    socket.write(sent, () => socket.destroy())
  })

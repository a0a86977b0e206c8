/** Takes a step: what the strange side says, and the honest things around it that bring the other side to hear it. */
import { standardHeaders } from "../../src/domain/protocol/eras/StandardHeaders.ts"
import { metaKeys } from "../../src/domain/protocol/eras/RequestMeta.ts"
import { isJsonObject } from "../../src/domain/protocol/JsonObjects.ts"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { type Answer, Broken, leaveHalfway, markOf } from "./Exchange.ts"
import { capabilities, headersOf, type Lane, main } from "./Lane.ts"
import { withId } from "./Messages.ts"
import { asks, type Servers } from "./Servers.ts"
import type {
  ClientListens,
  ClientSends,
  Era,
  Said,
  ServerAnswers,
  ServerIntroduces,
  ServerStreams,
  Step
} from "./Steps.ts"

export interface Doing {
  readonly servers: Servers
  readonly origin: string
  readonly lane: Lane
  /** The same person's other self, who speaks to servers that nobody has spoken to. */
  readonly other: Lane
  /** Counts what clients say. */
  readonly told: { messages: number }
}

/** Rounds of questions that a stateless client answers. */
const rounds = 3
let ids = 0

const metaOf = (name: string): JsonObject => ({
  [metaKeys.protocolVersion]: "2026-07-28",
  [metaKeys.clientCapabilities]: capabilities,
  [metaKeys.clientInfo]: { name, version: "1" }
})

const stateless = (lane: Lane, method: string, params: JsonObject, name = "fuzz") => {
  const message = { jsonrpc: "2.0", id: ++ids, method, params: { ...params, _meta: metaOf(name) } }
  return { headers: { ...headersOf(lane.person), ...standardHeaders(message) }, body: JSON.stringify(message) }
}

/** Sends one request in the words of an era; what the server asks meanwhile is answered strangely, and then in order. */
const ask = async (
  { told }: Doing,
  lane: Lane,
  path: string,
  era: Era,
  method: string,
  params: JsonObject,
  replies: Said = []
): Promise<Answer | undefined> => {
  let turn = 0
  const next = () => {
    told.messages++
    return replies[turn++ % replies.length]!
  }
  if (era === "stateless") {
    let answer = await lane.exchange({ path, ...stateless(lane, method, params) })
    for (let round = 0; round < rounds && replies.length > 0; round++) {
      const { inputRequests, requestState } = resultOf(answer)
      if (requestState === undefined || !isJsonObject(inputRequests)) break
      const names = Object.keys(inputRequests)
      const strange = parsed(withId(next(), 1))
      const proper = Object.fromEntries(names.map((name) => [name, { action: "decline" }]))
      for (const inputResponses of [isJsonObject(strange) ? strange["result"] : strange, proper]) {
        const again = written(() => stateless(lane, method, { ...params, inputResponses, requestState }))
        if (again !== undefined) answer = await lane.exchange({ path, ...again })
      }
    }
    return answer
  }
  const headers = await lane.session(path)
  if (headers === undefined) return undefined
  const answering: Array<Promise<unknown>> = []
  const reply = async (id: unknown) => {
    await lane.exchange({ path, headers, body: withId(next(), id) })
    await lane.exchange({ path, headers, body: JSON.stringify({ jsonrpc: "2.0", id, result: { action: "decline" } }) })
  }
  const onMessage = ({ id, method }: JsonObject) => {
    if (id !== undefined && method !== undefined && replies.length > 0) answering.push(reply(id))
  }
  const body = JSON.stringify({ jsonrpc: "2.0", id: ++ids, method, params })
  const answer = await lane.exchange({ path, headers, body, onMessage })
  await Promise.all(answering)
  if (answer?.status === 404) lane.forget(path)
  return answer
}

const resultOf = (answer: Answer | undefined): JsonObject => {
  const body = answer?.text.startsWith("{") === true ? parsed(answer.text) : undefined
  return isJsonObject(body) && isJsonObject(body["result"]) ? body["result"] : {}
}

/** Undefined: nested deeper than can be written again. */
const written = <A>(write: () => A): A | undefined => {
  try {
    return write()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const parsed = (text: string | Uint8Array): unknown => {
  try {
    return JSON.parse(typeof text === "string" ? text : Buffer.from(text).toString("utf8"))
  } catch {
    return undefined
  }
}

/** An honest call between strange things: where it succeeds, the answer is its own. */
const honest = async (doing: Doing, path: string, era: Era): Promise<void> => {
  const { lane } = doing
  const marker = `${markOf(lane.person.name)}${++ids}`
  const answer = await ask(doing, lane, path, era, "tools/call", { name: "echo", arguments: { marker } })
  if (answer?.text.includes('"structuredContent"') === true && !answer.text.includes(marker)) {
    throw new Broken(`${lane.person.name} asked for ${marker} and got ${answer.text.slice(0, 500)}`)
  }
}

const answers = async (doing: Doing, step: ServerAnswers): Promise<void> => {
  const { lane, servers } = doing
  const { client, replies, said, server, to, way } = step
  const path = `/mcp/${server}`
  const { id } = lane.person
  if (server.startsWith("stdio")) {
    const whole = Buffer.concat(said.flatMap((one) => [one, Buffer.from("\n")]))
    const args = { base64: whole.toString("base64"), asks: asks(said) }
    const answer = await ask(doing, lane, path, client, "tools/call", { name: "say", arguments: args }, replies)
    if (answer?.status === 200 && !answer.text.includes('"unknown_tool"')) servers.told.messages += said.length
    return
  }
  servers.say(id, to, { way, said })
  await ask(doing, lane, path, client, to, to === "tools/call" ? { name: "say", arguments: {} } : {}, replies)
  servers.silence(id, to)
}

const introduces = async (doing: Doing, step: ServerIntroduces): Promise<void> => {
  const { other, servers } = doing
  const { client, headers, said, server, status, transport, way } = step
  const path = `/mcp/${servers.stranger(transport, server)}`
  const { id } = other.person
  if (transport === "http") servers.say(id, "initialize", { way, said, status, headers })
  else {
    servers.write(id, said)
    servers.told.messages += said.length
  }
  if (client === "stateless") await other.exchange({ path, ...stateless(other, "tools/list", {}, `fuzz-${++ids}`) })
  else {
    const session = await other.session(path)
    if (session !== undefined) {
      const list = JSON.stringify({ jsonrpc: "2.0", id: ++ids, method: "tools/list" })
      await other.exchange({ path, headers: session, body: list })
      await other.exchange({ method: "DELETE", path, headers: session })
      other.forget(path)
    }
  }
  servers.silence(id, "initialize")
}

const streams = async (doing: Doing, { ends, era, said }: ServerStreams): Promise<void> => {
  const { lane, servers } = doing
  const path = `/mcp/http-${era}`
  await honest(doing, path, era)
  for (const stream of servers.streams(lane.person.id, era)) {
    servers.push(stream, said)
    if (ends) stream.end()
  }
  await honest(doing, path, era)
}

/** A request in the words of the stateless revision, as far as the body is one. */
const selfDescribed = (
  lane: Lane,
  body: Uint8Array
): { headers: Record<string, string>; body: Uint8Array | string } => {
  const headers = headersOf(lane.person)
  const message = parsed(body)
  if (!isJsonObject(message) || typeof message["method"] !== "string") return { headers, body }
  const { method, params } = message
  const own = isJsonObject(params) ? params : {}
  const meta = isJsonObject(own["_meta"]) ? own["_meta"] : {}
  const described = { ...own, _meta: { ...meta, ...metaOf("fuzz") } }
  const more = standardHeaders({ method, params: described })
  const again = written(() => JSON.stringify({ ...message, params: described }))
  return { headers: { ...headers, ...more }, body: again ?? body }
}

const commas = (said: Said): ReadonlyArray<Uint8Array> =>
  said.flatMap((one, at) => (at === 0 ? [one] : [Buffer.from(","), one]))

const doorOf = async (lane: Lane, step: ClientSends) => {
  const path = `/mcp/${step.target}`
  const each = step.said.map((one) => withId(one, ++ids))
  const isBatch = step.door === "batches" || each.length > 1
  const body = isBatch ? Buffer.concat([Buffer.from("["), ...commas(each), Buffer.from("]")]) : each[0]!
  switch (step.door) {
    case "session":
      return { path, headers: (await lane.session(path)) ?? headersOf(lane.person), body }
    case "batches":
      return { path, headers: (await lane.session(path, "2025-03-26")) ?? headersOf(lane.person), body }
    case "stateless":
      return { path, ...selfDescribed(lane, body) }
    case "events":
      return { path: (await lane.eventsPath()) ?? "/messages?sessionId=none", headers: headersOf(lane.person), body }
    case "none":
      return { path, headers: headersOf(lane.person), body }
  }
}

const sends = async ({ lane, origin, told }: Doing, step: ClientSends): Promise<void> => {
  told.messages += step.said.length
  const { body, headers, path } = await doorOf(lane, step)
  const all = { ...headers, ...Object.fromEntries(step.headers) }
  if (step.half !== undefined) {
    return leaveHalfway(origin, path, Object.entries(all), Buffer.from(body).subarray(0, step.half))
  }
  // A subscription lasts for as long as its client listens.
  const leaves = step.said.length === 1 && Buffer.from(step.said[0]!).includes("subscriptions/listen")
  const answer = await lane.exchange({ path, headers: all, body, leaves })
  if (answer?.status === 404 && step.headers.length === 0) lane.forget(path, headers["mcp-protocol-version"])
}

const listens = async ({ lane, told }: Doing, { door, headers, method }: ClientListens): Promise<void> => {
  told.messages++
  const own = (door === "session" ? await lane.session(main) : undefined) ?? headersOf(lane.person)
  const all = { ...own, accept: "text/event-stream", ...Object.fromEntries(headers) }
  const answer = await lane.exchange({ method, path: main, headers: all, leaves: true })
  if (answer?.status === 404 || method === "DELETE") lane.forget(main)
}

export const take = async (doing: Doing, step: Step): Promise<void> => {
  switch (step.kind) {
    case "answer":
      return answers(doing, step)
    case "introduction":
      return introduces(doing, step)
    case "stream":
      return streams(doing, step)
    case "request":
      return sends(doing, step)
    case "listen":
      return listens(doing, step)
  }
}

import { assert, describe, it } from "@effect/vitest"
import { type ListenFilter, make as makeEvents } from "../../../src/actors/streams/SessionEvents.ts"
import * as SessionReplay from "../../../src/actors/streams/SessionReplay.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { type JsonObject, type JsonRpcMessage, notification, request } from "../../../src/domain/protocol/JsonRpc.ts"
import { roomOf } from "../support/Rooms.ts"
import { stream } from "../support/Streams.ts"

const make = (era: "stateful" | "stateless") =>
  makeEvents(
    era,
    SessionReplay.make({
      sessionId: SessionId.make(crypto.randomUUID()),
      primes: true,
      background: () => {},
      memory: roomOf()
    })
  )

const message = (text: string) => notification("notifications/message", { level: "info", data: text })
const changed = (list: string) => notification(`notifications/${list}/list_changed`)
const updated = (uri: string) => notification("notifications/resources/updated", { uri })

/** What was said, short: the data of log messages, the method of everything else. */
const said = (sent: ReadonlyArray<JsonRpcMessage>) =>
  sent.map((one) => {
    if (!("method" in one)) return one
    const params: JsonObject = one.params ?? {}
    return params["data"] ?? params["uri"] ?? one.method.split("/").slice(1).join("/")
  })

describe("events of a session with a GET stream", () => {
  it("reach the stream in their order, and only that session's", () => {
    const [ada, bo] = [make("stateful"), make("stateful")]
    const [adas, bos] = [stream(), stream()]
    ada.attach(adas)
    bo.attach(bos)
    ada.publish(message("1"))
    ada.publish(changed("tools"))
    ada.publish(message("2"))
    assert.deepStrictEqual(said(adas.sent), ["1", "tools/list_changed", "2"])
    assert.deepStrictEqual(bos.sent, [])
  })

  it("wait while there is none, and come once it is there", () => {
    const events = make("stateful")
    assert.isFalse(events.attached())
    for (const text of ["1", "2"]) events.publish(message(text))
    const first = stream()
    events.attach(first)
    assert.isTrue(events.attached())
    events.publish(message("3"))
    assert.deepStrictEqual(said(first.sent), ["1", "2", "3"])
    const second = stream()
    events.attach(second)
    assert.deepStrictEqual(second.sent, [], "nothing is sent on two streams")
  })

  it("that wait say once that a list has changed, however often it did", () => {
    const events = make("stateful")
    for (const list of ["tools", "prompts", "tools", "tools"]) events.publish(changed(list))
    const one = stream()
    events.attach(one)
    assert.deepStrictEqual(said(one.sent), ["tools/list_changed", "prompts/list_changed"])
    events.publish(changed("tools"))
    assert.strictEqual(one.sent.length, 3)
  })

  it("that nobody fetches go, the oldest first, from 256 on, and are counted", () => {
    const events = make("stateful")
    for (let index = 1; index <= 256; index++) events.publish(message(String(index)))
    assert.strictEqual(events.dropped(), 0)
    for (let index = 257; index <= 300; index++) events.publish(message(String(index)))
    assert.strictEqual(events.dropped(), 44)
    const one = stream()
    events.attach(one)
    assert.strictEqual(one.sent.length, 256)
    assert.deepStrictEqual(said([one.sent[0]!, one.sent.at(-1)!]), ["45", "300"])
  })

  it("that a stream does not take wait for the next stream", () => {
    const events = make("stateful")
    const full = stream(1)
    events.attach(full)
    for (const text of ["1", "2", "3"]) events.publish(message(text))
    assert.deepStrictEqual(said(full.sent), ["1"])
    const narrow = stream(1)
    events.attach(narrow)
    assert.deepStrictEqual(said(narrow.sent), ["2"])
    const wide = stream()
    events.attach(wide)
    assert.deepStrictEqual(said(wide.sent), ["3"])
  })

  it("go to the newest stream; the one before is ended, and its leaving detaches nothing", () => {
    const events = make("stateful")
    const [older, newer] = [stream(), stream()]
    const leave = events.attach(older)
    const leaveNewer = events.attach(newer)
    assert.isTrue(older.ended())
    leave()
    assert.isTrue(events.attached())
    events.publish(message("1"))
    assert.deepStrictEqual([said(older.sent), said(newer.sent)], [[], ["1"]])
    leaveNewer()
    assert.isFalse(events.attached())
    events.publish(message("2"))
    assert.strictEqual(newer.sent.length, 1)
  })

  it("that ask the client something wait for a reader that was there, and for none that never was", () => {
    const events = make("stateful")
    const asked = request("1", "elicitation/create")
    assert.isFalse(events.ask(asked))
    const one = stream()
    const leave = events.attach(one)
    assert.deepStrictEqual(one.sent, [])
    assert.isTrue(events.ask(asked))
    assert.deepStrictEqual(one.sent, [asked])
    leave()
    assert.isTrue(events.ask(request("2", "elicitation/create")))
    const next = stream()
    events.attach(next)
    assert.deepStrictEqual(next.sent, [request("2", "elicitation/create")])
    events.end()
    assert.isFalse(events.ask(asked))
  })

  it("end with the session: the stream is ended and nothing waits any more", () => {
    const events = make("stateful")
    const one = stream()
    events.attach(one)
    events.end()
    events.publish(message("1"))
    assert.isTrue(one.ended())
    assert.isFalse(events.attached())
    const late = stream()
    events.attach(late)
    assert.deepStrictEqual(late.sent, [])
  })
})

describe("events of a session without sessions on its wire", () => {
  it("reach every stream that opted in to them, and no other", () => {
    const events = make("stateless")
    const all: ReadonlyArray<readonly [ListenFilter, ReadonlyArray<string>]> = [
      [{ toolsListChanged: true }, ["tools/list_changed"]],
      [{ promptsListChanged: true, resourcesListChanged: false }, ["prompts/list_changed"]],
      [{ resourcesListChanged: true }, ["resources/list_changed"]],
      [{ resourceSubscriptions: ["file:///a"] }, ["file:///a"]],
      [
        { toolsListChanged: true, resourceSubscriptions: ["file:///a", "file:///b"] },
        ["tools/list_changed", "file:///a", "file:///b"]
      ],
      [{}, []]
    ]
    const streams = all.map(([filter]) => {
      const one = stream()
      events.listen(filter, one)
      return one
    })
    for (const list of ["tools", "prompts", "resources"]) events.publish(changed(list))
    for (const uri of ["file:///a", "file:///b", "file:///c"]) events.publish(updated(uri))
    events.publish(message("nobody opts in to this"))
    events.publish(request(1, "sampling/createMessage"))
    assert.deepStrictEqual(
      streams.map(({ sent }) => said(sent)),
      all.map(([, expected]) => [...expected])
    )
  })

  it("do not wait: what happened before a stream came is not told", () => {
    const events = make("stateless")
    events.publish(changed("tools"))
    const one = stream()
    events.listen({ toolsListChanged: true }, one)
    assert.deepStrictEqual(one.sent, [])
    assert.strictEqual(events.dropped(), 0)
  })

  it("end for a stream that has left, and what it alone listened to is listened to no more", () => {
    const events = make("stateless")
    const [one, other] = [stream(), stream()]
    const leave = events.listen({ resourceSubscriptions: ["file:///a", "file:///b"] }, one)
    events.listen({ resourceSubscriptions: ["file:///b"], toolsListChanged: true }, other)
    assert.deepStrictEqual([...events.listenedTo()].sort(), ["file:///a", "file:///b"])
    leave()
    assert.deepStrictEqual([...events.listenedTo()], ["file:///b"])
    events.publish(updated("file:///b"))
    assert.deepStrictEqual([one.sent.length, other.sent.length], [0, 1])
    events.end()
    assert.isTrue(other.ended() && !one.ended())
    assert.strictEqual(events.listenedTo().size, 0)
  })
})

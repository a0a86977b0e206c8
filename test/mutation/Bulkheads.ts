/** Rules about what one user, or one server, can take away from the others. */
import type { Mutation } from "./Mutation.ts"

const places = "src/actors/upstream/guards/ServerPlaces.ts"
const counted = "test/actors/upstream/guards/ServerPlaces.test.ts"
const bytes = "src/actors/limits/AnswerBytes.ts"
const exchange = "src/actors/upstream/http/UpstreamHttpExchange.ts"
const summed = "test/actors/limits/AnswerBytes.test.ts"
const onTheirWay = "test/http/mcp/calls/AnswerBytes.test.ts"
const guarded = "test/http/wire/Guard.test.ts"
const defects = "test/http/mcp/sessions/EdgeDefects.test.ts"
const hanging = "test/http/mcp/calls/ServerPlaces.test.ts"

export const bulkheads: ReadonlyArray<Mutation> = [
  {
    wrong: "the requests of all users at a server count as one's",
    file: places,
    find: "if (count >= max) return false",
    replace: "if ([...users.values()].reduce((sum, all) => sum + (all.get(server) ?? 0), 0) >= max) return false",
    tests: [counted, hanging]
  },
  {
    wrong: "a user's requests at all servers count as one server's",
    file: places,
    find: "users.get(userId)?.get(server) ?? 0",
    replace: "[...(users.get(userId)?.values() ?? [])].reduce((sum, count) => sum + count, 0)",
    tests: [counted]
  },
  {
    wrong: "a user may have one request more at a server than allowed",
    file: places,
    find: "(count >= max)",
    replace: "(count > max)",
    tests: [counted, hanging]
  },
  {
    wrong: "a server's own limit of requests is not read",
    file: places,
    find: "config.options?.maxInflight ?? maxInflightPerServer",
    replace: "config === undefined ? 0 : maxInflightPerServer",
    tests: [hanging]
  },
  {
    wrong: "a place at a server is not given back",
    file: places,
    find: "if (isTaken) give(asking)\n",
    replace: "",
    tests: [counted, hanging]
  },
  {
    wrong: "a request on an open connection takes no place at its server",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: "call.own === true ? places.beside(asking, sent) : places.within(asking, sent)",
    replace: "sent",
    tests: [counted]
  },
  {
    wrong: "a request on an open connection is never beyond its user's places",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: ": places.within(asking, sent)",
    replace: ": places.beside(asking, sent)",
    tests: [counted]
  },
  {
    wrong: "requests that wait for a connection to open take no place at its server",
    file: "src/actors/session/Carrier.ts",
    find: "config === undefined ? opened : places.within({ server, config, context }, opened)",
    replace: "opened",
    tests: [hanging]
  },
  {
    wrong: "a server whose places are taken is no longer listed",
    file: "src/actors/catalog/ListPages.ts",
    find: "context, own: true, maxBytes",
    replace: "context, maxBytes",
    tests: [hanging]
  },
  {
    wrong: "a new connection is not told the log level when the places at its server are taken",
    file: "src/actors/session/SessionLogLevel.ts",
    find: "              own: true,\n",
    replace: "",
    tests: [hanging]
  },
  {
    wrong: "of requests that arrive together each is taken for the only one",
    file: "src/actors/limits/FairShare.ts",
    find: "if (ending.length === 1) soon.scheduleTask(endAll, 0)",
    replace: "endAll()",
    tests: ["test/actors/limits/FairShare.test.ts"]
  },
  {
    wrong: "little pieces of a message are kept as they came",
    file: "src/domain/protocol/json/Pieces.ts",
    find: "this.pieces.length < few || isItsOwn(piece)",
    replace: "true",
    tests: ["test/domain/protocol/json/Pieces.test.ts"]
  },
  {
    wrong: "a body may come in any number of chunks",
    file: "src/http/runtime/NodeBody.ts",
    find: "++this.count > maxBodyPieces",
    replace: "++this.count > Infinity",
    tests: ["test/http/admission/RequestBodies.test.ts"]
  },
  {
    wrong: "a body may take any time to arrive",
    file: "src/http/runtime/NodeBody.ts",
    find: "else if (isSecond)",
    replace: "else if (isSecond && left > 0)",
    tests: ["test/http/admission/SlowBodies.test.ts"]
  },
  {
    wrong: "the bytes of bodies that are still arriving count for nobody",
    file: "src/http/runtime/NodeBody.ts",
    find: "if (!room.hold(pieces.byteLength + chunk.length))",
    replace: "if (!room.hold(0))",
    tests: ["test/http/admission/SlowBodies.test.ts"]
  },
  {
    wrong: "a chunk of an answer costs no more than its bytes",
    file: "src/actors/upstream/http/UpstreamHttpExchange.ts",
    find: "Math.max(length, leastChunk)",
    replace: "length",
    tests: ["test/actors/upstream/http/UpstreamHttpPace.test.ts"]
  },
  {
    wrong: "small answers take room",
    file: bytes,
    find: "bytes < large ? 0 : bytes",
    replace: "bytes",
    tests: [summed]
  },
  {
    wrong: "what has left is given back twice",
    file: "src/actors/limits/Retained.ts",
    find: "      add(payer, kind, bytes)\n      held += bytes\n",
    replace: "      add(payer, kind, bytes)\n",
    tests: [summed]
  },
  {
    wrong: "an answer takes the room of whoever opened the connection it comes by",
    file: "src/actors/upstream/http/UpstreamHttpWire.ts",
    find: "        payer,\n",
    replace: "        payer: options.context.principal.userId,\n",
    tests: [onTheirWay]
  },
  {
    wrong: "a body takes no room while it arrives",
    file: exchange,
    find: "if ((this.bytes >= large || this.decoding !== undefined) && !this.hold(this.bytes)) return",
    replace: "",
    tests: [onTheirWay]
  },
  {
    wrong: "an event takes no room while it arrives",
    file: exchange,
    find: "else this.hold(this.events.unfinished())",
    replace: "",
    tests: [onTheirWay]
  },
  {
    wrong: "a stream takes room for all that has passed on it",
    file: exchange,
    find: "this.hold(this.events.unfinished())",
    replace: "this.hold(this.bytes)",
    tests: [onTheirWay]
  },
  {
    wrong: "an exchange keeps its room when it has ended",
    file: exchange,
    find: "    this.room?.end()\n",
    replace: "",
    also: [{ file: exchange, find: "    this.room?.hold(0)\n", replace: "" }],
    tests: [onTheirWay]
  },
  {
    wrong: "an answer that is given up for want of room goes on arriving",
    file: exchange,
    find: "tooMuch(this.request.server, this.failedPhase())))\n    this.abort()",
    replace: "tooMuch(this.request.server, this.failedPhase())))",
    tests: [onTheirWay]
  },
  {
    wrong: "a line of a child process takes no room while it arrives",
    file: "src/actors/upstream/stdio/NdjsonDecoder.ts",
    find: 'else if (size >= large && options.room?.hold(size) === false) skip("user")',
    replace: "",
    tests: ["test/actors/upstream/stdio/NdjsonDecoder.test.ts", onTheirWay]
  },
  {
    wrong: "a line of a child process keeps its room",
    file: "src/actors/upstream/stdio/NdjsonDecoder.ts",
    find: "    if (size >= large) options.room?.hold(0)\n",
    replace: "",
    tests: ["test/actors/upstream/stdio/NdjsonDecoder.test.ts", onTheirWay]
  },
  {
    wrong: "what a client has not read takes no room",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "    reply.charge((bytes) => answers.leaving(userId, bytes))\n",
    replace: "",
    tests: [onTheirWay]
  },
  {
    wrong: "what a client has not read when it goes keeps its room",
    file: "src/http/runtime/UnsentBytes.ts",
    find: "for (const settle of unsettled) settle()",
    replace: "",
    tests: [onTheirWay]
  },
  {
    wrong: "a defect on the way of a request is caught by nobody",
    file: "src/http/wire/Guard.ts",
    find: "      this.isAsking = false\n      this.guard.fail(defect)\n",
    replace: "      throw defect\n",
    tests: [guarded, defects]
  },
  {
    wrong: "a defect in an event of a socket is caught by nobody",
    file: "src/domain/Guard.ts",
    find: "emitter.on(event, (value: A) => {\n      try {\n        step(value)\n      } catch (defect) {\n        this.fail(defect)\n      }\n    })",
    replace: "emitter.on(event, step)",
    tests: [guarded]
  },
  {
    wrong: "a stream that has met a defect keeps its place among the sessions",
    file: "src/http/runtime/NodeExchange.ts",
    find: "return this.guard.hasFailed || (",
    replace: "return (",
    tests: [defects]
  },
  {
    wrong: "a request that has met a defect keeps its place in flight",
    file: "src/actors/session/SessionIntake.ts",
    find: "if (holdsPlace) {",
    replace: "if (false) {",
    tests: [defects]
  },
  {
    wrong: "one stream that cannot be written to ends the keep-alive of all",
    file: "src/http/wire/EventStreams.ts",
    find: "            guard.attempt(() => {\n              if (closed) return false\n              if (stream.write(text())) return true\n              finish()\n              return false\n            }, false)",
    replace:
      "            (() => {\n              if (closed) return false\n              if (stream.write(text())) return true\n              finish()\n              return false\n            })()",
    tests: [defects]
  }
]

/**
 * Rules about the call to which an id, a token, an answer or a state belongs, and about who may cancel, answer or
 * resume it.
 */
import { everybodys, type Mutation } from "./Mutation.ts"

const questions = "src/actors/calls/ClientQuestions.ts"
const parked = "src/actors/calls/ParkedCalls.ts"
const states = "src/actors/calls/RequestStates.ts"
const requests = "src/domain/protocol/eras/RequestMeta.ts"
const intake = "src/actors/session/SessionIntake.ts"
const http = "src/actors/upstream/http/UpstreamHttpCalls.ts"
const stdio = "src/actors/upstream/stdio/StdioConnection.ts"
const tracking = "src/actors/requests/RequestTracker.ts"
const messages = "src/actors/session/SessionMessages.ts"
const asked = "test/actors/calls/ClientQuestions.test.ts"
const sealed = "test/actors/calls/RequestStates.test.ts"
const exchanges = "test/http/mcp/calls/Exchanges.test.ts"
const httpCalls = "test/actors/upstream/http/UpstreamHttpCalls.test.ts"
const stdioCalls = "test/actors/upstream/stdio/UpstreamStdio.test.ts"
const tracked = "test/actors/requests/RequestTracker.test.ts"
const streamed = "test/http/mcp/streams/EventStream.test.ts"

const downstream: ReadonlyArray<Mutation> = [
  {
    wrong: "names that others have sent are left to the engine",
    file: "src/domain/protocol/json/JsonText.ts",
    find: "if (escaped.length === 0)",
    replace: "if (escaped.length >= 0)",
    tests: ["test/domain/protocol/json/JsonText.test.ts"]
  },
  {
    wrong: "a question is answered by another session",
    file: questions,
    find: "const asked = new Map<JsonRpcId, Pending>()",
    replace: `const asked: Map<JsonRpcId, Pending> = ${everybodys("Asked")}`,
    tests: [asked]
  },
  {
    wrong: "a question goes out under the upstream's own id",
    file: questions,
    find: "const id = randomUUID()",
    replace: "const id = String(message.id)",
    tests: [asked]
  },
  {
    wrong: "an answer reaches the upstream under the hub's id",
    file: questions,
    find: "success(pending.upstreamId, response.result)",
    replace: "success(response.id, response.result)",
    tests: [asked]
  },
  {
    wrong: "a question is answered twice",
    file: questions,
    find: "    asked.delete(id)\n",
    replace: "",
    tests: [asked]
  },
  {
    wrong: "a server takes another server's question back",
    file: questions,
    find: "pending.server !== server || ",
    replace: "",
    tests: [asked]
  },
  {
    wrong: "a request that ends takes other requests' questions back",
    file: questions,
    find: "if (pending.record !== record) continue",
    replace: "",
    tests: [asked]
  },
  {
    wrong: "the client is asked what it did not declare",
    file: questions,
    find: "if (capability === undefined || !(capability in offered(server))) {",
    replace: "if (capability === undefined) {",
    tests: [asked]
  },
  {
    wrong: "the client's progress on a question carries the hub's token",
    file: questions,
    find: "{ ...params, progressToken: known.token }",
    replace: "{ ...params }",
    tests: [asked]
  },
  {
    wrong: "a question is sent to the session's stream though its call has one",
    file: messages,
    find: "send: (outgoing) => call.exchange.send(outgoing) || events.ask(outgoing)",
    replace: "send: (outgoing) => events.ask(outgoing)",
    tests: ["test/http/mcp/calls/Questions.test.ts"]
  },
  {
    wrong: "progress of a call goes to the session's stream",
    file: messages,
    find: "return void call.exchange.send(message)",
    replace: "return void events.publish(message)",
    tests: [exchanges, streamed]
  },
  {
    wrong: "log messages of a call go to the session's stream",
    file: messages,
    find: "if (wanted) call.exchange.send(message)",
    replace: "if (wanted) events.publish(message)",
    tests: [exchanges, streamed]
  },
  {
    wrong: "an answer carries another id than its request",
    file: "src/http/mcp/PostExchange.ts",
    find: "answer(success(this.id, shape",
    replace: "answer(success(1, shape",
    tests: [exchanges]
  },
  {
    wrong: "a cancelled id that is in flight twice cancels both",
    file: intake,
    find: "if (named.length !== 1) return",
    replace: "if (named.length === 0) return",
    tests: [exchanges]
  },
  {
    wrong: "a session cancels another session's request by its id",
    file: intake,
    find: "const running = new Map<RequestRecord, JsonRpcRequest>()",
    replace: `const running: Map<RequestRecord, JsonRpcRequest> = ${everybodys("Requests")}`,
    tests: [exchanges]
  },
  {
    wrong: "a cancel that names nothing is not written down",
    file: intake,
    find: 'return audit.refused("cancel_ignored", principal, sessionId, "notifications/cancelled")',
    replace: "return",
    tests: ["test/http/mcp/sessions/AuditTrail.test.ts"]
  },
  {
    wrong: "the requests of all users count as one's",
    file: "src/actors/limits/UserLimits.ts",
    find: "counts[what] >= max",
    replace: "totals[what] >= max",
    tests: ["test/actors/limits/UserLimits.test.ts"]
  },
  {
    wrong: "requests of all users are limited together",
    file: intake,
    find: 'limits.take(principal.userId, "inFlight"',
    replace: 'limits.take("" as never, "inFlight"',
    tests: ["test/http/mcp/sessions/Limits.test.ts"]
  },
  {
    wrong: "one user's cleanup ends everybody's requests",
    file: tracking,
    find: "cleanup((request) => request.userId === userId, detail)",
    replace: "cleanup(() => true, detail)",
    tests: [tracked]
  },
  {
    wrong: "one session's cleanup ends everybody's requests",
    file: tracking,
    find: "cleanup((request) => request.sessionId === sessionId, detail)",
    replace: "cleanup(() => true, detail)",
    tests: [tracked]
  },
  {
    wrong: "one session's cleanup ends the user's other sessions' requests",
    file: tracking,
    find: "cleanup((request) => request.sessionId === sessionId, detail)",
    replace:
      "cleanup((request) => request.userId === [...running.values()].find((one) => one.sessionId === sessionId)?.userId, detail)",
    tests: [tracked]
  },
  {
    wrong: "a user sees everybody's requests",
    file: tracking,
    find: "pendingWhere((request) => request.userId === userId)",
    replace: "pendingWhere(() => true)",
    tests: [tracked]
  },
  {
    wrong: "a session sees everybody's requests",
    file: tracking,
    find: "pendingWhere((request) => request.sessionId === sessionId)",
    replace: "pendingWhere(() => true)",
    tests: [tracked]
  }
]

const rounds: ReadonlyArray<Mutation> = [
  {
    wrong: "a state opens for another user",
    file: states,
    find: "credentials.seal(subject.userId, purpose,",
    replace: 'credentials.seal("" as never, purpose,',
    also: [
      {
        file: states,
        find: "credentials.open(subject.userId, purpose,",
        replace: 'credentials.open("" as never, purpose,'
      }
    ],
    tests: [sealed]
  },
  {
    wrong: "a state opens in another session",
    file: states,
    find: "opened.session === subject.sessionId && ",
    replace: "",
    tests: [sealed]
  },
  {
    wrong: "a state opens for another request",
    file: states,
    find: " && opened.request === digestOf(subject)",
    replace: "",
    tests: [sealed]
  },
  {
    wrong: "a state opens for another method",
    file: requests,
    find: "JSON.stringify([method, sorted(asked)])",
    replace: "JSON.stringify([sorted(asked)])",
    tests: [sealed]
  },
  {
    wrong: "a state opens for the same method with other parameters",
    file: requests,
    find: "JSON.stringify([method, sorted(asked)])",
    replace: "JSON.stringify([method])",
    tests: [sealed]
  },
  { wrong: "a state never expires", file: states, find: " || opened.expires <= now", replace: "", tests: [sealed] },
  {
    wrong: "a state opens twice",
    file: states,
    find: " || !useOnce(opened.nonce, opened.expires, now)",
    replace: "",
    tests: [sealed]
  },
  {
    wrong: "a state need not be sealed",
    file: states,
    find: ' || !state.startsWith("enc:")',
    replace: "",
    tests: [sealed]
  },
  {
    wrong: "a session's end ends another's parked calls",
    file: parked,
    find: "const jobs = new Map<string, Job>()",
    replace: `const jobs: Map<string, Job> = ${everybodys("Jobs")}`,
    tests: ["test/actors/calls/ParkedCalls.test.ts"]
  },
  {
    wrong: "two retries resume one parked call",
    file: parked,
    find: "job === undefined || job.waiter !== undefined",
    replace: "job === undefined",
    tests: ["test/actors/calls/ParkedCalls.test.ts"]
  },
  {
    wrong: "a parked call is never given up",
    file: parked,
    find: "job.parkedUntil = yield* kill(job).pipe(",
    replace: "job.parkedUntil = yield* Effect.never.pipe(",
    tests: ["test/actors/calls/ParkedCalls.test.ts"]
  },
  {
    wrong: "a question outside of a call's stream goes to any of several calls",
    file: "src/actors/calls/EraBridge.ts",
    find: "if (inFlight.length !== 1) return false",
    replace: "if (inFlight.length === 0) return false",
    tests: ["test/actors/calls/EraBridge.test.ts"]
  },
  {
    wrong: "one server's state is handed to another",
    file: "src/actors/session/SessionRequests.ts",
    find: "retry.server === undefined || retry.server === route.server",
    replace: "true",
    tests: ["test/http/mcp/eras/NewClientOnNewServer.test.ts", "test/http/mcp/eras/RequestStates.test.ts"]
  },
  {
    wrong: "a retry is told of progress under the first request's token",
    file: "src/actors/calls/EraBridge.ts",
    find: "progressToken !== undefined && exchange.send({ ...message, params: { ...message.params, progressToken } })",
    replace: "exchange.send(message)",
    tests: ["test/actors/calls/EraBridge.test.ts"]
  }
]

const upstream: ReadonlyArray<Mutation> = [
  {
    wrong: "the client's progress token leaves the hub",
    file: http,
    find: "asks ? withProgressToken(params, id) : params",
    replace: "params",
    tests: [httpCalls]
  },
  {
    wrong: "progress comes under the hub's token",
    file: http,
    find: "progressToken: token } })",
    replace: "} })",
    tests: [httpCalls]
  },
  {
    wrong: "all calls have one id",
    file: http,
    find: "const id = ++lastId",
    replace: "const id = 1",
    tests: [httpCalls]
  },
  {
    wrong: "an answer with another id is taken",
    file: http,
    find: "!awaits(classified.message.id, origin) ||",
    replace: "origin.response !== undefined ||",
    tests: [httpCalls]
  },
  {
    wrong: "a second answer replaces the first",
    file: http,
    find: "origin.response === undefined && isSameId(id, origin.id)",
    replace: "isSameId(id, origin.id)",
    tests: [httpCalls]
  },
  {
    wrong: "a message on a call's stream goes to the connection",
    file: http,
    find: "else if (origin === undefined) onMessage(message)",
    replace: "else if (true) onMessage(message)",
    tests: [httpCalls]
  },
  {
    wrong: "all calls on a child's channel have one id",
    file: stdio,
    find: "const id = ++lastId",
    replace: "const id = 1",
    tests: ["test/actors/upstream/stdio/StdioConnection.test.ts"]
  },
  {
    wrong: "the client's progress token reaches the child",
    file: stdio,
    find: "{ progressToken: `${tokenPrefix}${id}` }",
    replace: "{ progressToken: clientToken }",
    tests: [stdioCalls]
  },
  {
    wrong: "progress of a child comes under the hub's token",
    file: stdio,
    find: "{ ...params, progressToken: entry.clientToken }",
    replace: "{ ...params }",
    tests: [stdioCalls]
  },
  {
    wrong: "a child's question is guessed to belong to one of several calls",
    file: stdio,
    find: "calls.length === 1 ? calls[0]!.call",
    replace: "calls.length > 0 ? calls[0]!.call",
    tests: [stdioCalls]
  },
  {
    wrong: "a child's question is answered twice",
    file: stdio,
    find: "if (!serverRequests.delete(response.id as JsonRpcId)) return Effect.void",
    replace: "",
    tests: ["test/actors/upstream/stdio/StdioConnection.test.ts"]
  },
  {
    wrong: "a client's cancel reaches a child under an id of the hub's",
    file: stdio,
    find: 'method === "notifications/cancelled" || ',
    replace: "",
    tests: ["test/actors/upstream/stdio/StdioConnection.test.ts"]
  },
  {
    wrong: "a child's answer is given twice",
    file: stdio,
    find: "    pending.delete(id)\n    entry.resume(outcomeOf(",
    replace: "    entry.resume(outcomeOf(",
    tests: [stdioCalls]
  }
]

export const callRules: ReadonlyArray<Mutation> = [...downstream, ...rounds, ...upstream]

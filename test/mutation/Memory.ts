/** Rules about what one user, or one server, can make the hub keep in memory. */
import type { Mutation } from "./Mutation.ts"

const ledger = "src/actors/limits/Retained.ts"
const lists = "src/actors/catalog/ServerLists.ts"
const pages = "src/actors/catalog/ListPages.ts"
const listed = "test/actors/catalog/ServerLists.test.ts"
const replayed = "test/actors/streams/SessionReplay.test.ts"
const wishes = "src/actors/session/SessionMemory.ts"
const subscribed = "test/http/mcp/memory/Subscriptions.test.ts"
const notified = "test/http/mcp/memory/Notifications.test.ts"
const batches = "src/http/mcp/PostExchange.ts"
const batched = "test/http/mcp/memory/Batches.test.ts"
const counted = "test/actors/limits/Retained.test.ts"
const onTheirWay = "test/http/mcp/calls/AnswerBytes.test.ts"
const parked = "src/actors/calls/ParkedCalls.ts"
const asked = "test/actors/calls/ParkedCalls.test.ts"
const largeBodies = "test/http/admission/LargeBodies.test.ts"
const largeAnswers = "test/http/admission/LargeAnswers.test.ts"
const bodyTurns = "src/actors/limits/BodyTurns.ts"
const turned = "test/actors/limits/BodyTurns.test.ts"
const slowBodies = "test/http/admission/SlowBodies.test.ts"

export const memoryRules: ReadonlyArray<Mutation> = [
  {
    wrong: "what is kept for all users shares one user's room",
    file: ledger,
    find: "return (account?.held[kind] ?? 0) + bytes <= bounds[kind]",
    replace: "return total[kind] + bytes <= bounds[kind]",
    tests: [counted, onTheirWay, slowBodies]
  },
  {
    wrong: "each thing that is kept has its user's room to itself",
    file: ledger,
    find: "return (account?.held[kind] ?? 0) + bytes <= bounds[kind]",
    replace: "return bytes <= bounds[kind]",
    tests: [counted, onTheirWay]
  },
  {
    wrong: "what is kept of all kinds has no bound together",
    file: ledger,
    find: " && (account?.all ?? 0) + bytes <= config.maxMemoryPerUser",
    replace: "",
    tests: [counted]
  },
  {
    wrong: "what was released of a user still fills the room of the other kinds",
    file: ledger,
    find: "    account.all += bytes\n",
    replace: "    account.all += Math.max(0, bytes)\n",
    tests: [counted]
  },
  {
    wrong: "what a scope held is held after its end",
    file: ledger,
    find: "        count(-held)\n        hasEnded = true",
    replace: "        hasEnded = true",
    tests: [counted, listed]
  },
  {
    wrong: "a list takes no room in its user's memory",
    file: pages,
    find: "if (!hold(weightOf(page.items)))",
    replace: "if (!hold(0))",
    tests: [listed]
  },
  {
    wrong: "a list that was replaced or forgotten keeps its room",
    file: lists,
    find: "    own.get(key)?.list.drop()\n",
    replace: "",
    tests: [listed]
  },
  {
    wrong: "a list for which there is no room takes the earlier one with it",
    file: lists,
    find: "        const earlier = isCurrent() ? own.get(key) : undefined\n",
    replace: "        const earlier = undefined as Own | undefined\n",
    tests: [listed]
  },
  {
    wrong: "a list that was refused keeps the room of its first pages",
    file: lists,
    find: "Effect.onError(() => Effect.sync(release))",
    replace: "Effect.onError(() => Effect.void)",
    tests: [listed]
  },
  {
    wrong: "a list that is to be replaced leaves its successor no room",
    file: lists,
    find: 'retained.hold(userId, "lists", more, earlier)',
    replace: 'retained.hold(userId, "lists", more)',
    tests: [listed]
  },
  {
    wrong: "what is known of a server keeps what each client says of its capabilities",
    file: "src/actors/catalog/KnownServers.ts",
    find: 'hash("sha256", JSON.stringify([principal.keyId, server, protocolVersion, clientCapabilities, config]))',
    replace: "JSON.stringify([principal.keyId, server, protocolVersion, clientCapabilities, config])",
    tests: ["test/actors/catalog/KnownServers.test.ts"]
  },
  {
    wrong: "kept events take no room in their user's memory",
    file: "src/actors/streams/SessionReplay.ts",
    find: "while (!memory.hold(size))",
    replace: "while (!memory.hold(0))",
    tests: [replayed]
  },
  {
    wrong: "a session may subscribe to any number of resources",
    file: wishes,
    find: "if (count >= maxSubscriptions || ",
    replace: "if (",
    tests: [subscribed]
  },
  {
    wrong: "a session may subscribe by addresses of any length",
    file: wishes,
    find: "    if (uri.length > maxUriLength) return tooLong\n",
    replace: "",
    tests: [subscribed]
  },
  {
    wrong: "subscriptions take no room in their user's memory",
    file: wishes,
    find: "room.hold(length)",
    replace: "room.hold(0)",
    tests: [subscribed]
  },
  {
    wrong: "a subscription that was given up counts on",
    file: wishes,
    find: "        count--\n",
    replace: "",
    tests: [subscribed]
  },
  {
    wrong: "any number of notifications may be on their way to servers",
    file: "src/actors/session/SessionNotifications.ts",
    find: "    if (onTheirWay + forServers.length > maxOnTheirWay) return tooMany\n",
    replace: "",
    tests: [notified]
  },
  {
    wrong: "notifications on their way to servers take no room in their user's memory",
    file: "src/actors/session/SessionNotifications.ts",
    find: "weightOf(params) * (1 + [...links.live()].length)",
    replace: "weightOf(params) * 0",
    tests: [notified]
  },
  {
    wrong: "a notification that a server has accepted keeps its room",
    file: "src/actors/session/SessionNotifications.ts",
    find: "      onTheirWay--\n      room.release(bytes)\n",
    replace: "      onTheirWay--\n",
    tests: [notified]
  },
  {
    wrong: "answers that wait for the rest of their batch take no room",
    file: batches,
    find: "room?.hold(bytes) === false",
    replace: "room?.hold(0) === false",
    tests: [batched]
  },
  {
    wrong: "a batch keeps its room when its answers have left",
    file: batches,
    find: "    this.options.room?.end()\n",
    replace: "",
    tests: [batched]
  },
  {
    wrong: "an answer that no request waits for takes no room in its user's memory",
    file: parked,
    find: "job.claim.hold(callBytes + weightOfExit(exit))",
    replace: "job.claim.hold(0)",
    tests: [asked]
  },
  {
    wrong: "a parked call that has ended keeps its room",
    file: parked,
    find: "    job.claim.end()\n",
    replace: "",
    tests: [asked]
  },
  {
    wrong: "what a server says too fast takes no room in its user's memory",
    file: "src/actors/session/ServerNews.ts",
    find: "!room.hold(bytes)",
    replace: "!room.hold(0)",
    tests: ["test/actors/session/ServerNews.test.ts"]
  },
  {
    wrong: "large arguments are held until their call has ended",
    file: "src/actors/upstream/http/LeavingMessage.ts",
    find: "if (this.isLast) this.message?.release()",
    replace: "if (this.isLast) void this.message",
    tests: [largeBodies]
  },
  {
    wrong: "a large answer of a client is parsed in one go",
    file: "src/domain/protocol/json/BodyScanner.ts",
    find: '      this.carried("result", carry) ??\n',
    replace: "",
    tests: [largeAnswers]
  },
  {
    wrong: "a large answer is let go of with its POST, before a stateless server is asked again",
    file: "src/actors/calls/UpstreamRounds.ts",
    find: "    carried.isTaken = true\n",
    replace: "",
    tests: [largeAnswers]
  },
  {
    wrong: "a large answer is held for as long as the hub runs",
    file: "src/actors/calls/UpstreamRounds.ts",
    find: "for (const carried of this.carried) carried.release()",
    replace: "void this.carried",
    tests: [largeAnswers]
  },
  {
    wrong: "large arguments take no room of their user's",
    file: "src/actors/limits/BodyBytes.ts",
    find: "          reserved = bytes\n          goOn(claim.set(bytes))",
    replace: "          goOn(claim.set(0))",
    tests: [largeBodies]
  },
  {
    wrong: "large bodies of one user have no bound together",
    file: bodyTurns,
    find: "held + bytes <= this.perUser",
    replace: "bytes <= this.perUser",
    tests: [turned, largeBodies]
  },
  {
    wrong: "a user with no large body waits for those of others",
    file: bodyTurns,
    find: "return held === 0 || (",
    replace: "return (",
    tests: [turned]
  },
  {
    wrong: "an answer to a server's question waits behind the calls that wait for it",
    file: bodyTurns,
    find: "!isFree && isAnswer && !account.isBeside",
    replace: "!isFree && isAnswer && account.isBeside",
    tests: [turned, largeBodies]
  },
  {
    wrong: "whatever looks like an answer goes beside the turns",
    file: "src/http/admission/LargeBodies.ts",
    find: "room.isBeside() && !isAnswer(messages)",
    replace: "room.isBeside() && isAnswer(messages) && !isAnswer(messages)",
    tests: [largeBodies]
  }
]

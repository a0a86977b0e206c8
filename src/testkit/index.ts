/**
 * The test kit: everything an embedder's tests need to run a whole hub with two users against scripted upstreams, over
 * real sockets and in one process. Exported as `mcphub/testkit`.
 */
export * as McpClient from "./McpClient.ts"
export * as RawHttp from "./RawHttp.ts"
export * as RudeClients from "./RudeClients.ts"
export { type Script, ScriptedCall } from "./ScriptedCall.ts"
export { type ScriptedHttp, type ScriptedHttpOptions, ScriptedHttpUpstream } from "./ScriptedHttpUpstream.ts"
export * as ScriptedStdioUpstream from "./ScriptedStdioUpstream.ts"
export { faults } from "./UpstreamFaults.ts"
export * as TcpFaultProxy from "./TcpFaultProxy.ts"
export { type RunningHub, TestHub, type TestHubOptions } from "./TestHub.ts"
export { addUser, type HubUser, TwoUsers } from "./TwoUsers.ts"

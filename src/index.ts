/**
 * What an embedder uses: the hub as layers, its services to call or replace, its schemas and errors. The test kit is
 * `mcphub/testkit`, the helper for authors of upstream servers `mcphub/upstream`.
 */
export * as Hub from "./Hub.ts"

// The wire and the operator's view of it.
export { EventStreams } from "./http/EventStreams.ts"
export { McpEndpoint } from "./http/McpEndpoint.ts"
export { Readiness } from "./http/Operations.ts"
export { HubServer, ListenFailed } from "./http/runtime/NodeServer.ts"

// Living things.
export { AuditTrail, type AuditTrailShape, type SecurityEvent } from "./actors/AuditTrail.ts"
export { HubMetrics, type Labels } from "./actors/HubMetrics.ts"
export { LogOutput, LogSink } from "./actors/LogOutput.ts"
export type { ClientExchange, EventSink } from "./actors/ClientExchange.ts"
export {
  InvalidParams,
  MethodNotSupported,
  OutOfPlace,
  type RequestError,
  ResourceUnknown,
  type RoutingError,
  UserOverloaded
} from "./actors/RequestErrors.ts"
export { RequestLog } from "./actors/RequestLog.ts"
export {
  type EndedRequest,
  type EndReason,
  RequestCancelled,
  type RequestEnd,
  RequestFailed,
  type RequestOutcome,
  type RequestRecord,
  RequestTimeout,
  RequestTracker,
  SessionClosed,
  type SystemStats,
  type TrackOptions,
  UnknownRequest,
  type UserStats
} from "./actors/RequestTracker.ts"
export type { SessionActor } from "./actors/SessionActor.ts"
export type { OpenOptions, SessionSummary } from "./actors/Session.ts"
export { Sessions } from "./actors/Sessions.ts"
export { type Limited, UserLimits } from "./actors/UserLimits.ts"
export type {
  CallContext,
  Connect,
  ConnectOptions,
  UpstreamCall,
  UpstreamConnection,
  UpstreamInfo,
  UpstreamMessage
} from "./actors/upstream/UpstreamConnection.ts"
export { UpstreamConnector } from "./actors/upstream/UpstreamConnector.ts"
export {
  CredentialMissing,
  OutcomeUnknown,
  ServerOverloaded,
  type UpstreamError,
  UpstreamErrorResponse,
  UpstreamFailed,
  UpstreamUnavailable
} from "./actors/upstream/UpstreamErrors.ts"
export { type HeaderOptions, UpstreamHeaders } from "./actors/upstream/UpstreamHeaders.ts"
export { UpstreamHealth } from "./actors/upstream/UpstreamHealth.ts"
export type { UpstreamSummary } from "./actors/upstream/UpstreamLinks.ts"
export { UserPools } from "./actors/upstream/UserPools.ts"

// Identity.
export { type Access, type ToolGrant } from "./domain/Access.ts"
export { AuditEvent, type AuditRow } from "./domain/AuditEvent.ts"
export { AuditLog, type AuditQuery } from "./domain/AuditLog.ts"
export { Credentials } from "./domain/Credentials.ts"
export { Group } from "./domain/Group.ts"
export { Groups } from "./domain/Groups.ts"
export { HubKey } from "./domain/HubKey.ts"
export { HubKeys } from "./domain/HubKeys.ts"
export * from "./domain/IdentityErrors.ts"
export { GroupId, KeyId, RequestId, SessionId, UserId, WireSessionId } from "./domain/Ids.ts"
export { KeyEvent, KeyEvents, type KeyNews } from "./domain/KeyEvents.ts"
export type { GroupGrant, Principal } from "./domain/Principal.ts"
export { IdentityUnavailable, KeyRejected, Principals } from "./domain/Principals.ts"
export { Provisioning, ProvisioningRefused, type ProvisioningSummary } from "./domain/Provisioning.ts"
export { User } from "./domain/User.ts"
export { Users } from "./domain/Users.ts"

export { HubDraining, SessionLimitReached, SessionNotFound } from "./domain/SessionErrors.ts"
export type { Target } from "./domain/Target.ts"

// Configuration.
export { defaults as hubDefaults, HubConfig, type HubConfigShape } from "./domain/HubConfig.ts"
export { HubSecrets } from "./domain/HubSecrets.ts"
export * as Migrations from "./domain/migrations/Migrations.ts"
export { ServerConfig } from "./domain/ServerConfig.ts"
export { Settings, SettingsValue } from "./domain/Settings.ts"
export { SettingsFile } from "./domain/SettingsFile.ts"

// MCP facts.
export { hubCodes, type HubErrorData, rpcCodes } from "./domain/protocol/ErrorCodes.ts"
export type {
  JsonObject,
  JsonRpcErrorObject,
  JsonRpcId,
  JsonRpcMessage,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse
} from "./domain/protocol/JsonRpc.ts"
export { latestStateful, statefulVersions } from "./domain/protocol/Versions.ts"

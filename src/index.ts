/**
 * The public interface for embedders: the hub as layers, its services to call or replace, its schemas and errors. The
 * test kit is `mcphub/testkit`, the library for authors of upstream servers is `mcphub/upstream`.
 */
export * as Hub from "./Hub.ts"

// The wire and the operator's view of it.
export { EventStreams } from "./http/wire/EventStreams.ts"
export { McpEndpoint } from "./http/mcp/McpEndpoint.ts"
export { Readiness } from "./http/probes/Probes.ts"
export { HubServer, ListenFailed } from "./http/runtime/NodeServer.ts"

// Actors and services.
export { AuditTrail, type AuditTrailShape, type SecurityEvent } from "./actors/observing/AuditTrail.ts"
export { HubMetrics, type Labels } from "./actors/observing/HubMetrics.ts"
export { LogOutput, LogSink } from "./actors/observing/LogOutput.ts"
export type { ClientExchange, EventSink } from "./actors/calls/ClientExchange.ts"
export {
  AuditUnavailable,
  InvalidParams,
  MethodNotSupported,
  OutOfPlace,
  type RequestError,
  ResourceUnknown,
  type RoutingError,
  UserOverloaded
} from "./domain/requests/RequestErrors.ts"
export { RequestLog } from "./actors/observing/RequestLog.ts"
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
} from "./actors/requests/RequestTracker.ts"
export type { SessionActor } from "./actors/session/SessionActor.ts"
export type { OpenOptions, SessionSummary } from "./actors/session/Session.ts"
export { Sessions } from "./actors/registry/Sessions.ts"
export { type Limited, UserLimits } from "./actors/limits/UserLimits.ts"
export type {
  CallContext,
  Connect,
  ConnectOptions,
  UpstreamCall,
  UpstreamConnection,
  UpstreamInfo,
  UpstreamMessage
} from "./actors/upstream/connection/UpstreamConnection.ts"
export { UpstreamConnector } from "./actors/upstream/UpstreamConnector.ts"
export {
  CredentialMissing,
  CredentialUnreadable,
  OutcomeUnknown,
  ServerOverloaded,
  type UpstreamError,
  UpstreamErrorResponse,
  UpstreamFailed,
  UpstreamUnavailable
} from "./domain/requests/UpstreamErrors.ts"
export { type HeaderOptions, UpstreamHeaders } from "./actors/upstream/connection/UpstreamHeaders.ts"
export { UpstreamHealth } from "./actors/upstream/guards/UpstreamHealth.ts"
export type { UpstreamSummary } from "./actors/upstream/links/UpstreamLinks.ts"
export { UserPools } from "./actors/upstream/http/UserPools.ts"

// Identity.
export { type Access } from "./domain/access/Access.ts"
export { type ToolGrant } from "./domain/access/ToolGrant.ts"
export { AuditEvent, type AuditRow } from "./domain/records/AuditEvent.ts"
export { AuditLog, type AuditQuery } from "./domain/records/AuditLog.ts"
export { Credentials } from "./domain/identity/Credentials.ts"
export { Group } from "./domain/identity/Group.ts"
export { Groups } from "./domain/identity/Groups.ts"
export { HubKey } from "./domain/identity/HubKey.ts"
export { HubKeys } from "./domain/identity/HubKeys.ts"
export * from "./domain/identity/IdentityErrors.ts"
export { GroupId, KeyId, RequestId, SessionId, UserId, WireSessionId } from "./domain/Ids.ts"
export { KeyEvent, KeyEvents, type KeyNews } from "./domain/identity/KeyEvents.ts"
export type { GroupGrant, Principal } from "./domain/identity/Principal.ts"
export { Standing } from "./domain/identity/Standing.ts"
export { IdentityUnavailable, KeyRejected, Principals } from "./domain/identity/Principals.ts"
export { Provisioning, ProvisioningRefused, type ProvisioningSummary } from "./domain/provisioning/Provisioning.ts"
export { User } from "./domain/identity/User.ts"
export { Users } from "./domain/identity/Users.ts"

export {
  HubDraining,
  HubOverloaded,
  SessionLimitReached,
  SessionNotFound,
  SessionRefused,
  SessionsUnavailable,
  KeyEnded
} from "./domain/requests/SessionErrors.ts"
export type { Target } from "./domain/access/Target.ts"

// Configuration.
export { DataFolder } from "./domain/config/DataFolder.ts"
export { defaults as hubDefaults, HubConfig, type HubConfigShape } from "./domain/config/HubConfig.ts"
export { HubSecrets } from "./domain/config/HubSecrets.ts"
export * as Migrations from "./domain/storage/migrations/Migrations.ts"
export { ServerConfig } from "./domain/servers/ServerConfig.ts"
export { Settings, SettingsValue } from "./domain/servers/Settings.ts"
export { SettingsFile } from "./domain/settings/SettingsFile.ts"

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

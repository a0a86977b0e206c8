/** The contract of a viewer's own things. Ownership is part of every query: nothing here names another user. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { GroupView } from "../../operations/GroupOperations.ts"
import { StatisticsAnswer } from "../../operations/StatisticsOperations.ts"
import { KeyView, NewKey, TokenView } from "../../operations/KeyOperations.ts"
import { RequestView, SessionView, UserStatsView } from "../../operations/LiveOperations.ts"
import { OwnServerView } from "../../operations/ServerOperations.ts"
import { Admission, Needs } from "./Admission.ts"
import { AuditPage, auditQuery } from "./AuditApi.ts"
import { created, Id, Page, pageQuery, Text } from "./Shapes.ts"
import { ownStatisticsQuery } from "./StatisticsApi.ts"

const { get, patch, post, put } = HttpApiEndpoint
const del = HttpApiEndpoint.delete

export const MeView = Schema.Struct({
  userId: Schema.String,
  username: Schema.String,
  role: Schema.Literals(["admin", "auditor", "user"]),
  via: Schema.Literals(["key", "cookie"]),
  /** Whether a change of servers, settings and other people's things is allowed. */
  mayChange: Schema.Boolean,
  /** For the header `x-mcphub-csrf` of requests by cookie; null for one by key, which needs none. */
  csrf: Schema.NullOr(Schema.String),
  version: Schema.String
})
export type MeView = typeof MeView.Type

export const SessionDetail = Schema.Struct({
  session: SessionView,
  requests: Schema.Array(RequestView),
  /** Bytes kept in memory for the session's user, over all their sessions, by kind. */
  memory: Schema.Record(Schema.String, Schema.Number)
})

export const KeyChange = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  /** The key becomes valid for so many days from now, 1 to 90. */
  days: Schema.optionalKey(Schema.Int)
})

export const NewKeyRequest = Schema.Struct({
  name: Schema.optional(Schema.String),
  /** 1 to 90, by default 90. */
  days: Schema.optional(Schema.Int)
})

export const TokenValue = Schema.Struct({ value: Schema.String })
/** One of the user's keys, whose own token goes before the user's; without it the token comes with all keys. */
export const ofKey = { key: Schema.optional(Id) }

const id = { id: Id }

export class MeApi extends HttpApiGroup.make("me")
  .add(
    get("show", "/api/me", { success: MeView }).annotate(OpenApi.Summary, "Who is asking, and what they may do"),
    get("keys", "/api/me/keys", { query: pageQuery, success: Page(KeyView) }).annotate(OpenApi.Summary, "My keys"),
    post("createKey", "/api/me/keys", { payload: NewKeyRequest, success: created(NewKey) }).annotate(
      OpenApi.Summary,
      "Make a key; its text is shown this once"
    ),
    get("key", "/api/me/keys/:id", { params: id, success: KeyView }).annotate(OpenApi.Summary, "One of my keys"),
    patch("changeKey", "/api/me/keys/:id", { params: id, payload: KeyChange, success: KeyView }).annotate(
      OpenApi.Summary,
      "Rename or extend a key"
    ),
    del("revokeKey", "/api/me/keys/:id", { params: id, success: KeyView }).annotate(
      OpenApi.Summary,
      "Revoke a key and end its sessions"
    ),
    get("tokens", "/api/me/tokens", { query: pageQuery, success: Page(TokenView) }).annotate(
      OpenApi.Summary,
      "The names of my service tokens; a value is never shown"
    ),
    put("setToken", "/api/me/tokens/:name", {
      params: { name: Text },
      query: ofKey,
      payload: TokenValue,
      success: TokenView
    }).annotate(OpenApi.Summary, "Set a service token"),
    del("removeToken", "/api/me/tokens/:name", { params: { name: Text }, query: ofKey, success: TokenView }).annotate(
      OpenApi.Summary,
      "Remove a service token"
    ),
    get("groups", "/api/me/groups", { query: pageQuery, success: Page(GroupView) }).annotate(
      OpenApi.Summary,
      "My groups"
    ),
    get("servers", "/api/me/servers", { query: pageQuery, success: Page(OwnServerView) }).annotate(
      OpenApi.Summary,
      "The servers I can reach, how they fare for me and what I have not set for them"
    ),
    get("sessions", "/api/me/sessions", { query: pageQuery, success: Page(SessionView) }).annotate(
      OpenApi.Summary,
      "My live sessions"
    ),
    get("session", "/api/me/sessions/:id", { params: id, success: SessionDetail }).annotate(
      OpenApi.Summary,
      "One of my sessions, and what it has in flight"
    ),
    del("endSession", "/api/me/sessions/:id", { params: id, success: SessionView }).annotate(
      OpenApi.Summary,
      "End one of my sessions and all that belongs to it"
    ),
    get("requests", "/api/me/requests", { query: pageQuery, success: Page(RequestView) }).annotate(
      OpenApi.Summary,
      "My requests in flight"
    ),
    del("cancelRequest", "/api/me/requests/:id", { params: { id: Schema.String }, success: RequestView }).annotate(
      OpenApi.Summary,
      "Cancel one of my requests"
    ),
    get("audit", "/api/me/audit", { query: auditQuery, success: AuditPage }).annotate(
      OpenApi.Summary,
      "What I did, the newest first"
    ),
    get("stats", "/api/me/stats", { success: UserStatsView }).annotate(
      OpenApi.Summary,
      "Figures of my requests since the hub started"
    ),
    get("statistics", "/api/me/statistics", { query: ownStatisticsQuery, success: StatisticsAnswer }).annotate(
      OpenApi.Summary,
      "My requests by tool, server, hour or day, over restarts"
    )
  )
  .annotateEndpoints(Needs, "own")
  .middleware(Admission)
  .annotateMerge(OpenApi.annotations({ title: "Me", description: "The viewer and what is theirs" })) {}

/** The contract of what runs, and of what ran: sessions, requests, figures and the audit trail, of everybody. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { HubView, RequestView, SessionStatsView, SessionView } from "../../operations/LiveOperations.ts"
import { StatisticsAnswer } from "../../operations/StatisticsOperations.ts"
import { ServerView } from "../../operations/ServerOperations.ts"
import { Admission, Needs } from "./Admission.ts"
import { AuditPage, auditQuery } from "./AuditApi.ts"
import { SessionDetail } from "./MeApi.ts"
import { Id, Page, pageQuery } from "./Shapes.ts"
import { statisticsQuery } from "./StatisticsApi.ts"

const { get } = HttpApiEndpoint
const del = HttpApiEndpoint.delete

const { pid: _pid, url: _url, ...figures } = HubView.fields
/** Of requests since the hub started, and of the sessions that live now. */
export const SessionStats = Schema.Struct({ ...figures, live: SessionStatsView })

/** Of one user, where named. */
const ofUser = { user: Schema.optional(Id), ...pageQuery }

const id = { id: Id }

export class LiveApi extends HttpApiGroup.make("live")
  .add(
    get("sessions", "/api/admin/sessions", { query: ofUser, success: Page(SessionView) }).annotate(
      OpenApi.Summary,
      "Live sessions"
    ),
    get("session", "/api/admin/sessions/:id", { params: id, success: SessionDetail }).annotate(
      OpenApi.Summary,
      "One session, and what it has in flight"
    ),
    get("requests", "/api/admin/requests", { query: ofUser, success: Page(RequestView) }).annotate(
      OpenApi.Summary,
      "Requests in flight"
    ),
    get("request", "/api/admin/requests/:id", { params: { id: Schema.String }, success: RequestView }).annotate(
      OpenApi.Summary,
      "One request in flight"
    ),
    get("audit", "/api/admin/audit", {
      query: { user: Schema.optional(Id), ...auditQuery },
      success: AuditPage
    }).annotate(OpenApi.Summary, "Who did what, where, and how it ended, the newest first"),
    get("stats", "/api/admin/session-stats", { success: SessionStats }).annotate(
      OpenApi.Summary,
      "Figures of requests since the hub started, and of live sessions by user, target, client and revision"
    ),
    get("statistics", "/api/admin/statistics", { query: statisticsQuery, success: StatisticsAnswer }).annotate(
      OpenApi.Summary,
      "Requests by tool, server, user, hour or day, over restarts"
    ),
    get("upstreams", "/api/admin/upstream-status", { success: Schema.Array(ServerView) }).annotate(
      OpenApi.Summary,
      "The state of each server, and the users for whom it does not work"
    )
  )
  .annotateEndpoints(Needs, "read")
  .add(
    del("endSession", "/api/admin/sessions/:id", { params: id, success: SessionView }).annotate(
      OpenApi.Summary,
      "End a session and all that belongs to it"
    ),
    del("cancelRequest", "/api/admin/requests/:id", { params: { id: Schema.String }, success: RequestView }).annotate(
      OpenApi.Summary,
      "Cancel a request in flight"
    )
  )
  .middleware(Admission)
  .annotateMerge(OpenApi.annotations({ title: "Live", description: "What runs in the hub, and what ran" })) {}

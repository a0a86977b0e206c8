/** The contract of the servers and the settings. Secrets are masked; a mask that is sent back keeps what is there. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ServerTestView, ServerView } from "../../operations/ServerOperations.ts"
import { ServerEntryView, SettingsView } from "../../operations/SettingsOperations.ts"
import { Admission, BodyLimit, Needs } from "./Admission.ts"
import { created, Id, ifMatch, Page, pageQuery, tagged, Text } from "./Shapes.ts"

const { get, patch, post, put } = HttpApiEndpoint
const del = HttpApiEndpoint.delete

const settingsBytes = 1024 * 1024

const server = { server: Text }

export const Restarted = Schema.Struct({
  name: Schema.String,
  username: Schema.NullOr(Schema.String),
  sessions: Schema.Number
})

export const ToolChange = Schema.Struct({
  enabled: Schema.optionalKey(Schema.Boolean),
  /** Null: the server's own again. */
  description: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const changes = [
  post("add", "/api/admin/servers", {
    payload: Schema.Struct({ name: Schema.String, config: Schema.Unknown }),
    success: created(tagged(ServerEntryView))
  }).annotate(OpenApi.Summary, "Add a server"),
  put("change", "/api/admin/servers/:server", {
    params: server,
    headers: ifMatch,
    payload: Schema.Struct({ config: Schema.Unknown }),
    success: tagged(ServerEntryView)
  }).annotate(OpenApi.Summary, "Replace the entry of a server"),
  del("remove", "/api/admin/servers/:server", { params: server, headers: ifMatch, success: ServerEntryView }).annotate(
    OpenApi.Summary,
    "Remove a server"
  ),
  post("toggle", "/api/admin/servers/:server/toggle", {
    params: server,
    query: { enabled: Schema.Boolean },
    success: tagged(ServerEntryView)
  }).annotate(OpenApi.Summary, "Switch a server on or off, as `enabled` says"),
  post("test", "/api/admin/servers/:server/test", { params: server, success: ServerTestView }).annotate(
    OpenApi.Summary,
    "Connect to a server with nobody's tokens, list its tools and disconnect"
  ),
  post("restart", "/api/admin/servers/:server/restart", {
    params: server,
    query: { user: Schema.optional(Id) },
    success: Restarted
  }).annotate(OpenApi.Summary, "End the connections to a server, one user's or all"),
  patch("changeTool", "/api/admin/servers/:server/tools/:tool", {
    params: { server: Text, tool: Text },
    payload: ToolChange,
    success: tagged(ServerEntryView)
  }).annotate(OpenApi.Summary, "Switch a tool on or off, or describe it in other words"),
  put("putSettings", "/api/admin/settings", {
    headers: ifMatch,
    payload: Schema.Struct({ settings: Schema.Unknown }),
    success: tagged(SettingsView)
  })
    .annotate(OpenApi.Summary, "Replace the settings")
    .annotate(BodyLimit, settingsBytes)
] as const

export class ServersApi extends HttpApiGroup.make("servers")
  .add(
    get("list", "/api/admin/servers", { query: pageQuery, success: Page(ServerView) }).annotate(
      OpenApi.Summary,
      "The servers and how they fare"
    ),
    get("show", "/api/admin/servers/:server", { params: server, success: tagged(ServerEntryView) }).annotate(
      OpenApi.Summary,
      "The entry of a server in the settings"
    ),
    get("settings", "/api/admin/settings", { success: tagged(SettingsView) }).annotate(
      OpenApi.Summary,
      "The settings, and what is odd about them"
    )
  )
  .annotateEndpoints(Needs, "read")
  .add(...changes)
  .middleware(Admission)
  .annotateMerge(OpenApi.annotations({ title: "Servers", description: "Servers, their tools, and the settings" })) {}

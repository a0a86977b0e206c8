/** The contract of users, and of the keys, tokens and groups of each; for admins, and for auditors to see. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { HubRole } from "../../../../domain/identity/Roles.ts"
import { GroupView } from "../../operations/GroupOperations.ts"
import { KeyView, NewKey, TokenView } from "../../operations/KeyOperations.ts"
import { UserView } from "../../operations/UserOperations.ts"
import { Admission, Needs } from "./Admission.ts"
import { KeyChange, NewKeyRequest, ofKey, TokenValue } from "./MeApi.ts"
import { created, Id, ifMatch, Name, Page, pageQuery, tagged, Text } from "./Shapes.ts"

const { get, patch, post, put } = HttpApiEndpoint
const del = HttpApiEndpoint.delete

const user = { id: Id }
const key = { id: Id, key: Id }
const token = { id: Id, name: Text }
const group = { id: Id, group: Id }

export const NewUserRequest = Schema.Struct({
  username: Schema.String,
  isAdmin: Schema.optional(Schema.Boolean),
  role: Schema.optional(HubRole)
})

/** In changes null is no way to say nothing: it is refused, so that nobody means one thing by it and gets the other. */
export const UserChange = Schema.Struct({
  isActive: Schema.optionalKey(Schema.Boolean),
  isAdmin: Schema.optionalKey(Schema.Boolean),
  role: Schema.optionalKey(HubRole)
})

export const NewGroupRequest = Schema.Struct({
  name: Schema.String,
  servers: Schema.Array(Schema.String),
  /** Without it, or null: all tools of those servers. */
  tools: Schema.optional(Schema.NullOr(Schema.Array(Name)))
})

export const GroupChange = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  servers: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Without it the tools stay as they are. */
  tools: Schema.optionalKey(Schema.Array(Name)),
  /** Lifts the restriction to single tools; not together with `tools`. */
  allTools: Schema.optionalKey(Schema.Literal(true)),
  isActive: Schema.optionalKey(Schema.Boolean)
})

const changes = [
  post("create", "/api/users", { payload: NewUserRequest, success: created(tagged(UserView)) }).annotate(
    OpenApi.Summary,
    "Add a user"
  ),
  patch("change", "/api/users/:id", {
    params: user,
    headers: ifMatch,
    payload: UserChange,
    success: tagged(UserView)
  }).annotate(OpenApi.Summary, "Deactivate or activate a user, or give them another role"),
  del("remove", "/api/users/:id", { params: user, headers: ifMatch, success: UserView }).annotate(
    OpenApi.Summary,
    "Remove a user with their keys, groups and tokens"
  ),
  post("createKey", "/api/users/:id/keys", {
    params: user,
    payload: NewKeyRequest,
    success: created(NewKey)
  }).annotate(OpenApi.Summary, "Make a key for a user; its text is shown this once"),
  patch("changeKey", "/api/users/:id/keys/:key", { params: key, payload: KeyChange, success: KeyView }).annotate(
    OpenApi.Summary,
    "Rename or extend a key of a user"
  ),
  del("revokeKey", "/api/users/:id/keys/:key", { params: key, success: KeyView }).annotate(
    OpenApi.Summary,
    "Revoke a key of a user and end its sessions"
  ),
  put("setToken", "/api/users/:id/tokens/:name", {
    params: token,
    query: ofKey,
    payload: TokenValue,
    success: TokenView
  }).annotate(OpenApi.Summary, "Set a service token of a user"),
  del("removeToken", "/api/users/:id/tokens/:name", { params: token, query: ofKey, success: TokenView }).annotate(
    OpenApi.Summary,
    "Remove a service token of a user"
  ),
  post("createGroup", "/api/users/:id/groups", {
    params: user,
    payload: NewGroupRequest,
    success: created(tagged(GroupView))
  }).annotate(OpenApi.Summary, "Give a user a group"),
  patch("changeGroup", "/api/users/:id/groups/:group", {
    params: group,
    headers: ifMatch,
    payload: GroupChange,
    success: tagged(GroupView)
  }).annotate(OpenApi.Summary, "Change a group"),
  del("removeGroup", "/api/users/:id/groups/:group", {
    params: group,
    headers: ifMatch,
    success: GroupView
  }).annotate(OpenApi.Summary, "Remove a group")
] as const

export class UsersApi extends HttpApiGroup.make("users")
  .add(
    get("list", "/api/users", { query: pageQuery, success: Page(UserView) }).annotate(OpenApi.Summary, "All users"),
    get("show", "/api/users/:id", { params: user, success: tagged(UserView) }).annotate(OpenApi.Summary, "One user"),
    get("keys", "/api/users/:id/keys", { params: user, query: pageQuery, success: Page(KeyView) }).annotate(
      OpenApi.Summary,
      "The keys of a user"
    ),
    get("tokens", "/api/users/:id/tokens", { params: user, query: pageQuery, success: Page(TokenView) }).annotate(
      OpenApi.Summary,
      "The names of a user's service tokens"
    ),
    get("groups", "/api/users/:id/groups", { params: user, query: pageQuery, success: Page(GroupView) }).annotate(
      OpenApi.Summary,
      "The groups of a user"
    ),
    get("group", "/api/users/:id/groups/:group", { params: group, success: tagged(GroupView) }).annotate(
      OpenApi.Summary,
      "One group of a user"
    ),
    get("allGroups", "/api/admin/groups", { query: pageQuery, success: Page(GroupView) }).annotate(
      OpenApi.Summary,
      "The groups of all users"
    )
  )
  .annotateEndpoints(Needs, "read")
  .add(...changes)
  .middleware(Admission)
  .annotateMerge(OpenApi.annotations({ title: "Users", description: "Users, their keys, tokens and groups" })) {}

/** `/api/servers`: what a user may see of the servers, and for admins who have signed in their entries in the settings. */
import { Clock, Effect } from "effect"
import { ServerStates } from "../../../actors/upstream/guards/ServerStates.ts"
import { UpstreamHealth } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import type { Viewer } from "../../../domain/access/Viewer.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { isJsonObject } from "../../../domain/protocol/JsonObjects.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { data, refused, said } from "./Answers.ts"
import type { Reach } from "./Reach.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"
import { ofSettings, type SettingsDoor } from "./SettingsDoor.ts"

export const make = Effect.fnUntraced(function* (reach: Reach, door: SettingsDoor) {
  const settings = yield* Settings
  const health = yield* UpstreamHealth
  const states = yield* ServerStates
  const { nameSeparator } = yield* HubConfig
  const createTime = yield* Clock.currentTimeMillis

  /** How a server fares: for a user what they have met, for the others what anybody has. */
  const fares = Effect.fnUntraced(function* (viewer: Viewer) {
    const all = yield* health.status
    return (name: string): readonly [status: string, error: string | null] => {
      const one = all.find((status) => status.name === name)
      const met = states.all().find(({ server, username }) => {
        return server === name && (username === undefined || username === viewer.username)
      })
      if (viewer.role === "user")
        return met?.state === "up" ? ["connected", null] : ["disconnected", met?.reason ?? null]
      const status = one?.state === "connected" || one?.state === "connecting" ? one.state : "disconnected"
      return [status, one?.reason ?? null]
    }
  })

  const list = Effect.fnUntraced(function* ({ viewer }: LegacyCall) {
    const { mcpServers } = settings.current()
    const of = yield* fares(viewer)
    const views = (yield* reach(viewer)).map((name) => {
      const [status, error] = of(name)
      const tools = Object.entries(mcpServers[name]?.tools ?? {}).map(([tool, { description, enabled }]) => ({
        name: `${name}${nameSeparator}${tool}`,
        description: description ?? "",
        inputSchema: {},
        enabled: enabled !== false
      }))
      return { name, status, error, tools, createTime, enabled: mcpServers[name]?.enabled !== false }
    })
    return data(views.toSorted((a, b) => Number(b.enabled) - Number(a.enabled)))
  })

  const configIn = ({ body }: LegacyCall) =>
    isJsonObject(body["config"])
      ? Effect.succeed(body["config"])
      : Effect.fail(refused(400, "Server configuration is required"))

  const add = Effect.fnUntraced(function* (call: LegacyCall) {
    const { name } = call.body
    if (typeof name !== "string" || name === "") return yield* refused(400, "Server name is required")
    const config = yield* configIn(call)
    yield* ofSettings(door.entryAdd({ name, config }))
    return said("Server added successfully")
  })

  const replace = Effect.fnUntraced(function* (call: LegacyCall) {
    const config = yield* configIn(call)
    const name = call.param("name")
    const put = door.entryPut({ name, config, expected: null })
    // What is not there yet is made.
    yield* ofSettings(
      Effect.catchIf(
        Effect.asVoid(put),
        ({ kind }) => kind === "ServerNotFound",
        () => Effect.asVoid(door.entryAdd({ name, config }))
      )
    )
    return said("Server updated successfully")
  })

  const remove = Effect.fnUntraced(function* ({ param }: LegacyCall) {
    yield* ofSettings(door.entryRemove({ name: param("name"), expected: null }))
    return said("Server removed successfully")
  })

  const toggle = Effect.fnUntraced(function* ({ body: { enabled }, param }: LegacyCall) {
    if (typeof enabled !== "boolean") return yield* refused(400, "Enabled status must be a boolean")
    yield* ofSettings(door.entrySwitch({ name: param("name"), enabled }))
    return said(`Server ${enabled ? "enabled" : "disabled"} successfully`)
  })

  /** The old hub's names of tools begin with the server's. */
  const changeTool = ({ param }: LegacyCall, by: { readonly enabled: boolean } | { readonly description: string }) => {
    const [name, tool] = [param("name"), param("tool")]
    const prefix = `${name}${nameSeparator}`
    return ofSettings(door.toolSet({ name, tool: tool.startsWith(prefix) ? tool.slice(prefix.length) : tool, ...by }))
  }

  const toggleTool = Effect.fnUntraced(function* (call: LegacyCall) {
    const { enabled } = call.body
    if (typeof enabled !== "boolean") return yield* refused(400, "Enabled status must be a boolean")
    yield* changeTool(call, { enabled })
    return said(`Tool ${call.param("tool")} ${enabled ? "enabled" : "disabled"} successfully`)
  })

  const describeTool = Effect.fnUntraced(function* (call: LegacyCall) {
    const { description } = call.body
    if (typeof description !== "string") return yield* refused(400, "Description must be a string")
    yield* changeTool(call, { description })
    return said(`Tool ${call.param("tool")} description updated successfully`)
  })

  const tool = "/api/servers/:name/tools/:tool"
  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/servers", need: "own", handle: list },
    { call: "POST /api/servers", need: "change", handle: add },
    { call: "PUT /api/servers/:name", need: "change", handle: replace },
    { call: "DELETE /api/servers/:name", need: "change", handle: remove },
    { call: "POST /api/servers/:name/toggle", need: "change", handle: toggle },
    { call: `POST ${tool}/toggle`, need: "change", handle: toggleTool },
    { call: `PUT ${tool}/description`, need: "change", handle: describeTool }
  ]
  return routes
})

/** Servers, their tools and the settings. */
import { Effect } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { RestApi } from "./api/RestApi.ts"
import { Operations, orProblem } from "./Operations.ts"
import { pageOf } from "./Pages.ts"
import { expectedOf } from "./Tags.ts"

const withTag = <A>({ tag, view }: { readonly tag: string; readonly view: A }) =>
  HttpApiSchema.withHeaders({ body: view, headers: { etag: tag } })

export const ServersRoutes = HttpApiBuilder.group(
  RestApi,
  "servers",
  Effect.fnUntraced(function* (handlers) {
    const operations = yield* Operations

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(yield* orProblem(operations.serverList()), ({ name }) => name, query)
      }),
      show: ({ params: { server } }) => Effect.map(orProblem(operations.entryShow({ name: server })), withTag),
      add: ({ payload }) => Effect.map(orProblem(operations.entryAdd(payload)), withTag),
      change: Effect.fnUntraced(function* ({ headers, params: { server }, payload: { config } }) {
        const expected = yield* expectedOf(headers)
        return withTag(yield* orProblem(operations.entryPut({ name: server, config, expected })))
      }),
      remove: Effect.fnUntraced(function* ({ headers, params: { server } }) {
        const expected = yield* expectedOf(headers)
        return yield* orProblem(operations.entryRemove({ name: server, expected }))
      }),
      toggle: ({ params: { server }, query: { enabled } }) =>
        Effect.map(orProblem(operations.entrySwitch({ name: server, enabled })), withTag),
      test: ({ params: { server } }) => orProblem(operations.serverTest({ name: server, key: null })),
      restart: ({ params: { server }, query: { user } }) =>
        orProblem(operations.serverRestart({ name: server, user: user === undefined ? null : { id: user } })),
      changeTool: ({ params: { server, tool }, payload }) =>
        Effect.map(orProblem(operations.toolSet({ name: server, tool, ...payload })), withTag),
      settings: () => Effect.map(orProblem(operations.settingsShow()), withTag),
      putSettings: Effect.fnUntraced(function* ({ headers, payload: { settings } }) {
        const expected = yield* expectedOf(headers)
        return withTag(yield* orProblem(operations.settingsPut({ settings, expected })))
      })
    })
  })
)

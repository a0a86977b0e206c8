/** Users, and what belongs to each: the user in the address is part of every query. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Unprocessable } from "./api/Problems.ts"
import { RestApi } from "./api/RestApi.ts"
import { changeKey } from "./Keys.ts"
import { Operations, orProblem } from "./Operations.ts"
import { pageOf } from "./Pages.ts"
import { guarded, withTag } from "./Tags.ts"

const bothTools = new Unprocessable({
  kind: "InvalidValue",
  detail: "Send either tools, the only ones to be reached, or allTools: true for all of the servers"
})

export const UsersRoutes = HttpApiBuilder.group(
  RestApi,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const operations = yield* Operations
    const userOf = (id: string) => orProblem(operations.userShow({ user: { id } }))
    const groupOf = ({ group, id }: { readonly group: string; readonly id: string }) =>
      orProblem(operations.groupShow({ group, owner: id }))
    const placeOfGroup = (group: { readonly id: string; readonly name: string }) => `${group.name} ${group.id}`

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(yield* orProblem(operations.userList()), ({ username }) => username, query)
      }),
      show: ({ params: { id } }) => Effect.map(userOf(id), withTag),
      create: Effect.fnUntraced(function* ({ payload: { isAdmin = false, role, username } }) {
        return withTag(yield* orProblem(operations.userAdd({ username, isAdmin, role })))
      }),
      change: ({ headers, params: { id }, payload: { isActive, isAdmin, role } }) =>
        guarded(headers, userOf(id), () =>
          orProblem(operations.userChange({ user: { id }, isActive, isAdmin, role }))
        ).pipe(Effect.map(withTag)),
      remove: ({ headers, params: { id } }) =>
        guarded(headers, userOf(id), () => orProblem(operations.userRemove({ user: { id } }))),
      keys: Effect.fnUntraced(function* ({ params: { id }, query }) {
        const all = yield* orProblem(operations.keyList({ user: { id } }))
        return yield* pageOf(all, (key) => `${key.createdAt} ${key.id}`, query, true)
      }),
      createKey: ({ params: { id }, payload: { days, name } }) =>
        orProblem(operations.keyCreate({ user: { id }, name: name ?? null, days: days ?? null })),
      changeKey: ({ params: { id, key }, payload }) => changeKey(operations, key, id, payload),
      revokeKey: ({ params: { id, key } }) => orProblem(operations.keyRevoke({ key, owner: id })),
      tokens: Effect.fnUntraced(function* ({ params: { id }, query }) {
        return yield* pageOf(yield* orProblem(operations.tokenList({ user: { id } })), ({ name }) => name, query)
      }),
      setToken: ({ params: { id, name }, payload: { value }, query: { key } }) =>
        orProblem(operations.tokenSet({ user: { id }, name, key: key ?? null, value })),
      removeToken: ({ params: { id, name }, query: { key } }) =>
        orProblem(operations.tokenRemove({ user: { id }, name, key: key ?? null })),
      groups: Effect.fnUntraced(function* ({ params: { id }, query }) {
        return yield* pageOf(yield* orProblem(operations.groupList({ user: { id } })), placeOfGroup, query)
      }),
      group: ({ params }) => Effect.map(groupOf(params), withTag),
      createGroup: ({ params: { id }, payload: { name, servers, tools } }) =>
        Effect.map(orProblem(operations.groupCreate({ user: { id }, name, servers, tools: tools ?? null })), withTag),
      changeGroup: ({ headers, params, payload: { allTools, ...change } }) => {
        if (allTools && change.tools !== undefined) return Effect.fail(bothTools)
        const tools = allTools ? null : change.tools
        return guarded(headers, groupOf(params), () =>
          orProblem(operations.groupChange({ group: params.group, owner: params.id, ...change, tools }))
        ).pipe(Effect.map(withTag))
      },
      removeGroup: ({ headers, params }) =>
        guarded(headers, groupOf(params), () =>
          orProblem(operations.groupDelete({ group: params.group, owner: params.id }))
        ),
      allGroups: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(yield* orProblem(operations.groupList({ user: null })), placeOfGroup, query)
      })
    })
  })
)

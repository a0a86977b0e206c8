/**
 * Requests of revision 2026-07-28 that need not be correct: a test can replace or omit any header and claim any
 * revision.
 */
import { Effect } from "effect"
import type { JsonObject, JsonRpcResponse } from "../../../src/domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../../src/domain/protocol/eras/RequestMeta.ts"
import type { HubUser, RunningHub } from "../../../src/testkit/index.ts"
import { type ClientOptions, requestOf } from "./StatelessClient.ts"

export interface StatelessOptions extends Pick<ClientOptions, "capabilities"> {
  /** Besides, or instead of, what a well-behaved client sends; undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** Default 2026-07-28. */
  readonly version?: string
}

/** One POST after another, from a user's own key; what is said first holds for each of them. */
export const stateless =
  (hub: RunningHub, user: Pick<HubUser, "key">, defaults: StatelessOptions = {}) =>
  (method: string, params: JsonObject = {}, options: StatelessOptions = {}) => {
    const { capabilities, headers, version } = { ...defaults, ...options }
    const request = requestOf(user, method, params, {
      ...(capabilities === undefined ? {} : { capabilities }),
      ...(version === undefined ? {} : { meta: { [metaKeys.protocolVersion]: version } })
    })
    const all = new Headers(request.headers)
    if (version !== undefined) all.set("mcp-protocol-version", version)
    for (const [name, value] of Object.entries(headers ?? {})) {
      if (value === undefined) all.delete(name)
      else all.set(name, value)
    }
    return Effect.gen(function* () {
      const { rest, status } = yield* hub.http.open({ ...request, headers: Object.fromEntries(all) })
      const last = (yield* rest).at(-1) as JsonRpcResponse | undefined
      return {
        status,
        result: last !== undefined && "result" in last ? (last.result as any) : undefined,
        error: last !== undefined && "error" in last ? (last.error as { code: number; data: any }) : undefined
      }
    })
  }

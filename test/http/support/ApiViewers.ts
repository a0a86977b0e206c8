/** People and programs that ask the admin API of a test hub: by key, and by the cookie of a sign-in that a test has made. */
import { Context, Effect, Redacted } from "effect"
import { Roles } from "../../../src/domain/identity/Roles.ts"
import { csrfHeader, csrfOf, signInCookie, SignIns } from "../../../src/domain/identity/SignIns.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import type { UserId } from "../../../src/domain/Ids.ts"
import type { RunningHub } from "../../../src/testkit/index.ts"
import type { RawAnswer } from "../../../src/testkit/RawHttp.ts"

export interface ApiCall {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON, a text as it is. */
  readonly body?: unknown
}

export interface Answer extends RawAnswer {
  /** The body, read as JSON. */
  readonly json: any
}

/** Sends `"GET /api/me"` with these headers. */
export const asking =
  ({ http }: Pick<RunningHub, "http">, own: Readonly<Record<string, string>> = {}) =>
  (call: string, { body, headers }: ApiCall = {}): Effect.Effect<Answer> => {
    const [method, path] = call.split(" ") as [string, string]
    const sent = body === undefined ? {} : { "content-type": "application/json" }
    return Effect.map(
      http.send({
        method,
        path,
        headers: { ...sent, ...own, ...headers },
        body: body === undefined || typeof body === "string" ? body : JSON.stringify(body)
      }),
      (answer) => ({
        ...answer,
        json: /[/+]json/.test(answer.headers["content-type"] ?? "") ? JSON.parse(answer.text) : undefined
      })
    )
  }

export type Asking = ReturnType<typeof asking>

export const byKey = (hub: RunningHub, key: Redacted.Redacted<string>): Asking =>
  asking(hub, { authorization: `Bearer ${Redacted.value(key)}` })

/** Signs a user in; the csrf token is sent along. */
type Hub = RunningHub & { readonly services: Context.Context<SignIns | Users | Roles> }

/** Signs a user in as the sign-in does; the csrf token is sent along. */
export const byCookie = (hub: Hub, userId: UserId): Effect.Effect<Asking> =>
  Effect.map(cookieOf(hub, userId), (headers) => asking(hub, headers))

export const cookieOf = (hub: Hub, userId: UserId) =>
  Effect.map(
    Effect.orDie(Context.get(hub.services, SignIns).open({ userId, way: "password", userAgent: "test" })),
    ({ cookie }) => ({ cookie: `${signInCookie}=${Redacted.value(cookie)}`, [csrfHeader]: csrfOf(cookie) })
  )

/** Adds a signed-in admin and a signed-in auditor. */
export const operators = Effect.fnUntraced(function* (hub: Hub) {
  const users = Context.get(hub.services, Users)
  const admin = yield* users.add({ username: "grace", isAdmin: true })
  const auditor = yield* users.add({ username: "alan" })
  yield* Context.get(hub.services, Roles).set(auditor.id, "auditor")
  return {
    admin: yield* byCookie(hub, admin.id),
    auditor: yield* byCookie(hub, auditor.id),
    adminUser: admin,
    auditorUser: auditor
  }
}, Effect.orDie)

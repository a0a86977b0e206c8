/** People at the hub's door, each with a browser of their own: it keeps cookies and sends what a browser sends. */
import { pbkdf2Sync } from "node:crypto"
import { Context, Effect, Redacted } from "effect"
import type { HubConfigShape } from "../../../src/domain/config/HubConfig.ts"
import { AuditLog } from "../../../src/domain/records/AuditLog.ts"
import { AuditTrail } from "../../../src/actors/observing/AuditTrail.ts"
import { SignIns } from "../../../src/domain/identity/SignIns.ts"
import type { User } from "../../../src/domain/identity/User.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { type RawHttp, TestHub, type TestHubOptions } from "../../../src/testkit/index.ts"

export interface Asked {
  readonly body?: unknown
  /** Fields of a form, instead of JSON. */
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Browser {
  readonly ask: (method: string, path: string, asked?: Asked) => Effect.Effect<RawHttp.RawAnswer>
  readonly cookies: Map<string, string>
}

/** What one answer sets; an empty value removes. `RawHttp` joins several by a comma. */
const setCookies = (answer: RawHttp.RawAnswer): ReadonlyArray<readonly [string, string]> =>
  (answer.headers["set-cookie"] ?? "").split(/,\s*(?=[A-Za-z_]+=)/).flatMap((text) => {
    const match = /^([A-Za-z_]+)=([^;]*)/.exec(text)
    return match === null ? [] : [[match[1]!, match[2]!] as const]
  })

export const browser = (http: RawHttp.RawHttp): Browser => {
  const cookies = new Map<string, string>()
  return {
    cookies,
    ask: (method, path, { body, form, headers = {} } = {}) =>
      Effect.map(
        http.send({
          method,
          path,
          headers: {
            "sec-fetch-site": "same-origin",
            "user-agent": "Test Browser 1",
            ...(cookies.size === 0
              ? {}
              : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") }),
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
            ...headers
          },
          body: form !== undefined ? new URLSearchParams(form).toString() : JSON.stringify(body)
        }),
        (answer) => {
          for (const [name, value] of setCookies(answer)) {
            if (value === "") cookies.delete(name)
            else cookies.set(name, value)
          }
          return answer
        }
      )
  }
}

export const passwords = { ada: "correct horse of ada", bo: "battery staple of bo" }

/** A digest of the hub's form that is worked out in no time. */
const quickDigest = (password: string): Redacted.Redacted<string> => {
  const salt = Buffer.from("salt for a test")
  const hash = pbkdf2Sync(password, salt, 10, 32, "sha256")
  return Redacted.make(`pbkdf2-sha256$10$${salt.toString("base64url")}$${hash.toString("base64url")}`)
}

/** A hub whose two users have passwords. */
export const hubWithPasswords = (config: Partial<HubConfigShape> = {}, options: TestHubOptions = {}) =>
  Effect.gen(function* () {
    const hub = yield* TestHub.make({ ...options, config })
    const users = Context.get(hub.services, Users)
    for (const name of ["ada", "bo"] as const) {
      yield* users.setPasswordDigest(hub[name].user.id, quickDigest(passwords[name]))
    }
    return { ...hub, users, signIns: Context.get(hub.services, SignIns) }
  }).pipe(Effect.orDie)

export type Doors = Effect.Success<ReturnType<typeof hubWithPasswords>>

/** Who the hub takes the browser for. */
export const viewerOf = ({ signIns }: Doors, { cookies }: Browser) =>
  signIns.viewer(Redacted.make(cookies.get("mcphub_session") ?? ""))

export const signedIn = Effect.fnUntraced(function* (hub: Doors, name: "ada" | "bo") {
  const own = browser(hub.http)
  const answer = yield* own.ask("POST", "/api/signin/password", { body: { username: name, password: passwords[name] } })
  if (answer.status !== 200) return yield* Effect.die(new Error(answer.text))
  return own
})

/** The security events so far: kind, user, way. */
export const securityEvents = Effect.fnUntraced(function* ({ services }: Pick<Doors, "services">) {
  yield* Context.get(services, AuditTrail).flush
  const rows = yield* Context.get(services, AuditLog).find({ limit: 1_000 })
  return rows.filter(({ kind }) => kind === "security")
}, Effect.orDie)

export const addPerson = ({ users }: Doors, username: string): Effect.Effect<User> =>
  Effect.orDie(users.add({ username }))

/**
 * The user's context on its way upstream: HTTP headers for every request (R10–R16), environment for a child (R15).
 *
 * Built fresh for each request from the principal, the session and the server's configuration; nothing of the client's
 * own headers takes part. A service, so that an embedder or a test can replace any part of it.
 */
import type { OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import { sign, signatureHeader, type signedHeaders } from "../../../domain/context/ContextSignature.ts"
import { childEnvironment, Environment, type EnvironmentRecord } from "../../../domain/config/Environment.ts"
import {
  type BoundTemplate,
  bindProblemText,
  contextNames,
  type Reference,
  renderTemplate
} from "../../../domain/servers/Expansion.ts"
import { DataFolder } from "../../../domain/config/DataFolder.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { HubSecrets } from "../../../domain/config/HubSecrets.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { exposesTokens } from "../../../domain/context/TokenHeaders.ts"
import { contextEnvironment, contextHeaders, headerText, isHeaderValue } from "../../../domain/context/UserContext.ts"
import { userFolder } from "../../../domain/context/UserFolders.ts"
import { receivedTokens } from "./BuiltWith.ts"
import { type ServerPlan, serverPlan } from "./ServerPlan.ts"
import type { CallContext } from "./UpstreamConnection.ts"
import { CredentialMissing, CredentialUnreadable, UpstreamFailed } from "../../../domain/requests/UpstreamErrors.ts"

export interface HeaderOptions {
  readonly server: string
  readonly config: ServerConfig
  readonly context: CallContext
  /** The revision spoken on this upstream connection. */
  readonly protocolVersion: string
  /** The request's body, for the optional signature. */
  readonly body?: OutgoingMessage | undefined
}

/** All that starts a child process. */
export interface ChildStart {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Empty: a folder of its own. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The user's folder for this server, where the settings name it; it may have to be made. */
  readonly userFolder: string | undefined
}

export class UpstreamHeaders extends Context.Service<
  UpstreamHeaders,
  {
    /** Configured headers with templates expanded, context headers and entitled tokens; names as to be sent. */
    readonly headers: (options: HeaderOptions) => Effect.Effect<Readonly<Record<string, string>>, Refusal>
    /** The url with templates expanded. */
    readonly url: (options: Omit<HeaderOptions, "body">) => Effect.Effect<string, Refusal>
    /**
     * Command, arguments, folders and the complete environment of a child process: an allow-list plus the server's own.
     */
    readonly child: (options: Omit<HeaderOptions, "body">) => Effect.Effect<ChildStart, Refusal>
  }
>()("mcphub/actors/upstream/connection/UpstreamHeaders") {
  /** From the clock, the environment and the hub's signing key, if there is one. */
  static readonly layer = Layer.effect(
    UpstreamHeaders,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const environment = yield* Environment
      const dataFolder = yield* DataFolder
      const { contextSigningKey } = yield* HubSecrets
      const { stdioSharedUser } = yield* HubConfig
      const plans = new WeakMap<ServerConfig, ServerPlan>()
      const planOf = (server: string, config: ServerConfig): ServerPlan => {
        const known = plans.get(config)
        if (known?.server === server) return known
        const plan = serverPlan(server, config, environment)
        plans.set(config, plan)
        return plan
      }
      const run = <A>(
        options: Omit<HeaderOptions, "body">,
        build: (plan: ServerPlan, now: number) => A | Refusal
      ): Effect.Effect<A, Refusal> =>
        Effect.suspend(() => {
          const plan = planOf(options.server, options.config)
          const result = unexpandable(plan) ?? unreadable(options) ?? build(plan, clock.currentTimeMillisUnsafe())
          return isRefusal(result) ? Effect.fail(result) : Effect.succeed(result)
        })
      return UpstreamHeaders.of({
        headers: (options) =>
          Effect.suspend(() => {
            const { config, context, protocolVersion, server } = options
            const plan = planOf(server, config)
            // Most servers are given nothing else.
            const isPlain =
              plan.isPlain && contextSigningKey === undefined && context.principal.unreadableTokens === undefined
            if (isPlain) {
              return Effect.succeed(contextHeaders(context, server, protocolVersion, clock.currentTimeMillisUnsafe()))
            }
            return run(options, (plan, now) => buildHeaders(plan, options, now, contextSigningKey))
          }),
        url: (options) => run(options, (plan) => buildUrl(plan, options.context.principal)),
        child: (options) =>
          run(options, (plan) =>
            stdioSharedUser === "refuse" && exposesTokens(options.config)
              ? unsandboxed(options.server)
              : buildChild(plan, options, environment, dataFolder)
          )
      })
    })
  )
}

type Refusal = CredentialMissing | CredentialUnreadable | UpstreamFailed

const isRefusal = (value: unknown): value is Refusal =>
  value instanceof CredentialMissing || value instanceof CredentialUnreadable || value instanceof UpstreamFailed

const refused = (server: string, message: string): UpstreamFailed =>
  new UpstreamFailed({ server, reason: "bad-header", phase: "send", message })

const unsandboxed = (server: string): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "blocked",
    phase: "send",
    message: `Server ${server} would hold users' tokens without a sandbox, which this hub does not allow; its operator can start it in one and add "sandboxed": true, or set STDIO_SHARED_USER=allow`
  })

/** Neither a default nor the lack of a token may take the place of one that is stored. */
const unreadable = ({ config, context: { principal }, server }: Omit<HeaderOptions, "body">) => {
  if (principal.unreadableTokens === undefined) return undefined
  const token = receivedTokens(server, config).find((name) => principal.unreadableTokens!.has(name))
  if (token === undefined) return undefined
  return new CredentialUnreadable({
    server,
    token,
    message: `The ${token} of this user for server ${server} does not open: it was sealed with another CREDENTIAL_KEY; start the hub with that key again, or set the token anew with \`mcphub token set ${token} --user ${principal.username}\``
  })
}

const unexpandable = (plan: ServerPlan): UpstreamFailed | undefined => {
  const first = plan.problems[0]
  if (first === undefined) return undefined
  return refused(
    plan.server,
    `The field ${first.path} of server ${plan.server} cannot be expanded: ${bindProblemText(first.problem)}`
  )
}

/** The user's own token, by its name in a template; blank means not set. A shared server has no user. */
const tokenOf = (plan: ServerPlan, principal: Principal, name: string): string | undefined => {
  if (plan.isolation === "shared") return undefined
  const found = principal.serviceTokens.get(name) ?? principal.serviceTokens.get(`USER_${name}`)
  const value = found === undefined ? "" : Redacted.value(found)
  return value === "" ? undefined : value
}

/** What a reference stands for; a shared server has no user. */
const valueFor =
  (plan: ServerPlan, principal: Principal, folder?: string) =>
  ({ name, scope }: Reference): string | undefined => {
    if (scope !== "context") return tokenOf(plan, principal, name)
    const ids: Record<string, string> =
      plan.isolation === "shared"
        ? {}
        : { [contextNames.id]: principal.userId, [contextNames.name]: principal.username }
    return ids[name] ?? folder
  }

const render = (
  plan: ServerPlan,
  principal: Principal,
  template: BoundTemplate,
  encode?: (value: string, reference: Reference) => string,
  folder?: string
): string | Refusal => {
  const text = renderTemplate(template, valueFor(plan, principal, folder), encode)
  if (typeof text === "string") return text
  if (text.scope === "context") {
    return refused(plan.server, `${text.missing} has no value for server ${plan.server}; take it out of the settings`)
  }
  return new CredentialMissing({
    server: plan.server,
    token: text.missing,
    message:
      `Server ${plan.server} needs the service token ${text.missing}, which is not connected for this user; ` +
      `set it with \`mcphub token set ${text.missing} --user ${principal.username}\``
  })
}

const buildHeaders = (
  plan: ServerPlan,
  options: HeaderOptions,
  now: number,
  signingKey: Redacted.Redacted<string> | undefined
): Readonly<Record<string, string>> | Refusal => {
  const { principal } = options.context
  const context =
    plan.level === "none" ? undefined : contextHeaders(options.context, plan.server, options.protocolVersion, now)
  const headers: Record<string, string> = {}
  for (const { name, template } of plan.headers) {
    const value = render(plan, principal, template, inHeader)
    if (typeof value !== "string") return value
    if (!isHeaderValue(value)) return unsendable(plan.server, `header ${name}`)
    headers[name] = value
  }
  const sent = new Set<string>()
  for (const { name, header } of plan.tokens) {
    const value = sent.has(header) ? undefined : tokenOf(plan, principal, name)
    if (value === undefined) continue
    if (!isHeaderValue(value)) return unsendable(plan.server, `header ${header}`)
    sent.add(header)
    dropOthers(headers, header)
    headers[header] = value
  }
  if (context === undefined) return headers
  Object.assign(headers, context)
  if (signingKey !== undefined) {
    headers[signatureHeader] = sign(Redacted.value(signingKey), (name: Signed) => headers[name], options.body)
  }
  return headers
}

/** The hub's own values in the form of its own headers; a token has to be sent as it is or not at all. */
const inHeader = (value: string, { scope }: Reference): string => (scope === "context" ? headerText(value) : value)

type Signed = (typeof signedHeaders)[number]

/** Removes a header of the same name in another case, which would travel as a second value. */
const dropOthers = (headers: Record<string, string>, name: string): void => {
  const key = name.toLowerCase()
  for (const other of Object.keys(headers)) if (other.toLowerCase() === key) delete headers[other]
}

const unsendable = (server: string, what: string): UpstreamFailed =>
  refused(
    server,
    `The ${what} for server ${server} holds a character that cannot be sent (a line break, NUL, non-ASCII, or white ` +
      "space at an end); set the service token again without it"
  )

/** The user's values go into the url as data: they cannot add a path segment, a query field or a fragment. */
const buildUrl = (plan: ServerPlan, principal: Principal): string | Refusal => {
  let dots: Reference | undefined
  const text = render(plan, principal, plan.url, (value, reference) => {
    if (value === "." || value === "..") dots ??= reference
    return encodeURIComponent(value.toWellFormed())
  })
  return dots === undefined ? text : leadsElsewhere(plan.server, dots)
}

const leadsElsewhere = (server: string, { name, scope }: Reference): UpstreamFailed =>
  refused(
    server,
    scope === "context"
      ? `This user's name is dots alone, which in the url of server ${server} would mean another place; use \${${contextNames.id}} there, or another user name`
      : `The service token ${name} is dots alone, which in the url of server ${server} would mean another place; set it again`
  )

/** A program would take such a name for a place or an option of its own. */
const isMisread = (name: string): boolean => /^-|^\.{1,2}$|[\\/\0]/.test(name)

const buildChild = (
  plan: ServerPlan,
  options: Omit<HeaderOptions, "body">,
  environment: EnvironmentRecord,
  dataFolder: string | undefined
): ChildStart | Refusal => {
  const { principal } = options.context
  const folder =
    plan.namesFolder && plan.isolation !== "shared" && dataFolder !== undefined
      ? userFolder(dataFolder, principal.userId, plan.server)
      : undefined
  if (plan.namesFolder && folder === undefined) return withoutFolder(plan.server)
  let isNameMisread = false
  const expand = (template: BoundTemplate) =>
    render(
      plan,
      principal,
      template,
      (value, { name }) => {
        isNameMisread ||= name === contextNames.name && isMisread(value)
        return value
      },
      folder
    )
  const command = expand(plan.command)
  if (typeof command !== "string") return command
  const cwd = expand(plan.cwd)
  if (typeof cwd !== "string") return cwd
  const args: Array<string> = []
  for (const template of plan.args) {
    const arg = expand(template)
    if (typeof arg !== "string") return arg
    args.push(arg)
  }
  const env = childEnvironment(environment)
  for (const { name, template } of plan.env) {
    const value = expand(template)
    if (typeof value !== "string") return value
    env[name] = value
  }
  if (isNameMisread) return misreadName(plan.server)
  for (const { name } of plan.tokens) {
    const value = tokenOf(plan, principal, name)
    // A token never takes the place of a variable that is there: one named PATH would choose the program.
    if (value !== undefined && env[name] === undefined) env[name] = value
  }
  if (plan.level !== "none") {
    Object.assign(env, contextEnvironment(options.context, plan.server, options.protocolVersion, plan.isolation))
  }
  if ([command, cwd, ...args].some((text) => text.includes("\0"))) return unsendable(plan.server, "command line")
  for (const [name, value] of Object.entries(env)) {
    if (value.includes("\0")) return unsendable(plan.server, `environment variable ${name}`)
  }
  return { command, args, cwd, env, userFolder: folder }
}

const withoutFolder = (server: string): UpstreamFailed =>
  refused(
    server,
    `Server ${server} needs a folder of this user (${contextNames.folder}), and gets none: this hub has no data folder, or all users share the server`
  )

const misreadName = (server: string): UpstreamFailed =>
  refused(
    server,
    `The name of this user would be read as a path or an option by server ${server}; its operator can write ${contextNames.id} or ${contextNames.folder} in place of ${contextNames.name}`
  )

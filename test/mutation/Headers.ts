/** Rules about what a server learns of the user: tokens, context headers, their signature, a child's environment. */
import type { Mutation } from "./Mutation.ts"

const headers = "src/actors/upstream/connection/UpstreamHeaders.ts"
const plan = "src/actors/upstream/connection/ServerPlan.ts"
const entitlement = "src/domain/context/TokenHeaders.ts"
const context = "src/domain/context/UserContext.ts"
const signature = "src/domain/context/ContextSignature.ts"
const environment = "src/domain/config/Environment.ts"
const built = "test/actors/upstream/connection/UpstreamHeaders.test.ts"
const forwarded = "test/http/mcp/servers/ForwardedHeaders.test.ts"
const child = "test/actors/upstream/stdio/UpstreamStdio.test.ts"

const tokenRules: ReadonlyArray<Mutation> = [
  {
    wrong: "a shared server gets users' tokens",
    file: headers,
    find: '  if (plan.isolation === "shared") return undefined\n',
    replace: "",
    tests: [built]
  },
  {
    wrong: "a shared server is entitled to tokens",
    file: entitlement,
    find: '  if (config.isolation === "shared") return []\n',
    replace: "",
    tests: ["test/domain/context/TokenHeaders.test.ts"]
  },
  {
    wrong: "tokens travel though the level is not full",
    file: plan,
    find: 'level === "full" ? entitledTokens',
    replace: "true ? entitledTokens",
    tests: [built]
  },
  {
    wrong: "every token of the user goes to every server",
    file: headers,
    find: "of plan.tokens) {\n    const value = sent.has(header)",
    replace:
      "of [...plan.tokens, ...[...principal.serviceTokens.keys()].map((name) => ({ name, header: `X-MCPHub-${name}` }))]) {\n    const value = sent.has(header)",
    tests: [built]
  },
  {
    wrong: "every token of the user goes into every child's environment",
    file: headers,
    find: "for (const { name } of plan.tokens) {\n",
    replace: "for (const name of principal.serviceTokens.keys()) {\n",
    tests: [built]
  },
  {
    wrong: "a server is entitled to the token named after another",
    file: entitlement,
    find: "    serverTokenName(server),\n",
    replace: '    "GITHUB_TOKEN", serverTokenName(server),\n',
    tests: ["test/domain/context/TokenHeaders.test.ts"]
  },
  {
    wrong: "the first user's token goes out for everybody",
    file: headers,
    find: "sent.has(header) ? undefined : tokenOf(plan, principal, name)",
    replace: "sent.has(header) ? undefined : ((plan as any)[name] ??= tokenOf(plan, principal, name))",
    tests: [built]
  },
  {
    wrong: "the first user's token goes out for everybody while everything goes wrong",
    file: headers,
    find: "sent.has(header) ? undefined : tokenOf(plan, principal, name)",
    replace: "sent.has(header) ? undefined : ((plan as any)[name] ??= tokenOf(plan, principal, name))",
    tests: ["test/e2e/CanaryFaults.test.ts"]
  },
  {
    wrong: "the first user's token goes into everybody's configured headers",
    file: headers,
    find: "return tokenOf(plan, principal, name)",
    replace: "return ((plan as any)[name] ??= tokenOf(plan, principal, name))",
    tests: [built]
  },
  {
    wrong: "the first user's token goes into everybody's child",
    file: headers,
    find: "const value = tokenOf(plan, principal, name)\n    // A token",
    replace: "const value = ((plan as any)[name] ??= tokenOf(plan, principal, name))\n    // A token",
    tests: [built]
  },
  {
    wrong: "a token takes the place of a variable of the child",
    file: headers,
    find: "value !== undefined && env[name] === undefined",
    replace: "value !== undefined",
    tests: [built]
  },
  {
    wrong: "the first connection's context goes out with every request",
    file: "src/actors/upstream/http/UpstreamHttpWire.ts",
    find: "headers({ server, config, context, protocolVersion",
    replace: "headers({ server, config, context: options.context, protocolVersion",
    tests: ["test/actors/upstream/http/UpstreamHttpCalls.test.ts"]
  },
  {
    wrong: "a session goes on with the tokens it was opened with",
    file: "src/actors/session/SessionIntake.ts",
    find: "{ ...background.ids, principal, ",
    replace: "{ ...background.ids, principal: ((background as any).openedBy ??= principal), ",
    tests: ["test/http/mcp/sessions/Endings.test.ts"]
  },
  {
    wrong: "a user's value in a url can leave its place",
    file: headers,
    find: "return encodeURIComponent(value.toWellFormed())",
    replace: "return value",
    tests: [built]
  },
  {
    wrong: "a sealed token opens for another user",
    file: "src/domain/identity/Credentials.ts",
    find: "JSON.stringify([userId, name])",
    replace: "JSON.stringify([name])",
    tests: ["test/domain/identity/Credentials.test.ts"]
  },
  {
    wrong: "a sealed token opens under another name",
    file: "src/domain/identity/Credentials.ts",
    find: "JSON.stringify([userId, name])",
    replace: "JSON.stringify([userId])",
    tests: ["test/domain/identity/Credentials.test.ts"]
  }
]

const wrongValues: ReadonlyArray<readonly [header: string, value: string, wrong: string]> = [
  ["User-Id", "headerText(ids.principal.userId)", "headerText(ids.principal.username)"],
  ["User-Session-Id", "headerText(ids.userSessionId)", "headerText(ids.sessionId)"],
  ["Session-Id", "headerText(ids.sessionId)", "headerText(ids.userSessionId)"],
  ["Request-Id", "headerText(ids.requestId)", "headerText(ids.sessionId)"],
  ["Timestamp", 'String(timestamp).padStart(13, "0")', '"0000000000000"'],
  ["Protocol-Version", "headerText(protocolVersion)", '"2025-03-26"'],
  ["Source-Server", "headerText(server)", '"server"'],
  ["User-Groups", "groupText(ids.principal)", '""']
]

const contextRules: ReadonlyArray<Mutation> = [
  ...wrongValues.map(([header, value, wrong]): Mutation => ({
    wrong: `X-MCPHub-${header} says something else`,
    file: context,
    find: `"X-MCPHub-${header}": ${value}`,
    replace: `"X-MCPHub-${header}": ${wrong}`,
    tests: [built]
  })),
  {
    wrong: "every user has the groups of the first",
    file: context,
    find: "let text = groupTexts.get(principal)",
    replace: "let text = groupTexts.get(groupTexts as never)",
    also: [
      { file: context, find: "groupTexts.set(principal, text)", replace: "groupTexts.set(groupTexts as never, text)" }
    ],
    tests: [built, "test/domain/context/UserContext.test.ts"]
  },
  {
    wrong: "inactive groups are named to servers",
    file: context,
    find: "principal.groups.filter((group) => group.isActive)",
    replace: "principal.groups",
    tests: [built, "test/domain/context/UserContext.test.ts"]
  },
  {
    wrong: "a group's name can be read as two",
    file: context,
    find: '.replaceAll(",", "%2C")',
    replace: "",
    tests: ["test/domain/context/UserContext.test.ts"]
  },
  {
    wrong: "two users can have one user session id",
    file: "src/domain/context/UserSessionId.ts",
    find: "`${userId}:${sessionId}`",
    replace: "`${sessionId}`",
    tests: ["test/domain/context/UserSessionId.test.ts"]
  },
  {
    wrong: "the settings replace the hub's own headers",
    file: plan,
    find: "reservedHeaders.has(key) || ",
    replace: "",
    tests: [built]
  },
  {
    wrong: "the settings replace the connection's headers",
    file: plan,
    find: " || connectionHeaders.has(key)",
    replace: "",
    tests: [built]
  },
  {
    wrong: "the level none sends the context all the same",
    file: headers,
    find: 'plan.level === "none" ? undefined : contextHeaders(',
    replace: "contextHeaders(",
    tests: [built]
  },
  {
    wrong: "the client names the request to a child",
    file: "src/actors/upstream/stdio/StdioConnection.ts",
    find: " [requestIdKey]: _,",
    replace: "",
    also: [
      {
        file: "src/actors/upstream/stdio/StdioConnection.ts",
        find: "...(tag ? {",
        replace: "...(tag && !(requestIdKey in meta) ? {"
      }
    ],
    tests: [child]
  },
  {
    wrong: "the client's own id for the request reaches a child that gets none of the hub's",
    file: "src/actors/upstream/stdio/StdioConnection.ts",
    find: " [requestIdKey]: _,",
    replace: "",
    tests: [child]
  },
  {
    wrong: "the body is not signed",
    file: headers,
    find: "headers[name], options.body)",
    replace: "headers[name], undefined)",
    tests: [built]
  },
  {
    wrong: "any signature of the right length is good",
    file: signature,
    find: "left.length === right.length && timingSafeEqual(left, right)",
    replace: "left.length === right.length",
    tests: ["test/domain/context/UpstreamAuthor.test.ts", forwarded]
  },
  ...wrongValues.map(([header]): Mutation => ({
    wrong: `the signature says nothing of X-MCPHub-${header}`,
    file: signature,
    find: `  "X-MCPHub-${header}"`,
    replace: `  "X-MCPHub-Unsigned"`,
    tests: ["test/domain/context/UpstreamAuthor.test.ts"]
  }))
]

/** Hands on a header of the client's as if it were meant for the server. */
const forwardedRules = ["x-mcphub-user-id", "x-forwarded-for", "authorization", "x-mcphub-github-token"].map(
  (name): Mutation => ({
    wrong: `the client's own ${name} goes upstream`,
    file: "src/http/mcp/McpEndpoint.ts",
    find: "const admitted: Admitted = {",
    replace: `;(globalThis as any).clients = request.header("${name}")\n    const admitted: Admitted = {`,
    also: [
      {
        file: "src/actors/upstream/http/UpstreamHttpWire.ts",
        find: 'if (cookie !== "") list.push("cookie", cookie)',
        replace: `if ((globalThis as any).clients !== undefined) list.push("${name}", (globalThis as any).clients)`
      }
    ],
    tests: [forwarded]
  })
)

const hubSecrets = [
  "DATABASE_URL",
  "DB_URL",
  "JWT_SECRET",
  "CREDENTIAL_KEY",
  "ADMIN_PASSWORD",
  "GITHUB_CLIENT_SECRET",
  "CONTEXT_SIGNING_KEY"
]

const childRules: ReadonlyArray<Mutation> = [
  {
    wrong: "a child inherits the hub's environment",
    file: environment,
    find: "const result: Record<string, string> = {}",
    replace: "const result: Record<string, string> = { ...environment } as Record<string, string>",
    tests: [built]
  },
  {
    wrong: "a child inherits the environment of the hub's process",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: "env: { ...started.env,",
    replace: "env: { ...globalThis.process.env, ...started.env,",
    tests: [child]
  },
  {
    wrong: "a child of everybody's is told of one user",
    file: context,
    find: '  if (isolation === "shared") return env\n',
    replace: "",
    tests: [built, "test/domain/context/UserContext.test.ts"]
  },
  {
    wrong: "a child of several sessions is told of one",
    file: context,
    find: '  if (isolation === "user") return env\n',
    replace: "",
    tests: [built, "test/domain/context/UserContext.test.ts"]
  },
  {
    wrong: "children work in one folder",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: "yield* workingFolder(name, started.cwd, folders.cwd, started.userFolder)",
    replace: '"/tmp"',
    tests: [child]
  },
  ...hubSecrets.map((name): Mutation => ({
    wrong: `a template may read ${name}`,
    file: environment,
    find: `  "${name}"`,
    replace: `  "NO_${name}"`,
    tests: ["test/domain/servers/Expansion.test.ts"]
  })),
  {
    wrong: "connections share their cookies",
    file: "src/actors/upstream/http/UpstreamHttpWire.ts",
    find: "  let cookies: ReadonlyArray<Cookies.Cookie> = []\n",
    replace: "",
    also: [
      {
        file: "src/actors/upstream/http/UpstreamHttpWire.ts",
        find: "const maxCookies = 50\n",
        replace: "const maxCookies = 50\nlet cookies: ReadonlyArray<Cookies.Cookie> = []\n"
      }
    ],
    tests: ["test/actors/upstream/http/UpstreamHttpFaults.test.ts"]
  }
]

export const headerRules: ReadonlyArray<Mutation> = [...tokenRules, ...contextRules, ...forwardedRules, ...childRules]

import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer, Redacted } from "effect"
import { IpNetwork } from "effect/net"
import { ConfigInvalid, type Overrides } from "../../../src/domain/config/ConfigVariables.ts"
import { defaults, HubConfig, readHubConfig } from "../../../src/domain/config/HubConfig.ts"
import { HubSecrets } from "../../../src/domain/config/HubSecrets.ts"

const environment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

const read = (env: Record<string, string>, overrides?: Overrides) =>
  Effect.provide(readHubConfig(overrides), environment(env))

describe("HubConfig", () => {
  it.effect("an empty environment gives the documented defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), defaults)
      assert.strictEqual((yield* read({})).host, "127.0.0.1")
    })
  )

  it.effect("every variable reaches its own setting", () =>
    Effect.gen(function* () {
      const config = yield* read({
        HOST: "0.0.0.0",
        PORT: "8080",
        PUBLIC_URL: "https://Hub.example:443/",
        BASE_PATH: "hub/",
        REQUEST_TIMEOUT: "45 seconds",
        MAX_REQUEST_TIMEOUT: "2 hours",
        INIT_TIMEOUT: "300000",
        LIST_TIMEOUT: "2 seconds",
        ALLOW_QUERY_KEY: "false",
        SESSION_ADOPT: "no",
        SSE_TRANSPORT: "off",
        SESSION_IDLE_MS: "10 minutes",
        MAX_SESSIONS_PER_USER: "7",
        MAX_INFLIGHT_PER_USER: "8",
        MAX_INFLIGHT_PER_SERVER: "6",
        MAX_CHILDREN_PER_USER: "9",
        MAX_CHILDREN: "90",
        STATUS_TOOL: "false",
        FAIR_SHARE: "20",
        MAX_BODY_BYTES: "8 MiB",
        BODY_TIMEOUT: "5 seconds",
        MAX_UPSTREAM_BYTES: "1048576",
        MAX_ANSWER_BYTES_PER_USER: "32 MiB",
        MAX_MEMORY_PER_USER: "48 MiB",
        DRAIN_MS: "0",
        LOG_LEVEL: "debug",
        LOG_REQUESTS: "errors",
        AUDIT_RETENTION_DAYS: "30",
        STATISTICS_RETENTION_DAYS: "31",
        NAME_SEPARATOR: "__",
        WRONG_KEYS_PER_MINUTE: "10",
        ALLOWED_HOSTS: "hub.example, HUB.internal",
        ALLOWED_ORIGINS: "https://App.example:443/, chrome-extension://abcdef",
        ALLOWED_NETWORKS: "10.0.0.0/8, fd12::1",
        HTTP_PROXY: "proxy.example:3128",
        HTTPS_PROXY: "https://ada:s%40cret@proxy.example",
        NO_PROXY: "*.corp.example, 10.0.0.0/8",
        STDIO_SHARED_USER: "refuse"
      })
      assert.deepStrictEqual(config, {
        host: "0.0.0.0",
        port: 8080,
        publicUrl: "https://hub.example",
        basePath: "/hub",
        requestTimeout: 45_000,
        maxRequestTimeout: 7_200_000,
        initTimeout: 300_000,
        listTimeout: 2_000,
        allowQueryKey: false,
        sessionAdopt: false,
        sseTransport: false,
        sessionIdleMs: 600_000,
        maxSessionsPerUser: 7,
        maxInflightPerUser: 8,
        maxInflightPerServer: 6,
        maxChildrenPerUser: 9,
        maxChildren: 90,
        statusTool: false,
        fairShare: 20,
        maxBodyBytes: 8 * 1024 * 1024,
        bodyTimeout: 5_000,
        maxUpstreamBytes: 1_048_576,
        maxAnswerBytesPerUser: 33_554_432,
        maxMemoryPerUser: 50_331_648,
        drainMs: 0,
        auditRetentionDays: 30,
        statisticsRetentionDays: 31,
        logLevel: "Debug",
        logRequests: "errors",
        nameSeparator: "__",
        wrongKeysPerMinute: 10,
        allowedHosts: ["hub.example", "hub.internal"],
        allowedOrigins: ["https://app.example", "chrome-extension://abcdef"],
        allowedNetworks: ["10.0.0.0/8", "fd12::1/128"].map(IpNetwork.fromStringUnsafe),
        httpProxy: Redacted.make("http://proxy.example:3128/", { label: "proxy" }),
        httpsProxy: Redacted.make("https://ada:s%40cret@proxy.example/", { label: "proxy" }),
        noProxy: ["*.corp.example", "10.0.0.0/8"],
        stdioSharedUser: "refuse",
        version: defaults.version
      })
    })
  )

  it.effect("all wrong variables are reported at once, by name, shape and what is allowed, without their text", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read({
          PORT: "99999",
          REQUEST_TIMEOUT: "soon-canary",
          ALLOW_QUERY_KEY: "maybe",
          BASE_PATH: "/a?b",
          HOST: "a b"
        })
      )
      assert.instanceOf(error, ConfigInvalid)
      assert.deepStrictEqual(
        error.problems.map(({ found, variable }) => [variable, found]),
        [
          ["HOST", "text of 3 characters"],
          ["PORT", "a whole number of 5 digits"],
          ["BASE_PATH", "text of 4 characters"],
          ["REQUEST_TIMEOUT", "text of 11 characters"],
          ["ALLOW_QUERY_KEY", "text of 5 characters"]
        ]
      )
      assert.include(error.message, "PORT is a whole number of 5 digits; allowed: a whole number from 0 to 65535")
      assert.notInclude(error.message, "canary")
    })
  )

  it.effect("a timeout above the hard maximum, negative, infinite or zero is refused", () =>
    Effect.gen(function* () {
      for (const value of ["2 hours", "-5", "Infinity", "0", "99999999999"]) {
        const error = yield* Effect.flip(read({ REQUEST_TIMEOUT: value }))
        assert.deepStrictEqual(
          error.problems.map(({ variable }) => variable),
          ["REQUEST_TIMEOUT"],
          value
        )
      }
    })
  )

  it.effect(
    "a user's limit of answer bytes below that of one answer is refused, together with what else contradicts",
    () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          read({ MAX_ANSWER_BYTES_PER_USER: "8 MiB", MAX_UPSTREAM_BYTES: "9 MiB", REQUEST_TIMEOUT: "2 hours" })
        )
        assert.deepStrictEqual(
          error.problems.map(({ variable }) => variable),
          ["REQUEST_TIMEOUT", "MAX_ANSWER_BYTES_PER_USER"]
        )
        assert.include(error.message, "at least MAX_UPSTREAM_BYTES, which is 9437184 bytes")
        const equal = yield* read({ MAX_ANSWER_BYTES_PER_USER: "8 MiB", MAX_UPSTREAM_BYTES: "8 MiB" })
        assert.strictEqual(equal.maxAnswerBytesPerUser, equal.maxUpstreamBytes)
        const less = yield* Effect.flip(read({ MAX_MEMORY_PER_USER: "255 MiB" }))
        assert.include(less.message, "at least MAX_ANSWER_BYTES_PER_USER, which is 268435456 bytes")
      })
  )

  it.effect("a flag of the command line goes before the environment and is checked alike", () =>
    Effect.gen(function* () {
      const config = yield* HubConfig.pipe(
        Effect.provide(HubConfig.layerWith({ PORT: 4000, ALLOW_QUERY_KEY: false, HOST: undefined })),
        Effect.provide(environment({ PORT: "1", HOST: "localhost" }))
      )
      assert.strictEqual(config.port, 4000)
      assert.strictEqual(config.allowQueryKey, false)
      assert.strictEqual(config.host, "localhost")
      assert.strictEqual((yield* Effect.flip(read({}, { PORT: -1 }))).problems[0]?.found, "a negative number")
    })
  )

  it.effect("a variable that is empty counts as not set", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ PORT: "" })).port, 3000)
    })
  )
})

describe("HubSecrets", () => {
  const secrets = (env: Record<string, string>) =>
    HubSecrets.pipe(Effect.provide(Layer.provide(HubSecrets.layerEnv, environment(env))))
  const key = "k".repeat(32)

  it.effect("secrets are redacted, and DB_URL stands in for DATABASE_URL", () =>
    Effect.gen(function* () {
      const old = yield* secrets({ DB_URL: "postgres://u:canary@h/db", JWT_SECRET: key })
      assert.strictEqual(Redacted.value(old.databaseUrl!), "postgres://u:canary@h/db")
      assert.notInclude(JSON.stringify(old) + String(old.databaseUrl), "canary")
      assert.strictEqual(old.credentialKey, undefined)
      const both = yield* secrets({ DB_URL: "postgres://old/db", DATABASE_URL: "postgres://new/db" })
      assert.strictEqual(Redacted.value(both.databaseUrl!), "postgres://new/db")
    })
  )

  it.effect("a wrong secret stops the start without a trace of its value", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        secrets({ JWT_SECRET: "canary-short", DATABASE_URL: "canary://nowhere", ADMIN_PASSWORD: "canary" })
      )
      assert.isTrue(Exit.isFailure(exit))
      const error = yield* Effect.flip(exit)
      assert.deepStrictEqual(
        error.problems.map(({ variable }) => variable),
        ["DATABASE_URL", "JWT_SECRET", "ADMIN_PASSWORD"]
      )
      assert.include(error.message, "JWT_SECRET is text of 12 characters; allowed: at least 32 characters")
      assert.notInclude(JSON.stringify(exit), "canary")
    })
  )
})

/**
 * The hub's own secrets, and the texts beside them that have no place in `HubConfig`, read once at start.
 *
 * A reference whose default is "none given", so that an embedder or a test provides only what it needs. Secrets stay
 * redacted all the way: nothing here reaches a log, a template or a child process.
 */
import { Context, Layer, type Redacted } from "effect"
import { type Overrides, readVariables, secret, text } from "./ConfigVariables.ts"

export interface HubSecretsShape {
  /** `DATABASE_URL`, or the old name `DB_URL`; the embedded database when absent. */
  readonly databaseUrl: Redacted.Redacted<string> | undefined
  /** Generated and kept beside the database when absent. */
  readonly jwtSecret: Redacted.Redacted<string> | undefined
  /** Seals service tokens at rest. */
  readonly credentialKey: Redacted.Redacted<string> | undefined
  readonly adminPassword: Redacted.Redacted<string> | undefined
  readonly githubClientSecret: Redacted.Redacted<string> | undefined
  /** Signs the context sent upstream; no signature when absent. */
  readonly contextSigningKey: Redacted.Redacted<string> | undefined
  readonly githubClientId: string | undefined
  readonly githubCallbackUrl: string | undefined
  /** GitHub, or a GitHub Enterprise Server. */
  readonly githubUrl: string | undefined
  /** Path of `mcp_settings.json`. */
  readonly settingsPath: string | undefined
}

const variables = {
  databaseUrl: secret(
    ["DATABASE_URL", "DB_URL"],
    "a URL such as postgres://user:password@host:5432/name",
    (value) => /^postgres(ql)?:\/\//.test(value) && URL.canParse(value)
  ),
  jwtSecret: secret(["JWT_SECRET"], "at least 32 characters", (value) => value.length >= 32),
  credentialKey: secret(["CREDENTIAL_KEY"], "at least 32 characters", (value) => value.length >= 32),
  adminPassword: secret(["ADMIN_PASSWORD"], "at least 12 characters", (value) => value.length >= 12),
  githubClientSecret: secret(["GITHUB_CLIENT_SECRET"], "not empty", () => true),
  contextSigningKey: secret(["CONTEXT_SIGNING_KEY"], "at least 32 characters", (value) => value.length >= 32),
  githubClientId: text("GITHUB_CLIENT_ID", "not empty", () => true),
  githubCallbackUrl: text(
    "GITHUB_CALLBACK_URL",
    "an http or https URL",
    (value) => /^https?:\/\//.test(value) && URL.canParse(value)
  ),
  githubUrl: text(
    "GITHUB_URL",
    "an http or https URL without a path, such as https://github.example.com",
    (value) => /^https?:\/\/[^/?#@]+$/.test(value) && URL.canParse(value)
  ),
  settingsPath: text("MCPHUB_SETTING_PATH", "the path of a file", (value) => !value.includes("\0"))
}

/** The names of the variables that hold a secret. */
export const secretNames: ReadonlySet<string> = new Set(
  Object.values(variables).flatMap((variable) => ("isSecret" in variable ? variable.names : []))
)

const none: HubSecretsShape = {
  databaseUrl: undefined,
  jwtSecret: undefined,
  credentialKey: undefined,
  adminPassword: undefined,
  githubClientSecret: undefined,
  contextSigningKey: undefined,
  githubClientId: undefined,
  githubCallbackUrl: undefined,
  githubUrl: undefined,
  settingsPath: undefined
}

export class HubSecrets extends Context.Reference<HubSecretsShape>("mcphub/domain/config/HubSecrets", {
  defaultValue: () => none
}) {
  /** From `Config`'s provider (the environment); fails with every wrong variable at once. */
  static readonly layerEnv = Layer.effect(HubSecrets, readVariables(variables))
  /** The same with command line flags in front, by variable name: `{ MCPHUB_SETTING_PATH: path }`. */
  static readonly layerWith = (overrides: Overrides) => Layer.effect(HubSecrets, readVariables(variables, overrides))
}

/**
 * The process environment as the settings file's templates and child processes see it.
 *
 * A reference rather than a global, so that a test or an embedder can replace it. Read it only through `Expansion`
 * (which refuses the hub's own secrets) and `childEnvironment` (which is an allow-list).
 */
import { Context } from "effect"

export type EnvironmentRecord = Readonly<Record<string, string | undefined>>

/** Variables that belong to the hub alone: no template may read them and no child process receives them. */
export const hubSecretNames: ReadonlySet<string> = new Set([
  "DATABASE_URL",
  "DB_URL",
  "JWT_SECRET",
  "CREDENTIAL_KEY",
  "ADMIN_PASSWORD",
  "GITHUB_CLIENT_SECRET",
  "CONTEXT_SIGNING_KEY"
])

/** Variables that a child process needs to start at all; everything else comes from the server's own `env`. */
const inherited = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "TERM",
  "TZ",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_SYSTEM_CA",
  "NODE_USE_ENV_PROXY",
  "DENO_CERT",
  "DENO_TLS_CA_STORE",
  "REQUESTS_CA_BUNDLE",
  "SystemRoot",
  "SYSTEMROOT",
  "SystemDrive",
  "ComSpec",
  "PATHEXT",
  "WINDIR",
  "TEMP",
  "TMP",
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "ProgramFiles",
  "ProgramData"
]

export const childEnvironment = (environment: EnvironmentRecord): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name of inherited) {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    if (value !== undefined) result[name] = value
  }
  return result
}

/**
 * The environment with variables of a file behind its own: templates that name one get it, child processes do not
 * inherit it. An empty variable counts as not set.
 */
export const behind = (environment: EnvironmentRecord, given: Readonly<Record<string, string>>): EnvironmentRecord =>
  Object.assign(
    Object.create(Object.assign(Object.create(null), given)),
    Object.fromEntries(
      Object.entries(environment).filter(([name, value]) => value !== "" || !Object.hasOwn(given, name))
    )
  )

export class Environment extends Context.Reference<EnvironmentRecord>("mcphub/domain/config/Environment", {
  defaultValue: () => globalThis.process?.env ?? {}
}) {}

/** The variables of an old hub's service or container: those that are read no more, and those that mean something else. */
import { counted, findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"

const { fail, warn } = findingsIn("environment")

/** Of the old hub and its successor; most of `.env.example` was read by neither. */
const unread: ReadonlyArray<string> = [
  "FRONTEND_URL",
  "SESSION_SECRET",
  "ENCRYPTION_KEY",
  "SMART_ROUTING_ENABLED",
  "OPENAI_API_BASE_URL",
  "OPENAI_API_KEY",
  "OPENAI_API_EMBEDDING_MODEL",
  "OPENAI_EMBEDDING_MODEL",
  "ENABLE_GLOBAL_ROUTE",
  "ENABLE_GROUP_NAME_ROUTE",
  "ENABLE_BEARER_AUTH",
  "BEARER_AUTH_KEY",
  "LOG_FORMAT",
  "ENV_SCHEDULER_ENABLED",
  "ENV_AUTO_CLEANUP",
  "REDIS_URL",
  "DEBUG_MCPHUB"
]

/** The variables that `environmentFindings` asks for. */
export const askedVariables: ReadonlyArray<string> = [
  ...unread,
  "DATABASE_URL",
  "DB_URL",
  "CREDENTIAL_KEY",
  "HOST",
  "REQUEST_TIMEOUT",
  "INIT_TIMEOUT"
]

export interface EnvironmentProblem {
  readonly variable: string
  readonly found: string
  readonly allowed: string
}

/** `problems`: what the hub would refuse to start with. No value is shown. */
export const environmentFindings = (
  variables: ReadonlyMap<string, string>,
  problems: ReadonlyArray<EnvironmentProblem>
): ReadonlyArray<MigrationFinding> => {
  const found = problems.map(({ allowed, found, variable }) =>
    fail({
      kind: "wrongVariable",
      places: [variable],
      detail: `The hub does not start with it: it is ${found}`,
      remedy: `allowed: ${allowed}; or leave it out`
    })
  )
  const database = variables.get("DATABASE_URL")
  const older = variables.get("DB_URL")
  if (database !== undefined && older !== undefined && database !== older) {
    found.push(
      fail({
        kind: "twoDatabases",
        places: ["DATABASE_URL", "DB_URL"],
        detail:
          "They name different databases: the old hub kept its users in that of DB_URL, this hub takes DATABASE_URL",
        remedy: "set DATABASE_URL to what DB_URL says, and leave DB_URL out"
      })
    )
  }
  if (variables.get("HOST") === undefined) {
    found.push(
      warn({
        kind: "noHost",
        places: ["HOST"],
        detail: "Without it this hub listens on 127.0.0.1 only; the old one on all addresses",
        remedy: "set HOST=0.0.0.0 where other machines reach it, and put TLS in front"
      })
    )
  }
  if (variables.get("REQUEST_TIMEOUT") !== undefined) {
    found.push(
      warn({
        kind: "requestTimeout",
        places: ["REQUEST_TIMEOUT"],
        detail: "The old hub did not use it; here requests end after it (30 seconds without it)",
        remedy: "raise options.timeout of servers that need longer"
      })
    )
  }
  if (variables.get("INIT_TIMEOUT") !== undefined) {
    found.push(
      warn({
        kind: "initTimeout",
        places: ["INIT_TIMEOUT"],
        detail:
          "The old hub waited so long at its start; here a user waits so long for a server (15 seconds without it)",
        remedy: "leave it out unless servers need longer to start"
      })
    )
  }
  return [
    ...found,
    ...ofSome(
      unread.filter((name) => variables.has(name)),
      warn,
      (count) => ({
        kind: "unreadVariables",
        detail: `${counted(count, "variable")} that this hub does not read`,
        remedy: "leave them out; some are secrets for nothing"
      })
    )
  ]
}

/** The suite's client scenarios that judge the hub's upstream side, and the command that plays the client. */
import { served } from "./Served.ts"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"

const { args, command: runtime } = runtimeCommand(new URL("hub-as-client.ts", import.meta.url))

export const command = [runtime, ...args].join(" ")

const stateful = [
  "initialize",
  "tools_call",
  "elicitation-sep1034-client-defaults",
  "sse-retry",
  "json-schema-2020-12-preservation"
]

const stateless = [
  "tools_call",
  "request-metadata",
  "http-standard-headers",
  "http-custom-headers",
  "http-invalid-tool-headers",
  "json-schema-ref-no-deref",
  "json-schema-2020-12-preservation",
  "sep-2322-client-request-state"
]

export const scenarios: ReadonlyArray<{ readonly scenario: string; readonly revision: string }> = [
  ...stateful.map((scenario) => ({ scenario, revision: "2025-11-25" })),
  ...(served.statelessUpstreams ? stateless : []).map((scenario) => ({ scenario, revision: "2026-07-28" }))
]

/** `mcphub doctor`: anything that may keep a hub from working, one line each, with the remedy. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { CheckFailed } from "../terminal/CliFailure.ts"
import { print } from "../terminal/Output.ts"

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const

export const DoctorCommand = Command.make(
  "doctor",
  {},
  Effect.fnUntraced(function* () {
    const { examine } = yield* Effect.promise(() => import("./Doctor.ts"))
    const findings = yield* examine
    const ok = findings.every((one) => one.level !== "fail")
    yield* print({ ok, checks: findings }, () =>
      findings
        .map(
          (one) =>
            `${marks[one.level]}  ${one.check}: ${one.detail}${one.remedy === null ? "" : `\n      → ${one.remedy}`}`
        )
        .join("\n")
    )
    if (!ok) return yield* new CheckFailed()
  })
).pipe(
  Command.withDescription(
    "Check environment, settings, database, migrations, clock, port, isolation and each server; exit code 2 when a check fails"
  )
)

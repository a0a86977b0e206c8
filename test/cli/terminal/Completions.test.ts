/** What completes the command line in a shell is made of the commands themselves. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { inFolder } from "../support/InFolder.ts"
import { mcphub } from "../support/Program.ts"

/** What bash offers for the last word of a line. */
const offered = (script: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const line = `COMP_LINE='${words.join(" ")}'; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}`
  const { status, stdout } = spawnSync(
    "bash",
    ["--norc", "-c", `${script}\n${line}\n_mcphub mcphub '${words.at(-1)}'\nprintf '%s\\n' "\${COMPREPLY[@]}"`],
    {
      encoding: "utf8"
    }
  )
  assert.strictEqual(status, 0)
  return stdout.trim().split(/\s+/)
}

describe("completions", () => {
  inFolder("of bash offer nouns, verbs, flags and the values of a flag", (cwd) =>
    Effect.gen(function* () {
      const { stdout } = yield* mcphub(["--completions", "bash"], { cwd })
      assert.includeMembers([...offered(stdout, ["mcphub", ""])], ["start", "key", "connect", "import"])
      assert.deepStrictEqual(offered(stdout, ["mcphub", "key", "re"]), ["rename", "revoke"])
      assert.include(offered(stdout, ["mcphub", "connect", "vscode", "--w"]), "--write")
      assert.deepStrictEqual(offered(stdout, ["mcphub", "import", "--from", "co"]), ["codex"])
    })
  )

  inFolder("are there for the other shells", (cwd) =>
    Effect.gen(function* () {
      for (const shell of ["zsh", "fish", "powershell"]) {
        const { code, stdout } = yield* mcphub(["--completions", shell], { cwd })
        assert.strictEqual(code, 0)
        for (const word of ["provision", "rename", "write"]) assert.include(stdout, word, shell)
      }
    })
  )
})

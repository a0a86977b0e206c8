/** A copy of the checkout in which sources can be broken and tests run; the checkout itself is never written to. */
import { spawn } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { files, root } from "../docs/Repository.ts"
import type { Edit } from "./Mutation.ts"

/** What a run of test files came to. */
export interface Outcome {
  readonly passed: number
  /** The names of the tests that failed. */
  readonly failed: ReadonlyArray<string>
  /** The files they are in. */
  readonly files: ReadonlyArray<string>
  /** What was printed, where no test failed and yet all was not well. */
  readonly trouble: string | undefined
}

/** The slowest of the test files takes a minute on a busy machine, and all of them a few; a mutant may hang. */
const mutantMs = 5 * 60_000
const allMs = 20 * 60_000

interface Report {
  readonly numPassedTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
  }>
}

export class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), "mcphub-mutation-"))

  constructor() {
    // PostgreSQL, which may run as another user, has its data below.
    chmodSync(this.folder, 0o755)
    for (const path of files()) {
      mkdirSync(join(this.folder, dirname(path)), { recursive: true })
      copyFileSync(join(root, path), join(this.folder, path))
    }
    mkdirSync(join(this.folder, "tmp"))
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"), "junction")
  }

  edit({ file, find, replace }: Edit): void {
    const path = join(this.folder, file)
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(find, () => replace)
    )
  }

  restore(file: string): void {
    copyFileSync(join(root, file), join(this.folder, file))
  }

  /** Runs test files to their end, or with `bail` to the first test that fails. */
  async test(paths: ReadonlyArray<string>, bail: boolean): Promise<Outcome> {
    const report = join(this.folder, "report.json")
    rmSync(report, { force: true })
    const vitest = join(this.folder, "node_modules", "vitest", "vitest.mjs")
    const args = [vitest, "run", "--reporter=json", `--outputFile=${report}`, ...(bail ? ["--bail=1"] : []), ...paths]
    const limitMs = bail ? mutantMs : allMs
    const { code, output } = await this.#run(
      process.versions["deno"] === undefined ? args : ["run", "-A", ...args],
      limitMs
    )
    if (code === undefined)
      return { passed: 0, failed: [`no end within ${limitMs / 1_000} s`], files: paths, trouble: undefined }
    const { numPassedTests, testResults } = readReport(report)
    const failed = testResults.flatMap(({ assertionResults }) =>
      assertionResults.flatMap(({ fullName, status }) => (status === "failed" ? [fullName] : []))
    )
    const isWell = code === 0 && numPassedTests > 0
    const files = testResults.filter(({ status }) => status === "failed").map(({ name }) => name)
    return {
      passed: numPassedTests,
      failed,
      files,
      trouble: isWell || failed.length > 0 ? undefined : output.slice(-2_000)
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  /** `code` is undefined where the limit ended it: in a group of its own, with everything it has started. */
  #run(
    args: ReadonlyArray<string>,
    limitMs: number
  ): Promise<{ readonly code: number | undefined; readonly output: string }> {
    return new Promise((resolve, reject) => {
      // What a mutant leaves behind goes with the copy.
      const env = { ...process.env, TMPDIR: join(this.folder, "tmp"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" }
      const child = spawn(process.execPath, args, {
        cwd: this.folder,
        env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"]
      })
      let output = ""
      let ended = false
      const kill = (): void => {
        try {
          process.kill(-child.pid!, "SIGKILL")
        } catch {
          // Gone already.
        }
      }
      const limit = setTimeout(() => {
        ended = true
        kill()
      }, limitMs)
      const stop = (): void => {
        kill()
        process.exit(130)
      }
      process.once("SIGINT", stop).once("SIGTERM", stop)
      const keep = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-20_000)
      }
      child.stdout.on("data", keep)
      child.stderr.on("data", keep)
      child.once("error", reject)
      child.once("exit", (code) => {
        clearTimeout(limit)
        process.off("SIGINT", stop).off("SIGTERM", stop)
        resolve({ code: ended ? undefined : (code ?? 1), output })
      })
    })
  }
}

const readReport = (path: string): Report => {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report
  } catch {
    return { numPassedTests: 0, testResults: [] }
  }
}

/** The linter finds callbacks of the platform and of fibers that no guard stands around (`scripts/lint/guards.mjs`). */
import { assert, describe, it } from "@effect/vitest"
import { lint } from "./Linting.ts"

const bare = [
  'socket.on("data", step)',
  'socket["once"]("close", step)',
  'socket.addListener("end", step)',
  "fiber.addObserver(step)",
  "fork(effect).addObserver(step)",
  "setTimeout(step, 1)",
  "globalThis.setTimeout(step, 1)",
  "outgoing.setTimeout(1, step)",
  "setInterval(step, 1)",
  "setImmediate(step)",
  "queueMicrotask(step)",
  "process.nextTick(step)"
]
const guarded = [
  'guard.on(socket, "data", step)',
  'reply.guard.once(socket, "close", step)',
  'new Guard(fork, owner).on(server, "connection", step)',
  "guard.observe(fiber, step)",
  "guard.after(1, step)",
  'socket.on("error", () => {})',
  "outgoing.setTimeout(1)"
]

/** The lines of a file that the rule refuses. */
const refused = (path: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const names = "socket, fiber, fork, effect, step, outgoing, guard, reply, owner, server, Guard"
  const diagnostics = lint({ [path]: `export const all = (${names}) => {\n${lines.join("\n")}\n}\n` })
  assert.deepStrictEqual([...new Set(diagnostics.map(({ code }) => code))], lines.length === 0 ? [] : ["guards(bare)"])
  const numbers = new Set(diagnostics.map(({ labels }) => labels[0]?.span.line))
  return lines.filter((_, at) => numbers.has(at + 2))
}

describe("guard rules", () => {
  for (const path of [
    "src/http/mcp/X.ts",
    "src/http/runtime/X.ts",
    "src/http/admin/handlers/X.ts",
    "src/actors/upstream/stdio/X.ts"
  ]) {
    it(`${path} sets no listener, observer or timer itself`, () => {
      assert.deepStrictEqual(refused(path, [...guarded, ...bare]), bare)
    })
  }

  it("the guard itself does, and so does the command line, whose process ends with what it was called for", () => {
    for (const path of ["src/domain/Guard.ts", "src/cli/start/X.ts"]) {
      const all = `export const all = (socket, step) => {\n${bare[0]!}\n}\n`
      assert.deepStrictEqual(lint({ [path]: all }), [])
    }
  })
})

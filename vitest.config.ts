import { defineConfig } from "vitest/config"

/** Whole programs, of which a file may change what its process is: each file has a process of its own. */
const programs = [
  "bench",
  "cli",
  "clients",
  "conformance",
  "e2e",
  "embedding",
  "fuzz",
  "mutation",
  "neighbour",
  "soak",
  "windows"
]
const within = (folders: ReadonlyArray<string>) => folders.map((folder) => `test/${folder}/**/*.test.ts`)

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
    projects: [
      {
        // The rooms of one process, whose modules are loaded once.
        extends: true,
        test: { name: "rooms", include: ["test/**/*.test.ts"], exclude: within(programs), isolate: false }
      },
      { extends: true, test: { name: "programs", include: within(programs) } }
    ]
  }
})

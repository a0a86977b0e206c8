import { PGlite } from "@electric-sql/pglite"
import { writeFileSync, readFileSync } from "node:fs"
let t = performance.now()
const lap = (s: string) => { console.log(s, Math.round(performance.now() - t)); t = performance.now() }
if (process.argv[2] === "dump") {
  const db = new PGlite(); await db.waitReady; lap("mem initdb")
  const raw = await db.dumpDataDir("none"); lap("dump none"); console.log(raw.size)
  const gz = await db.dumpDataDir("gzip"); lap("dump gz"); console.log(gz.size)
  writeFileSync("/tmp/h1/seed.tar", new Uint8Array(await raw.arrayBuffer())); writeFileSync("/tmp/h1/seed.tgz", new Uint8Array(await gz.arrayBuffer())); await db.close(); lap("close")
} else {
  for (const f of ["tar", "tgz"]) for (const dir of [undefined, "/tmp/h1/s" + f + Date.now()]) {
    const blob = new Blob([readFileSync("/tmp/h1/seed." + f)], { type: f === "tgz" ? "application/x-gzip" : "application/x-tar" })
    const db = new PGlite({ ...(dir ? { dataDir: dir } : {}), loadDataDir: blob }); await db.waitReady; lap(f + " " + dir); await db.close(); lap("close")
  }
}
process.exit(0)

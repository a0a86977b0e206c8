/**
 * The program behind `ScriptedStdioUpstream`. It speaks newline-delimited JSON-RPC by hand, because it has to break
 * rules that a library would keep.
 */
import { spawn } from "node:child_process"
import process from "node:process"
import { createInterface } from "node:readline"
import { clearInterval, setInterval, setTimeout } from "node:timers"
import { scriptVariable, type StdioScript } from "./ScriptedStdioUpstream.ts"

type Json = Record<string, unknown>
type Id = string | number
interface Call {
  readonly id: Id
  readonly args: Json
  readonly meta: Json
}

const script = JSON.parse(process.env[scriptVariable] ?? "{}") as StdioScript
const cancelled: Array<unknown> = []
const received: Array<Json> = []
const asked = new Map<Id, (answer: unknown) => void>()
let grandchild: number | undefined
let project: unknown = null
let calls = 0
let initialize: Json = {}

const write = (text: string) => void process.stdout.write(`${text}\n`)
const send = (message: Json) => write(JSON.stringify({ jsonrpc: "2.0", ...message }))
const answer = (id: Id, value: unknown) => {
  if (script.noise) write("starting to answer…\n{not json\n\n[1,2]")
  send({ id, result: { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: { value } } })
  if (script.noise) write("answered")
}

const tools: Record<string, (call: Call) => void> = {
  "set-context": ({ id, args }) => {
    project = args["project"]
    answer(id, project)
  },
  "get-data": ({ id }) => answer(id, { project, calls, pid: process.pid }),
  echo: ({ id, args }) => answer(id, args["text"]),
  pid: ({ id }) => answer(id, { pid: process.pid, grandchild }),
  cwd: ({ id }) => answer(id, { cwd: process.cwd(), tmp: process.env["TMPDIR"] }),
  env: ({ id }) => answer(id, process.env),
  initialize: ({ id }) => answer(id, initialize),
  meta: ({ id, meta }) => answer(id, meta),
  received: ({ id }) => answer(id, received),
  hang: () => {},
  cancelled: ({ id }) => answer(id, cancelled),
  late: ({ id, args }) => void setTimeout(() => answer(id, "late"), Number(args["ms"])),
  twice: ({ id }) => {
    answer(id, "first")
    answer(id, "second")
  },
  progress: ({ id, args, meta }) => {
    for (let step = 1; step <= Number(args["steps"]); step++) {
      send({ method: "notifications/progress", params: { progressToken: meta["progressToken"], progress: step } })
    }
    answer(id, "done")
  },
  log: ({ id, args }) => {
    send({ method: "notifications/message", params: { level: "info", data: args["text"] } })
    answer(id, "logged")
  },
  ask: ({ id, args, meta }) => {
    const own = `ask-${id}`
    asked.set(own, (value) => answer(id, value))
    const _meta = args["related"] === true ? { "mcphub/requestId": meta["mcphub/requestId"] } : undefined
    const params = { message: args["message"], requestedSchema: { type: "object", properties: {} } }
    send({ id: own, method: "elicitation/create", params: _meta === undefined ? params : { ...params, _meta } })
  },
  ping: ({ id }) => {
    asked.set("ping", (value) => answer(id, value))
    send({ id: "ping", method: "ping" })
  },
  noise: ({ id }) => {
    write('this is no JSON\n{"jsonrpc":"2.0"}\n"text"')
    answer(id, "after noise")
  },
  large: ({ id, args }) => answer(id, "x".repeat(Number(args["bytes"]))),
  flood: ({ id, args }) =>
    process.stderr.write(`${"e".repeat(79)}\n`.repeat(Number(args["bytes"]) / 80), () => answer(id, "flooded")),
  exit: ({ args }) => process.exit(Number(args["code"])),
  deaf: ({ id }) => {
    answer(id, "deaf")
    lines.pause()
    process.stdin.pause()
  },
  changed: ({ id }) => {
    send({ method: "notifications/tools/list_changed" })
    answer(id, "changed")
  }
}

const handle = (message: Json) => {
  const id = message["id"] as Id
  const params = (message["params"] ?? {}) as Json
  switch (message["method"]) {
    case undefined: {
      asked.get(id)?.(message["result"] ?? message["error"])
      asked.delete(id)
      return
    }
    case "initialize": {
      initialize = params
      if (script.silent) return
      if (script.refuse !== undefined) return send({ id, error: { code: -32000, message: script.refuse } })
      const protocolVersion = script.protocolVersion ?? params["protocolVersion"]
      const serverInfo = { name: "scripted", version: "1.0.0" }
      return send({ id, result: { protocolVersion, capabilities: { tools: {}, logging: {} }, serverInfo } })
    }
    case "server/discover": {
      if (script.discover === "exit") process.exit(3)
      if (script.discover !== "silent") send({ id, error: { code: -32601, message: "Method not found" } })
      return
    }
    case "notifications/cancelled": {
      cancelled.push(params["requestId"])
      return
    }
    case "tools/list":
      return send({
        id,
        result: { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) }
      })
    case "tools/call": {
      calls++
      const tool = tools[String(params["name"])]
      if (tool === undefined)
        return send({ id, error: { code: -32602, message: "Unknown tool", data: { tool: params["name"] } } })
      return tool({ id, args: (params["arguments"] ?? {}) as Json, meta: (params["_meta"] ?? {}) as Json })
    }
    default:
      if (id === undefined) received.push(message)
      else send({ id, error: { code: -32601, message: "Method not found" } })
  }
}

if (script.ignoreSigterm) process.on("SIGTERM", () => {})
if (script.grandchild) {
  // Ignores SIGTERM and holds the pipes open: the worst a forked helper can do.
  grandchild = spawn("/bin/sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], { stdio: "inherit" }).pid
}
if (script.floodStderr !== undefined) process.stderr.write(`${"f".repeat(99)}\n`.repeat(script.floodStderr / 100))
if (script.lastWords !== undefined) process.stderr.write(`${script.lastWords}\n`)

const lines = createInterface({ input: process.stdin })
if (script.exitAtStart === undefined) lines.on("line", (line) => handle(JSON.parse(line) as Json))
else setTimeout(() => process.exit(script.exitAtStart), 20)

const alive = script.ignoreStdinEnd ? setInterval(() => {}, 1_000) : undefined
lines.on("close", () => {
  if (alive === undefined) process.exit(0)
})
process.on("exit", () => clearInterval(alive))

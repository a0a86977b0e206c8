/** Self time of a V8 CPU profile by what it goes into: garbage collection, JSON, Node's parts, packages, rooms of the hub. */

interface ProfileNode {
  readonly id: number
  readonly children?: ReadonlyArray<number>
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

export interface CpuProfile {
  readonly nodes: ReadonlyArray<ProfileNode>
  readonly samples: ReadonlyArray<number>
  /** Microseconds between the samples. */
  readonly timeDeltas: ReadonlyArray<number>
  /** Microseconds of the monotonic clock. */
  readonly startTime: number
}

export interface Span {
  readonly from: number
  readonly to: number
}

export interface Share {
  /** Of the time that the thread was not idle. */
  readonly part: number
  readonly micros: number
}

const idle = "idle"

/** The first that matches counts; without a name it is a room of the hub, or a package. */
const places: ReadonlyArray<readonly [RegExp, string]> = [
  // V8 gives `JSON.parse` no frame of its own: it is time of whoever calls it.
  [/\/src\/domain\/protocol\/json\//, "JSON"],
  [/\/src\/(domain|actors|http|cli)\/([\w-]+)\//, ""],
  [/\/src\//, "hub: composition"],
  [/node_modules\/effect\//, "effect"],
  [/node_modules\/undici\/|internal\/deps\/undici/, "undici"],
  [/node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//, ""],
  [/node:_http|node:http|internal\/http/, "node:http"],
  [/node:net|internal\/net|stream_base|node:dns/, "node:net"],
  [/stream/, "node streams"],
  [/async_hooks|task_queues|promises|node:timers|internal\/timers|process\//, "timers, microtasks, async hooks"],
  [/^node:/, "other parts of Node"]
]

const socketCalls = /^(writev|write\w+String|writeBuffer|readStart|readStop|shutdown|close|connect|execute|consume)$/

const placeOf = (url: string): string => {
  for (const [pattern, name] of places) {
    const found = pattern.exec(url)
    if (found !== null)
      return name === "" ? (found[2] === undefined ? found[1]! : `hub: ${found[1]}/${found[2]}`) : name
  }
  return "V8 and native code"
}

const categories = ({ nodes }: CpuProfile): ReadonlyMap<number, string> => {
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)))
  const categoryOf = (node: ProfileNode): string => {
    const { functionName, url } = node.callFrame
    if (functionName === "(idle)") return idle
    if (functionName === "(garbage collector)") return "garbage collection"
    if (functionName === "(program)" || functionName === "(root)") return "V8 and native code"
    if (url !== "") return placeOf(url)
    if (functionName === "parse" || functionName === "stringify") return "JSON"
    if (socketCalls.test(functionName)) return "calls on sockets and the HTTP parser"
    // A function of V8 itself belongs to who called it.
    const parent = parents.get(node.id)
    return parent === undefined ? "V8 and native code" : categoryOf(parent)
  }
  return new Map(nodes.map((node) => [node.id, categoryOf(node)]))
}

const shares = (profile: CpuProfile, span: Span, name: (id: number) => string) => {
  const busy = categories(profile)
  const micros = new Map<string, number>()
  let total = 0
  let at = profile.startTime
  profile.samples.forEach((id, index) => {
    const taken = profile.timeDeltas[index] ?? 0
    at += taken
    if (at < span.from || at > span.to || busy.get(id) === idle) return
    total += taken
    micros.set(name(id), (micros.get(name(id)) ?? 0) + taken)
  })
  return [...micros]
    .map(([key, taken]): readonly [string, Share] => [key, { part: taken / total, micros: taken }])
    .toSorted(([, a], [, b]) => b.micros - a.micros)
}

/** The greatest first. */
export const byCategory = (profile: CpuProfile, span: Span) => {
  const of = categories(profile)
  return shares(profile, span, (id) => of.get(id)!)
}

export const byFunction = (profile: CpuProfile, span: Span) => {
  const names = new Map(
    profile.nodes.map(({ callFrame: { functionName, lineNumber, url }, id }) => {
      const file = url.replace(/^.*\/(?=[^/]+$)/, "")
      return [id, `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`]
    })
  )
  return shares(profile, span, (id) => names.get(id)!)
}

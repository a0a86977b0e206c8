/** Something that answers MCP requests and is measured: how it is started, and what the load client must know of it. */

export interface User {
  readonly key: string
  readonly id: string
  readonly name: string
}

/** What a target is started for. */
export interface Place {
  readonly port: number
  /** Of this target alone; emptied before each start. */
  readonly folder: string
  /** The server's origin, without a path. */
  readonly upstream: string
  readonly users: ReadonlyArray<User>
}

export interface Start {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

export interface Plan {
  readonly name: string
  readonly about: string
  /** Absent where the load goes to the server itself. */
  readonly start?: (place: Place) => Start
  /** Workloads it cannot do, or that say nothing about it. */
  readonly skip?: ReadonlyArray<string>
  /** The name of the user that the server is told, by the request's headers. */
  readonly identity?: (headers: Readonly<Record<string, string>>) => string | undefined
}

export interface Target {
  readonly plan: Plan
  readonly host: string
  readonly port: number
  readonly path: string
  readonly users: ReadonlyArray<User>
  /** The process at the top of its tree, where it has one of its own. */
  readonly pid: number | undefined
  /** Milliseconds from its start to its first answer. */
  readonly readyMs: number
  readonly offersStateless: boolean
  /** What a tool of the server is called here. */
  readonly tool: (name: string) => string
  readonly identity: (headers: Readonly<Record<string, string>>) => string | undefined
}

export const pidOf = ({ pid, plan }: Target): number => {
  if (pid === undefined) throw new Error(`${plan.name} has no process of its own`)
  return pid
}

export const users: ReadonlyArray<User> = Array.from({ length: 1_000 }, (_, index) => {
  const digits = String(index).padStart(12, "0")
  return { key: `mcphub_bench_key_${digits}`, id: `00000000-0000-4000-8000-${digits}`, name: `bench-${digits}` }
})

/** For gateways that know no users: the id that belongs to a key. */
export const idOfKey = (authorization: string | undefined): string | undefined => {
  const digits = /^Bearer mcphub_bench_key_(\d{12})$/.exec(authorization ?? "")?.[1]
  return digits === undefined ? undefined : `00000000-0000-4000-8000-${digits}`
}

/** The record of a soak: the one end of every request, and everything that should not have happened. */
import type { JsonRpcMessage } from "../../src/domain/protocol/JsonRpc.ts"
import type { McpClient } from "../../src/testkit/index.ts"

export class Tally {
  sessions = 0
  sent = 0
  faults = 0
  vanished = 0
  readonly problems: Array<string> = []
  private readonly ends = new Map<string, number>()
  private misdelivered = 0

  /** The whole answer to the request with this id, which is its sentinel too. */
  answered(sentinel: string, isEcho: boolean, status: number, messages: ReadonlyArray<JsonRpcMessage>): void {
    const responses = messages.filter((message) => "result" in message || "error" in message)
    if (responses.length !== 1) {
      this.problems.push(`${sentinel} has come to ${responses.length} ends (HTTP ${status})`)
      return
    }
    const [response] = responses as [any]
    if (response.error !== undefined) {
      const kind = response.error.data?.kind ?? String(response.error.code)
      if (kind === "internal") this.problems.push(`${sentinel} met an internal error`)
      return this.count(kind)
    }
    const text = JSON.stringify(response.result)
    const names = text.match(/user-\d+\/\d+/g) ?? []
    const isOthers =
      response.id !== sentinel || names.some((name) => name !== sentinel) || (isEcho && names.length === 0)
    if (isOthers) {
      this.misdelivered++
      this.problems.push(`${sentinel} was answered with another's answer: ${text.slice(0, 200)}`)
    }
    this.count("ok")
  }

  /** Outside of a call: a session that was not opened. */
  refused({ code, message, status }: McpClient.McpFailure): void {
    this.count(`refused ${status}`)
    if (status >= 500 && status !== 503) this.problems.push(`HTTP ${status} (${code}): ${message}`)
  }

  line(): string {
    const ends = [...this.ends].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`)
    return `${this.sessions} sessions, ${this.sent} calls, ${this.faults} faults, ${this.vanished} vanished, ${this.misdelivered} misdelivered (${ends.join(", ")})`
  }

  private count(kind: string): void {
    this.ends.set(kind, (this.ends.get(kind) ?? 0) + 1)
  }
}

/** What became of the calls of one slice. An answer to somebody else is counted apart from one that is merely wrong. */
import type { Client } from "./Client.ts"

const padding = "p".repeat(160)
const shape = /^n:(\d+):/

/** 200 bytes that no other call of any client sends. */
export const nonce = (client: Client, count: number): string => `n:${client.index}:${count}:${padding}`

export class Tally {
  ok = 0
  failed = 0
  /** Answers that belong to another client. */
  crossed = 0
  wrong = 0
  notifications = 0
  /** Milliseconds of each answered call. */
  readonly latencies: Array<number> = []
  readonly errors = new Map<string, number>()

  fail(error: unknown): void {
    this.failed++
    const text = (error instanceof Error ? error.message : String(error)).slice(0, 140)
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1)
  }

  check(client: Client, sent: string, received: string | undefined): boolean {
    if (sent === received) {
      this.ok++
      return true
    }
    const owner = shape.exec(received ?? "")?.[1]
    if (owner !== undefined && Number(owner) !== client.index) this.crossed++
    else this.wrong++
    return false
  }

  /** A kind of answer that carries no nonce. */
  expect(isRight: boolean): void {
    if (isRight) this.ok++
    else this.wrong++
  }
}

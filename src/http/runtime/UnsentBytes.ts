/**
 * The large messages of one HTTP answer that have not left yet, counted for their user once it is known who that is.
 * Each is settled when it has left; what has not by the end of the connection is settled then. One that is small costs
 * nothing.
 */
import type { ServerResponse } from "node:http"
import { large } from "../../domain/protocol/json/ResponseScanner.ts"
import type { Charge } from "../wire/Wire.ts"

export const nothing = (): void => {}

export class UnsentBytes {
  charge: Charge | undefined
  private readonly outgoing: ServerResponse
  private unsettled: Set<() => void> | undefined

  constructor(outgoing: ServerResponse) {
    this.outgoing = outgoing
  }

  /** Counts a message of so many bytes; the result settles it. */
  add(bytes: number): () => void {
    if (bytes < large || this.charge === undefined || this.outgoing.destroyed) return nothing
    const unsettled = (this.unsettled ??= this.settledAtEnd())
    const release = this.charge(bytes)
    const settle = (): void => {
      if (unsettled.delete(settle)) release()
    }
    unsettled.add(settle)
    return settle
  }

  private settledAtEnd(): Set<() => void> {
    const unsettled = new Set<() => void>()
    this.outgoing.on("close", () => {
      for (const settle of unsettled) settle()
    })
    return unsettled
  }
}

/**
 * The large messages of one HTTP answer that have not left yet. Each is settled once: when it has left, or at the end of
 * the connection.
 */
export const nothing = (): void => {}

export class UnsentBytes {
  private readonly unsettled = new Set<() => void>()

  /** Adds a message whose bytes are counted until `release`; the result settles it. */
  add(release: () => void): () => void {
    const { unsettled } = this
    const settle = (): void => {
      if (unsettled.delete(settle)) release()
    }
    unsettled.add(settle)
    return settle
  }

  end(): void {
    const { unsettled } = this
    for (const settle of unsettled) settle()
  }
}

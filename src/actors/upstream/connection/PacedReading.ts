/**
 * The messages that arrive on one stream or pipe of a server, read no faster than the share of the user they are read
 * for allows while others are active. They are handled in order and at once where nobody waits; otherwise what has
 * arrived waits here, and the source stands still, so that the server feels it. What waits is what one look at the
 * source has brought, and never more.
 *
 * The answer to a request costs nothing, because its request has paid; every other message does, and so do bytes.
 */
export interface PacedSource<Message> {
  /** Deals with one message; the units it costs. */
  readonly handle: (message: Message) => number
  /** See `FairShare.spend`. */
  readonly spend: (units: number, goOn: () => void) => (() => void) | undefined
  readonly pause: () => void
  readonly resume: () => void
}

/** The cost of a message that is no answer, in requests: with its part of the chunk, which is cut into messages at once. */
export const messageUnits = 1 / 8

/** Units after which the pace is looked at: less would cost more than it saves. */
const step = 1

export class PacedReading<Message> {
  private readonly source: PacedSource<Message>
  private waiting: Array<Message> = []
  /** Of those, the ones that have been dealt with. */
  private done = 0
  private owed = 0
  private noRest: (() => void) | undefined
  private atEnd: (() => void) | undefined
  private isStopped = false

  constructor(source: PacedSource<Message>) {
    this.source = source
  }

  push(message: Message): void {
    if (this.isStopped) return
    if (this.noRest === undefined) this.take(message)
    else this.waiting.push(message)
  }

  /** Work for what has arrived that no message accounts for, such as its bytes. */
  owe(units: number): void {
    this.owed += units
    this.lookAtPace()
  }

  /** Runs the step once all that has arrived has been dealt with; now, where nothing waits. */
  afterAll(step: () => void): void {
    if (this.noRest === undefined) step()
    else this.atEnd = step
  }

  /** Nothing is dealt with any more, and what waited is forgotten. */
  stop(): void {
    this.isStopped = true
    this.waiting = []
    this.done = 0
    this.noRest?.()
    this.noRest = undefined
    this.finish()
  }

  private take(message: Message): void {
    this.owed += this.source.handle(message)
    this.lookAtPace()
  }

  private lookAtPace(): void {
    if (this.owed < step || this.noRest !== undefined || this.isStopped) return
    const units = this.owed
    this.owed = 0
    this.noRest = this.source.spend(units, () => this.goOn())
    if (this.noRest !== undefined) this.source.pause()
  }

  private goOn(): void {
    this.noRest = undefined
    while (this.done < this.waiting.length && this.noRest === undefined) this.take(this.waiting[this.done++]!)
    if (this.noRest !== undefined || this.isStopped) return
    this.waiting = []
    this.done = 0
    this.source.resume()
    this.finish()
  }

  private finish(): void {
    const { atEnd } = this
    this.atEnd = undefined
    atEnd?.()
  }
}

/**
 * The news of one key, as it reaches every `Principal` that was made of it.
 *
 * A principal is looked up once and then travels: with a body under way, with a call that waits, with a session. All
 * principals of a key share one `KeyState`, and all that say the same of it one `Standing`, so that what becomes of the
 * key is known wherever they are by then, without a look-up. That an answer of the database has only grown old changes
 * nothing here.
 *
 * Both are asked several times a call: what they say is a member, and not a question.
 */

/** What has become of a key since the hub first saw it. */
export class KeyState {
  /** The key no longer opens the hub. It stays so: a key that opens it again later gets another state. */
  isRevoked = false
  /** Of whoever is looked up now. */
  standing: Standing = new Standing(this, 0)

  revoke(): void {
    this.isRevoked = true
    this.standing.isCurrent = false
  }

  /** Groups, tokens or names of the owner are, or may be, others than before. */
  change(): void {
    if (this.isRevoked) return
    const { asOf } = this.standing
    this.standing.isCurrent = false
    this.standing = new Standing(this, asOf + 1)
  }
}

/** The state of a key as it was when a principal was read, and whether that still holds. */
export class Standing {
  /** Of a principal that no key is behind: tests, and the hub's own checks. */
  static readonly ofNoKey: Standing = new Standing({ isRevoked: false }, 0)

  readonly key: Pick<KeyState, "isRevoked">
  /** Changes of the key before it. */
  readonly asOf: number
  /** Whether the principal still says what its key opens. */
  isCurrent = true

  constructor(key: Pick<KeyState, "isRevoked">, asOf: number) {
    this.key = key
    this.asOf = asOf
  }

  isOlderThan(other: Standing): boolean {
    return this.key === other.key && this.asOf < other.asOf
  }
}

/**
 * The news of one key, as it reaches every `Principal` that was made of it.
 *
 * A principal is looked up once and then travels: with a body under way, with a call that waits, with a session. All
 * principals of a key share one `KeyState`, so that what becomes of the key is known wherever they are by then, without
 * a look-up. That an answer of the database has only grown old changes nothing here.
 */

/** What has become of a key since the hub first saw it. */
export class KeyState {
  #isRevoked = false
  #changes = 0

  get isRevoked(): boolean {
    return this.#isRevoked
  }

  get changes(): number {
    return this.#changes
  }

  /** The key no longer opens the hub. It stays so: a key that opens it again later gets another state. */
  revoke(): void {
    this.#isRevoked = true
  }

  /** Groups, tokens or names of the owner are, or may be, others than before. */
  change(): void {
    this.#changes++
  }
}

/** The state of a key as it was when a principal was read, and what has happened since. */
export class Standing {
  /** Of a principal that no key is behind: tests, and the hub's own checks. */
  static readonly ofNoKey: Standing = new Standing(new KeyState())

  readonly #key: KeyState
  readonly #asOf: number

  constructor(key: KeyState) {
    this.#key = key
    this.#asOf = key.changes
  }

  get isRevoked(): boolean {
    return this.#key.isRevoked
  }

  /** Whether the principal still says what its key opens. */
  get isCurrent(): boolean {
    return !this.#key.isRevoked && this.#key.changes === this.#asOf
  }

  isOlderThan(other: Standing): boolean {
    return this.#key === other.#key && this.#asOf < other.#asOf
  }
}

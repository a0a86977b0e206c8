/**
 * One mutation: a rule that keeps users apart, broken on purpose in a copy of the sources, and the tests of which at
 * least one has to fail then. A mutation that no test notices is a rule that nothing guards.
 */
export interface Edit {
  /** Path from the root. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutation extends Edit {
  /** What is wrong afterwards, in words. */
  readonly wrong: string
  /** Where one place does not suffice to break the rule. */
  readonly also?: ReadonlyArray<Edit>
  /** Test files, paths from the root. */
  readonly tests: ReadonlyArray<string>
}

export const editsOf = ({ also, file, find, replace }: Mutation): ReadonlyArray<Edit> => [
  { file, find, replace },
  ...(also ?? [])
]

/** How often the text to be replaced stands in the file. */
export const occurrences = (text: string, { find }: Edit): number => text.split(find).length - 1

/** State that should be one user's, or one session's, as state of the whole process. */
export const everybodys = (what: string): string => `((globalThis as any).everybodys${what} ??= new Map())`

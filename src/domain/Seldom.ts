/** Log lines about what goes on all the time: one in a while says it. */

const everyMs = 60_000

export interface Seldom {
  /** Whether it is time to tell of the subject again; if so, it counts as told. */
  readonly tell: (subject?: string) => boolean
}

/** Of few subjects, such as the servers of the settings, or of one that needs no name. */
export const make = (now: () => number, pauseMs = everyMs): Seldom => {
  const told = new Map<string, number>()
  return {
    tell: (subject = "") => {
      const at = told.get(subject)
      if (at !== undefined && now() - at < pauseMs) return false
      told.set(subject, now())
      return true
    }
  }
}

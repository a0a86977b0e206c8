/** Log lines about what a server does all the time: one a minute says it. */

const everyMs = 60_000

export interface Seldom {
  /** Whether it is time to tell of a server again. */
  readonly tell: (server: string) => boolean
}

/** Servers come from the settings, so there are few. */
export const make = (now: () => number): Seldom => {
  const told = new Map<string, number>()
  return {
    tell: (server) => {
      const at = told.get(server)
      if (at !== undefined && now() - at < everyMs) return false
      told.set(server, now())
      return true
    }
  }
}

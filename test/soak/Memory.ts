/** A check that memory stays flat: a straight line through the samples after the warm-up, by least squares. */

export interface Sample {
  /** Since the beginning. */
  readonly seconds: number
  readonly bytes: number
}

export interface Slope {
  readonly bytesPerMinute: number
  /** What the line says has been added over the measured time. */
  readonly growth: number
  readonly minutes: number
  /** Mean of the measured samples. */
  readonly mean: number
}

const mib = 1024 * 1024
/** The first part of a run fills caches and pools, and the runtime sizes its heap. */
const warmUp = 0.4
/** A run shorter than this says too little about a slope: only its growth is judged. */
const leastMinutes = 5

export const slope = (samples: ReadonlyArray<Sample>): Slope => {
  const from = (samples.at(-1)?.seconds ?? 0) * warmUp
  const measured = samples.filter(({ seconds }) => seconds >= from)
  const count = Math.max(1, measured.length)
  const x = measured.reduce((sum, { seconds }) => sum + seconds, 0) / count
  const y = measured.reduce((sum, { bytes }) => sum + bytes, 0) / count
  let above = 0
  let below = 0
  for (const { bytes, seconds } of measured) {
    above += (seconds - x) * (bytes - y)
    below += (seconds - x) ** 2
  }
  const perSecond = below === 0 ? 0 : above / below
  const lasted = (measured.at(-1)?.seconds ?? 0) - from
  return { bytesPerMinute: perSecond * 60, growth: perSecond * lasted, minutes: lasted / 60, mean: y }
}

export const line = (samples: ReadonlyArray<Sample>): string => {
  const { bytesPerMinute, mean } = slope(samples)
  const peak = Math.max(0, ...samples.map(({ bytes }) => bytes))
  const shown = (bytes: number) => (bytes / mib).toFixed(1)
  return `memory ${shown(mean)} MiB on average, ${shown(peak)} at most, ${shown(bytesPerMinute)} MiB a minute`
}

export const problems = ({ bytesPerMinute, growth, mean, minutes }: Slope): ReadonlyArray<string> => {
  const said = `memory grows by ${(bytesPerMinute / mib).toFixed(2)} MiB a minute`
  if (minutes < leastMinutes) return growth > Math.max(64 * mib, mean * 0.3) ? [said] : []
  return growth > Math.max(16 * mib, mean * 0.1) ? [said] : []
}

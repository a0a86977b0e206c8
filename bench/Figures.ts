/** Quantiles, medians and ratios. A figure that could not be measured is NaN and stays out of every median. */

const ascending = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b)

export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = ascending(values)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = ascending(values)
  const half = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[half]!
  return ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2
}

const shown = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "–")

export const figure = (value: number | undefined, digits: number): string => shown(value ?? Number.NaN, digits)

/** What noise of the machine can only add to. */
export const least = (values: ReadonlyArray<number>): number => ascending(values)[0] ?? Number.NaN

/** The median with the least and the greatest behind it. */
export const withRange = (values: ReadonlyArray<number>, digits: number): string => {
  const sorted = ascending(values)
  if (sorted.length < 2) return figure(sorted[0], digits)
  return `${shown(median(values), digits)} (${shown(sorted[0]!, digits)}–${shown(sorted.at(-1)!, digits)})`
}

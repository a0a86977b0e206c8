/** Times and numbers as people of the page's language write them. */
import { language } from "../text/Language.ts"

const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })

export const count = (value: number): string => new Intl.NumberFormat(language.value).format(value)

export const percent = (share: number): string =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 1 }).format(share)

/** 12 ms, 3.4 s, 5 min, 2 h, 3 d. */
export const duration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${short.format(ms / 1000)} s`
  if (ms < 7_200_000) return `${short.format(ms / 60_000)} min`
  if (ms < 172_800_000) return `${short.format(ms / 3_600_000)} h`
  return `${short.format(ms / 86_400_000)} d`
}

export const bytes = (value: number): string => {
  if (value < 1024) return `${value} B`
  return value < 1 << 20 ? `${short.format(value / 1024)} KiB` : `${short.format(value / (1 << 20))} MiB`
}

export const dateTime = (iso: string | number | Date): string =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso))

export const date = (iso: string | number): string =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(iso))

const steps: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000]
]

/** 3 minutes ago, in 5 days. */
export const ago = (iso: string | number, now = Date.now()): string => {
  const difference = new Date(iso).getTime() - now
  const [unit, size] = steps.find(([, step]) => Math.abs(difference) >= step) ?? ["second", 1000]
  return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(Math.round(difference / size), unit)
}

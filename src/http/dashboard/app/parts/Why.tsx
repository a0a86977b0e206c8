/** The place where a request waits, in a sentence. */
import type { Why } from "../data/Shapes.ts"
import { words } from "../text/Language.ts"
import { dateTime, duration } from "./Format.ts"

export const whyText = (why: Why): string => {
  const { why: kinds, whyMore } = words()
  const { forMs, heardMs = null, kind, server = null, stage = null, until = null } = why
  return [
    `${kinds[kind] ?? kind}${server === null ? "" : ` (${server})`}`,
    duration(forMs),
    ...(stage === null ? [] : [whyMore.stage(stage)]),
    ...(heardMs === null ? [] : [whyMore.heard(duration(heardMs))]),
    ...(until === null ? [] : [whyMore.until(dateTime(until))])
  ].join(", ")
}

export const WhyOf = ({ why }: { readonly why: Why | undefined }) => <>{why === undefined ? "" : whyText(why)}</>

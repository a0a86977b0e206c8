/** A moment, as how long ago it was; the exact time shows where one points. */
import { ago, dateTime } from "./Format.ts"
import { words } from "../text/Language.ts"

export const Time = ({ at }: { readonly at: string | number | null | undefined }) =>
  at === null || at === undefined ? (
    <span>{words().common.never}</span>
  ) : (
    <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>
      {ago(at)}
    </time>
  )

/** The shortest part of a failing list that still fails, found by leaving out ever smaller pieces (delta debugging). */
export const smaller = async <A>(
  list: ReadonlyArray<A>,
  fails: (part: ReadonlyArray<A>) => Promise<boolean>
): Promise<ReadonlyArray<A>> => {
  let rest = list
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < rest.length && rest.length > 1;) {
      const part = [...rest.slice(0, from), ...rest.slice(from + size)]
      if (part.length > 0 && (await fails(part))) rest = part
      else from += size
    }
  }
  return rest
}

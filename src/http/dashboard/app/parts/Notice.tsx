/** Words for what went wrong, the hub's own where it has said any. */
import type { Problem } from "../data/Api.ts"
import type { Query } from "../data/Query.ts"
import { words } from "../text/Language.ts"

export const problemText = (problem: Problem): string => {
  const { problem: says } = words()
  if (problem.isMissing) return says.missing
  if (problem.status === 0) return says.offline
  if (problem.status === 412 || problem.status === 428) return says.stale
  const wait = problem.retryAfter === undefined ? "" : ` ${says.wait(problem.retryAfter)}`
  return `${problem.message}${wait}`
}

export const Notice = ({ problem }: { readonly problem: Problem | undefined }) =>
  problem === undefined ? null : (
    <p class="notice" role="alert" data-status={problem.status}>
      {problemText(problem)}
    </p>
  )

/** What a page shows while it has nothing to show yet. */
export const Waiting = ({ query }: { readonly query: Pick<Query<unknown>, "data" | "problem"> }) => {
  if (query.problem !== undefined) return <Notice problem={query.problem} />
  return query.data === undefined ? (
    <p class="note" role="status">
      {words().common.loading}
    </p>
  ) : null
}

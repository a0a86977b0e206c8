/** Around a page: what it throws is told in its place, and the way to the other pages stays. */
import type { ComponentChildren } from "preact"
import { useErrorBoundary } from "preact/hooks"
import { words } from "../text/Language.ts"

export const Boundary = ({ children }: { readonly children: ComponentChildren }) => {
  const [error, reset] = useErrorBoundary((thrown) => console.error(thrown))
  if (error === undefined) return <>{children}</>
  return (
    <p class="notice" role="alert">
      {String(error)}{" "}
      <button type="button" class="quiet" onClick={reset}>
        {words().problem.reload}
      </button>
    </p>
  )
}

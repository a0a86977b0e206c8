/** One page: its heading, which has the focus when the page opens, and what belongs to the whole of it. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { words } from "../text/Language.ts"

export const Page = (props: {
  readonly title: string
  readonly tools?: ComponentChildren
  readonly children: ComponentChildren
}) => {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  useEffect(() => {
    document.title = `${props.title} · ${words().brand}`
  }, [props.title])
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1} ref={heading}>
          {props.title}
        </h1>
        {props.tools}
      </header>
      {props.children}
    </>
  )
}

export const Section = (props: {
  readonly title: string
  readonly note?: ComponentChildren
  readonly tools?: ComponentChildren
  readonly children: ComponentChildren
}) => (
  <section>
    <div class="section-head">
      <h2>{props.title}</h2>
      {props.tools}
    </div>
    {props.note === undefined ? null : <p class="note">{props.note}</p>}
    {props.children}
  </section>
)

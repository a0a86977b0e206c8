/** A table that becomes a list of cards on a narrow screen; its head stays readable there as labels. */
import type { ComponentChildren } from "preact"
import { words } from "../text/Language.ts"

export interface Column<A> {
  readonly head: string
  readonly cell: (row: A) => ComponentChildren
  /** Numbers and times stand at the right. */
  readonly isNumber?: boolean
  /** The name of the row, for those who hear the page. */
  readonly isName?: boolean
}

export const Table = <A,>(props: {
  /** Says what the table shows. */
  readonly caption: string
  readonly columns: ReadonlyArray<Column<A>>
  readonly rows: ReadonlyArray<A>
  readonly keyOf: (row: A) => string
  readonly empty?: string
}) => {
  if (props.rows.length === 0) return <p class="note">{props.empty ?? words().common.none}</p>
  const { columns } = props
  return (
    <div class="table">
      <table>
        <caption class="unseen">{props.caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, isNumber }) => (
              <th key={head} scope="col" class={isNumber === true ? "number" : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.keyOf(row)}>
              {columns.map(({ cell, head, isName, isNumber }) =>
                isName === true ? (
                  <th key={head} scope="row" data-head={head}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={head} data-head={head} class={isNumber === true ? "number" : undefined}>
                    {cell(row)}
                  </td>
                )
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

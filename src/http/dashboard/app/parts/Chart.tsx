/** A chart over time, and the same figures as a table for those who do not see it. */
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { language, words } from "../text/Language.ts"
import { theme } from "./Theme.ts"
import { Table } from "./Table.tsx"

export interface Series {
  readonly name: string
  /** Of a custom property of the style sheet. */
  readonly colour: string
  readonly values: ReadonlyArray<number>
}

const height = 180
const leastSeconds = 60

const property = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name)

/** As the page has it, `light-dark()` resolved: a canvas knows no custom properties. */
const colourOf = (name: string): string => {
  const probe = document.createElement("span")
  probe.style.color = property(name)
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const dataOf = (times: ReadonlyArray<number>, series: ReadonlyArray<Series>): uPlot.AlignedData => [
  times.map((time) => time / 1000),
  ...series.map(({ values }) => [...values])
]

/** From the data themselves: around a single moment uPlot would show years. */
const timesOf = ({ data: [times] }: uPlot): uPlot.Range.MinMax => {
  const last = times.at(-1) ?? Date.now() / 1000
  return [Math.min(times[0] ?? last, last - leastSeconds), last]
}

export const Chart = (props: {
  readonly title: string
  /** Milliseconds since the epoch. */
  readonly times: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
}) => {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const names = props.series.map(({ name }) => name).join("\n")
  const dark = matchMedia("(prefers-color-scheme: dark)").matches

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const [text, line] = [colourOf("--soft"), colourOf("--line")]
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        cursor: { show: false },
        legend: { live: false },
        axes: [axis, { ...axis, size: 44 }],
        scales: {
          x: { range: timesOf },
          y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] }
        },
        series: [{}, ...props.series.map(({ colour, name }) => ({ label: name, stroke: colourOf(colour), width: 2 }))]
      },
      dataOf(props.times, props.series),
      element
    )
    plot.current = made
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    sized.observe(element)
    return () => {
      sized.disconnect()
      made.destroy()
    }
  }, [theme.value, language.value, names, dark])

  useEffect(() => plot.current?.setData(dataOf(props.times, props.series)), [props.times])

  const rows = props.times
    .map((time, at) => ({ time, at }))
    .slice(-30)
    .toReversed()
  return (
    <figure>
      <figcaption>{props.title}</figcaption>
      <div ref={place} role="img" aria-label={props.title} />
      <details>
        <summary>{words().now.asTable}</summary>
        <Table
          caption={props.title}
          rows={rows}
          keyOf={({ time }) => String(time)}
          columns={[
            { head: words().table.time, cell: ({ time }) => new Date(time).toLocaleTimeString(language.value) },
            ...props.series.map(({ name, values }) => ({
              head: name,
              isNumber: true,
              cell: ({ at }: { readonly at: number }) => String(Math.round(values[at]! * 10) / 10)
            }))
          ]}
        />
      </details>
    </figure>
  )
}

/** A state as a word with a mark of its own shape, so that it does not depend on colours. */
export type Mood = "good" | "warn" | "bad" | "idle"

const marks: Readonly<Record<Mood, string>> = { good: "●", warn: "▲", bad: "✕", idle: "○" }

export const State = ({
  mood,
  text,
  title
}: {
  readonly mood: Mood
  readonly text: string
  readonly title?: string
}) => (
  <span class={`state ${mood}`} title={title}>
    <span aria-hidden="true">{marks[mood]}</span> {text}
  </span>
)

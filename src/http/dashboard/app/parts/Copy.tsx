/** A text to take along. */
import { useState } from "preact/hooks"
import { words } from "../text/Language.ts"

const selectIn = (element: Element | null): void => {
  if (element !== null) getSelection()?.selectAllChildren(element)
}

export const Copy = ({ label, text }: { readonly label: string; readonly text: string }) => {
  const { common } = words()
  const [isCopied, setCopied] = useState(false)
  const copy = async (event: Event & { readonly currentTarget: HTMLElement }): Promise<void> => {
    const shown = event.currentTarget.parentElement?.querySelector("pre") ?? null
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
    } catch {
      // Without https there is no clipboard: the text is selected for the keyboard.
      selectIn(shown)
    }
  }
  return (
    <div class="copy">
      <pre aria-label={label} tabIndex={0}>
        {text}
      </pre>
      <button type="button" class="quiet" onClick={(event) => void copy(event)}>
        {isCopied ? common.copied : common.copy}
      </button>
    </div>
  )
}

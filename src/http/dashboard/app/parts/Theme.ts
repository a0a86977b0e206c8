/** Light, dark, or as the system has it. */
import { effect, signal } from "@preact/signals"

export type Theme = "auto" | "light" | "dark"
export const themes: ReadonlyArray<Theme> = ["auto", "light", "dark"]

const key = "mcphub.theme"
const stored = localStorage.getItem(key)

export const theme = signal<Theme>(themes.find((one) => one === stored) ?? "auto")

effect(() => {
  document.documentElement.dataset["theme"] = theme.value
  localStorage.setItem(key, theme.value)
})

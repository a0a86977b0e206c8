/** The language of the page: as chosen here, else the browser's first that there are words for. */
import { computed, effect, signal } from "@preact/signals"
import { en, type Words } from "./en.ts"
import { ko } from "./ko.ts"

export type Language = "en" | "ko"

const all: Readonly<Record<Language, Words>> = { en, ko }
export const languages = Object.entries(all).map(([code, { language }]) => ({ code: code as Language, language }))

const isLanguage = (text: string | null | undefined): text is Language => text === "en" || text === "ko"
const key = "mcphub.language"

const first = (): Language =>
  [localStorage.getItem(key), ...navigator.languages.map((one) => one.slice(0, 2))].find(isLanguage) ?? "en"

export const language = signal<Language>(first())
const current = computed(() => all[language.value])

/** The words in the present language; a component that reads them follows a change. */
export const words = (): Words => current.value

export const choose = (code: string): void => {
  if (!isLanguage(code)) return
  localStorage.setItem(key, code)
  language.value = code
}

effect(() => {
  document.documentElement.lang = language.value
})

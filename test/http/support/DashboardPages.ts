/** Ways through the dashboard's pages, as a person goes them. */
import type { Page } from "playwright-core"
import { passwords } from "./Visitors.ts"

/** Before the sign-in the page asks who is looking, and is told that nobody is. */
export const stranger = [
  [401, /\/api\/me$/],
  // Not served yet.
  [404, /\/api\/me\/sign-ins$/]
] as const

const english = ["User name", "Password"] as const
export const korean = ["사용자 이름", "비밀번호"] as const

/** From the hub's own address, with the keyboard. */
export const signIn = async (
  page: Page,
  url: string,
  name: keyof typeof passwords,
  [user, password]: readonly [string, string] = english
): Promise<void> => {
  await page.goto(new URL("/", url).href)
  await page.getByLabel(user).fill(name)
  await page.getByLabel(password).fill(passwords[name])
  await page.keyboard.press("Enter")
  await page.getByRole("navigation").waitFor()
}

export const open = async (page: Page, title: string): Promise<void> => {
  await page.getByRole("navigation").getByRole("link", { name: title, exact: true }).click()
  await page.getByRole("heading", { level: 1, name: title }).waitFor()
}

/** Everything that the page shows, holds in its form fields, keeps and has as its address. */
export const everywhere = async (page: Page): Promise<string> =>
  String(
    await page.evaluate(
      "[document.documentElement.outerHTML, ...[...document.querySelectorAll('input, textarea')].map((one) => one.value), JSON.stringify([localStorage, sessionStorage]), location.href, document.cookie].join('\\n')"
    )
  )

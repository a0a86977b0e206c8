/**
 * The hub's own pages on the way in, for what must work before there is a dashboard and without scripts: the page of a
 * one-time link, and the one that says why a sign-in has failed. In English or Korean, as the browser asks.
 */
import type { HttpServerRequest } from "effect/http"
import { HttpServerResponse } from "effect/http"
import { passwordLength } from "../../domain/identity/Password.ts"
import { always, headersOf, type Refused } from "./Problems.ts"

type Request = HttpServerRequest.HttpServerRequest

const english = {
  language: "en",
  title: "Sign in to MCPHub",
  once: "This link signs you in once. Only go on if you have it from the operator of this hub.",
  password: "New password, for the next time",
  passwordHint: `Leave it empty to keep yours, or if you sign in elsewhere. At least ${passwordLength.least} characters.`,
  go: "Sign in",
  failed: "You are not signed in",
  over: "This link has been used, has ended, or is not complete. Ask the operator of this hub for another one: mcphub user signin-link NAME",
  back: "To the sign-in page"
}

const korean: typeof english = {
  language: "ko",
  title: "MCPHub 로그인",
  once: "이 링크로 한 번 로그인할 수 있습니다. 이 허브의 운영자에게서 받은 링크일 때만 계속하세요.",
  password: "다음 로그인에 쓸 새 비밀번호",
  passwordHint: `비밀번호를 그대로 두거나 다른 곳에서 로그인한다면 비워 두세요. ${passwordLength.least}자 이상.`,
  go: "로그인",
  failed: "로그인되지 않았습니다",
  over: "이미 사용했거나 만료되었거나 온전하지 않은 링크입니다. 이 허브의 운영자에게 새 링크를 요청하세요: mcphub user signin-link NAME",
  back: "로그인 페이지로"
}

export const wordsFor = (request: Request): typeof english =>
  /^ko\b/i.test(request.headers["accept-language"] ?? "") ? korean : english

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const style =
  ":root { color-scheme: light dark } body { font: 1em/1.5 system-ui, sans-serif; max-width: 26em; margin: 3em auto; padding: 0 1em } label { display: block; margin: 1em 0 } input { font: inherit; width: 100%; box-sizing: border-box } small { display: block } button { font: inherit; padding: .3em 1.5em }"

const headers = {
  ...always,
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

const page = (request: Request, title: string, body: string, status: number): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(
    `<!doctype html>
<html lang="${wordsFor(request).language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>${escaped(title)}</title>
<style>${style}</style>
<h1>${escaped(title)}</h1>
${body}
`,
    { status, contentType: "text/html; charset=utf-8", headers }
  )

/** `code` has the form of a code; whether it is one shows only when it is handed over. */
export const oneTime = (request: Request, code: string, problem?: string): HttpServerResponse.HttpServerResponse => {
  const words = wordsFor(request)
  // The form's address holds from `/signin/once/CODE` and, where it is shown again, from `/signin/once`.
  const action = problem === undefined ? "../once" : "once"
  return page(
    request,
    words.title,
    `<p>${escaped(words.once)}</p>${problem === undefined ? "" : `\n<p role="alert"><strong>${escaped(problem)}</strong></p>`}
<form method="post" action="${action}">
<input type="hidden" name="code" value="${escaped(code)}">
<label>${escaped(words.password)} <input type="password" name="password" autocomplete="new-password" maxlength="${passwordLength.most}"><small>${escaped(words.passwordHint)}</small></label>
<button>${escaped(words.go)}</button>
</form>`,
    problem === undefined ? 200 : 422
  )
}

/** `dashboard`: its address from this page. */
export const failed = (
  request: Request,
  refused: Refused,
  dashboard: string
): HttpServerResponse.HttpServerResponse => {
  const words = wordsFor(request)
  return HttpServerResponse.setHeaders(
    page(
      request,
      words.failed,
      `<p role="alert">${escaped(refused.detail)}</p>\n<p><a href="${escaped(dashboard)}">${escaped(words.back)}</a></p>`,
      refused.status
    ),
    headersOf(refused)
  )
}

/** The person who is looking, as `GET /api/me` says it: the pages go by it, and what is allowed is the hub's to decide. */
import { effect, signal } from "@preact/signals"
import { call, csrf, Problem, signedOut } from "./Api.ts"

export interface Viewer {
  readonly userId: string
  readonly username: string
  readonly role: "admin" | "auditor" | "user"
  /** Servers, settings and what is other people's. */
  readonly mayChange: boolean
}

interface Me extends Viewer {
  readonly csrf?: string | null
}

export type Looking =
  | { readonly is: "loading" }
  | { readonly is: "out" }
  | { readonly is: "in"; readonly viewer: Viewer }
  /** No API, or no answer. */
  | { readonly is: "failed"; readonly problem: Problem }

export const looking = signal<Looking>({ is: "loading" })

export const lookAgain = async (): Promise<void> => {
  try {
    const { value } = await call<Me>("GET", "me")
    csrf.value = value.csrf ?? undefined
    const { mayChange, role, userId, username } = value
    looking.value = { is: "in", viewer: { userId, username, role, mayChange } }
  } catch (error) {
    csrf.value = undefined
    const problem = error instanceof Problem ? error : new Problem(0, "")
    looking.value = problem.status === 401 ? { is: "out" } : { is: "failed", problem }
  }
}

effect(() => {
  if (signedOut.value > 0 && looking.peek().is === "in") {
    csrf.value = undefined
    looking.value = { is: "out" }
  }
})

export const signOut = async (): Promise<void> => {
  await call("POST", "signin/out").catch(() => undefined)
  csrf.value = undefined
  looking.value = { is: "out" }
}

export const seesEverybody = ({ role }: Viewer): boolean => role !== "user"

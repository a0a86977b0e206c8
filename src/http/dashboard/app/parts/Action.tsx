/** Buttons and forms that change something: busy while it runs, and with the hub's words if it fails. */
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { Problem } from "../data/Api.ts"
import { words } from "../text/Language.ts"
import { Dialog } from "./Dialog.tsx"
import { Notice } from "./Notice.tsx"

export interface Doing {
  readonly isBusy: boolean
  readonly problem: Problem | undefined
  /** Runs the work; whether it has succeeded. */
  readonly run: (work: () => Promise<unknown>) => Promise<boolean>
}

export const useDoing = (): Doing => {
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true)
    setProblem(undefined)
    try {
      await work()
      return true
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error)))
      return false
    } finally {
      setBusy(false)
    }
  }
  return { isBusy, problem, run }
}

/** A form in a window; `submit` gets what was entered, which is gone with the window. */
export const FormDialog = (props: {
  readonly title: string
  readonly submit: string
  readonly danger?: boolean
  readonly children?: ComponentChildren
  readonly onSubmit: (given: FormData) => Promise<unknown>
  readonly onClose: () => void
}) => {
  const { isBusy, problem, run } = useDoing()
  const { common } = words()
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        class="stack"
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          const given = new FormData(event.currentTarget)
          void run(() => props.onSubmit(given)).then((isDone) => {
            if (isDone) props.onClose()
          })
        }}
      >
        {props.children}
        <Notice problem={problem} />
        <div class="row">
          <button class={props.danger === true ? "danger" : "primary"} disabled={isBusy}>
            {props.submit}
          </button>
          <button type="button" onClick={props.onClose}>
            {common.cancel}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** A button that asks before it does something which cannot be taken back. */
export const AskButton = (props: {
  readonly label: string
  readonly ask: string
  readonly onYes: () => Promise<unknown>
}) => {
  const [isAsking, setAsking] = useState(false)
  return (
    <>
      <button type="button" class="quiet danger" onClick={() => setAsking(true)}>
        {props.label}
      </button>
      {isAsking ? (
        <FormDialog
          title={props.label}
          submit={props.label}
          danger
          onSubmit={props.onYes}
          onClose={() => setAsking(false)}
        >
          <p>{props.ask}</p>
        </FormDialog>
      ) : null}
    </>
  )
}

/** A button that does something at once. */
export const DoButton = (props: {
  readonly label: string
  readonly isPrimary?: boolean
  readonly onDo: () => Promise<unknown>
}) => {
  const { isBusy, problem, run } = useDoing()
  return (
    <>
      <button
        type="button"
        class={props.isPrimary === true ? "primary" : "quiet"}
        disabled={isBusy}
        onClick={() => void run(props.onDo)}
      >
        {props.label}
      </button>
      <Notice problem={problem} />
    </>
  )
}

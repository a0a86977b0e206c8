/** Requests in flight, the oldest first, with the place where each waits. */
import { useState } from "preact/hooks"
import { requestRows, useLive } from "../data/Live.ts"
import { href } from "../data/Route.ts"
import type { RequestRow } from "../data/Shapes.ts"
import { seesEverybody, type Viewer } from "../data/Viewer.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Page } from "../parts/Page.tsx"
import { Requests as Rows } from "../parts/Rows.tsx"
import { WhyOf } from "../parts/Why.tsx"
import { words } from "../text/Language.ts"
import { CancelButton } from "./Session.tsx"

const most = 200

export const Requests = ({ viewer }: { readonly viewer: Viewer }) => {
  const { common, nav, sessions: says, table } = words()
  const scope = seesEverybody(viewer) ? "admin" : "me"
  const live = useLive(scope)
  const [text, setText] = useState("")
  const found = (live.data === undefined ? [] : requestRows(live.data))
    .filter(({ method, server, target, username }) =>
      `${username} ${method} ${server ?? ""} ${target ?? ""}`.toLowerCase().includes(text.toLowerCase())
    )
    .sort((one, other) => other.ageMs - one.ageMs)
  const mayCancel = scope === "me" || viewer.mayChange
  return (
    <Page
      title={nav.requests}
      tools={
        <label>
          <span class="unseen">{common.search}</span>
          <input type="search" placeholder={common.search} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
      }
    >
      <section>
        <Waiting query={live} />
        {live.data === undefined ? null : (
          <Rows
            caption={nav.requests}
            rows={found.slice(0, most)}
            withUser={scope === "admin"}
            more={[
              { head: table.why, cell: ({ why }) => <WhyOf why={why} /> },
              {
                head: says.session,
                cell: ({ sessionId }) => <a href={href("sessions", sessionId)}>{sessionId.slice(0, 8)}</a>
              },
              ...(mayCancel
                ? [
                    {
                      head: common.actions,
                      cell: (request: RequestRow) => (
                        <CancelButton scope={scope} request={request} onDone={live.reload} />
                      )
                    }
                  ]
                : [])
            ]}
          />
        )}
      </section>
    </Page>
  )
}

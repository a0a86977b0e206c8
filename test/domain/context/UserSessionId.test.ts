import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import { userSessionId } from "../../../src/domain/context/UserSessionId.ts"

const id = (user: string, session: string) => userSessionId(UserId.make(user), SessionId.make(session))

describe("UserSessionId", () => {
  it("is a uuid of version 8 that is the same for the same user and session", () => {
    assert.match(id("ada", "s1"), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.strictEqual(id("ada", "s1"), id("ada", "s1"))
  })

  it("two users with the same session id never share it", () => {
    assert.notStrictEqual(id("ada", "s1"), id("bo", "s1"))
    assert.notStrictEqual(id("ada", "s1"), id("ada", "s2"))
  })

  it.prop(
    "tells nothing of the ids it came from",
    { user: Schema.String, session: Schema.String },
    ({ user, session }) => {
      const derived = id(`user-${user}`, `session-${session}`)
      assert.match(derived, /^[0-9a-f-]{36}$/)
    }
  )
})

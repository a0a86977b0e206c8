/** Whoever asks the admin API or the dashboard, and what the hub lets them do; made anew for every request. */
import type { UserId } from "../Ids.ts"

/** `auditor`: sees what an admin sees and changes nothing but their own things. */
export type Role = "admin" | "auditor" | "user"

export interface Viewer {
  readonly userId: UserId
  readonly username: string
  readonly role: Role
  /** A key never changes servers, settings or other people's things, whoever it belongs to. */
  readonly via: "key" | "cookie"
  readonly keyId?: string | undefined
  readonly signInId?: string | undefined
  /** What a request by cookie that changes something must repeat in `x-mcphub-csrf`. */
  readonly csrf?: string | undefined
}

/** What an operation is about: their own things, everybody's to look at, or anybody's, servers and settings to change. */
export type Need = "own" | "read" | "change"

export const mayDo = ({ role, via }: Pick<Viewer, "role" | "via">, need: Need): boolean => {
  switch (need) {
    case "own":
      return true
    case "read":
      return role !== "user"
    case "change":
      return role === "admin" && via === "cookie"
    default:
      return need satisfies never
  }
}

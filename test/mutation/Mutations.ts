/** Every mutation, in the order in which they are tried. */
import { accessRules } from "./AccessRules.ts"
import { authority } from "./Authority.ts"
import { adminApi } from "./AdminApi.ts"
import { bulkheads } from "./Bulkheads.ts"
import { callRules } from "./Calls.ts"
import { costs } from "./Costs.ts"
import { doors } from "./Doors.ts"
import { eventTransport } from "./EventTransport.ts"
import { fieldRules } from "./Field.ts"
import { floodRules } from "./Floods.ts"
import { headerRules } from "./Headers.ts"
import { keyRules } from "./Keys.ts"
import { live } from "./Live.ts"
import { memoryRules } from "./Memory.ts"
import type { Mutation } from "./Mutation.ts"
import { serverMessages } from "./ServerMessages.ts"
import { sharedQueues } from "./SharedQueues.ts"
import { signInRules } from "./SignIn.ts"
import { sessions } from "./Sessions.ts"
import { upstreamRules } from "./Upstreams.ts"

export const mutations: ReadonlyArray<Mutation> = [
  ...sessions,
  ...eventTransport,
  ...headerRules,
  ...accessRules,
  ...authority,
  ...upstreamRules,
  ...bulkheads,
  ...sharedQueues,
  ...floodRules,
  ...fieldRules,
  ...memoryRules,
  ...callRules,
  ...keyRules,
  ...serverMessages,
  ...signInRules,
  ...adminApi,
  ...costs,
  ...doors,
  ...live
]

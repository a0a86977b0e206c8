/** The handlers that work with or without a running hub: on the database, the settings and the upstream servers. */
import { Layer } from "effect"
import { AuditHandlers } from "./AuditHandlers.ts"
import { DatabaseHandlers } from "./DatabaseHandlers.ts"
import { GroupHandlers } from "./GroupHandlers.ts"
import { KeyHandlers } from "./KeyHandlers.ts"
import { ProvisionHandlers } from "./ProvisionHandlers.ts"
import { SealHandlers } from "./SealHandlers.ts"
import { ServerHandlers } from "./ServerHandlers.ts"
import { StatisticsHandlers } from "./StatisticsHandlers.ts"
import { UserHandlers } from "./UserHandlers.ts"

export const StoredHandlers = Layer.mergeAll(
  UserHandlers,
  KeyHandlers,
  GroupHandlers,
  ProvisionHandlers,
  AuditHandlers,
  StatisticsHandlers,
  DatabaseHandlers,
  SealHandlers,
  ServerHandlers
)

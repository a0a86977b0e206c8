/**
 * Users, keys, groups, provisioning, audit trail, what outlives a hub, and authentication together: on a database, or in
 * memory.
 */
import { Layer } from "effect"
import type { SqlClient } from "effect/sql"
import type { AuditLog } from "../records/AuditLog.ts"
import * as AuditLogMemory from "./memory/AuditLogMemory.ts"
import * as AuditLogSql from "./sql/AuditLogSql.ts"
import type { Credentials } from "../identity/Credentials.ts"
import type { Groups } from "../identity/Groups.ts"
import * as GroupsMemory from "./memory/GroupsMemory.ts"
import * as GroupsSql from "./sql/GroupsSql.ts"
import type { HubKeys } from "../identity/HubKeys.ts"
import * as HubKeysMemory from "./memory/HubKeysMemory.ts"
import * as HubKeysSql from "./sql/HubKeysSql.ts"
import type { InFlightRequests } from "../records/InFlightRequests.ts"
import * as InFlightRequestsMemory from "./memory/InFlightRequestsMemory.ts"
import * as InFlightRequestsSql from "./sql/InFlightRequestsSql.ts"
import { KeyEvents } from "../identity/KeyEvents.ts"
import { MemoryStore } from "./memory/MemoryStore.ts"
import { Principals } from "../identity/Principals.ts"
import type { Provisioning } from "../provisioning/Provisioning.ts"
import * as ProvisioningMemory from "./memory/ProvisioningMemory.ts"
import * as ProvisioningSql from "./sql/ProvisioningSql.ts"
import type { ExternalUsers } from "../identity/ExternalUsers.ts"
import type { Roles } from "../identity/Roles.ts"
import * as RolesSql from "./sql/RolesSql.ts"
import type { SignInCodes } from "../identity/SignInCodes.ts"
import type { SignIns } from "../identity/SignIns.ts"
import * as SignInsMemory from "./memory/SignInsMemory.ts"
import * as SignInsSql from "./sql/SignInsSql.ts"
import type { SessionStore } from "../records/SessionStore.ts"
import * as SessionStoreMemory from "./memory/SessionStoreMemory.ts"
import * as SessionStoreSql from "./sql/SessionStoreSql.ts"
import type { Statistics } from "../records/Statistics.ts"
import * as StatisticsMemory from "./memory/StatisticsMemory.ts"
import * as StatisticsSql from "./sql/StatisticsSql.ts"
import type { Users } from "../identity/Users.ts"
import * as UsersMemory from "./memory/UsersMemory.ts"
import * as UsersSql from "./sql/UsersSql.ts"

export type Repositories =
  | Users
  | HubKeys
  | Groups
  | Provisioning
  | AuditLog
  | SessionStore
  | InFlightRequests
  | SignIns
  | SignInCodes
  | Roles
  | ExternalUsers
  | Statistics

/** What administration needs, without the cache of `Principals`. Needs the migrated tables. */
export const layerRepositories: Layer.Layer<Repositories, never, SqlClient.SqlClient | KeyEvents | Credentials> =
  Layer.mergeAll(
    Layer.provideMerge(RolesSql.layer, UsersSql.layer),
    SignInsSql.layer,
    HubKeysSql.layer,
    GroupsSql.layer,
    ProvisioningSql.layer,
    AuditLogSql.layer,
    SessionStoreSql.layer,
    InFlightRequestsSql.layer,
    StatisticsSql.layer
  )

/** Everything on the database. Needs the migrated tables. */
export const layer: Layer.Layer<Repositories | Principals, never, SqlClient.SqlClient | KeyEvents | Credentials> =
  Layer.provideMerge(Principals.layer, layerRepositories)

/** The same for administration, in memory, gone with the process. */
export const layerRepositoriesMemory: Layer.Layer<Repositories | KeyEvents | MemoryStore, never, Credentials> =
  Layer.mergeAll(
    UsersMemory.layer,
    SignInsMemory.layer,
    HubKeysMemory.layer,
    GroupsMemory.layer,
    ProvisioningMemory.layer,
    AuditLogMemory.layer,
    SessionStoreMemory.layer,
    InFlightRequestsMemory.layer,
    StatisticsMemory.layer
  ).pipe(Layer.provideMerge([KeyEvents.layerMemory, MemoryStore.layer]))

/** Everything in memory, gone with the process. */
export const layerMemory: Layer.Layer<Repositories | Principals | KeyEvents | MemoryStore, never, Credentials> =
  Layer.provideMerge(Principals.layer, layerRepositoriesMemory)

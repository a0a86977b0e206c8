/**
 * Users, keys, groups, provisioning, audit trail, what outlives a hub, and authentication together: on a database, or in
 * memory.
 */
import { Layer } from "effect"
import type { SqlClient } from "effect/sql"
import type { AuditLog } from "./AuditLog.ts"
import * as AuditLogMemory from "./AuditLogMemory.ts"
import * as AuditLogSql from "./AuditLogSql.ts"
import type { Credentials } from "./Credentials.ts"
import type { Groups } from "./Groups.ts"
import * as GroupsMemory from "./GroupsMemory.ts"
import * as GroupsSql from "./GroupsSql.ts"
import type { HubKeys } from "./HubKeys.ts"
import * as HubKeysMemory from "./HubKeysMemory.ts"
import * as HubKeysSql from "./HubKeysSql.ts"
import type { InFlightRequests } from "./InFlightRequests.ts"
import * as InFlightRequestsMemory from "./InFlightRequestsMemory.ts"
import * as InFlightRequestsSql from "./InFlightRequestsSql.ts"
import { KeyEvents } from "./KeyEvents.ts"
import { MemoryStore } from "./MemoryStore.ts"
import { Principals } from "./Principals.ts"
import type { Provisioning } from "./Provisioning.ts"
import * as ProvisioningMemory from "./ProvisioningMemory.ts"
import * as ProvisioningSql from "./ProvisioningSql.ts"
import type { SessionStore } from "./SessionStore.ts"
import * as SessionStoreMemory from "./SessionStoreMemory.ts"
import * as SessionStoreSql from "./SessionStoreSql.ts"
import type { Users } from "./Users.ts"
import * as UsersMemory from "./UsersMemory.ts"
import * as UsersSql from "./UsersSql.ts"

export type Repositories = Users | HubKeys | Groups | Provisioning | AuditLog | SessionStore | InFlightRequests

/** What administration needs, without the cache of `Principals`. Needs the migrated tables. */
export const layerRepositories: Layer.Layer<Repositories, never, SqlClient.SqlClient | KeyEvents | Credentials> =
  Layer.mergeAll(
    UsersSql.layer,
    HubKeysSql.layer,
    GroupsSql.layer,
    ProvisioningSql.layer,
    AuditLogSql.layer,
    SessionStoreSql.layer,
    InFlightRequestsSql.layer
  )

/** Everything on the database. Needs the migrated tables. */
export const layer: Layer.Layer<Repositories | Principals, never, SqlClient.SqlClient | KeyEvents | Credentials> =
  Layer.provideMerge(Principals.layer, layerRepositories)

/** The same for administration, in memory, gone with the process. */
export const layerRepositoriesMemory: Layer.Layer<Repositories | KeyEvents | MemoryStore, never, Credentials> =
  Layer.mergeAll(
    UsersMemory.layer,
    HubKeysMemory.layer,
    GroupsMemory.layer,
    ProvisioningMemory.layer,
    AuditLogMemory.layer,
    SessionStoreMemory.layer,
    InFlightRequestsMemory.layer
  ).pipe(Layer.provideMerge([KeyEvents.layerMemory, MemoryStore.layer]))

/** Everything in memory, gone with the process. */
export const layerMemory: Layer.Layer<Repositories | Principals | KeyEvents | MemoryStore, never, Credentials> =
  Layer.provideMerge(Principals.layer, layerRepositoriesMemory)

/** The client of a PostgreSQL server, with the key events that fit. Loaded only where there is one. */
import { PgClient } from "@effect/sql-pg"
import { Layer, type Redacted } from "effect"
import * as KeyEventsPostgres from "./KeyEventsPostgres.ts"

export const client = (url: Redacted.Redacted<string>, maxConnections: number) =>
  PgClient.layer({
    url,
    maxConnections,
    keepAlive: "10 seconds",
    connectTimeout: "5 seconds",
    applicationName: "mcphub"
  })

export const layer = (url: Redacted.Redacted<string>, maxConnections: number) =>
  KeyEventsPostgres.layer.pipe(Layer.provideMerge(client(url, maxConnections)))

/** Reads an object where a client should have sent one: anything else counts as none given. */
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"

export const objectOr = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}

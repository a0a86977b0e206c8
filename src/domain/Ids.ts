/**
 * The identifiers of the domain, branded so that one cannot stand in for another. `UserId`, `KeyId` and `GroupId` are
 * the uuids of the legacy tables, `SessionId` is the hub's own uuid of a session actor.
 */
import { Schema } from "effect"

export const UserId = Schema.String.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

export const KeyId = Schema.String.pipe(Schema.brand("KeyId"))
export type KeyId = typeof KeyId.Type

export const GroupId = Schema.String.pipe(Schema.brand("GroupId"))
export type GroupId = typeof GroupId.Type

export const SessionId = Schema.String.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

/**
 * The client's `Mcp-Session-Id`, minted at initialize or adopted as a label inside one user. A capability: it never
 * leaves the hub and is never logged.
 */
export const WireSessionId = Schema.String.pipe(Schema.brand("WireSessionId"))
export type WireSessionId = typeof WireSessionId.Type

const uuid = /[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/

/** For the regular expressions of texts that hold one. */
export const uuidPattern = uuid.source

export const isUuid = (text: string): boolean => text.length === 36 && uuid.test(text)

/**
 * Whether a wire id has the form the hub mints: an unknown one belongs to a session that has ended, and is never
 * adopted as a label.
 */
export const isMinted = (wireId: string): boolean => isUuid(wireId) && wireId === wireId.toLowerCase()

/** A sign-in of a person, see SignIns.ts. Names it in lists; the secret is another text. */
export const SignInId = Schema.String.pipe(Schema.brand("SignInId"))
export type SignInId = typeof SignInId.Type

/** `user-{userId}-{sessionId}-{method}-{timestamp}-{random}`, see RequestId.ts. */
export const RequestId = Schema.String.pipe(Schema.brand("RequestId"))
export type RequestId = typeof RequestId.Type

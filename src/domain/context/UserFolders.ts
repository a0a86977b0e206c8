/**
 * The folder that one server has for one user (`${MCPHUB_USER_DIR}`) goes by the user's id, never by a name, because a
 * name can be given to somebody else, or lead out of its place.
 */
import { join } from "node:path"
import { isUuid, type UserId } from "../Ids.ts"

const isPlain = (server: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(server)

export const usersFolder = (dataFolder: string): string => join(dataFolder, "users")

/** Undefined for an id that cannot be a folder. */
export const foldersOfUser = (dataFolder: string, userId: UserId): string | undefined =>
  isUuid(userId) ? join(usersFolder(dataFolder), userId.toLowerCase()) : undefined

export const userFolder = (dataFolder: string, userId: UserId, server: string): string | undefined => {
  const all = foldersOfUser(dataFolder, userId)
  return all === undefined || !isPlain(server) ? undefined : join(all, server)
}

/** The flag `--user`: the owner of the key, token or group of a command, or of the rows it lists. */
import { Option } from "effect"
import { Flag } from "effect/cli"

const flag = Flag.String("user")

export const user = flag.pipe(Flag.withDescription("User name or id"))

/** `null`: the rows of all users. */
export const onlyUser = (rows: string) =>
  flag.pipe(Flag.withDescription(`Only this user's ${rows}`), Flag.optional, Flag.map(Option.getOrNull))

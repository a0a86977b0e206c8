/** The flag `--user`: whose key, token or group a command is about, or whose rows it lists. */
import { Option } from "effect"
import { Flag } from "effect/cli"

const flag = Flag.String("user")

export const user = flag.pipe(Flag.withDescription("User name or id"))

/** `null`: everybody's. */
export const onlyUser = (rows: string) =>
  flag.pipe(Flag.withDescription(`Only this user's ${rows}`), Flag.optional, Flag.map(Option.getOrNull))

/**
 * The hub's data folder, absolute, for what is kept there beside the database. A reference without a default folder: an
 * embedder's hub writes nothing to the disk unless it names one.
 */
import { Context } from "effect"

export class DataFolder extends Context.Reference<string | undefined>("mcphub/domain/config/DataFolder", {
  defaultValue: () => undefined
}) {}

/** The operations that seal, on the database: a hub in memory never holds what an old one wrote. */
import { Effect, Layer } from "effect"
import { Sealing } from "../../../domain/identity/Sealing.ts"
import * as SealingSql from "../../../domain/storage/sql/SealingSql.ts"
import { asRefusal } from "../operations/OperationRefused.ts"
import { SealOperations } from "../operations/SealOperations.ts"

export const SealHandlers = SealOperations.toLayer(
  Effect.gen(function* () {
    const sealing = yield* Sealing
    return SealOperations.of({
      seal: (options) => asRefusal(sealing.seal(options)),
      unseal: () => asRefusal(sealing.unseal)
    })
  })
).pipe(Layer.provide(SealingSql.layer))

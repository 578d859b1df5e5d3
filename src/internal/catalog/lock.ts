/** Which keys a log is locked to. */
import * as Effect from "effect/Effect"
import type { CatalogKeys } from "../../Catalog.ts"
import { CatalogLockedError } from "../../KafkaError.ts"
import { keysOfLock, lockTextOf } from "./configuration.ts"
import type { RecordsView } from "./records.ts"

/** Fails if the log is locked to other keys. Succeeds with whether it is locked at all. */
export type CheckLock = Effect.Effect<boolean, CatalogLockedError>

/** The check of a log by all that was read of it when it is run. */
export const lockCheckOf = <R>(topic: string, keys: CatalogKeys, records: Pick<RecordsView<R>, "claim">): CheckLock => {
  const text = lockTextOf(keys)
  return Effect.suspend(() => {
    const { claim } = records
    if (claim === undefined || claim.text === text) return Effect.succeed(claim !== undefined)
    const locked = keysOfLock(claim.text) ?? claim.text
    return Effect.fail(new CatalogLockedError({ topic, configured: keys, locked }))
  })
}

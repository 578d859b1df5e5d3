/** Writes tombstones for what has expired: see `KafkaTable.janitor`. */
import * as Effect from "effect/Effect"
import type { WriteError } from "../../KafkaError.ts"
import type { JanitorOptions, KafkaTable } from "../../KafkaTable.ts"
import type { KafkaTableWriter } from "../../KafkaTableWriter.ts"
import type { TableFailure, WaitError } from "../../LiveTable.ts"
import type { Indexes } from "../../TableIndex.ts"
import { currentClock, evenMillisOf } from "../effect/v4/clock.ts"
import { annotateLogs } from "../log.ts"
import { type Kind, readJanitorOptions } from "../options/janitor.ts"
import { runInSlices } from "../yield.ts"
import { UNKNOWN } from "./content/keyIndex.ts"
import { keyId } from "./content/slots.ts"
import { type ExpiredKey, ExpiredKeys } from "./expiredKeys.ts"
import { partsOf } from "./service.ts"

/**
 * For how many keys tombstones are written at a time, each time after another look: the more there are, the longer it is
 * from the look at a key to its tombstone.
 */
const KEYS_AT_ONCE = 512

export const janitor = <K, V, Ix extends Indexes>(
  table: KafkaTable<K, V, Ix>,
  writer: Pick<KafkaTableWriter<K, V>, "topic" | "deleteMany" | "flush">,
  options?: JanitorOptions
): Effect.Effect<void, TableFailure | WriteError> =>
  janitorOf("KafkaTable", table, writer, (keys) => writer.deleteMany(keys), options)

/** Keys without tombstones, and why. */
interface Unwritten<K> {
  readonly keys: ReadonlyArray<ExpiredKey<K>>
  readonly error: WriteError | WaitError
}

/** The janitor of a table of some kind. `deleteMany` writes tombstones with the writer. */
export const janitorOf = <K, V, Ix extends Indexes>(
  kind: Kind,
  table: KafkaTable<K, V, Ix> | undefined,
  writer: Pick<KafkaTableWriter<never, never>, "flush">,
  deleteMany: (keys: ReadonlyArray<K>) => Effect.Effect<unknown, WriteError>,
  options: JanitorOptions | undefined
): Effect.Effect<void, TableFailure | WriteError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const parts = partsOf(table)
      const { config, expiry, graceMillis } = yield* readJanitorOptions(kind, { table: parts, writer }, options)
      const { publication } = parts!
      const { topic } = config
      const annotate = annotateLogs("KafkaTable", { topic })
      const clock = yield* currentClock
      const waiting = new ExpiredKeys<K>(graceMillis, () => evenMillisOf(clock))
      let isTold = false

      /** Those of the keys that have neither a value nor a tombstone, by rows that are what is shown. */
      const absentOf = (keys: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<ExpiredKey<K>>> =>
        Effect.suspend(() =>
          publication.isMoving
            ? Effect.andThen(publication.atRest, absentOf(keys))
            : Effect.succeed(keys.filter(isAbsent))
        )

      const isAbsent = ({ key }: ExpiredKey<K>) => {
        const { slots } = publication.shownVersion
        return slots.find(key) === UNKNOWN && expiry.mayBeHidden(slots.bytesOf(key)!)
      }

      /** Whether the bytes of a key in the log are those that its codec makes of it: others cannot be deleted. */
      const isWritable = ({ id, key }: ExpiredKey<K>) => keyId(config.key, key) === id

      /** Writes tombstones. Where one of them cannot be, no other is written with it, so that they are tried in halves. */
      const write = (keys: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<Unwritten<K>>> =>
        Effect.matchEffect(deleteMany(keys.map(({ key }) => key)), {
          onSuccess: () => Effect.succeed([]),
          onFailure: (error) => {
            const isOfOne = error.reason === "Encode" || error.reason === "TooLarge"
            if (!isOfOne || keys.length === 1) return Effect.succeed([{ keys, error }])
            const half = keys.length >>> 1
            return Effect.zipWith(write(keys.slice(0, half)), write(keys.slice(half)), (a, b) => [...a, ...b])
          }
        })

      const sweep = (due: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<Unwritten<K>>> =>
        Effect.gen(function* () {
          // What this process has on its way is waited for, and what others have written by now is looked at as well.
          yield* writer.flush
          yield* table!.barrier()
          const absent = yield* absentOf(due)
          return absent.length === 0 ? [] : yield* write(absent)
        }).pipe(
          Effect.catch((error) =>
            // The table's end is told in the same moment.
            error._tag === "KafkaTableClosedError" ? Effect.never : Effect.succeed([{ keys: due, error }])
          )
        )

      const tellOfUnwritable = Effect.suspend(() => {
        if (isTold) return Effect.void
        isTold = true
        return Effect.logWarning("expired keys stay in the log, as their codec makes other bytes of them").pipe(
          annotate
        )
      })

      const tidy = (due: ReadonlyArray<ExpiredKey<K>>) =>
        Effect.gen(function* () {
          const writable = due.filter(isWritable)
          if (writable.length < due.length) yield* tellOfUnwritable
          for (const { error, keys } of yield* sweep(writable)) {
            if (error._tag === "KafkaWriteError" && error.reason === "Closed") return yield* Effect.fail(error)
            for (const { id, key } of keys) waiting.add(key, id)
            yield* Effect.logWarning(
              `tombstones of expired keys were not written, tried again after ${graceMillis} ms: ${error.message}`
            ).pipe(annotate)
          }
        })

      /** Finds what was hidden before. Rows keep their slots meanwhile. */
      const find: Effect.Effect<void> = Effect.acquireUseRelease(
        Effect.sync(() => {
          if (publication.isMoving) return false
          publication.holds++
          return true
        }),
        (isHeld) => Effect.as(isHeld ? runInSlices(expiry.tellOfHidden(waiting.add)) : Effect.void, isHeld),
        (isHeld) =>
          Effect.sync(() => {
            if (isHeld) publication.holds--
          })
      ).pipe(Effect.flatMap((isDone) => (isDone ? Effect.void : Effect.andThen(publication.atRest, find))))

      const next = Effect.suspend(() => {
        const due = waiting.takeDue(KEYS_AT_ONCE)
        return due.length > 0 ? tidy(due) : waiting.next
      })

      yield* Effect.acquireRelease(
        Effect.sync(() => expiry.listen(waiting.add)),
        (remove) => Effect.sync(remove)
      )
      yield* Effect.raceFirst(publication.waiters.untilEnded, Effect.andThen(find, Effect.forever(next)))
    })
  ).pipe(Effect.catchTag("KafkaTableClosedError", () => Effect.void))

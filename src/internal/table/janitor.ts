/** Writes tombstones for what has expired: see `KafkaTable.janitor`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { WriteError } from "../../KafkaError.ts"
import type { JanitorOptions, KafkaTable } from "../../KafkaTable.ts"
import type { KafkaTableWriter } from "../../KafkaTableWriter.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { RecordChange } from "../../TableChange.ts"
import type { Indexes } from "../../TableIndex.ts"
import { annotateLogs } from "../log.ts"
import { readJanitorOptions } from "../options/janitor.ts"
import { Signal } from "../signal.ts"
import { keyId } from "./content/slots.ts"
import { partsOf } from "./service.ts"

/** What has expired, and stays in the log until then. */
interface Expired<K> {
  readonly key: K
  readonly until: number
}

export const janitor = <K, V, Ix extends Indexes>(
  table: KafkaTable<K, V, Ix>,
  writer: Pick<KafkaTableWriter<K, V>, "topic" | "deleteMany">,
  options?: JanitorOptions
): Effect.Effect<void, TableFailure | WriteError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { config, expiry } = partsOf(table)
      const { topic } = table
      const given = { topic, written: writer.topic, hasExpiry: expiry !== undefined }
      const { graceMillis } = yield* readJanitorOptions(given, options)
      const later = Effect.map(Clock.currentTimeMillis, (now) => now + graceMillis)
      /** By the identity of their keys, in the order of their times. */
      const waiting = new Map<string, Expired<K>>()
      const come = new Signal()

      const put = (key: K, until: number) => {
        const id = keyId(config.key, key)!
        waiting.delete(id)
        waiting.set(id, { key, until })
        come.notify()
      }

      const onChange = (change: RecordChange<K, V>) =>
        Effect.map(later, (until) => {
          if (change._tag === "Delete" && change.cause === "expired") put(change.key, until)
          else waiting.delete(keyId(config.key, change.key)!)
        })

      /** Takes out those whose time has come. */
      const takeDue = (now: number): ReadonlyArray<K> => {
        const due: Array<K> = []
        for (const [id, { key, until }] of waiting) {
          if (until > now) break
          waiting.delete(id)
          due.push(key)
        }
        return due
      }

      const sweep = (keys: ReadonlyArray<K>) =>
        Effect.gen(function* () {
          // What others have written by now is looked at as well.
          yield* table.barrier()
          const snapshot = yield* table.snapshot
          const absent = keys.filter((key) => !snapshot.has(key))
          if (absent.length > 0) yield* writer.deleteMany(absent)
        }).pipe(
          Effect.catch((error) => {
            // The changes end, or fail, in the same moment.
            if (error._tag === "KafkaTableClosedError") return Effect.never
            if (error._tag === "KafkaWriteError" && error.reason === "Closed") return Effect.fail(error)
            return Effect.flatMap(later, (until) => {
              for (const key of keys) put(key, until)
              return Effect.logWarning(
                `tombstones of expired keys were not written, tried again after ${graceMillis} ms: ${error.message}`
              ).pipe(annotateLogs("KafkaTable", { topic }))
            })
          })
        )

      const next = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { version } = come
        const due = takeDue(now)
        if (due.length > 0) return sweep(due)
        const [first] = waiting.values()
        return come.after(version, first === undefined ? Number.POSITIVE_INFINITY : first.until - now)
      })

      const { changes } = yield* table.subscribe()
      const until = yield* later
      for (const key of expiry!.hiddenKeys) put(key, until)
      yield* Effect.raceFirst(Stream.runForEach(changes, onChange), Effect.forever(next))
    })
  )

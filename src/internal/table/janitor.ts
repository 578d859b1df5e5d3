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
import type { Expiry } from "./reading/expiry.ts"
import type { TableParts } from "./reading/parts.ts"
import { partsOf } from "./service.ts"
import { barrier } from "./waiting.ts"

/**
 * For how many keys tombstones are written at a time, each time after another look: the more there are, the longer it is
 * from the look at a key to its tombstone.
 */
const KEYS_AT_ONCE = 512

/** What a janitor needs of a writer of any kind of table. */
interface Tombstones<K> {
  readonly flush: Effect.Effect<void>
  readonly deleteMany: (keys: ReadonlyArray<K>) => Effect.Effect<unknown, WriteError>
}

export const janitor = <K, V, Ix extends Indexes>(
  table: KafkaTable<K, V, Ix>,
  writer: Pick<KafkaTableWriter<K, V>, "topic" | "deleteMany" | "flush">,
  options?: JanitorOptions
): Effect.Effect<void, TableFailure | WriteError> =>
  janitorOf("KafkaTable", table, writer, (keys) => writer.deleteMany(keys), options)

/** The janitor of a table of some kind. `deleteMany` writes tombstones with the writer. */
export const janitorOf = <K, V, Ix extends Indexes>(
  kind: Kind,
  table: KafkaTable<K, V, Ix> | undefined,
  writer: Pick<Tombstones<K>, "flush">,
  deleteMany: Tombstones<K>["deleteMany"],
  options: JanitorOptions | undefined
): Effect.Effect<void, TableFailure | WriteError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const parts = partsOf(table)
      const { expiry, graceMillis } = yield* readJanitorOptions(kind, { table: parts, writer }, options)
      const clock = yield* currentClock
      const waiting = new ExpiredKeys<K>(graceMillis, () => evenMillisOf(clock))
      yield* Effect.acquireRelease(
        Effect.sync(() => expiry.listen(waiting.add)),
        (remove) => Effect.sync(remove)
      )
      const work = new Janitor(parts!, expiry, { flush: writer.flush, deleteMany }, waiting, graceMillis)
      yield* Effect.raceFirst(parts!.publication.waiters.untilEnded, work.run)
    })
  ).pipe(Effect.catchTag("KafkaTableClosedError", () => Effect.void))

/** Keys without tombstones, and why. */
interface Unwritten<K> {
  readonly keys: ReadonlyArray<ExpiredKey<K>>
  readonly error: WriteError | WaitError
}

class Janitor<K, V> {
  /** Whether it was told that there are keys which nobody can delete. */
  private isUnwritableTold = false

  constructor(
    private readonly parts: TableParts<K, V>,
    private readonly expiry: Expiry<K, V>,
    private readonly tombstones: Tombstones<K>,
    private readonly waiting: ExpiredKeys<K>,
    private readonly graceMillis: number
  ) {}

  get run(): Effect.Effect<never, WriteError> {
    const next = Effect.suspend(() => {
      const due = this.waiting.takeDue(KEYS_AT_ONCE)
      return due.length > 0 ? this.tidy(due) : this.waiting.next
    })
    return Effect.andThen(this.find, Effect.forever(next))
  }

  /** Finds what was hidden before. Rows keep their slots meanwhile. */
  private get find(): Effect.Effect<void> {
    const { publication } = this.parts
    const hold = Effect.sync(() => {
      if (publication.isMoving) return false
      publication.holds++
      return true
    })
    const found = Effect.acquireUseRelease(
      hold,
      (isHeld) => Effect.as(isHeld ? runInSlices(this.expiry.tellOfHidden(this.waiting.add)) : Effect.void, isHeld),
      (isHeld) =>
        Effect.sync(() => {
          if (isHeld) publication.holds--
        })
    )
    return Effect.flatMap(found, (isFound) =>
      isFound
        ? Effect.void
        : Effect.andThen(
            publication.atRest,
            Effect.suspend(() => this.find)
          )
    )
  }

  /** Deletes keys whose time has come. Those that cannot be deleted now wait once more. */
  private tidy(due: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<void, WriteError> {
    const { graceMillis, waiting } = this
    return Effect.gen({ self: this }, function* () {
      const writable = due.filter(({ id, key }) => keyId(this.parts.config.key, key) === id)
      if (writable.length < due.length) yield* this.tellOfUnwritable
      const left = yield* this.sweep(writable)
      if (left.length === 0) return
      for (const { error, keys } of left) {
        if (error._tag === "KafkaWriteError" && error.reason === "Closed") return yield* Effect.fail(error)
        for (const { id, key } of keys) waiting.add(key, id)
      }
      yield* this.warn(
        `tombstones of expired keys were not written, tried again after ${graceMillis} ms: ${left[0].error.message}`
      )
    })
  }

  /** Deletes those of the keys that are gone still, by all that was written before. Gives those that are left. */
  private sweep(due: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<Unwritten<K>>> {
    return Effect.gen({ self: this }, function* () {
      // What this process has on its way is waited for, and what others have written by now is looked at as well.
      yield* this.tombstones.flush
      yield* barrier(this.parts, undefined)
      const absent = yield* this.absentOf(due)
      return absent.length === 0 ? [] : yield* this.write(absent)
    }).pipe(
      Effect.catch((error) =>
        // The table's end is told in the same moment.
        error._tag === "KafkaTableClosedError" ? Effect.never : Effect.succeed([{ keys: due, error }])
      )
    )
  }

  /** Those of the keys that have neither a value nor a tombstone, by rows that are what is shown. */
  private absentOf(keys: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<ExpiredKey<K>>> {
    return Effect.suspend(() => {
      const { publication } = this.parts
      if (publication.isMoving) return Effect.andThen(publication.atRest, this.absentOf(keys))
      const { slots } = publication.shownVersion
      const isAbsent = ({ key }: ExpiredKey<K>) =>
        slots.find(key) === UNKNOWN && this.expiry.mayBeHidden(slots.bytesOf(key)!)
      return Effect.succeed(keys.filter(isAbsent))
    })
  }

  /** Writes tombstones. Where one of them cannot be, no other is written with it, so that they are tried in halves. */
  private write(keys: ReadonlyArray<ExpiredKey<K>>): Effect.Effect<ReadonlyArray<Unwritten<K>>> {
    return Effect.matchEffect(this.tombstones.deleteMany(keys.map(({ key }) => key)), {
      onSuccess: () => Effect.succeed([]),
      onFailure: (error) => {
        const isOfOne = error.reason === "Encode" || error.reason === "TooLarge"
        if (!isOfOne || keys.length === 1) return Effect.succeed([{ keys, error }])
        const half = keys.length >>> 1
        return Effect.zipWith(this.write(keys.slice(0, half)), this.write(keys.slice(half)), (a, b) => [...a, ...b])
      }
    })
  }

  private get tellOfUnwritable(): Effect.Effect<void> {
    if (this.isUnwritableTold) return Effect.void
    this.isUnwritableTold = true
    return this.warn("expired keys stay in the log, as their codec makes other bytes of them")
  }

  private warn(line: string): Effect.Effect<void> {
    return Effect.logWarning(line).pipe(annotateLogs("KafkaTable", { topic: this.parts.config.topic }))
  }
}

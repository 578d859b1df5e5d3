/** What is written to a catalog's log, and what comes of it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { randomBytes } from "node:crypto"
import type { CatalogKeys, DeleteError, InsertError } from "../../Catalog.ts"
import { CatalogReadOnlyError, InvalidRecordError, type WriteError } from "../../KafkaError.ts"
import type { KafkaTable } from "../../KafkaTable.ts"
import type { KafkaTableWriter } from "../../KafkaTableWriter.ts"
import type { WaitError } from "../../LiveTable.ts"
import type { Position } from "../../Position.ts"
import { annotateLogs } from "../log.ts"
import { UNKNOWN } from "../table/content/keyIndex.ts"
import { identify, lockTextOf } from "./configuration.ts"
import { type CandidateKey, claimBytes, ID_BYTES, idIn, identityBytes, withId } from "./keys.ts"
import type { CheckLock } from "./lock.ts"
import type { RecordRows } from "./recordRows.ts"
import type { RecordsView } from "./records.ts"
import { Turns } from "./turns.ts"
import { CLAIMED, type Claimed } from "./values.ts"

/** Bytes of an id that are the same in all ids of one catalog of one process; the others count up. */
const OWNER_BYTES = ID_BYTES - 8

/** The turn of claims, which is that of no identity: these begin with another byte. */
const CLAIMS = ""

/** Tombstones that are on their way at the same time: as many as make large batches. */
const TOMBSTONES_AT_ONCE = 1_000

/** A candidate that is to be deleted. */
interface Doomed {
  readonly key: Buffer
  readonly partition: number
}

const doomedAt = <R>(rows: RecordRows<R>, slot: number): Doomed => ({
  key: Buffer.from(rows.candidateKeyAt(slot)),
  partition: rows.candidateAt(slot).partition
})

/** What a catalog writes. */
export interface Writing<R> {
  readonly insert: (record: R) => Effect.Effect<R, InsertError>
  /** Deletes all that is written of the identities that `find` finds of all that was acknowledged by now. */
  readonly delete: (find: () => ReadonlyArray<Uint8Array>) => Effect.Effect<number, DeleteError>
}

/** What a catalog does that is read-only. */
export const refusals = <R>(topic: string): Writing<R> => {
  const refused = (operation: "insert" | "delete") => Effect.fail(new CatalogReadOnlyError({ topic, operation }))
  return { insert: () => refused("insert"), delete: () => refused("delete") }
}

interface Parts<R> {
  readonly topic: string
  readonly keys: CatalogKeys
  readonly table: KafkaTable<CandidateKey, R | Claimed>
  readonly writer: Pick<KafkaTableWriter<Uint8Array, R | Claimed>, "set" | "delete">
  readonly records: RecordsView<R>
  readonly checkLock: CheckLock
  /** What was begun goes on in it, whatever becomes of who has begun it. */
  readonly scope: Scope.Scope
}

export class Writes<R> implements Writing<R> {
  private readonly owner = randomBytes(OWNER_BYTES)
  private count = 0n
  private readonly lockText: string
  private readonly turns: Turns

  constructor(private readonly parts: Parts<R>) {
    this.lockText = lockTextOf(parts.keys)
    this.turns = new Turns(parts.topic, parts.scope)
  }

  private get rows(): RecordRows<R> {
    return this.parts.records.output.shownVersion.slots
  }

  private nextId(): Buffer {
    const id = Buffer.alloc(ID_BYTES)
    this.owner.copy(id)
    id.writeBigUInt64BE(this.count++, OWNER_BYTES)
    return id
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what the log is locked to
  // -------------------------------------------------------------------------------------------------------------------

  /** Locks the log to the keys, if nobody has done so. */
  private readonly lock: Effect.Effect<void, InsertError> = Effect.suspend(() =>
    Effect.flatMap(this.parts.checkLock, (isLocked) => (isLocked ? Effect.void : this.turns.run(CLAIMS, this.claim)))
  )

  private readonly claim: Effect.Effect<void, InsertError> = Effect.gen({ self: this }, function* () {
    const { checkLock, records, table, writer } = this.parts
    // Somebody else may have done so, whom this one has waited for.
    if (yield* checkLock) return
    yield* table.barrier()
    if (yield* checkLock) return
    const key = withId(claimBytes(this.lockText), this.nextId())
    const position = yield* writer.set(key, CLAIMED)
    yield* table.awaitPosition(position)
    const { partition } = position
    if (records.claim?.key.equals(key) === false) yield* this.withdraw([{ key, partition }])
    yield* checkLock
  })

  // -------------------------------------------------------------------------------------------------------------------
  // inserts
  // -------------------------------------------------------------------------------------------------------------------

  insert(record: R): Effect.Effect<R, InsertError> {
    return Effect.suspend(() => {
      const { keys, topic } = this.parts
      const identity = identify(topic, keys, record)
      if (identity instanceof InvalidRecordError) return Effect.fail(identity)
      const bytes = identityBytes(identity)
      return this.turns.run(bytes.toString("latin1"), Effect.andThen(this.lock, this.write(bytes, record)))
    })
  }

  /** Writes a record, unless one of its identity is there, and waits until it is clear which one counts. */
  private write(identity: Buffer, record: R): Effect.Effect<R, WriteError | WaitError> {
    return Effect.gen({ self: this }, function* () {
      const { table, writer } = this.parts
      const { _tag } = yield* SubscriptionRef.get(table.status)
      if (this.rows.first(identity) !== UNKNOWN || _tag !== "CaughtUp") {
        // It may have been deleted elsewhere, which is not read yet: then this record would be nowhere. And what a table that
        // has not caught up does not show may be there.
        yield* table.barrier()
        const { rows } = this
        const there = rows.first(identity)
        if (there !== UNKNOWN) {
          yield* this.withdraw(this.ownOthers(rows, identity, there))
          return rows.valueAt(there)
        }
      }
      yield* table.awaitPosition(yield* writer.set(withId(identity, this.nextId()), record))
      const { rows } = this
      const first = rows.first(identity)
      yield* this.withdraw(this.ownOthers(rows, identity, first))
      // If there is none, it was there, and is deleted again.
      return first === UNKNOWN ? record : rows.valueAt(first)
    })
  }

  /** The candidates that are not the first one, and were written here: those of writes with unknown outcomes, too. */
  private ownOthers(rows: RecordRows<R>, identity: Buffer, first: number): ReadonlyArray<Doomed> {
    return rows
      .candidates(identity)
      .filter((slot) => slot !== first)
      .map((slot) => doomedAt(rows, slot))
      .filter(({ key }) => idIn(key).subarray(0, OWNER_BYTES).equals(this.owner))
  }

  /** Deletes what has no effect. If that fails, it stays, and takes the room of a row. */
  private withdraw(candidates: ReadonlyArray<Doomed>): Effect.Effect<void> {
    const { topic } = this.parts
    return Effect.catch(Effect.asVoid(this.bury(candidates)), ({ message }) =>
      Effect.logWarning(
        `a record that came second stays in the log, as its tombstone was not written: ${message}`
      ).pipe(annotateLogs("Catalog", { topic }))
    )
  }

  /**
   * Writes a tombstone for each candidate, in the partition where that is: in the one that its identity belongs to after
   * partitions were added, compaction would take the tombstone away, and not the candidate.
   */
  private bury(candidates: ReadonlyArray<Doomed>): Effect.Effect<ReadonlyArray<Position>, WriteError> {
    const { writer } = this.parts
    return Effect.forEach(candidates, ({ key, partition }) => writer.delete(key, { partition }), {
      concurrency: TOMBSTONES_AT_ONCE
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // deletes
  // -------------------------------------------------------------------------------------------------------------------

  delete(find: () => ReadonlyArray<Uint8Array>): Effect.Effect<number, DeleteError> {
    return Effect.gen({ self: this }, function* () {
      const { checkLock, table } = this.parts
      yield* table.barrier()
      yield* checkLock
      const identities = find().map((bytes) => Buffer.from(bytes))
      /** The last tombstone of each identity by partition: what comes before it is deleted. */
      const ends = identities.map(() => new Map<number, number>())
      for (let isFirst = true; ; isFirst = false) {
        const { firsts, others } = this.doomedOf(identities, isFirst ? undefined : ends)
        if (firsts.length + others.length === 0) return identities.length
        // While the one that counts is there, nobody sees the others: they would be shown for a moment, or stay if this is
        // interrupted.
        for (const doomed of [others, firsts]) {
          if (doomed.length === 0) continue
          const positions = yield* this.bury(doomed)
          positions.forEach(({ offset, partition }, i) => {
            const of = ends[doomed[i].n]
            of.set(partition, Math.max(offset, of.get(partition) ?? -1))
          })
          yield* table.awaitPosition(positions)
        }
      }
    })
  }

  /** The candidates of identities: those that count, and the others. With `ends`, only those that are before these. */
  private doomedOf(
    identities: ReadonlyArray<Buffer>,
    ends: ReadonlyArray<ReadonlyMap<number, number>> | undefined
  ): Readonly<Record<"firsts" | "others", ReadonlyArray<Doomed & { readonly n: number }>>> {
    const { rows } = this
    const [firsts, others]: [Array<Doomed & { n: number }>, Array<Doomed & { n: number }>] = [[], []]
    identities.forEach((identity, n) => {
      const first = rows.first(identity)
      for (const slot of rows.candidates(identity)) {
        const { offset, partition } = rows.candidateAt(slot)
        if (ends !== undefined && offset > (ends[n].get(partition) ?? -1)) continue
        const into = slot === first ? firsts : others
        into.push({ ...doomedAt(rows, slot), n })
      }
    })
    return { firsts, others }
  }
}

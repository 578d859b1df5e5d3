/** What is written to a catalog's log, and what comes of it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { randomBytes } from "node:crypto"
import type { CatalogKeys, InsertError } from "../../Catalog.ts"
import { CatalogLockedError, InvalidRecordError, TableClosedError, type WriteError } from "../../KafkaError.ts"
import type { KafkaTable } from "../../KafkaTable.ts"
import type { KafkaTableWriter } from "../../KafkaTableWriter.ts"
import type { WaitError } from "../../LiveTable.ts"
import type { Position } from "../../Position.ts"
import { hasEnded } from "../effect/v4/fibers.ts"
import { annotateLogs } from "../log.ts"
import { UNKNOWN } from "../table/content/keyIndex.ts"
import { identify, keysOfLock, lockTextOf } from "./configuration.ts"
import { type CandidateKey, claimBytes, ID_BYTES, idIn, identityBytes, withId } from "./keys.ts"
import type { RecordRows } from "./recordRows.ts"
import type { RecordsView } from "./records.ts"
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

interface Parts<R> {
  readonly topic: string
  readonly keys: CatalogKeys
  readonly table: KafkaTable<CandidateKey, R | Claimed>
  readonly writer: Pick<KafkaTableWriter<Uint8Array, R | Claimed>, "set" | "delete">
  readonly records: RecordsView<R>
  /** What was begun goes on in it, whatever becomes of who has begun it. */
  readonly scope: Scope.Scope
}

export class Writes<R> {
  private readonly owner = randomBytes(OWNER_BYTES)
  private count = 0n
  /** The job that is under way for an identity, by its bytes as text. */
  private readonly running = new Map<string, Fiber.Fiber<unknown, unknown>>()
  private readonly lockText: string

  constructor(private readonly parts: Parts<R>) {
    this.lockText = lockTextOf(parts.keys)
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
  // one at a time for an identity
  // -------------------------------------------------------------------------------------------------------------------

  /** Runs a job when no other one is under way for this identity. It is run to its end, if nobody waits for it any more, too. */
  private inTurn<A, E>(id: string, job: Effect.Effect<A, E>): Effect.Effect<A, E | TableClosedError> {
    return Effect.suspend(() => {
      const before = this.running.get(id)
      if (before !== undefined) {
        return Effect.flatMap(Fiber.await(before), () => {
          // One that ended before it began has not left by itself.
          if (this.running.get(id) === before) this.running.delete(id)
          return this.inTurn(id, job)
        })
      }
      const { scope, topic } = this.parts
      const leaving = Effect.ensuring(
        job,
        Effect.sync(() => this.running.delete(id))
      )
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.forkIn(leaving, scope), (fiber) => {
          if (!hasEnded(fiber)) this.running.set(id, fiber)
          return Effect.flatMap(restore(Fiber.await(fiber)), (exit): Effect.Effect<A, E | TableClosedError> =>
            Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
              ? Effect.fail(new TableClosedError({ topic }))
              : exit
          )
        })
      )
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what the log is locked to
  // -------------------------------------------------------------------------------------------------------------------

  /** Fails if the log is locked to other keys. Succeeds with whether it is locked at all. */
  readonly checkLock: Effect.Effect<boolean, CatalogLockedError> = Effect.suspend(() => {
    const { keys, records, topic } = this.parts
    const { claim } = records
    if (claim === undefined || claim.text === this.lockText) return Effect.succeed(claim !== undefined)
    const locked = keysOfLock(claim.text)
    return Effect.fail(new CatalogLockedError({ topic, configured: keys, locked: locked ?? claim.text }))
  })

  /** Locks the log to the keys, if nobody has done so. */
  private readonly lock: Effect.Effect<void, InsertError> = Effect.flatMap(this.checkLock, (isLocked) =>
    isLocked ? Effect.void : this.inTurn(CLAIMS, this.claim)
  )

  private readonly claim: Effect.Effect<void, InsertError> = Effect.gen({ self: this }, function* () {
    const { records, table, writer } = this.parts
    // Somebody else may have done so, whom this one has waited for.
    if (yield* this.checkLock) return
    yield* table.barrier()
    if (yield* this.checkLock) return
    const key = withId(claimBytes(this.lockText), this.nextId())
    const position = yield* writer.set(key, CLAIMED)
    yield* table.awaitPosition(position)
    const { partition } = position
    if (records.claim?.key.equals(key) === false) yield* this.withdraw([{ key, partition }])
    yield* this.checkLock
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
      return this.inTurn(bytes.toString("latin1"), Effect.andThen(this.lock, this.write(bytes, record)))
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
        if (there !== UNKNOWN) return rows.valueAt(there)
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

  /** Deletes all candidates of the identities that `find` finds of all that was acknowledged by now. */
  delete(find: () => ReadonlyArray<Uint8Array>): Effect.Effect<number, WriteError | WaitError> {
    return Effect.gen({ self: this }, function* () {
      const { table } = this.parts
      yield* table.barrier()
      const identities = find().map((bytes) => Buffer.from(bytes))
      /** The last tombstone of each identity by partition: what comes before it is deleted. */
      const ends = identities.map(() => new Map<number, number>())
      for (let isFirst = true; ; isFirst = false) {
        const { rows } = this
        const doomed: Array<Doomed> = []
        const of: Array<Map<number, number>> = []
        identities.forEach((identity, i) => {
          for (const slot of rows.candidates(identity)) {
            const { offset, partition } = rows.candidateAt(slot)
            if (!isFirst && offset > (ends[i].get(partition) ?? -1)) continue
            doomed.push(doomedAt(rows, slot))
            of.push(ends[i])
          }
        })
        if (doomed.length === 0) return identities.length
        const positions = yield* this.bury(doomed)
        positions.forEach(({ offset, partition }, i) => {
          of[i].set(partition, Math.max(offset, of[i].get(partition) ?? -1))
        })
        yield* table.awaitPosition(positions)
      }
    })
  }
}

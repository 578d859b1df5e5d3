/** Watches tables, for the oracle. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { KafkaTable } from "../../src/index.ts"
import { LiveTable } from "../../src/index.ts"
import type { ReadRecord } from "../kafka/records.ts"
import type { Barrier, Held, Read, Sighting, Start } from "./history.ts"

export type Table = KafkaTable.KafkaTable<string, string>

/** How often a table is read at its positions. */
const READ_EVERY_MILLIS = 100
const BARRIER_EVERY_MILLIS = 50
const BARRIER_TIMEOUT = "3 seconds"
/** Of each table; they are all kept until they are judged. */
const MAX_READS = 80

export const contentOf = (table: Table): ReadonlyArray<Held> =>
  Array.from(table.unsafeSnapshot().entries(), ({ key, offset, partition, value }) => ({
    key,
    value,
    partition,
    offset
  }))

/** What a subscriber ends with who starts from nothing and does what the changes say. */
const contentBySightings = (sightings: ReadonlyArray<Sighting>): ReadonlyArray<Held> => {
  const content = new Map<string, Held>()
  for (const { key, offset, partition, value } of sightings) {
    if (value === null) content.delete(key)
    else content.set(key, { key, value, partition, offset })
  }
  return [...content.values()]
}

export class Witness {
  readonly tables = new Map<string, Table>()
  readonly sightings = new Map<string, Array<Sighting>>()
  readonly starts: Array<Start> = []
  readonly reads: Array<Read> = []
  readonly barriers: Array<Barrier> = []
  /** The log as it was read at several times. */
  readonly logs: Array<ReadonlyArray<ReadRecord>> = []
  private resting = false

  /** Acquires a table, and watches it from then on. `targets` is where the partitions ended before. */
  watch<E, R>(
    name: string,
    targets: ReadonlyMap<number, number>,
    acquire: Effect.Effect<Table, E, R>
  ): Effect.Effect<Table, E, R | Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const table = yield* acquire
      yield* this.watchStart(name, targets, table)
      yield* this.watchChanges(name, table)
      yield* this.watchReads(name, table)
      this.tables.set(name, table)
      return table
    })
  }

  /** The moment when it calls itself caught up. */
  private watchStart(name: string, targets: ReadonlyMap<number, number>, table: Table) {
    const note = Effect.map(readOf(name, table), (read) => {
      this.starts.push({ ...read, targets })
    })
    return Effect.gen(function* () {
      const { _tag } = yield* SubscriptionRef.get(table.status)
      if (_tag === "CaughtUp") return yield* note
      const caughtUp = Stream.filter(SubscriptionRef.changes(table.status), (status) => status._tag === "CaughtUp")
      yield* Effect.forkScoped(Stream.runForEach(Stream.take(caughtUp, 1), () => note))
    })
  }

  private watchChanges(name: string, table: Table) {
    return Effect.gen({ self: this }, function* () {
      const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(1_000_000) })
      const seen: Array<Sighting> = [...snapshot.entries()]
      this.sightings.set(name, seen)
      yield* Effect.forkScoped(
        Stream.runForEach(changes, (change) =>
          Effect.sync(() => {
            const { key, offset, partition } = change
            seen.push({ key, offset, partition, value: change._tag === "Upsert" ? change.value : null })
          })
        )
      )
    })
  }

  private watchReads(name: string, table: Table) {
    let count = 0
    const once = Effect.flatMap(readOf(name, table), (found) =>
      Effect.suspend(() => {
        this.reads.push(found)
        return ++count < MAX_READS && !this.resting ? Effect.sleep(READ_EVERY_MILLIS) : Effect.never
      })
    )
    return Effect.forkScoped(Effect.forever(once))
  }

  /** Reads no more by itself: what the process does from then on is the tables' doing. */
  rest(): void {
    this.resting = true
  }

  /** Asks a table for barriers, one after the other. `targets`: what has been acknowledged. */
  watchBarriers(name: string, table: Table, targets: () => ReadonlyMap<number, number>) {
    const once = Effect.gen({ self: this }, function* () {
      const before = targets()
      const exit = yield* Effect.exit(table.barrier({ timeout: BARRIER_TIMEOUT }))
      const { positions } = yield* readOf(name, table)
      if (exit._tag === "Success") this.barriers.push({ table: name, targets: before, positions })
      yield* Effect.sleep(BARRIER_EVERY_MILLIS)
    })
    return Effect.forkScoped(Effect.forever(once))
  }

  /** Whether who follows the tables knows all that they show: it may be a moment behind. */
  get isTold(): boolean {
    return [...this.tables].every(([name, table]) => {
      const shown = table.unsafeSnapshot()
      const told = contentBySightings(this.sightings.get(name)!)
      return told.length === shown.size && told.every(({ key, value }) => shown.getOrUndefined(key) === value)
    })
  }

  /** What the tables hold now. */
  get contents(): ReadonlyMap<string, ReadonlyArray<Held>> {
    const contents = new Map<string, ReadonlyArray<Held>>()
    for (const [name, table] of this.tables) {
      contents.set(name, contentOf(table))
      contents.set(`${name}, by its changes`, contentBySightings(this.sightings.get(name)!))
    }
    return contents
  }
}

/** Content and positions of the same moment. */
export const readOf = (name: string, table: Table): Effect.Effect<Read> =>
  Effect.map(table.stats, ({ partitions }) => ({
    table: name,
    positions: new Map(partitions.map((p) => [p.partition, p.position])),
    content: contentOf(table)
  }))

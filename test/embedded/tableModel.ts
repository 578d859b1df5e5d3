/**
 * Whatever is done to a topic and to those who use it, in whatever order: tables and writers of the library on the embedded
 * Kafka, beside a model that knows what was written, and nothing else.
 *
 * After each step every table is read at its positions. A `barrier` and the end ask for all that is committed.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Latch from "effect/Latch"
import * as fc from "fast-check"
import { assert } from "vitest"
import {
  Codec,
  EmbeddedKafka,
  KafkaClient,
  KafkaTable,
  LiveTable,
  KafkaTableWriter,
  type Position,
  type TableChange
} from "../../src/index.ts"
import { withSeed } from "../support/effect/v4/random.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { ManualClock } from "../support/ManualClock.ts"
import { settleBriefly } from "../table/support.ts"

const topic = "registry"
const NODES = 2
const TABLES = 2
const TRANSACTIONS = 2
const PARTITIONS = 3
/** How long the cleaner leaves tombstones. */
const TOMBSTONES_MILLIS = 20_000
/** Of the test's time: nothing that is awaited takes longer. */
const PATIENCE_MILLIS = 120_000

export type Table = KafkaTable.KafkaTable<string, string>
type Writer = KafkaTableWriter.KafkaTableWriter<string, string>

// ---------------------------------------------------------------------------------------------------------------------
// steps
// ---------------------------------------------------------------------------------------------------------------------

const keys = ["a", "b", "c", "d", "e", "f"]
/** Enough for all that there is, or so few that changes are missed. */
const MANY = 10_000
const FEW = 3

const strategies = {
  conflate: LiveTable.conflate,
  sliding: LiveTable.sliding(MANY),
  dropping: LiveTable.dropping(MANY),
  backPressure: LiveTable.backPressure(MANY),
  slidingFew: LiveTable.sliding(FEW),
  droppingFew: LiveTable.dropping(FEW)
} as const

type StrategyName = keyof typeof strategies

const missesSome = (strategy: StrategyName): boolean => strategy === "slidingFew" || strategy === "droppingFew"
const missesNone = (strategy: StrategyName): boolean => strategy !== "conflate" && !missesSome(strategy)

const faults = ["disconnect", "corrupt", "truncate", "delay", "refuse"] as const

/** Values come from a counter: no two are the same. A list of keys, of which those that are `true` are deleted. */
type Writes = ReadonlyArray<readonly [key: string, deleted: boolean]>

export type Step =
  | {
      readonly do: "write"
      readonly writer: number
      readonly key: string
      readonly deleted: boolean
      readonly lost: boolean
    }
  | {
      readonly do: "writeMany"
      readonly writer: number
      readonly keys: ReadonlyArray<string>
      readonly deleted: boolean
    }
  | { readonly do: "append"; readonly writes: Writes; readonly compression: "none" | "gzip" | "lz4" }
  | { readonly do: "transact"; readonly transaction: number; readonly writes: Writes }
  | { readonly do: "end"; readonly transaction: number; readonly commit: boolean }
  | { readonly do: "clean"; readonly after: number }
  | { readonly do: "evict"; readonly partition: number; readonly part: number }
  | { readonly do: "grow" }
  | { readonly do: "lead"; readonly partition: number; readonly node: number }
  | { readonly do: "outage"; readonly node: number; readonly millis: number }
  | { readonly do: "reset" }
  | { readonly do: "fault"; readonly fault: (typeof faults)[number] }
  | { readonly do: "wait"; readonly millis: number }
  | { readonly do: "reopen"; readonly table: number; readonly away: number }
  | { readonly do: "subscribe"; readonly table: number; readonly strategy: StrategyName }
  | { readonly do: "hold"; readonly table: number; readonly held: boolean }
  | { readonly do: "barrier"; readonly table: number }

const key = fc.constantFrom(...keys)
const strategy = fc.constantFrom(...(Object.keys(strategies) as Array<StrategyName>))
const deleted = fc.integer({ min: 0, max: 3 }).map((n) => n === 0)
const table = fc.nat(TABLES - 1)
const writes: fc.Arbitrary<Writes> = fc.array(fc.tuple(key, deleted), { minLength: 1, maxLength: 4 })
const kind = <const K extends Step["do"]>(name: K) => fc.constant(name)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: kind("write"), writer: fc.nat(1), key, deleted, lost: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: kind("writeMany"),
      writer: fc.nat(1),
      keys: fc.uniqueArray(key, { minLength: 1 }),
      deleted
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: kind("append"),
      writes,
      compression: fc.constantFrom("none" as const, "gzip" as const, "lz4" as const)
    })
  },
  { weight: 3, arbitrary: fc.record({ do: kind("transact"), transaction: fc.nat(TRANSACTIONS - 1), writes }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: kind("end"), transaction: fc.nat(TRANSACTIONS - 1), commit: fc.boolean() })
  },
  { weight: 2, arbitrary: fc.record({ do: kind("clean"), after: fc.constantFrom(0, 100, TOMBSTONES_MILLIS + 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: kind("evict"), partition: fc.nat(PARTITIONS - 1), part: fc.constantFrom(0.3, 0.7, 1) })
  },
  { weight: 1, arbitrary: fc.record({ do: kind("grow") }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: kind("lead"), partition: fc.nat(PARTITIONS - 1), node: fc.nat(NODES - 1) })
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: kind("outage"), node: fc.nat(NODES - 1), millis: fc.constantFrom(10, 2_000) })
  },
  { weight: 2, arbitrary: fc.record({ do: kind("reset") }) },
  { weight: 2, arbitrary: fc.record({ do: kind("fault"), fault: fc.constantFrom(...faults) }) },
  { weight: 2, arbitrary: fc.record({ do: kind("wait"), millis: fc.constantFrom(1, 300, 3_000) }) },
  { weight: 2, arbitrary: fc.record({ do: kind("reopen"), table, away: fc.constantFrom(0, 500) }) },
  { weight: 4, arbitrary: fc.record({ do: kind("subscribe"), table, strategy }) },
  { weight: 2, arbitrary: fc.record({ do: kind("hold"), table, held: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: kind("barrier"), table }) }
)

export const steps = fc.array(step, { minLength: 1, maxLength: 30, size: "max" })

// ---------------------------------------------------------------------------------------------------------------------
// the model
// ---------------------------------------------------------------------------------------------------------------------

interface Fate {
  outcome: "open" | "commit" | "abort"
}

interface Written {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
  readonly transaction: Fate | undefined
}

class Model {
  readonly written: Array<Written> = []
  /** By partition, as of now. */
  readonly ends = [0]
  readonly heads = [0]
  /** When a cleaning may have removed a tombstone. */
  cleanedAt = -1
  private values = 0

  newValue(): string {
    return `v${++this.values}`
  }

  /** Where the next record of a partition is. */
  add(
    { offset, partition }: { readonly partition: number; readonly offset: number },
    record: Omit<Written, "partition" | "offset">
  ): void {
    assert.strictEqual(offset, this.ends[partition], "a write is at the end of its partition")
    this.ends[partition]++
    this.written.push({ partition, offset, ...record })
  }

  /** Of the last stable offset of a partition. */
  stable(partition: number): number {
    const open = this.written.filter((one) => one.partition === partition && one.transaction?.outcome === "open")
    return Math.min(this.ends[partition], ...open.map(({ offset }) => offset))
  }

  get isStable(): boolean {
    return this.ends.every((end, partition) => this.stable(partition) === end)
  }

  get committed(): ReadonlyArray<Written> {
    return this.written.filter(
      ({ offset, partition, transaction }) => transaction?.outcome !== "abort" && offset < this.stable(partition)
    )
  }

  /**
   * What a table may show for a key that has applied each partition up to `positions`: as `shown` has it, or
   * "nothing". More than one thing where records were deleted a moment ago, of which it may not have heard. Once it
   * `knows` of that, it is what the logs say.
   */
  allowed(key: string, positions: ReadonlyArray<number>, knows = false): ReadonlySet<string> {
    let candidates: ReadonlyArray<ReadonlyArray<Written>> = [[]]
    for (const partition of this.ends.keys()) {
      const last = this.committed
        .filter((one) => one.partition === partition && one.key === key && one.offset < (positions[partition] ?? 0))
        .at(-1)
      if (last === undefined) continue
      const evicted = last.offset < this.heads[partition]
      if (evicted && knows) continue
      const forgotten = last.value === null && last.timestamp <= this.cleanedAt
      const with_ = candidates.map((some) => [...some, last])
      candidates = evicted || forgotten ? [...with_, ...candidates] : with_
    }
    return new Set(
      candidates.map((some) => {
        const [newest] = [...some].sort((a, b) => b.timestamp - a.timestamp || b.partition - a.partition)
        return newest === undefined || newest.value === null ? "nothing" : shown(newest)
      })
    )
  }
}

const shown = (record: {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly value: string | null
}): string => `${record.partition}:${record.offset} of ${record.timestamp}=${record.value}`

// ---------------------------------------------------------------------------------------------------------------------
// the real thing
// ---------------------------------------------------------------------------------------------------------------------

/** Parts that a test may replace by broken ones, to see that they are found out. */
export interface Variant {
  readonly barrier?: (table: Table) => Effect.Effect<void, unknown>
  readonly subscribe?: (table: Table, strategy: LiveTable.Strategy) => ReturnType<Table["subscribe"]>
  readonly prepare?: (kafka: EmbeddedKafka.EmbeddedKafka) => Effect.Effect<void, never, Scope.Scope>
  readonly settings?: KafkaTable.TableSettings
  readonly writer?: KafkaTableWriter.WriterSettings
}

/** Somebody who follows a table by its changes. */
interface Follower {
  readonly strategy: StrategyName
  /** All that was taken. */
  readonly taken: Array<Change>
  /** What it knows, by the snapshot and the changes. */
  readonly known: Map<string, string>
  readonly gate: Latch.Latch
  held: boolean
  /** Why it does not follow any longer. */
  failure: Error | undefined
}

interface Open {
  readonly table: Table
  readonly scope: Scope.Closeable
  readonly followers: Array<Follower>
}

const text = Option.getOrUndefined<string>

/** Does what a change says; a change that does not fit to what was known shows a gap or a double. */
const follow = (follower: Follower, change: Change): void => {
  const { known, strategy, taken } = follower
  taken.push(change)
  const before = known.get(change.key)
  if (!missesSome(strategy)) {
    const value = before?.slice(before.indexOf("=") + 1)
    assert.strictEqual(text(change.previous), value, `${strategy}: before ${change.key} of ${change.offset}`)
  }
  if (change._tag === "Upsert") {
    assert.notStrictEqual(before, shown(change), `${strategy}: ${change.key} twice`)
    known.set(change.key, shown(change))
  } else known.delete(change.key)
}

const contentOf = (table: Table): ReadonlyMap<string, string> =>
  new Map(Array.from(table.unsafeSnapshot().entries(), (entry) => [entry.key, shown(entry)]))

interface Transaction {
  readonly handle: EmbeddedKafka.Transaction
  readonly state: Fate
  readonly partitions: Set<number>
}

class Run {
  private readonly model = new Model()
  private readonly kafka: EmbeddedKafka.EmbeddedKafka
  private readonly variant: Variant
  private readonly writers: ReadonlyArray<Writer>
  private readonly tables: Array<Open> = []
  private readonly transactions: Array<Transaction> = []
  private corrupted = false

  private constructor(kafka: EmbeddedKafka.EmbeddedKafka, variant: Variant, writers: ReadonlyArray<Writer>) {
    this.kafka = kafka
    this.variant = variant
    this.writers = writers
  }

  static start(variant: Variant): Effect.Effect<Run, unknown, Scope.Scope> {
    return Effect.gen(function* () {
      const configs = { "cleanup.policy": "compact,delete", "delete.retention.ms": String(TOMBSTONES_MILLIS) }
      const kafka = yield* EmbeddedKafka.make({
        nodes: NODES,
        topics: { [topic]: { replicationFactor: NODES, configs: { ...configs, "retention.ms": "-1" } } }
      })
      if (variant.prepare !== undefined) yield* variant.prepare(kafka)
      const writers: Array<Writer> = []
      for (const compression of ["none", "snappy"] as const) {
        const client = yield* kafka.client({ clientId: `writer ${compression}`, requestTimeout: "1 second" })
        const make = KafkaTableWriter.make<string, string>({
          ...{ topic, value: Codec.utf8, ensureTopic: false, compression, metadataMaxAge: "1 second" },
          ...variant.writer
        })
        writers.push(yield* finished(Effect.provideService(make, KafkaClient.KafkaClient, client)))
      }
      const run = new Run(kafka, variant, writers)
      for (let i = 0; i < TABLES; i++) run.tables.push(yield* run.openTable)
      for (let i = 0; i < TRANSACTIONS; i++) run.transactions.push(yield* run.newTransaction)
      yield* Effect.addFinalizer(() =>
        Effect.forEach(run.tables, ({ scope }) => finished(Scope.close(scope, Exit.void)), { discard: true })
      )
      return run
    })
  }

  private get openTable(): Effect.Effect<Open, unknown> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      const make = Effect.gen({ self: this }, function* () {
        const client = yield* this.kafka.client({ clientId: "table", requestTimeout: "1 second" })
        return yield* KafkaTable.make<string, string>({
          ...{ topic, value: Codec.utf8, ensureTopic: false, metadataMaxAge: "1 second", catchUpTimeout: "1 minute" },
          fetch: { maxPartitionBytes: 200 },
          onCatchUpTimeout: "fail",
          ...this.variant.settings
        }).pipe(Effect.provideService(KafkaClient.KafkaClient, client))
      })
      const table = yield* finished(Scope.provide(make, scope))
      return { table, scope, followers: [] }
    })
  }

  private get newTransaction() {
    return Effect.map(this.kafka.transaction, (handle): Transaction => ({
      handle,
      state: { outcome: "open" },
      partitions: new Set()
    }))
  }

  step(step: Step): Effect.Effect<void, unknown, Scope.Scope> {
    return Effect.andThen(
      this.carryOut(step),
      Effect.andThen(
        settleBriefly,
        Effect.suspend(() => this.look)
      )
    )
  }

  private carryOut(step: Step): Effect.Effect<void, unknown, Scope.Scope> {
    const { kafka, model } = this
    switch (step.do) {
      case "write":
        return Effect.gen({ self: this }, function* () {
          const writer = this.writers[step.writer]
          const timestamp = yield* Clock.currentTimeMillis
          const value = step.deleted ? null : model.newValue()
          // the broker has it, and its answer is lost: it is not to be there twice
          const scope = yield* Scope.make()
          if (step.lost) {
            const target = { request: "Produce", times: 1 } as const
            yield* Scope.provide(kafka.inject({ _tag: "Disconnect", applied: true }, target), scope)
          }
          const write =
            value === null ? writer.delete(step.key, { timestamp }) : writer.set(step.key, value, { timestamp })
          const position = yield* finished(write)
          yield* Scope.close(scope, Exit.void)
          model.add(position, { key: step.key, value, timestamp, transaction: undefined })
        })
      case "writeMany":
        return Effect.gen({ self: this }, function* () {
          const writer = this.writers[step.writer]
          const timestamp = yield* Clock.currentTimeMillis
          const entries = step.keys.map((key) => [key, model.newValue()] as const)
          const positions = yield* finished(step.deleted ? writer.deleteMany(step.keys) : writer.setMany(entries))
          this.added(positions, step.keys, (i) => (step.deleted ? null : entries[i][1]), timestamp, undefined)
        })
      case "append":
        return Effect.gen({ self: this }, function* () {
          const timestamp = yield* Clock.currentTimeMillis
          const records = this.records(step.writes)
          const positions = yield* kafka.append(topic, records, { compression: step.compression })
          this.added(
            positions,
            records.map((one) => one.key),
            (i) => records[i].value,
            timestamp,
            undefined
          )
        })
      case "transact":
        return Effect.gen({ self: this }, function* () {
          const { handle, partitions, state } = this.transactions[step.transaction]
          const timestamp = yield* Clock.currentTimeMillis
          const records = this.records(step.writes)
          const positions = yield* handle.append(topic, records)
          for (const { partition } of positions) partitions.add(partition)
          this.added(
            positions,
            records.map((one) => one.key),
            (i) => records[i].value,
            timestamp,
            state
          )
        })
      case "end":
        return this.end(step.transaction, step.commit)
      case "clean":
        return Effect.gen(function* () {
          yield* pass(step.after)
          model.cleanedAt = yield* Clock.currentTimeMillis
          yield* kafka.clean(topic)
        })
      case "evict":
        return Effect.suspend(() => {
          const { partition } = step
          if (partition >= model.ends.length) return Effect.void
          const from = model.heads[partition]
          const offset = from + Math.floor((model.stable(partition) - from) * step.part)
          model.heads[partition] = offset
          return kafka.deleteRecords(topic, partition, offset)
        })
      case "grow":
        return Effect.suspend(() => {
          if (model.ends.length === PARTITIONS) return Effect.void
          model.ends.push(0)
          model.heads.push(0)
          return kafka.addPartitions(topic, model.ends.length)
        })
      case "lead":
        return step.partition < model.ends.length ? kafka.moveLeader(topic, step.partition, step.node) : Effect.void
      case "outage":
        return Effect.gen(function* () {
          yield* kafka.stopNode(step.node)
          yield* pass(step.millis)
          yield* kafka.startNode(step.node)
        })
      case "reset":
        return kafka.disconnect()
      case "fault":
        return Effect.suspend(() => {
          // what is corrupt twice at one place ends a table, and is meant to
          if (step.fault === "corrupt" && this.corrupted) return Effect.void
          this.corrupted ||= step.fault === "corrupt"
          return Effect.asVoid(kafka.inject(faultOf(step.fault), { request: "Fetch", times: 1 }))
        })
      case "wait":
        return pass(step.millis)
      case "reopen":
        return Effect.gen({ self: this }, function* () {
          const { followers, scope, table } = this.tables[step.table]
          const last = contentOf(table)
          yield* finished(Scope.close(scope, Exit.void))
          assert.deepStrictEqual(contentOf(table), last, "what was closed stays readable")
          for (const one of followers) yield* one.gate.open
          yield* pass(step.away)
          this.tables[step.table] = yield* this.openTable
        })
      case "subscribe":
        return this.subscribe(this.tables[step.table], step.strategy)
      case "hold":
        return Effect.forEach(this.tables[step.table].followers, (follower) => hold(follower, step.held), {
          discard: true
        })
      case "barrier":
        return this.barrier(this.tables[step.table])
    }
  }

  private records(writes: Writes) {
    return writes.map(([key, deleted]) => ({ key, value: deleted ? null : this.model.newValue() }))
  }

  private added(
    positions: ReadonlyArray<Position.Position>,
    keys: ReadonlyArray<string>,
    valueOf: (index: number) => string | null,
    timestamp: number,
    transaction: Written["transaction"]
  ): void {
    assert.strictEqual(positions.length, keys.length)
    // of those of one call, each partition has its own in their order
    for (const [i, position] of positions.entries()) {
      this.model.add(position, { key: keys[i], value: valueOf(i), timestamp, transaction })
    }
  }

  private end(index: number, commit: boolean): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { handle, partitions, state } = this.transactions[index]
      yield* commit ? handle.commit : handle.abort
      state.outcome = commit ? "commit" : "abort"
      // each has a marker
      for (const partition of partitions) this.model.ends[partition]++
      this.transactions[index] = yield* this.newTransaction
    })
  }

  private subscribe({ followers, scope, table }: Open, strategy: StrategyName): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { subscribe = (table: Table, strategy: LiveTable.Strategy) => table.subscribe({ strategy }) } = this.variant
      const { changes, snapshot } = yield* subscribe(table, strategies[strategy])
      const follower: Follower = {
        strategy,
        taken: [],
        known: new Map(Array.from(snapshot.entries(), (entry) => [entry.key, shown(entry)])),
        gate: yield* Latch.make(true),
        held: false,
        failure: undefined
      }
      followers.push(follower)
      const take = (change: Change) => follower.gate.whenOpen(Effect.sync(() => follow(follower, change)))
      // what does not fit ends the follower, and is told when all is compared
      const following = Effect.catchDefect(Stream.runForEach(changes, take), (defect) =>
        Effect.sync(() => {
          follower.failure = defect instanceof Error ? defect : new Error(String(defect))
        })
      )
      yield* Effect.forkIn(following, scope)
    }).pipe(Scope.provide(scope))
  }

  /** Everything that is read fits to the positions that the tables name. */
  private get look(): Effect.Effect<void> {
    return Effect.forEach(
      this.tables,
      ({ table }) =>
        Effect.map(table.stats, ({ partitions }) => {
          const positions: Array<number> = []
          for (const { partition, position } of partitions) {
            positions[partition] = position
            assert.isAtMost(position, this.model.stable(partition), "nothing that may still be undone was read")
          }
          this.compare(table, positions)
        }),
      { discard: true }
    )
  }

  private compare(table: Table, positions: ReadonlyArray<number>, knows = false): void {
    const content = contentOf(table)
    for (const key of content.keys()) assert.include(keys, key)
    for (const key of keys) {
      const allowed = this.model.allowed(key, positions, knows)
      const found = content.get(key) ?? "nothing"
      if (!allowed.has(found)) {
        assert.fail(`${key} at ${JSON.stringify(positions)} is ${found}, not ${[...allowed].join(" or ")}`)
      }
    }
  }

  /** All that was written before is there, and all who follow know it. */
  private barrier(open: Open): Effect.Effect<void, unknown> {
    return Effect.gen({ self: this }, function* () {
      // it would wait for the end of transactions
      if (!this.model.isStable) return
      const { barrier = (table: Table) => table.barrier({ timeout: "2 minutes" }) } = this.variant
      yield* finished(barrier(open.table))
      this.compare(open.table, this.model.ends)
      yield* settleBriefly
      this.compareFollowers(open)
    })
  }

  private compareFollowers({ followers, table }: Open): void {
    const content = [...contentOf(table)].sort()
    for (const [i, { failure, held, known, strategy, taken }] of followers.entries()) {
      if (failure !== undefined) throw failure
      if (held) continue
      if (!missesSome(strategy)) {
        assert.deepStrictEqual([...known].sort(), content, `${strategy}: snapshot and changes`)
        continue
      }
      // who misses some sees others of what was there to see, in its order
      const whole = followers.slice(0, i).find((one) => missesNone(one.strategy) && !one.held)
      if (whole === undefined) continue
      let at = 0
      for (const change of taken) {
        while (at < whole.taken.length && !isSame(whole.taken[at], change)) at++
        assert.isBelow(at++, whole.taken.length, `${strategy}: ${change.key} of ${change.offset}`)
      }
      if (strategy === "slidingFew" && taken.length > 0) {
        assert.isTrue(isSame(taken.at(-1)!, whole.taken.at(-1)!), "the last change is never missed")
      }
    }
  }

  /** When all is well, everything comes right. */
  get finish(): Effect.Effect<void, unknown> {
    return Effect.gen({ self: this }, function* () {
      for (const index of this.transactions.keys()) yield* this.end(index, index % 2 === 0)
      for (const { followers } of this.tables) for (const one of followers) yield* hold(one, false)
      yield* settleBriefly
      assert.isTrue(this.model.isStable, "no barrier is left out")
      for (const open of this.tables) yield* this.barrier(open)
      // longer than a broker holds an answer back, and than all faults together take
      for (let i = 0; i < 5; i++) yield* pass(1_000)
      // one that comes late reads the same: what the logs do not hold any more is in no table
      const late = yield* this.openTable
      yield* this.barrier(late)
      for (const { table } of [...this.tables, late]) this.compare(table, this.model.ends, true)
      for (const open of this.tables) this.compareFollowers(open)
      yield* finished(Scope.close(late.scope, Exit.void))
    })
  }
}

type Change = TableChange.RecordChange<string, string>

const isSame = (a: Change, b: Change): boolean =>
  a._tag === b._tag && a.key === b.key && a.partition === b.partition && a.offset === b.offset

const hold = (follower: Follower, held: boolean): Effect.Effect<void> => {
  // who holds back one who insists on every change, holds back the table
  if (follower.strategy === "backPressure") return Effect.void
  follower.held = held
  return Effect.asVoid(held ? follower.gate.close : follower.gate.open)
}

const faultOf = (fault: (typeof faults)[number]): EmbeddedKafka.Fault => {
  switch (fault) {
    case "disconnect":
      return { _tag: "Disconnect" }
    case "corrupt":
      // of the first record, if it is not compressed: in its value
      return { _tag: "Corrupt", at: 69 }
    case "truncate":
      return { _tag: "Truncate", bytes: 40 }
    case "delay":
      return { _tag: "Delay", millis: 700 }
    case "refuse":
      // NOT_LEADER_OR_FOLLOWER
      return { _tag: "ErrorCode", code: 6 }
  }
}

const pass = (millis: number) => Effect.andThen(TestClock.adjust(millis), settleBriefly)

/** Lets time pass until it is done. */
const finished = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let passed = 0; passed < PATIENCE_MILLIS; passed += 100) {
      yield* settleBriefly
      if (hasEnded(fiber)) break
      yield* TestClock.adjust(100)
    }
    if (!hasEnded(fiber)) assert.fail(`not within ${PATIENCE_MILLIS} ms`)
    return yield* Fiber.join(fiber)
  })

/** Carries steps out on a cluster of their own; rejects where it differs from the model. */
export const carryOut = (steps: ReadonlyArray<Step>, variant: Variant = {}): Promise<void> =>
  Effect.gen(function* () {
    const run = yield* Run.start(variant)
    for (const [i, step] of steps.entries()) {
      yield* Effect.mapError(run.step(step), (cause) => new Error(`step ${i}, ${step.do}: ${String(cause)}`, { cause }))
    }
    yield* run.finish
  }).pipe(Effect.scoped, withSeed(1), withoutLogs, withClock(new ManualClock()), Effect.runPromise)

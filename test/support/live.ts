/** What tests that go by the real clock have in common, whatever Kafka they are on. */
import { it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { flow } from "effect/Function"
import { afterAll, assert, beforeAll } from "vitest"
import { loggingTo, ofAllLevels, withoutLogs } from "./effect/v4/logs.ts"
import type { KafkaTable } from "../../src/index.ts"
import { LiveTable, type TableSnapshot } from "../../src/index.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { until } from "../kafka/process.ts"
import { HUNG_MILLIS, PATIENCE_MILLIS, SOONER_MILLIS } from "./patience.ts"

// ---------------------------------------------------------------------------------------------------------------------
// tests
// ---------------------------------------------------------------------------------------------------------------------

/** A test with a scope of its own, by the real clock, without log lines. */
export const test = <A, E>(name: string, body: () => Effect.Effect<A, E, Scope.Scope>, timeoutMillis?: number): void =>
  it.live(name, () => withoutLogs(body()), timeoutMillis ?? HUNG_MILLIS)

/** Reports a test as skipped, and why. */
export const leaveOut = (name: string, why: string): void => it.skip(`${name} (left out: ${why})`, () => {})

/** What the tests of a group share: made before the first one, released after the last one. */
export const shared = <A, E>(make: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> => {
  const scope = Effect.runSync(Scope.make())
  const made = Effect.runSync(Effect.cached(Scope.provide(make, scope)))
  beforeAll(() => Effect.runPromise(Effect.asVoid(made)), HUNG_MILLIS)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), HUNG_MILLIS)
  return made
}

/** Warnings of the process (leaks of listeners, negative timeouts) fail the file that they appear in. */
export const failOnProcessWarnings = (): void => {
  const warnings: Array<Error> = []
  const note = (warning: Error) => {
    // of Node itself about what it was started with, and not about what we do
    if (warning.name !== "ExperimentalWarning" && warning.name !== "DeprecationWarning") warnings.push(warning)
  }
  beforeAll(() => {
    process.on("warning", note)
  })
  afterAll(() => {
    process.off("warning", note)
    assert.deepStrictEqual(
      warnings.map((warning) => warning.stack),
      []
    )
  })
}

/** So many, counting from `from`. */
export const numbers = (count: number, from = 0): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => from + i)

/** Waits until the check holds, and fails with what is the case instead. */
export const eventually = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (seen: A) => boolean,
  within: Duration.Input = PATIENCE_MILLIS
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    let seen: A | undefined
    const held = yield* until(
      Effect.map(look, (found) => {
        seen = found
        return holds(found)
      }),
      { within, every: "20 millis" }
    )
    if (!held) {
      assert.fail(
        `not within ${Duration.format(Duration.fromInputUnsafe(within))}: ${String(holds)}; seen: ${show(seen)}`
      )
    }
    return seen as A
  })

/** The same for what an option makes happen sooner than by its default. */
export const sooner = <A, E, R>(look: Effect.Effect<A, E, R>, holds: (seen: A) => boolean): Effect.Effect<A, E, R> =>
  eventually(look, holds, SOONER_MILLIS)

const show = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

/** What an error says by its fields, for assertions to print: printing the error itself, they run in circles. */
export const facts = (error: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(error).filter(([name]) => name !== "cause"))

/** Log lines of an effect, as they would be printed, of all levels. */
export const recordLogs = (
  lines: Array<string>
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
  flow(
    loggingTo(({ printed }) => lines.push(printed)),
    ofAllLevels
  )

// ---------------------------------------------------------------------------------------------------------------------
// what is seen of a table
// ---------------------------------------------------------------------------------------------------------------------

export const statusOf = <K, V>(table: KafkaTable.KafkaTable<K, V>): Effect.Effect<LiveTable.TableStatus> =>
  SubscriptionRef.get(table.status)

/** The tags of all statuses from now on, the present one first. */
export const statuses = <K, V>(
  table: KafkaTable.KafkaTable<K, V>
): Effect.Effect<ReadonlyArray<LiveTable.TableStatus["_tag"]>, never, Scope.Scope> =>
  collect(Stream.map(SubscriptionRef.changes(table.status), (status) => status._tag))

/** Runs a stream beside the test; what it gives is added to the result. */
export const collect = <A, E>(stream: Stream.Stream<A, E>): Effect.Effect<ReadonlyArray<A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    yield* Effect.forkScoped(Stream.runForEach(stream, (one) => Effect.sync(() => seen.push(one))))
    // it is subscribed once it ran
    yield* Effect.yieldNow
    return seen
  })

/** Every change of the table from now on, as `[key, value or null]`. */
export const changesOf = <V>(
  table: KafkaTable.KafkaTable<string, V>
): Effect.Effect<ReadonlyArray<readonly [string, V | null]>, never, Scope.Scope> =>
  Effect.flatMap(table.subscribe({ strategy: LiveTable.backPressure(100_000) }), ({ changes }) =>
    collect(Stream.map(changes, (change) => [change.key, change._tag === "Upsert" ? change.value : null] as const))
  )

// ---------------------------------------------------------------------------------------------------------------------
// what is right
// ---------------------------------------------------------------------------------------------------------------------

const text = (bytes: Buffer): string => bytes.toString("utf8")

/**
 * The last record of each key in the log as an independent client read it, tombstones left out; of each partition as far
 * as `positions`, where they are given. Keys live in one partition each.
 */
export const fold = (
  log: ReadonlyArray<ReadRecord>,
  positions?: ReadonlyMap<number, number>
): ReadonlyMap<string, ReadRecord> => {
  const last = new Map<string, ReadRecord>()
  for (const record of log) {
    if (record.key === null) continue
    if (positions !== undefined && record.offset >= (positions.get(record.partition) ?? 0)) continue
    const key = text(record.key)
    const before = last.get(key)
    if (before !== undefined && (before.partition !== record.partition || before.offset > record.offset)) continue
    last.set(key, record)
  }
  for (const [key, record] of last) if (record.value === null) last.delete(key)
  return last
}

/** Where a table differs from what is right: some of it. Values, partitions, offsets and timestamps are compared. */
export const differences = (
  snapshot: TableSnapshot.RecordSnapshot<string, string>,
  right: ReadonlyMap<string, ReadRecord>
): ReadonlyArray<string> => {
  const found: Array<string> = []
  const note = (key: string, what: string) => {
    if (found.length < 5) found.push(`${key}: ${what}`)
  }
  for (const entry of snapshot.entries()) {
    const record = right.get(entry.key)
    if (record === undefined) {
      note(entry.key, `only in the table, offset ${entry.offset}`)
    } else if (
      record.partition !== entry.partition ||
      record.offset !== entry.offset ||
      record.timestamp !== entry.timestamp ||
      text(record.value!) !== entry.value
    ) {
      note(
        entry.key,
        `at ${entry.partition}:${entry.offset} in the table, at ${record.partition}:${record.offset} in the log`
      )
    }
  }
  for (const key of right.keys()) if (!snapshot.has(key)) note(key, "only in the log")
  return found
}

/** The content, and up to where each partition is in it: both of the same moment. */
export const seenBy = <K, V>(table: KafkaTable.KafkaTable<K, V>) =>
  Effect.map(table.stats, (stats) => ({
    snapshot: table.unsafeSnapshot(),
    positions: new Map(stats.partitions.map((p) => [p.partition, p.position]))
  }))

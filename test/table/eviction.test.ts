/** A log that begins later than it did, whatever a table is doing: it ends with what a fresh one reads. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { vi } from "vitest"
import type { KafkaTable } from "../../src/index.ts"
import { LiveTable, type TableChange } from "../../src/index.ts"
import { LINE_RATE_MILLIS, LineRate } from "../../src/internal/lineRate.ts"
import { RecordStore } from "../../src/internal/table/content/recordStore.ts"
import type { FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { acquiring, advance, capturing, fetched, fetchOf, open, settle, topic, until, withTopic } from "./support.ts"

/** One batch for each key, from `from` on, so that an offset is the key's number. */
const fill = (cluster: FakeCluster, count: number, from = 0, partition = 0): void => {
  for (let i = from; i < from + count; i++) cluster.append(topic, [{ key: `k${i}`, value: `v${i}` }], partition)
}

const keysFrom = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from }, (_, i) => `k${from + i}`)

const keysOf = (table: KafkaTable.KafkaTable<string, string>): ReadonlyArray<string> => [
  ...table.unsafeSnapshot().keys()
]

const batchAnAnswer = { fetch: { maxPartitionBytes: 1 } }

/** Lets the fetches below `offset` through, and those from there on once it is opened. */
const heldFrom = (cluster: FakeCluster, offset: number) =>
  Effect.map(Deferred.make<void>(), (gate) => {
    cluster.before = (request, _, detail) =>
      request === "Fetch" && fetchOf(detail).partitions[0].fetchOffset >= offset
        ? Effect.flatMap(Deferred.await(gate), () => {
            cluster.before = () => undefined
            return fetched(detail, { errorCode: 6 })
          })
        : undefined
    return Deferred.succeed(gate, undefined)
  })

const follow = (table: KafkaTable.KafkaTable<string, string>) =>
  Effect.gen(function* () {
    const seen: Array<TableChange.RecordChange<string, string>> = []
    const { changes } = yield* table.subscribe({ strategy: LiveTable.backPressure(1_000) })
    yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change))))
    yield* settle
    return seen
  })

describe("a log that begins later", () => {
  it.effect("while it is at the head, and nothing is written: within the time that a broker holds an answer back", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 10)
      const table = yield* open(cluster, { fetch: { maxWait: "400 millis" } })
      yield* settle
      const { version } = table.unsafeSnapshot()
      cluster.truncateHead(topic, 3)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table), keysFrom(3, 10))
      assert.strictEqual(table.unsafeSnapshot().version, version + 1)
      cluster.truncateHead(topic, 10)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table), [])
      const { evicted, partitions, rebuilds } = yield* table.stats
      assert.deepStrictEqual([evicted, rebuilds, partitions[0].position], [10, 0, 10])
      // a start that has not moved is no news
      yield* advance(5_000)
      assert.strictEqual(table.unsafeSnapshot().version, version + 2)
    })
  )

  it.effect("by tombstones alone: nobody is told", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "a", value: null }])
      cluster.append(topic, [{ key: "b", value: "1" }])
      const table = yield* open(cluster)
      const seen = yield* follow(table)
      const { version } = table.unsafeSnapshot()
      cluster.truncateHead(topic, 2)
      yield* advance(1_000)
      assert.strictEqual(table.unsafeSnapshot().version, version)
      assert.deepStrictEqual(seen, [])
      assert.strictEqual((yield* table.stats).evicted, 0)
      assert.isFalse(lines.some((line) => line.startsWith("evicted")))
    }).pipe(capturing(lines))
  })

  it.effect("in two partitions at the same time: two lines, each with its partition", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2)
      for (const partition of [0, 1]) {
        cluster.append(topic, [{ key: `a${partition}`, value: "1" }], partition)
        cluster.append(topic, [{ key: `b${partition}`, value: "1" }], partition)
      }
      const table = yield* open(cluster)
      for (const partition of [0, 1]) cluster.truncateHead(topic, 1, partition)
      yield* until(() => table.unsafeSnapshot().size === 2)
      assert.sameMembers(
        lines.filter((line) => line.startsWith("evicted")).map((line) => /partition \d/.exec(line)?.[0]),
        ["partition 0", "partition 1"]
      )
    }).pipe(capturing(lines))
  })

  it.effect("while it is replayed, behind the position: what was read already goes with the next answer", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 10)
      const goOn = yield* heldFrom(cluster, 5)
      const table = yield* Effect.forkChild(open(cluster, batchAnAnswer))
      yield* settle
      cluster.truncateHead(topic, 4)
      yield* goOn
      yield* advance(1_000)
      const opened = yield* Fiber.join(table)
      assert.deepStrictEqual(keysOf(opened), keysFrom(4, 10))
      assert.deepInclude(yield* opened.stats, { rebuilds: 0, evicted: 4 })
    })
  )

  it.effect("while it is replayed, before the position: replayed from there", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 10)
      const goOn = yield* heldFrom(cluster, 5)
      const table = yield* Effect.forkChild(open(cluster, batchAnAnswer))
      yield* settle
      cluster.truncateHead(topic, 8)
      yield* goOn
      yield* advance(1_000)
      const opened = yield* Fiber.join(table)
      assert.deepStrictEqual(keysOf(opened), keysFrom(8, 10))
      assert.deepInclude(yield* opened.stats, { rebuilds: 1, evicted: 0 })
    })
  )

  it.effect("during a rebuild: nothing that is gone comes with it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 5)
      const table = yield* open(cluster, batchAnAnswer)
      const seen = yield* follow(table)
      // lost, and written anew: offsets 3 to 9
      cluster.truncateTail(topic, 3)
      fill(cluster, 7, 13)
      const goOn = yield* heldFrom(cluster, 6)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table), keysFrom(0, 5), "as it was, until all is replayed")
      cluster.truncateHead(topic, 5)
      yield* goOn
      yield* until(() => !table.unsafeSnapshot().has("k0"))
      const expected = keysFrom(15, 20)
      assert.deepStrictEqual(keysOf(table), expected)
      assert.deepInclude(yield* table.stats, { rebuilds: 1, evicted: 0 })
      yield* advance(1_000)
      assert.sameDeepMembers(
        seen.map((change) => [change.key, change._tag === "Delete" ? change.cause : change._tag]),
        [...keysFrom(0, 5).map((key) => [key, "rebuilt"]), ...expected.map((key) => [key, "Upsert"])]
      )
      // and after it, as before
      cluster.truncateHead(topic, 9)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table), ["k19"])
      assert.strictEqual((yield* table.stats).evicted, 4)
    })
  )

  it.effect("after a leader that had more of it: what is replayed from there goes when that leader removes it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 10)
      const log = cluster.log(topic)
      const batches = [...log.batches]
      cluster.truncateHead(topic, 5)
      const table = yield* open(cluster)
      yield* settle
      assert.deepStrictEqual(keysOf(table), keysFrom(5, 10))
      log.batches = batches
      log.startOffset = 2
      cluster.truncateTail(topic, 8)
      yield* until(() => table.unsafeSnapshot().has("k2"))
      assert.deepStrictEqual(keysOf(table).toSorted(), keysFrom(2, 8))
      cluster.truncateHead(topic, 4)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table).toSorted(), keysFrom(4, 8))
    })
  )

  it.effect("is looked for when it has moved, and not before", () =>
    Effect.gen(function* () {
      const looks = vi.spyOn(RecordStore.prototype, "entriesBelow")
      yield* Effect.addFinalizer(() => Effect.sync(() => looks.mockRestore()))
      const cluster = withTopic()
      fill(cluster, 10)
      cluster.truncateHead(topic, 5)
      const table = yield* open(cluster)
      yield* advance(1_000)
      fill(cluster, 1, 10)
      yield* advance(1_000)
      assert.deepStrictEqual(keysOf(table), keysFrom(5, 11))
      assert.strictEqual(looks.mock.calls.length, 0)
      cluster.truncateHead(topic, 6)
      yield* advance(1_000)
      assert.deepStrictEqual(looks.mock.calls, [[0, 6]])
      assert.deepStrictEqual(keysOf(table), keysFrom(6, 11))
    })
  )

  it.effect("of one partition, though records come of another one only", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      fill(cluster, 5)
      cluster.append(topic, [{ key: "other", value: "1" }], 1)
      const table = yield* open(cluster)
      yield* settle
      cluster.truncateHead(topic, 4)
      cluster.append(topic, [{ key: "other", value: "2" }], 1)
      yield* settle
      // in one publication
      assert.deepStrictEqual(table.unsafeSnapshot().toMap(), new Map([...[["k4", "v4"] as const], ["other", "2"]]))
    })
  )

  it.effect("with records in the same answer: those are seen no sooner than the others are gone", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 5)
      const table = yield* open(cluster)
      const sizes: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) =>
          Effect.sync(() => sizes.push(snapshot.size))
        )
      )
      const seen = yield* follow(table)
      cluster.truncateHead(topic, 5)
      cluster.append(topic, [{ key: "late", value: "1" }])
      yield* settle
      assert.deepStrictEqual(sizes, [5, 1])
      assert.deepStrictEqual(
        seen.map((change) => [change.key, change._tag === "Delete" ? change.cause : change._tag]),
        [["late", "Upsert"], ...keysFrom(0, 5).map((key) => [key, "evicted"])]
      )
    })
  )

  it.effect("of many rows: the event loop goes round, and nobody sees a half of it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const count = 60_000
      for (let from = 0; from < count; from += 10_000) {
        cluster.append(
          topic,
          keysFrom(from, from + 10_000).map((key) => ({ key, value: "1" }))
        )
      }
      const table = yield* acquiring(open(cluster), 10_000).pipe(Effect.flatten)
      const sizes = new Set<number>()
      yield* Effect.forkScoped(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) => Effect.sync(() => sizes.add(snapshot.size)))
      )
      yield* settle
      cluster.truncateHead(topic, 50_000)
      cluster.append(topic, [{ key: "late", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("late"))
      yield* settle
      assert.deepStrictEqual([...sizes], [count, 10_001])
      assert.deepStrictEqual(keysOf(table), [...keysFrom(50_000, count), "late"])
    })
  )

  it.effect("is told in the log, no more often than there is use in it", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      fill(cluster, 10)
      yield* open(cluster)
      yield* settle
      for (const start of [1, 2, 4]) {
        cluster.truncateHead(topic, start)
        yield* advance(1_000)
      }
      yield* advance(LINE_RATE_MILLIS)
      cluster.truncateHead(topic, 9)
      yield* advance(1_000)
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("evicted")),
        [1, 9].map(
          (start, i) =>
            `evicted ${[1, 8][i]} entries: the log of partition 0 begins at ${start} now (retention, or DeleteRecords)`
        )
      )
    }).pipe(capturing(lines))
  })
})

describe("LineRate", () => {
  it("lets one line of a kind through at a time, which counts those that were not", () => {
    const lines = new LineRate()
    assert.strictEqual(lines.take("a", 2, 1_000), 2)
    assert.isUndefined(lines.take("a", 3, 1_000))
    assert.strictEqual(lines.take("b", 1, 1_001), 1)
    assert.isUndefined(lines.take("a", 4, 1_000 + LINE_RATE_MILLIS - 1))
    assert.strictEqual(lines.take("a", 5, 1_000 + LINE_RATE_MILLIS), 12)
    assert.isUndefined(lines.take("b", 1, 1_001))
  })

  it("is not stopped by a clock that was set back", () => {
    const lines = new LineRate()
    assert.strictEqual(lines.take("a", 1, 1_000_000), 1)
    assert.strictEqual(lines.take("a", 1, 5), 1)
    assert.isUndefined(lines.take("a", 1, 5))
  })

  it("counts kinds beyond a number of them as one", () => {
    const lines = new LineRate()
    for (let i = 0; i < 64; i++) assert.strictEqual(lines.take(`kind ${i}`, 1, 0), 1)
    assert.strictEqual(lines.take("one more", 1, 0), 1)
    assert.isUndefined(lines.take("and another", 1, 0))
    assert.isUndefined(lines.take("kind 3", 1, 0))
    assert.strictEqual(lines.take("whatever", 1, LINE_RATE_MILLIS), 2)
    assert.strictEqual(lines.take("kind 3", 1, LINE_RATE_MILLIS), 2)
  })
})

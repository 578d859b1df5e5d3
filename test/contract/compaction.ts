import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { LiveTable } from "../../src/index.ts"
import { collect, differences, eventually, fold, numbers } from "../support/live.ts"
import { batchAnAnswer, type Suite, type Table } from "./suite.ts"

/** The longest time, in milliseconds, in which nothing was heard of a table's brokers, or nobody could look, since it was last asked for. */
const longestSilence = (table: Table) =>
  Effect.gen(function* () {
    let longest = 0
    let last = performance.now()
    const look = Effect.map(table.freshness, ({ staleMillis = 0 }) => {
      const now = performance.now()
      longest = Math.max(longest, staleMillis, now - last)
      last = now
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep("10 millis"))))
    return Effect.map(look, () => {
      const found = longest
      longest = 0
      return found
    })
  })

export const compaction = (test: Suite): void => {
  test("compacted, and compacted again while it is being read: holes and empty batches hang nothing", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2, configs: { "delete.retention.ms": "0" } })
      const write = (round: number) =>
        Effect.gen(function* () {
          // in batches that lose some of their records, and all of them
          yield* kafka.appendInBatches(
            topic,
            numbers(1_000, round * 50).map((i) => ({ key: `key-${i % 100}`, value: `${i} ${"x".repeat(100)}` })),
            20
          )
          yield* kafka.append(topic, [
            ...numbers(50).map((i) => ({ key: `key-${10 + i}`, value: null })),
            { key: `round ${round}`, value: "" }
          ])
        })
      const right = Effect.map(kafka.log(topic), (log) => fold(log))
      yield* write(0)
      const before = yield* right
      yield* kafka.clean(topic, { dropTombstones: true })
      const ends = yield* kafka.ends(topic)
      assert.isBelow((yield* kafka.log(topic)).length, ends[0] + ends[1])

      const small = { fetch: { maxPartitionBytes: 1_000 } }
      const table = yield* kafka.table(topic, { ...small, onCatchUpTimeout: "fail" })
      // of what is there, compaction has only made the way shorter
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), before), [])
      assert.isBelow((yield* table.stats).replayed, 200)
      yield* write(1)
      const [, replaying] = yield* Effect.all(
        [kafka.clean(topic, { dropTombstones: true }), kafka.table(topic, { ...small, onCatchUpTimeout: "fail" })],
        { concurrency: 2 }
      )
      yield* table.barrier()
      yield* replaying.barrier()
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), yield* right), [])
      assert.deepStrictEqual(differences(replaying.unsafeSnapshot(), yield* right), [])
    }))

  test("nothing but holes up to the end: a topic whose keys are all gone is caught up at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "delete.retention.ms": "0" } })
      yield* kafka.appendInBatches(
        topic,
        numbers(50).flatMap((i) => [
          { key: `key-${i}`, value: "1" },
          { key: `key-${i}`, value: null }
        ]),
        10
      )
      yield* kafka.clean(topic, { dropTombstones: true })
      const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.strictEqual(yield* table.size, 0)
      assert.deepStrictEqual(
        (yield* table.stats).partitions.map(({ position }) => position),
        yield* kafka.ends(topic)
      )
      yield* table.barrier()
    }))

  test("a topic that keeps tombstones for no time is not replayed for being idle", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "delete.retention.ms": "0" } })
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const table = yield* kafka.table(topic, { fetch: { maxWait: "50 millis" } })
      const silence = yield* longestSilence(table)
      let before = Number.POSITIVE_INFINITY
      for (let idle = 0; idle < 5;) {
        const { rebuilds } = yield* table.stats
        const { lastFetchAt } = yield* table.freshness
        // it has asked, and there was nothing
        yield* eventually(table.freshness, (freshness) => freshness.lastFetchAt! > lastFetchAt! + 50)
        yield* kafka.append(topic, [{ key: "a", value: `${idle}` }])
        yield* table.barrier()
        // After a second in which a machine stood still, a tombstone may be missing indeed. The next answer tells.
        const longest = yield* silence
        const isJudged = Math.max(before, longest) < 500
        before = longest
        if (!isJudged) continue
        assert.strictEqual((yield* table.stats).rebuilds, rebuilds)
        idle++
      }
    }))

  for (const [since, configs] of [
    ["", { "delete.retention.ms": "0" }],
    [", by a retention that was long when it began", { "delete.retention.ms": "86400000" }]
  ] as const) {
    test(`tombstones that compaction took away while the reader was held up${since}: replayed in full, no deleted key stays`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic({ configs })
        yield* kafka.append(
          topic,
          numbers(5).map((i) => ({ key: `key-${i}`, value: "1" }))
        )
        const table = yield* kafka.table(topic, batchAnAnswer)
        const holder = yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
        yield* kafka.append(topic, [{ key: "held", value: "first" }])
        yield* eventually(table.stats, (stats) => stats.partitions[0].position === 6)
        // as many as are on their way to a reader that takes nothing, and more
        for (const i of numbers(12)) yield* kafka.append(topic, [{ key: "held", value: `${i}` }])
        yield* eventually(table.freshness, ({ lag }) => lag !== undefined && lag > 0)
        yield* kafka.append(topic, [
          { key: "key-1", value: null },
          { key: "key-2", value: null }
        ])
        // from here on, tombstones last for no time in any case
        yield* kafka.clean(topic, { dropTombstones: true })
        assert.isTrue(table.unsafeSnapshot().has("key-1"))
        // for less than a second nothing can be missed, whatever the topic says
        yield* Effect.sleep("1100 millis")
        const { rebuilds } = yield* table.stats
        yield* collect(holder.changes)
        yield* eventually(table.stats, (stats) => stats.rebuilds > rebuilds)
        yield* eventually(table.keys, (keys) => !keys.includes("key-1"))
        yield* table.barrier()
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
        assert.sameMembers([...table.unsafeSnapshot().keys()], ["key-0", "key-3", "key-4", "held"])
      }))
  }
}

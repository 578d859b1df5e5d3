import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually, numbers, statusOf } from "../support/live.ts"
import type { Suite } from "./suite.ts"

export const status = (test: Suite): void => {
  test("a table that has caught up: connected, no lag, its age stays below a long poll's, all of it in frozen copies", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" }))
      )
      const table = yield* kafka.table(topic, { fetch: { maxWait: "100 millis" } })
      assert.deepStrictEqual(yield* statusOf(table), { _tag: "CaughtUp" })
      yield* table.awaitCaughtUp()
      const first = yield* eventually(table.freshness, ({ connected, lag }) => connected && lag === 0)
      assert.deepInclude(first, { connected: true, lag: 0, lastFailure: undefined })
      assert.isAtMost(first.staleMillis!, 5_000)
      // idle, and yet it hears from its leaders
      const next = yield* eventually(table.freshness, ({ lastFetchAt }) => lastFetchAt! > first.lastFetchAt!)
      const stats = yield* table.stats
      assert.deepInclude(stats, {
        entries: 10,
        applied: 10,
        replayed: 10,
        tombstones: 0,
        keyless: 0,
        keyErrors: 0,
        valueErrors: 0,
        aborted: 0,
        contestedKeys: 0,
        rebuilds: 0,
        reconnects: 0,
        subscribers: 0
      })
      const ends = yield* kafka.ends(topic)
      for (const [partition, p] of stats.partitions.entries()) {
        assert.deepInclude(p, {
          partition,
          position: ends[partition],
          highWatermark: ends[partition],
          lag: 0,
          connected: true
        })
        assert.isAtLeast(p.leader, 0)
      }
      for (const copy of [next, stats, stats.partitions, ...stats.partitions]) assert.isTrue(Object.isFrozen(copy))
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "more", value: "1" }]))
      assert.strictEqual(stats.applied, 10)
      assert.deepInclude(yield* table.stats, { applied: 11, replayed: 10, entries: 11 })
    }))
}

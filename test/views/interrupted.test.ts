/** A source whose reader is interrupted in the middle of an update, and goes on later. */
import { assert, describe } from "@effect/vitest"
import { Codec, DerivedTable, KafkaTable } from "../../src/index.ts"
import { Effect, Schedule } from "effect"
import { it } from "../support/ManualClock.ts"
import { FakeCluster } from "../support/FakeCluster.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { on, statusesOf, until } from "../table/support.ts"

/** So long that a slice has little of it. */
const pause = (): void => {
  const end = performance.now() + 0.05
  while (performance.now() < end);
}

describe("a reader that breaks while views take an update in", () => {
  it.effect("has nobody see that before its table shows it", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      for (const topic of ["left", "right"]) cluster.createTopic(topic)
      const keys = Array.from({ length: 4000 }, (_, i) => `k${i}`)
      const all = (value: string) => keys.map((key) => ({ key, value }))
      cluster.append("left", all("0"))
      cluster.append("right", all("0"))
      const open = (topic: string) =>
        KafkaTable.make({ topic, value: Codec.utf8, ensureTopic: false, restart: Schedule.spaced("1 hour") }).pipe(
          on(cluster)
        )
      const [left, right] = [yield* open("left"), yield* open("right")]
      const statuses = yield* statusesOf(right)
      let seen = 0
      const joined = yield* DerivedTable.make(
        DerivedTable.from(left).pipe(
          DerivedTable.join(DerivedTable.from(right).pipe(DerivedTable.map((value) => value)), {
            on: (_, key) => key,
            select: (a, b) => {
              pause()
              if (b === "1") seen++
              return `${a}${b}`
            }
          })
        )
      )
      const values = () => new Set(joined.unsafeSnapshot().values())
      assert.deepStrictEqual(values(), new Set(["00"]))
      cluster.append("right", all("1"))
      yield* Effect.repeat(yieldToEventLoop, { until: () => seen > 0 })
      // The driver throws when it is asked for what comes after the next records.
      let thrown = 0
      cluster.before = (request) => (request === "Fetch" && thrown++ === 0 ? Effect.die(new Error("boom")) : undefined)
      cluster.append("right", [{ key: "more", value: "1" }])
      yield* Effect.repeat(yieldToEventLoop, { until: () => thrown > 0 })
      assert.isBelow(seen, keys.length)
      yield* until(() => statuses.includes("Failed"))
      cluster.append("left", [{ key: "k0", value: "1" }])
      yield* until(() => left.unsafeSnapshot().getOrUndefined("k0") === "1")
      for (const key of keys) {
        const expected = `${left.unsafeSnapshot().getOrUndefined(key)}${right.unsafeSnapshot().getOrUndefined(key)}`
        assert.strictEqual(joined.unsafeSnapshot().getOrUndefined(key), expected)
      }
    })
  )
})

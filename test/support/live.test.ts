/** What tests compare tables by tells what is wrong: or the tests that find nothing would say nothing. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { failureOf } from "./exits.ts"
import { Codec, EmbeddedKafka, KafkaClient, KafkaTable, type TableSnapshot } from "../../src/index.ts"
import { until } from "../kafka/process.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { differences, eventually, fold, test } from "./live.ts"
import { slope } from "./slope.ts"

const record = (partition: number, offset: number, key: string | null, value: string | null): ReadRecord => ({
  partition,
  offset,
  timestamp: 1_000 + offset,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: []
})

const log = [
  record(0, 0, "a", "1"),
  record(1, 0, "c", "1"),
  record(0, 1, "b", "1"),
  record(0, 2, null, "no key"),
  record(0, 3, "a", "2"),
  record(0, 5, "b", null),
  record(1, 4, "c", "")
]

const shown = (right: ReadonlyMap<string, ReadRecord>) =>
  [...right]
    .map(([key, { offset, partition, value }]) => `${key}=${value?.toString()} at ${partition}:${offset}`)
    .sort()

describe("fold", () => {
  it("is the last record of each key, without what is deleted, in whatever order it was read", () => {
    const right = ["a=2 at 0:3", "c= at 1:4"]
    assert.deepStrictEqual(shown(fold(log)), right)
    assert.deepStrictEqual(shown(fold([...log].reverse())), right)
  })

  it("goes as far as the positions, and has nothing of partitions that have none", () => {
    assert.deepStrictEqual(shown(fold(log, new Map([[0, 3]]))), ["a=1 at 0:0", "b=1 at 0:1"])
    assert.deepStrictEqual(shown(fold(log, new Map([[1, 4]]))), ["c=1 at 1:0"])
    assert.deepStrictEqual(shown(fold(log, new Map())), [])
  })
})

describe("differences", () => {
  /** A table with these records, each in its place. */
  const snapshotOf = (records: ReadonlyArray<readonly [key: string, value: string]>) =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make({ topics: { t: {} } })
      for (const [i, [key, value]] of records.entries())
        yield* kafka.append("t", [{ key, value, timestamp: 1_000 + i }])
      const table = yield* KafkaTable.make<string, string>({ topic: "t", value: Codec.utf8 }).pipe(
        Effect.provideService(KafkaClient.KafkaClient, yield* kafka.client())
      )
      return table.unsafeSnapshot()
    })

  const withSnapshot = (
    name: string,
    body: (snapshot: TableSnapshot.RecordSnapshot<string, string>, right: Map<string, ReadRecord>) => void
  ) =>
    test(name, () =>
      Effect.map(
        snapshotOf([
          ["a", "1"],
          ["b", "2"]
        ]),
        (snapshot) => body(snapshot, new Map(fold([record(0, 0, "a", "1"), record(0, 1, "b", "2")])))
      )
    )

  withSnapshot("none, where everything is right", (snapshot, right) => {
    assert.deepStrictEqual(differences(snapshot, right), [])
  })

  withSnapshot("a key that is only in the table, or only in the log", (snapshot, right) => {
    right.delete("a")
    right.set("c", record(0, 2, "c", "3"))
    assert.deepStrictEqual(differences(snapshot, right), ["a: only in the table, offset 0", "c: only in the log"])
  })

  for (const [what, other, place] of [
    ["another value", record(0, 1, "b", "3"), "0:1"],
    ["another offset", { ...record(0, 3, "b", "2"), timestamp: 1_001 }, "0:3"],
    ["another partition", record(1, 1, "b", "2"), "1:1"],
    ["another timestamp", { ...record(0, 1, "b", "2"), timestamp: 7 }, "0:1"]
  ] as const) {
    withSnapshot(what, (snapshot, right) => {
      right.set("b", other)
      assert.deepStrictEqual(differences(snapshot, right), [`b: at 0:1 in the table, at ${place} in the log`])
    })
  }

  withSnapshot("some of many", (snapshot, right) => {
    for (let i = 0; i < 50; i++) right.set(`k${i}`, record(0, 10 + i, `k${i}`, "x"))
    assert.deepStrictEqual(
      differences(snapshot, right),
      [0, 1, 2, 3, 4].map((i) => `k${i}: only in the log`)
    )
  })
})

describe("eventually", () => {
  test("gives what was seen when the check held", () =>
    Effect.gen(function* () {
      let looks = 0
      assert.strictEqual(
        yield* eventually(
          Effect.sync(() => ++looks),
          (seen) => seen === 3
        ),
        3
      )
    }))

  test("fails where it never does, with what is the case instead", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        eventually(
          Effect.sync(() => ({ size: 7 })),
          ({ size }) => size === 8,
          "50 millis"
        )
      )
      if (exit._tag === "Success") return assert.fail("it succeeded")
      assert.match(Cause.pretty(exit.cause), /not within 50ms: .*size === 8; seen: \{"size":7\}/)
    }))
})

describe("until", () => {
  /** Looks for the hundredth step, and gives up at the first look without progress, which ends at `last`. */
  const looking = (last: number) =>
    Effect.gen(function* () {
      let steps = 0
      const check = Effect.sync(() => ++steps === 100)
      const held = yield* until(check, { within: 0, every: "2 millis", progress: () => Math.min(steps, last) })
      return { held, steps }
    })

  test("goes on as long as there is progress", () =>
    Effect.map(looking(100), (found) => assert.deepStrictEqual(found, { held: true, steps: 100 })))

  test("gives up where there has been none for so long", () =>
    Effect.map(looking(20), ({ held, steps }) => {
      assert.isFalse(held)
      assert.isTrue(steps > 20 && steps < 100, `after ${steps} steps`)
    }))
})

test("a failure is what an effect failed with; a success, or a defect, is none", () =>
  Effect.gen(function* () {
    assert.strictEqual(failureOf(yield* Effect.exit(Effect.fail("no"))), "no")
    const success = yield* Effect.exit(Effect.succeed(1))
    const defect = yield* Effect.exit(Effect.die(new Error("boom")))
    assert.throws(() => failureOf(success), "it succeeded")
    assert.throws(() => failureOf(defect), "boom")
  }))

describe("slope", () => {
  it("is how much a line grows, and nothing where there is no line", () => {
    const points = [0, 1, 2, 10].map((x) => ({ x, y: 3 * x + 5 }))
    assert.closeTo(slope(points), 3, 1e-9)
    assert.closeTo(slope(points.map(({ x }) => ({ x, y: -x }))), -1, 1e-9)
    // one that is out of line weighs by its distance
    assert.closeTo(slope([...points.slice(0, 3), { x: 10, y: 5 }]), -14.25 / 62.75, 1e-9)
    assert.strictEqual(slope([{ x: 1, y: 1 }]), 0)
  })
})

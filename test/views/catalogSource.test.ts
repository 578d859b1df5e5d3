/** Catalogs as sources of derived tables, through the new slots of their logs. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Aggregate, DerivedTable, EmbeddedKafka, LiveTable } from "../../src/index.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { Publication } from "../../src/internal/table/publication/publication.ts"
import { catalogOn, part } from "../catalog/support.ts"
import { eventually, test } from "../support/live.ts"

describe("the table of a catalog", () => {
  test("is followed by derived tables, also when its log has new slots", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make()
      const catalog = yield* catalogOn(yield* kafka.client(), "parts")
      const zones = yield* DerivedTable.make(
        DerivedTable.from(catalog.table).pipe(
          DerivedTable.groupBy((one) => one.zone, { n: Aggregate.count, stock: Aggregate.sum((one) => one.stock) })
        )
      )
      const insert = (zone: string, count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, i) => part(`p${i}`, "ACME", zone, i)),
          (one) => catalog.insert(one),
          { concurrency: "unbounded", discard: true }
        )
      yield* insert("old", 1100)
      yield* insert("kept", 10)
      assert.deepStrictEqual(yield* zones.get("old"), Option.some({ n: 1100, stock: (1100 * 1099) / 2 }))
      const { index } = publicationOf(catalog.table).newest
      yield* catalog.delete({ zone: "old" })
      yield* insert("new", 10)
      assert.isFalse(publicationOf(catalog.table).newest.index === index)
      yield* insert("last", 1200)
      yield* catalog.delete({ zone: "kept" })
      const found = yield* Effect.forEach(["old", "kept", "new", "last"], (zone) =>
        Effect.all([Effect.map(catalog.query({ zone }), ({ length }) => length), zones.get(zone)])
      )
      assert.deepStrictEqual(found, [
        [0, Option.none()],
        [0, Option.none()],
        [10, Option.some({ n: 10, stock: 45 })],
        [1200, Option.some({ n: 1200, stock: (1200 * 1199) / 2 })]
      ])
    }))

  test("makes the log wait for a subscriber who has asked for that", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make()
      const catalog = yield* catalogOn(yield* kafka.client(), "parts")
      const [log] = publicationOf(catalog.table).roots
      const isFull = () => log instanceof Publication && log.isFull
      const { changes } = yield* catalog.table.subscribe({ strategy: LiveTable.backPressure(1) })
      yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (i) => catalog.insert(part(`p${i}`, "ACME", "eu")), { concurrency: 3 })
      )
      yield* eventually(Effect.sync(isFull), (found) => found)
      yield* Stream.runDrain(Stream.take(changes, 3))
      assert.isFalse(isFull())
    }))
})

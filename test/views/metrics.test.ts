/** What metrics tell of indexes, derived tables and live queries. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Scope } from "effect"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import { Codec, DerivedTable, KafkaClient, KafkaTable, KafkaTableWriter, TableIndex } from "../../src/index.ts"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { test } from "../support/live.ts"
import { handTable } from "./handTable.ts"

/** The series of a topic, by name and the other labels: the value, of a histogram how many values there are. */
const seriesOf = (topic: string) =>
  Effect.map(allSeries, (all) => {
    const found = new Map<string, number>()
    for (const { labels, name, value } of all) {
      if (labels.get("topic") !== topic) continue
      const others = [...labels].filter(([label]) => label !== "topic").sort(([a], [b]) => (a < b ? -1 : 1))
      found.set([name, ...others.map(([label, text]) => `${label}=${text}`)].join(" "), value)
    }
    return found
  })

interface User {
  readonly email: string
  readonly age: number
}

const indexes = TableIndex.define<string, User>()((index) => ({
  email: index.unique((user) => user.email),
  age: index.sorted((user) => {
    if (user.age < 0) throw new Error("nobody is so young")
    return user.age
  })
}))

/** What is told of an index. */
const ofIndex = (series: ReadonlyMap<string, number>, index: string, labels = "") =>
  ["entries", "left_out", "conflicts", "problems_total"].map((name) =>
    series.get(`kafka_index_${name} index=${index}${labels}`)
  )

describe("metrics", () => {
  test("of indexes tell what is in them, what is not, and why", () =>
    Effect.gen(function* () {
      const topic = "metrics.of.indexes"
      const { table, write } = yield* handTable<User>(topic, indexes)
      assert.deepStrictEqual(ofIndex(yield* seriesOf(topic), "age"), [0, 0, 0, undefined])
      yield* write([
        ["a", { email: "a@x", age: 1 }],
        ["b", { email: "a@x", age: Number.NaN }],
        ["c", { email: "c@x", age: -1 }]
      ])
      const series = yield* seriesOf(topic)
      assert.deepStrictEqual(ofIndex(series, "email"), [3, 0, 1, undefined])
      assert.deepStrictEqual(ofIndex(series, "age"), [1, 2, 0, 1])
      assert.strictEqual(series.get("kafka_view_build_millis kind=index"), 2)
      yield* write([
        ["a", undefined],
        ["b", { email: "b@x", age: 2 }],
        ["c", { email: "c@x", age: -2 }]
      ])
      assert.deepStrictEqual(ofIndex(yield* seriesOf(topic), "email"), [2, 0, 0, undefined])
      assert.deepStrictEqual(ofIndex(yield* seriesOf(topic), "age"), [1, 1, 0, 2])
      // One that is attached by somebody else is told with the labels of that one.
      yield* Effect.provideService(
        TableIndex.attach(table, (index) => ({ attached: index.hash((user) => user.age) })),
        Scope.Scope,
        yield* Effect.scope
      ).pipe(withLabel("team", "blue"))
      assert.deepStrictEqual(ofIndex(yield* seriesOf(topic), "attached", " team=blue").slice(0, 2), [2, 0])
    }))

  test("of a unique index with very many rows of one key tell about how many conflicts there are", () =>
    Effect.gen(function* () {
      const topic = "metrics.of.conflicts"
      const { write } = yield* handTable<User>(topic, { email: indexes.email })
      yield* write(Array.from({ length: 1000 }, (_, i) => [`k${i}`, { email: "same", age: i }] as const))
      assert.deepStrictEqual(ofIndex(yield* seriesOf(topic), "email").slice(0, 3), [1000, 0, 999])
    }))

  test("of a derived table tell what it has, by the name of its tag", () =>
    Effect.gen(function* () {
      const topic = "metrics.of.derived"
      const hand = yield* handTable<User>(topic)
      class Names extends DerivedTable.Tag("app/Names")<Names, string, string>() {}
      const named = DerivedTable.from(hand.table).pipe(
        DerivedTable.map((user) => {
          if (user.age < 0) throw new Error("nobody is so young")
          return user.email
        })
      )
      const table = Context.get(
        yield* Layer.build(
          DerivedTable.layer(
            Names.withIndexes((index) => ({ value: index.hash((email) => email) })),
            named
          )
        ),
        Names
      )
      yield* DerivedTable.make(named)
      const ofDerived = (series: ReadonlyMap<string, number>, labels: string) =>
        ["entries", "left_out", "problems_total"].map((name) => series.get(`kafka_derived_${name}${labels}`))
      assert.deepStrictEqual(ofDerived(yield* seriesOf(topic), " table=app/Names"), [0, 0, undefined])
      yield* hand.write([
        ["a", { email: "a@x", age: 1 }],
        ["b", { email: "b@x", age: -1 }]
      ])
      const series = yield* seriesOf(topic)
      assert.deepStrictEqual(ofDerived(series, " table=app/Names"), [1, 1, 1])
      assert.deepStrictEqual(ofDerived(series, ""), [1, 1, 1])
      assert.strictEqual(series.get("kafka_index_entries index=value table=app/Names"), 1)
      // It is told of a row that is left out, though the table has not changed.
      yield* hand.write([["b", { email: "b@x", age: -2 }]])
      assert.deepStrictEqual(ofDerived(yield* seriesOf(topic), ""), [1, 1, 2])
      assert.strictEqual((yield* table.stats).problems, 2)
    }))

  test("of live queries tell how many there are, of which equal ones are one", () =>
    Effect.gen(function* () {
      const topic = "metrics.of.live"
      const { table } = yield* handTable<User>(topic, indexes)
      const count = Effect.map(seriesOf(topic), (series) => series.get("kafka_live_queries"))
      const scope = yield* Scope.make()
      const inScope = Effect.provideService(Scope.Scope, scope)
      yield* inScope(table.live())
      yield* inScope(table.live())
      yield* inScope(table.live({}, { limit: 1 }))
      yield* table.live({}, { limit: 1 })
      assert.strictEqual(yield* count, 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* count, 1)
      assert.strictEqual((yield* seriesOf(topic)).get("kafka_view_build_millis kind=live"), 2)
    }))

  test("of a table tell for how long updates waited for what is made of it", () =>
    Effect.gen(function* () {
      const options = { topic: "metrics.of.views", value: Codec.utf8 }
      const waited = Effect.map(seriesOf(options.topic), (series) => series.get("kafka_table_views_millis") ?? 0)
      const writer = yield* KafkaTableWriter.make<string, string>(options)
      const table = yield* KafkaTable.make<string, string>(options)
      const write = Effect.flatMap(writer.set("a", "1"), table.awaitPosition)
      yield* write
      assert.strictEqual(yield* waited, 0)
      yield* TableIndex.attach(table, (index) => ({ value: index.sorted((value) => value) }))
      yield* write
      yield* write
      yield* Effect.repeat(waited, { until: (count) => count === 2 })
    }).pipe(Effect.provide(KafkaClient.layerMemory())))
})

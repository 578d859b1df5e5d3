/** What a user writes to make derived tables, and what types come of it. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import {
  Aggregate,
  Codec,
  DerivedTable,
  type GroupedKafkaTable,
  KafkaClient,
  type KafkaError,
  KafkaTable,
  KafkaTableWriter,
  TableFeed,
  TableIndex
} from "../../src/index.ts"

interface Order {
  readonly customer: string
  readonly amount: number
  readonly state: { readonly _tag: "Open" } | { readonly _tag: "Paid"; readonly at: number }
}

interface PaidOrder extends Order {
  readonly state: { readonly _tag: "Paid"; readonly at: number }
}

class Orders extends KafkaTable.Tag("types/Orders")<Orders, number, Order>() {}
class Customers extends KafkaTable.Tag("types/Customers")<Customers, string, { readonly country: string }>() {}

const paid = DerivedTable.from(Orders).pipe(
  DerivedTable.filter((order): order is PaidOrder => order.state._tag === "Paid"),
  DerivedTable.map((order, id) => ({ id, customer: order.customer, amount: order.amount, at: order.state.at })),
  DerivedTable.leftJoin(Customers, {
    on: ({ customer }) => customer,
    select: (order, customer) => ({ ...order, country: Option.map(customer, ({ country }) => country) })
  }),
  DerivedTable.filter(({ country }) => Option.isSome(country)),
  DerivedTable.groupBy(({ country }) => Option.getOrUndefined(country), {
    n: Aggregate.count,
    total: Aggregate.sum(({ amount }) => amount),
    last: Aggregate.max(({ at }) => at),
    first: Aggregate.first((_, id) => id),
    mean: Aggregate.make({
      of: ({ amount }) => amount,
      empty: { sum: 0, n: 0 },
      add: ({ n, sum }, amount: number) => ({ sum: sum + amount, n: n + 1 }),
      remove: ({ n, sum }, amount) => ({ sum: sum - amount, n: n - 1 }),
      result: ({ n, sum }) => sum / n
    })
  })
)

interface Country {
  readonly n: number
  readonly total: number
  readonly last: number | undefined
  readonly first: number
  readonly mean: number
}

class Countries extends DerivedTable.Tag("types/Countries")<Countries, string, Country>().withIndexes((index) => ({
  total: index.sorted(({ total }) => total)
})) {}

const layer = DerivedTable.layer(Countries, paid)

/** What is only to be compiled. */
const compiled = (_: () => unknown): void => {}

describe("what a user writes", () => {
  it("has the types that it reads like", () => {
    expectTypeOf(layer).toEqualTypeOf<Layer.Layer<Countries, KafkaError.InvalidOptionsError, Orders | Customers>>()
    compiled(
      () => (grouped: GroupedKafkaTable.GroupedKafkaTable<string, string, { readonly size: number }>) =>
        DerivedTable.from(grouped.table).pipe(
          DerivedTable.groupBy((_, { group }) => group, { size: Aggregate.sum(({ size }) => size) }),
          DerivedTable.filter(({ size }, group) => size > 0 && group !== "")
        )
    )
    // @ts-expect-error: what the tag says is not what it is made of
    compiled(() => DerivedTable.layer(Countries, DerivedTable.from(Orders)))
    compiled(() => [
      // @ts-expect-error: the key of the other table is a text
      DerivedTable.from(Orders).pipe(DerivedTable.join(Customers, { on: ({ amount }) => amount, select: (a) => a })),
      // @ts-expect-error: a sum is of numbers
      DerivedTable.from(Orders).pipe(DerivedTable.groupBy(() => "a", { n: Aggregate.sum(({ customer }) => customer) }))
    ])
  })

  it.effect("is one table in all layers that need it, with its indexes, feeds, and what is made of it", () =>
    Effect.gen(function* () {
      const orders = { topic: "orders", key: Codec.int32, value: Codec.make<Order>(json) }
      const customers = { topic: "customers", value: Codec.make<{ readonly country: string }>(json) }
      const sources = Layer.mergeAll(KafkaTable.layer(Orders, orders), KafkaTable.layer(Customers, customers))
      let made = 0
      class Big extends DerivedTable.Tag("types/Big")<Big, string, number>() {}
      class Small extends DerivedTable.Tag("types/Small")<Small, string, number>() {}
      const counted = Layer.merge(layer, Layer.effectDiscard(Effect.sync(() => made++)))
      const of = (isBig: boolean) =>
        DerivedTable.from(Countries).pipe(
          DerivedTable.map(({ total }) => total),
          DerivedTable.filter((total) => total > 10 === isBig)
        )
      const all = Layer.mergeAll(
        DerivedTable.layer(Big, of(true)).pipe(Layer.provideMerge(counted)),
        DerivedTable.layer(Small, of(false)).pipe(Layer.provideMerge(counted))
      ).pipe(Layer.provide(sources))
      const [orderWriter, customerWriter] = [
        yield* KafkaTableWriter.make(orders),
        yield* KafkaTableWriter.make(customers)
      ]
      yield* customerWriter.set("c", { country: "DE" })
      yield* Effect.gen(function* () {
        assert.strictEqual(made, 1)
        const [countries, big, small] = [yield* Countries, yield* Big, yield* Small]
        const feed = yield* TableFeed.make(countries)
        const attached = yield* TableIndex.attach(countries, (index) => ({ n: index.hash(({ n }) => n) }))
        const live = yield* countries.live({}, { orderBy: "total", limit: 1 })
        const events = yield* feed.stream().pipe(
          Stream.filter((event) => event._tag === "Changes" || event._tag === "Entries"),
          Stream.runHead,
          Effect.forkChild
        )
        yield* Effect.repeat(Effect.yieldNow, { times: 50 })
        const at = yield* orderWriter.set(1, { customer: "c", amount: 4, state: { _tag: "Paid", at: 7 } })
        yield* countries.awaitPosition(at)
        const one = { n: 1, total: 4, last: 7, first: 1, mean: 4 }
        assert.deepStrictEqual(yield* countries.get("DE"), Option.some(one))
        assert.deepStrictEqual(yield* small.get("DE"), Option.some(4))
        assert.deepStrictEqual(live.unsafeCurrent().toArray(), [{ key: "DE", value: one }])
        yield* big.awaitPosition(
          yield* orderWriter.set(2, { customer: "c", amount: 8, state: { _tag: "Paid", at: 6 } })
        )
        assert.deepStrictEqual([yield* big.get("DE"), yield* small.get("DE")], [Option.some(12), Option.none()])
        assert.deepStrictEqual(
          (yield* attached.by("n").get(2)).map(({ key }) => key),
          ["DE"]
        )
        const told = Option.getOrThrow(yield* Fiber.join(events))
        assert.deepStrictEqual(told._tag === "Changes" && told.changes, [{ _tag: "Upsert", key: "DE", value: one }])
      }).pipe(Effect.provide(all))
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )
})

const json = {
  decode: (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as never,
  encode: (value: unknown) => Buffer.from(JSON.stringify(value))
}

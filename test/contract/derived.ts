import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { assert } from "vitest"
import { Aggregate, DerivedTable } from "../../src/index.ts"
import { failureOf } from "../support/exits.ts"
import { eventually, numbers } from "../support/live.ts"
import type { Suite, Table } from "./suite.ts"

/** Orders of customers, joined with the customers' countries, and counted by these. */
const totals = (orders: Table, customers: Table) =>
  DerivedTable.make(
    DerivedTable.from(orders).pipe(
      DerivedTable.join(customers, { on: (customer) => customer, select: (_, country) => country }),
      DerivedTable.groupBy((country) => country, { orders: Aggregate.count })
    )
  )

/** The same by a walk through both tables. */
const counted = (orders: Table, customers: Table): ReadonlyMap<string, number> => {
  const all = new Map<string, number>()
  for (const [, customer] of orders.unsafeSnapshot()) {
    const country = customers.unsafeSnapshot().getOrUndefined(customer)
    if (country !== undefined) all.set(country, (all.get(country) ?? 0) + 1)
  }
  return all
}

const shown = (table: DerivedTable.DerivedTable<string, { readonly orders: number }>): ReadonlyMap<string, number> =>
  new Map([...table.unsafeSnapshot()].map(([country, { orders }]) => [country, orders]))

export const derived = (test: Suite): void => {
  test("a derived table shows what its sources show, right after a position or a barrier of any of them", (kafka) =>
    Effect.gen(function* () {
      const topics = [yield* kafka.topic({ partitions: 3 }), yield* kafka.topic()]
      yield* kafka.append(
        topics[0],
        numbers(300).map((i) => ({ key: `o${i}`, value: `c${i % 7}` }))
      )
      yield* kafka.append(
        topics[1],
        numbers(5).map((i) => ({ key: `c${i}`, value: i % 2 === 0 ? "DE" : "FR" }))
      )
      const [orders, customers] = [yield* kafka.table(topics[0]), yield* kafka.table(topics[1])]
      const table = yield* totals(orders, customers)
      assert.deepStrictEqual(shown(table), counted(orders, customers))
      for (const i of numbers(20)) {
        const positions =
          i % 3 === 0
            ? yield* kafka.append(topics[1], [{ key: `c${i % 7}`, value: i % 2 === 0 ? "DE" : null }])
            : yield* kafka.append(topics[0], [{ key: `o${i}`, value: i % 4 === 0 ? null : `c${(i * 3) % 7}` }])
        yield* i % 2 === 0 ? table.awaitPosition(positions) : table.barrier()
        assert.deepStrictEqual(shown(table), counted(orders, customers))
      }
      // Records of a source that does not decode, and of others, are nobody's rows.
      yield* kafka.append(topics[0], [{ key: "bad", value: Buffer.from([0xff]) }])
      yield* table.barrier()
      assert.deepStrictEqual(shown(table), counted(orders, customers))
    }))

  test("a derived table follows its sources through replays, and ends with them", (kafka) =>
    Effect.gen(function* () {
      const topics = [yield* kafka.topic(), yield* kafka.topic()]
      yield* kafka.append(topics[0], [{ key: "o1", value: "c1" }])
      yield* kafka.append(topics[1], [{ key: "c1", value: "DE" }])
      const orders = yield* kafka.table(topics[0], { restart: Schedule.spaced("100 millis") })
      const customers = yield* kafka.table(topics[1])
      const table = yield* totals(orders, customers)
      assert.deepStrictEqual(yield* table.get("DE"), Option.some({ orders: 1 }))
      yield* kafka.deleteTopic(topics[0])
      yield* eventually(Effect.exit(kafka.createTopic(topics[0])), (exit) => Exit.isSuccess(exit))
      yield* kafka.append(topics[0], [
        { key: "o2", value: "c1" },
        { key: "o3", value: "c1" }
      ])
      yield* eventually(table.get("DE"), (found) => Option.isSome(found) && found.value.orders === 2)
      yield* kafka.deleteTopic(topics[1])
      const exit = yield* Effect.exit(table.failure)
      assert.strictEqual(failureOf(exit)._tag, "KafkaTopicError")
      assert.deepStrictEqual(yield* table.get("DE"), Option.some({ orders: 2 }))
    }))
}

/** Orders by typed events: members that are replaced one after the other, and Python beside them, on a real Kafka. */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { assert } from "vitest"
import { packagesOf } from "../kafka/Librdkafka.ts"
import { run, until } from "../kafka/process.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { interrupted, root, start } from "./program.ts"

realKafka("examples/orders.ts", () => {
  test("three members are replaced one after the other while orders come in: each is billed once", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const to = ["--brokers", brokers.join(","), "--prefix", `${topicName("orders")}.`]
      const bill = (name: string) => start("orders.ts", ["bill", name, ...to])
      const old = [yield* bill("anna"), yield* bill("ben"), yield* bill("cleo")]
      for (const one of old) yield* one.says("is there")
      const orders = yield* start("orders.ts", ["order", "3000", ...to])
      const all = [...old]
      for (const [i, one] of old.entries()) {
        yield* one.says(/bills o-/)
        const next = yield* bill(`next-${i}`)
        all.push(next)
        yield* next.says("is there")
        yield* one.signal("SIGTERM")
        assert.include(interrupted, yield* one.ended)
        assert.include(one.output(), "leaves")
      }
      yield* orders.ended
      assert.include(orders.output(), "3000 orders are published")
      const billed = () => all.flatMap((one) => [...one.output().matchAll(/bills (o-\d+):/g)].map(([, id]) => id))
      const isAll = yield* until(
        Effect.sync(() => new Set(billed()).size === 3_000),
        { progress: () => billed().length }
      )
      assert.isTrue(isAll, `${new Set(billed()).size} orders are billed`)
      for (const one of all.slice(3)) {
        yield* one.signal("SIGTERM")
        assert.include(interrupted, yield* one.ended)
      }
      assert.strictEqual(billed().length, 3_000, "an order was billed twice")
    }))

  test("Python reads the bills, and publishes an order of the first version", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const prefix = `${topicName("orders")}.`
      const to = ["--brokers", brokers.join(","), "--prefix", prefix]
      const anna = yield* start("orders.ts", ["bill", "anna", ...to])
      yield* anna.says("anna is there")
      const directories = yield* Effect.forEach(["confluent-kafka==2.16.1", "pydantic==2.12.5"], packagesOf)
      const { stdout } = yield* run(
        "python3",
        [join(root, "examples/python/bills.py"), brokers.join(","), "--prefix", prefix, "--order", "o-python"],
        { env: { PYTHONPATH: directories.join(":"), PYTHONDONTWRITEBYTECODE: "1" } }
      )
      assert.deepStrictEqual(JSON.parse(stdout.toString()), {
        schema: "OrderBilled:1",
        order: "o-python",
        text: "42.00 EUR",
        by: "anna"
      })
    }))
})

/**
 * Tests of `Sessions` on a Kafka in memory. `it.effect` puts them on a `TestClock`: half an hour passes when a test
 * says so. Each test has a cluster of its own.
 *
 *     npx vitest run examples/testing
 */
import { it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { EmbeddedKafka, KafkaClient } from "effect-ktables"
import { assert, describe } from "vitest"
import * as Sessions from "./Sessions.ts"

const TestLayer = Layer.provideMerge(Sessions.layer, KafkaClient.layerMemory())

describe("Sessions", () => {
  it.effect("a session lasts for half an hour, and then leaves the topic", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions.Sessions
      const table = yield* Sessions.SessionTable
      const token = yield* sessions.login("ada")
      yield* TestClock.adjust("29 minutes")
      assert.deepStrictEqual(yield* sessions.userOf(token), Option.some("ada"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sessions.userOf(token), Option.none())

      yield* TestClock.adjust("1 minute")
      yield* table.barrier()
      assert.strictEqual(yield* table.size, 0)
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const records = yield* kafka.log(table.topic)
      assert.deepStrictEqual(
        records.map(({ value }) => value === null),
        [false, true]
      )
    }).pipe(Effect.provide(TestLayer))
  )

  it.effect("another replica knows it", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions.Sessions
      const context = yield* Layer.build(Layer.fresh(Sessions.layer))
      const other = Context.get(context, Sessions.Sessions)

      const token = yield* sessions.login("ada")
      yield* Context.get(context, Sessions.SessionTable).barrier()
      assert.deepStrictEqual(yield* other.userOf(token), Option.some("ada"))
      yield* other.logout(token)
      yield* Effect.flatMap(Sessions.SessionTable, (table) => table.barrier())
      assert.deepStrictEqual(yield* sessions.userOf(token), Option.none())
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("an outage: who is logged in stays so, and nobody else gets in until it is over", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const sessions = yield* Sessions.Sessions
      const ada = yield* sessions.login("ada")

      yield* kafka.stopNode(0)
      const bob = yield* Effect.forkChild(Effect.flip(sessions.login("bob")))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(bob)
      assert.strictEqual(error._tag, "SessionsUnavailable")
      assert.strictEqual(error.cause._tag, "KafkaWriteError")
      assert.deepStrictEqual(yield* sessions.userOf(ada), Option.some("ada"))

      yield* kafka.startNode(0)
      const eve = yield* Effect.forkChild(sessions.login("eve"))
      yield* TestClock.adjust("2 seconds") // it waits between attempts
      assert.deepStrictEqual(yield* sessions.userOf(yield* Fiber.join(eve)), Option.some("eve"))
    }).pipe(Effect.provide(TestLayer))
  )

  it.effect("an answer that is lost: the session is there all the same, once", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const sessions = yield* Sessions.Sessions
      yield* kafka.inject({ _tag: "Disconnect", applied: true }, { request: "Produce", times: 1 })
      const login = yield* Effect.forkChild(sessions.login("ada"))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* sessions.userOf(yield* Fiber.join(login)), Option.some("ada"))
      assert.lengthOf(yield* kafka.log("examples.sessions"), 1)
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("a record that is no session is left out, and the one before it stays", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const sessions = yield* Sessions.Sessions
      const table = yield* Sessions.SessionTable
      const token = yield* sessions.login("ada")
      yield* kafka.append(table.topic, [{ key: token, value: `{"user":"mallory"}` }])
      yield* table.barrier()
      assert.deepStrictEqual(yield* sessions.userOf(token), Option.some("ada"))
      const { valueErrors } = yield* table.stats
      assert.strictEqual(valueErrors, 1)
    }).pipe(Effect.provide(TestLayer))
  )
})

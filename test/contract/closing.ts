import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Duration } from "effect"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import type { KafkaClient, KafkaProtocol } from "../../src/index.ts"
import { leftovers } from "../support/leftovers.ts"
import { eventually, facts, numbers } from "../support/live.ts"
import { held, type Step } from "./clients.ts"
import { tableOn, writerOn, type Kafka, type Suite } from "./suite.ts"

/** Ends within two seconds, and leaves nothing. */
const leavesNothing = <A, E>(
  kafka: Kafka,
  what: string,
  body: Effect.Effect<A, E, Scope.Scope>,
  interruptAfter?: Duration.Input
) =>
  Effect.map(
    leftovers(body, {
      connections: kafka.connections,
      ...(interruptAfter === undefined ? {} : { interruptAfter })
    }),
    ({ exit, left: { millisToClose, ...left }, told }) => {
      assert.deepStrictEqual(left, { connections: 0, fibers: 0, timers: 0 }, `${what}, ${told}`)
      assert.isBelow(millisToClose, 2_000, what)
      return exit
    }
  )

/** Nothing comes for a minute. */
const longPoll = ({ partitions, topic }: KafkaClient.TopicDescription): KafkaProtocol.FetchRequest => ({
  isolation: "read_committed",
  maxWaitMillis: 60_000,
  minBytes: 1_000_000_000,
  maxBytes: 1_000_000_000,
  partitions: partitions.map(({ leaderEpoch, partition }) => ({
    topic,
    partition,
    leaderEpoch,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    maxBytes: 1_000_000
  }))
})

const filled = (kafka: Kafka) =>
  Effect.tap(kafka.topic({ partitions: 3 }), (topic) =>
    kafka.append(
      topic,
      numbers(5_000).map((i) => ({ key: `key-${i}`, value: "x".repeat(100) }))
    )
  )

export const closing = (test: Suite): void => {
  test("a table that is closed leaves no connection, fiber or timer; its content stays readable", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* filled(kafka)
      const exit = yield* leavesNothing(
        kafka,
        "closed",
        Effect.tap(kafka.table(topic), (table) => table.barrier())
      )
      if (Exit.isFailure(exit)) return assert.fail(String(exit.cause))
      assert.strictEqual(exit.value.unsafeSnapshot().size, 5_000)
    }))

  test("nor does one with waiters, subscribers and watchers", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* filled(kafka)
      // what is waited for never comes
      const open = yield* kafka.transaction()
      yield* open.append(topic, [{ key: "open", value: "1" }])
      const exit = yield* leavesNothing(
        kafka,
        "with waiters",
        Effect.gen(function* () {
          const table = yield* kafka.table(topic)
          const waiting = yield* Effect.forkDetach(Effect.exit(table.barrier()))
          yield* table.subscribe()
          yield* eventually(table.stats, ({ subscribers }) => subscribers === 1)
          return waiting
        })
      )
      if (Exit.isFailure(exit)) return assert.fail(String(exit.cause))
      assert.deepInclude(facts(failureOf(yield* Fiber.join(exit.value))), { _tag: "KafkaTableClosedError", topic })
    }))

  test("interrupted at any moment, a table leaves nothing", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* filled(kafka)
      const use = Effect.andThen(
        Effect.flatMap(kafka.table(topic), (table) => table.barrier()),
        Effect.never
      )
      for (const millis of [0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96]) {
        yield* leavesNothing(kafka, `after ${millis} ms`, use, millis)
      }
    }))

  const steps: ReadonlyArray<Step> = ["connect", "describeTopic", "ListOffsets", "Fetch"]
  test(`interrupted while ${steps.join(", ")} has no answer, a table leaves nothing`, (kafka) =>
    Effect.gen(function* () {
      const topic = yield* filled(kafka)
      for (const step of steps) {
        yield* leavesNothing(
          kafka,
          step,
          Effect.gen(function* () {
            const slow = yield* held(yield* kafka.client, [step])
            yield* Effect.forkScoped(tableOn(slow.client, topic))
            yield* eventually(slow.waiting, (count) => count > 0)
          })
        )
      }
    }))

  test("interrupted or closed at any moment, a writer leaves nothing, and no acknowledged write is missing", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const acknowledged: Array<string> = []
      const use = (round: string) =>
        Effect.gen(function* () {
          const writer = yield* kafka.writer(topic)
          yield* Effect.forEach(
            numbers(100_000),
            (i) => Effect.map(writer.set(`k${i % 100}`, `${round}/${i}`), () => acknowledged.push(`${round}/${i}`)),
            { concurrency: 50 }
          )
        })
      for (const millis of [0, 1, 2, 4, 8, 16, 32, 64]) {
        yield* leavesNothing(kafka, `after ${millis} ms`, use(`${millis}`), millis)
      }
      // in the middle of its writes, however slow everything is
      const some = eventually(
        Effect.sync(() => acknowledged.filter((value) => value.startsWith("busy/")).length),
        (count) => count >= 200
      )
      yield* leavesNothing(kafka, "busy", Effect.raceFirst(use("busy"), some))
      const written = new Map<string, number>()
      for (const { value } of yield* kafka.log(topic)) {
        written.set(value!.toString(), (written.get(value!.toString()) ?? 0) + 1)
      }
      assert.isAtLeast(acknowledged.length, 200)
      assert.deepStrictEqual(
        acknowledged.filter((value) => !written.has(value)),
        []
      )
      assert.deepStrictEqual(
        [...written].filter(([, times]) => times > 1),
        []
      )
      for (const step of ["describeTopic", "InitProducerId", "connect", "Produce"] as const) {
        yield* leavesNothing(
          kafka,
          step,
          Effect.gen(function* () {
            const slow = yield* held(yield* kafka.client, [step])
            const set = Effect.flatMap(writerOn(slow.client, topic, { closeTimeout: "500 millis" }), (writer) =>
              Effect.exit(writer.set("a", "1"))
            )
            yield* Effect.forkScoped(set)
            yield* eventually(slow.waiting, (count) => count > 0)
          })
        )
      }
    }))

  test("many tables and writers share the connections of one client, and give them back one by one", (kafka) =>
    Effect.gen(function* () {
      const topics = yield* Effect.forEach(numbers(3), () => filled(kafka))
      yield* eventually(kafka.connections, (count) => count === 0)
      const client = yield* kafka.client
      const before = yield* kafka.connections
      assert.strictEqual(before, 0)
      const scope = yield* Scope.make()
      const tables = yield* Effect.forEach(topics, (topic) => Scope.provide(tableOn(client, topic), scope))
      const writers = yield* Effect.forEach(topics, (topic) => Scope.provide(writerOn(client, topic), scope))
      for (const [i, writer] of writers.entries()) {
        yield* tables[i].awaitPosition(yield* writer.set("a", "1"))
        yield* tables[i].barrier()
      }
      // one to ask, and one for each long poll and each queue of writes
      assert.strictEqual(yield* kafka.connections, 7)
      yield* Scope.close(scope, Exit.void)
      yield* eventually(kafka.connections, (count) => count === 1)
      const again = yield* tableOn(client, topics[0])
      assert.strictEqual(yield* again.size, 5_001)
    }))

  test("a client that is released closes the connections of its tables and writers, who are told so", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* filled(kafka)
      yield* eventually(kafka.connections, (count) => count === 0)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(kafka.client, scope)
      const table = yield* tableOn(client, topic)
      const writer = yield* writerOn(client, topic, { deliveryTimeout: "1 second", closeTimeout: "100 millis" })
      const description = yield* client.describeTopic(topic)
      const [broker] = description.brokers.values()
      const own = yield* client.connect(broker)
      // A broker that has much else to do may take longer for the first write than the writer waits.
      const position = yield* eventually(Effect.exit(writer.set("a", "1")), Exit.isSuccess).pipe(Effect.flatten)
      yield* table.awaitPosition(position)
      assert.isAtLeast(yield* kafka.connections, 4)
      // a long poll that is under way
      const polling = yield* Effect.forkChild(Effect.flip(own.request("Fetch", longPoll(description))))
      yield* Effect.sleep("100 millis")

      yield* Scope.close(scope, Exit.void)
      yield* eventually(kafka.connections, (count) => count === 0)
      const released =
        /^Closed during \w+, broker \S+ \(this KafkaClient was released: its layer must outlive whoever uses it\)\. The broker has nothing to do with it\.$/
      for (const error of [
        yield* Fiber.join(polling),
        yield* Effect.flip(own.request("Metadata", { topics: [topic] })),
        yield* Effect.flip(Effect.scoped(client.connect(broker))),
        yield* Effect.flip(client.describeTopic(topic)),
        yield* Effect.flip(client.initProducerId)
      ]) {
        assert.match(error.message, released)
      }
      assert.isFalse(own.isOpen())
      const failures = [
        yield* Effect.flip(table.barrier({ timeout: "1 second" })),
        yield* Effect.flip(writer.set("b", "2"))
      ]
      for (const error of failures) assert.include(error.message, "this KafkaClient was released")
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "1")
      assert.isFalse((yield* table.freshness).connected)
      // nothing came back
      assert.strictEqual(yield* kafka.connections, 0)
    }))

  test("opened and closed again and again: nothing adds up", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* leavesNothing(
        kafka,
        "30 times",
        Effect.forEach(numbers(30), (i) =>
          Effect.scoped(
            Effect.gen(function* () {
              const table = yield* kafka.table(topic)
              const writer = yield* kafka.writer(topic)
              yield* table.awaitPosition(yield* writer.set("n", `${i}`))
              assert.strictEqual(table.unsafeSnapshot().getOrUndefined("n"), `${i}`)
            })
          )
        )
      )
    }))
}

/** Connections: order, waiting, timeouts, and what is left of them. In the test's own time. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { EmbeddedKafka, KafkaClient, type KafkaError } from "../../src/index.ts"
import { settle } from "../table/support.ts"
import { connected, fetchOf, produceOf, seen, sent, topic, withTopic } from "./support.ts"

const isDone = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.map(settle, () => hasEnded(fiber))

/** Runs it, and how long it took by the test's clock. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([duration, value]) => ({ millis: Duration.toMillis(duration), value }))

const reasonOf = (error: KafkaError.ConnectionError | KafkaError.InvalidOptionsError) =>
  error._tag === "KafkaConnectionError" ? [error.reason, error.request] : [error.reason]

type Call = (connection: KafkaClient.BrokerConnection) => Effect.Effect<unknown, KafkaError.ConnectionError>

describe("a fetch that waits", () => {
  it.effect("is answered by a write, without any time", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const fetch = yield* Effect.forkChild(timed(connection.request("Fetch", fetchOf())))
      assert.isFalse(yield* isDone(fetch))
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const { millis, value } = yield* Fiber.join(fetch)
      assert.strictEqual(millis, 0)
      assert.deepStrictEqual(seen(value.partitions[0].records), ["0:a=1"])
    })
  )

  it.effect("is answered when its time is up, and not before", () =>
    Effect.gen(function* () {
      const connection = yield* connected(yield* withTopic())
      const fetch = yield* Effect.forkChild(timed(connection.request("Fetch", fetchOf({}, { maxWaitMillis: 700 }))))
      yield* TestClock.adjust(699)
      assert.isFalse(yield* isDone(fetch))
      yield* TestClock.adjust(1)
      const { millis, value } = yield* Fiber.join(fetch)
      assert.strictEqual(millis, 700)
      assert.deepInclude(value.partitions[0], { errorCode: 0, highWatermark: 0 })
    })
  )

  it.effect("waits on for as many bytes as it wants, and gets what there is in the end", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const fetch = yield* Effect.forkChild(connection.request("Fetch", fetchOf({}, { minBytes: 100 })))
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      assert.isFalse(yield* isDone(fetch))
      yield* kafka.append(topic, [{ key: "b", value: "1" }])
      assert.deepStrictEqual(seen((yield* Fiber.join(fetch)).partitions[0].records), ["0:a=1", "1:b=1"])
      const more = yield* Effect.forkChild(connection.request("Fetch", fetchOf({}, { minBytes: 1_000 })))
      assert.isFalse(yield* isDone(more))
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(seen((yield* Fiber.join(more)).partitions[0].records), ["0:a=1", "1:b=1"])
    })
  )

  it.effect("of committed records is answered when a transaction ends, and not before", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const committed = yield* connected(kafka)
      const uncommitted = yield* connected(kafka)
      const fetch = yield* Effect.forkChild(committed.request("Fetch", fetchOf()))
      const dirty = yield* Effect.forkChild(
        uncommitted.request("Fetch", fetchOf({}, { isolation: "read_uncommitted" }))
      )
      const transaction = yield* kafka.transaction
      yield* transaction.append(topic, [{ key: "a", value: "1" }])
      assert.deepStrictEqual(seen((yield* Fiber.join(dirty)).partitions[0].records), ["0:a=1"])
      assert.isFalse(yield* isDone(fetch))
      yield* transaction.abort
      const [answer] = (yield* Fiber.join(fetch)).partitions
      assert.deepStrictEqual(answer.abortedTransactions, [{ producerId: 0n, firstOffset: 0 }])
      assert.deepInclude(answer, { highWatermark: 2, lastStableOffset: 2 })
    })
  )

  const changes: ReadonlyArray<
    readonly [string, number, (kafka: EmbeddedKafka.EmbeddedKafka) => Effect.Effect<void, KafkaError.BrokerError>]
  > = [
    ["the leader moves", 74, (kafka) => kafka.moveLeader(topic, 0, 1)],
    ["the topic is deleted", 100, (kafka) => kafka.deleteTopic(topic)]
  ]
  for (const [what, code, change] of changes) {
    it.effect(`is answered when ${what}`, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic({ replicationFactor: 2 }, 2)
        const connection = yield* connected(kafka)
        const { id } = (yield* kafka.topics).get(topic)!
        const request = fetchOf({ leaderEpoch: 0, topic: { name: topic, id } })
        const fetch = yield* Effect.forkChild(timed(connection.request("Fetch", request)))
        assert.isFalse(yield* isDone(fetch))
        yield* change(kafka)
        const { millis, value } = yield* Fiber.join(fetch)
        assert.deepStrictEqual([millis, value.partitions[0].errorCode], [0, code])
      })
    )
  }

  it.effect("is not woken by another topic: a thousand of them", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 1_000 }, (_, i) => `topic-${i}`)
      const kafka = yield* EmbeddedKafka.make({ topics: Object.fromEntries(names.map((name) => [name, {}])) })
      const client = yield* kafka.client()
      const { brokers } = yield* client.describeTopic(names[0])
      const fetches = yield* Effect.forEach(names, (name) =>
        Effect.flatMap(client.connect(brokers.get(0)!), (connection) =>
          Effect.forkChild(connection.request("Fetch", fetchOf({ topic: { name, id: undefined } })))
        )
      )
      yield* settle
      const pending = Effect.map(kafka.connections, (all) => all.filter((c) => c.pending === "Fetch").length)
      assert.strictEqual(yield* pending, 1_000)
      yield* kafka.append("topic-7", [{ key: "a", value: "1" }])
      assert.deepStrictEqual(seen((yield* Fiber.join(fetches[7])).partitions[0].records), ["0:a=1"])
      yield* settle
      assert.strictEqual(yield* pending, 999)
      yield* Effect.forEach(names, (name) => kafka.append(name, [{ key: "b", value: "1" }]))
      const answers = yield* Effect.forEach(fetches, Fiber.join)
      assert.deepStrictEqual(
        answers.map(({ partitions: [one] }) => seen(one.records)),
        names.map((_, i) => (i === 7 ? ["0:a=1"] : ["0:b=1"]))
      )
    })
  )
})

describe("a connection", () => {
  it.effect("answers in order: what is asked behind a long poll waits for it", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const other = yield* connected(kafka)
      const fetch = yield* Effect.forkChild(connection.request("Fetch", fetchOf()))
      yield* settle
      const metadata = yield* Effect.forkChild(connection.request("Metadata", { topics: [topic] }))
      assert.isFalse(yield* isDone(metadata))
      assert.deepStrictEqual(
        (yield* kafka.connections).map(({ pending }) => pending),
        ["Fetch", undefined]
      )
      assert.strictEqual((yield* other.request("Metadata", { topics: [topic] })).topics[0].errorCode, 0)
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      yield* Fiber.join(fetch)
      yield* Fiber.join(metadata)
    })
  )

  it.effect("carries out what it was asked, though nobody waits for the answer any more", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const fetch = yield* Effect.forkChild(connection.request("Fetch", fetchOf()))
      yield* settle
      const produce = yield* Effect.forkChild(connection.request("Produce", produceOf(sent(["a=1"]))))
      yield* settle
      yield* Fiber.interrupt(produce)
      yield* TestClock.adjust(500)
      yield* Fiber.join(fetch)
      yield* settle
      assert.strictEqual((yield* kafka.log(topic)).length, 1)
      assert.isTrue(connection.isOpen())
    })
  )

  const calls: ReadonlyArray<readonly [string, Call, number]> = [
    ["Metadata", (c) => c.request("Metadata", { topics: [] }), 2_000],
    ["Fetch", (c) => c.request("Fetch", fetchOf({}, { maxWaitMillis: 700 })), 2_700],
    ["Produce", (c) => c.request("Produce", produceOf(sent(["a=1"]), { timeoutMillis: 1_000 })), 3_000],
    [
      "CreateTopics",
      (c) =>
        c.request("CreateTopics", { topic: "b", partitions: 1, replicationFactor: 1, configs: {}, timeoutMillis: 500 }),
      2_500
    ]
  ]
  for (const [name, call, millis] of calls) {
    it.effect(`gives up ${name} after requestTimeout, on top of what the request lets the broker wait`, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic()
        const connection = yield* connected(kafka, { requestTimeout: "2 seconds" })
        yield* kafka.inject({ _tag: "Hang" })
        const waiting = yield* Effect.forkChild(timed(Effect.flip(call(connection))))
        yield* TestClock.adjust(millis - 1)
        assert.isFalse(yield* isDone(waiting))
        yield* TestClock.adjust(1)
        const { millis: passed, value } = yield* Fiber.join(waiting)
        assert.deepStrictEqual([passed, ...reasonOf(value)], [millis, "Timeout", name])
        assert.isFalse(connection.isOpen())
        assert.deepStrictEqual(yield* kafka.connections, [])
      })
    )
  }

  it.effect("that failed once fails for ever, and with it all that waits on it", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka, { requestTimeout: "2 seconds" })
      yield* kafka.inject({ _tag: "Hang" }, { request: "Metadata", times: 1 })
      const first = yield* Effect.forkChild(Effect.flip(connection.request("Metadata", { topics: [] })))
      const behind = yield* Effect.forkChild(Effect.flip(connection.request("Fetch", fetchOf())))
      yield* settle
      yield* TestClock.adjust(2_000)
      const error = yield* Fiber.join(first)
      assert.deepStrictEqual(reasonOf(error), ["Timeout", "Metadata"])
      assert.strictEqual(yield* Fiber.join(behind), error)
      assert.strictEqual(yield* Effect.flip(connection.request("Metadata", { topics: [] })), error)
    })
  )

  it.effect("is closed with its scope: who waits is told, the broker stops, and nothing of it is left", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const stopped = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      yield* Scope.provide(
        kafka.intercept("Fetch", (_, answer) => Effect.onInterrupt(answer, () => Deferred.succeed(stopped, void 0))),
        scope
      )
      const connection = yield* Scope.provide(connected(kafka), scope)
      const fetch = yield* Effect.forkChild(Effect.flip(connection.request("Fetch", fetchOf())))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(reasonOf(yield* Fiber.join(fetch)), ["Closed", "connection"])
      assert.isFalse(connection.isOpen())
      assert.deepStrictEqual(yield* kafka.connections, [])
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: [] }))).reason, "Closed")
      yield* settle
      assert.isTrue(yield* Deferred.isDone(stopped))
    })
  )

  it.effect("is shown while it is open: whose, where, what it waits for, and what it has read up to", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 3 }, 2)
      const one = fetchOf({ fetchOffset: 0 }).partitions[0]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* connected(kafka, { clientId: "reader", node: 1 })
          assert.deepStrictEqual(yield* kafka.connections, [
            { clientId: "reader", node: 1, pending: undefined, fetching: [] }
          ])
          const at = (offset: number) => fetchOf({}, { partitions: [{ ...one, partition: 1, fetchOffset: offset }] })
          yield* kafka.append(topic, [{ key: "a", value: "1" }], { partition: 1 })
          yield* connection.request("Fetch", at(0))
          const waiting = yield* Effect.forkChild(connection.request("Fetch", at(1)))
          yield* settle
          assert.deepStrictEqual(yield* kafka.connections, [
            { clientId: "reader", node: 1, pending: "Fetch", fetching: [{ topic, partition: 1, offset: 1 }] }
          ])
          yield* Fiber.interrupt(waiting)
        })
      )
      assert.deepStrictEqual(yield* kafka.connections, [])
    })
  )

  it.effect("that hangs while it is opened is given up, too, and leaves nothing", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* kafka.inject({ _tag: "Hang" }, { request: "connect" })
          const opening = yield* Effect.forkChild(Effect.scoped(Effect.flip(connected(kafka))))
          yield* settle
          assert.strictEqual((yield* kafka.connections)[0].pending, "connect")
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(reasonOf(yield* Fiber.join(opening)), ["Timeout", "connect"])
          const other = yield* Effect.forkChild(Effect.scoped(connected(kafka)))
          yield* settle
          yield* Fiber.interrupt(other)
        })
      )
      assert.deepStrictEqual(yield* kafka.connections, [])
    })
  )
})

describe("a node", () => {
  it.effect("that stops resets its connections and takes no others, until it starts again", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({}, 2)
      const connection = yield* connected(kafka)
      const elsewhere = yield* connected(kafka, { node: 1 })
      const fetch = yield* Effect.forkChild(Effect.flip(connection.request("Fetch", fetchOf())))
      yield* settle
      yield* kafka.stopNode(0)
      assert.deepStrictEqual(reasonOf(yield* Fiber.join(fetch)), ["Closed", "connection"])
      assert.deepStrictEqual(reasonOf(yield* Effect.flip(connected(kafka))), ["Unreachable", "connect"])
      assert.deepStrictEqual(
        (yield* elsewhere.request("Metadata", { topics: [] })).brokers.map(({ nodeId }) => nodeId),
        [1]
      )
      assert.strictEqual((yield* kafka.topics).get(topic)!.partitions[0].leader, -1)
      yield* kafka.startNode(0)
      const again = yield* connected(kafka)
      assert.strictEqual((yield* again.request("Metadata", { topics: [] })).brokers.length, 2)
      assert.strictEqual((yield* kafka.topics).get(topic)!.partitions[0].leader, 0)
    })
  )

  it.effect("that stops is not asked by those who intercept, nor is one that there is not", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      yield* kafka.stopNode(0)
      yield* kafka.intercept("connect", () => Effect.void)
      assert.strictEqual((yield* Effect.flip(connected(kafka))).reason, "Unreachable")
      assert.strictEqual((yield* Effect.flip(connected(kafka, { node: 5 }))).reason, "Unreachable")
    })
  )
})

describe("disconnect", () => {
  it.effect("resets all connections, or those of a client or a node", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({}, 2)
      const open = Effect.map(kafka.connections, (all) => all.map(({ clientId, node }) => `${clientId}@${node}`))
      yield* Effect.forEach(["a", "b"], (clientId) =>
        Effect.forEach([0, 1], (node) => connected(kafka, { clientId, node }))
      )
      yield* kafka.disconnect({ clientId: "a", node: 1 })
      assert.deepStrictEqual(yield* open, ["a@0", "b@0", "b@1"])
      yield* kafka.disconnect({ node: 0 })
      assert.deepStrictEqual(yield* open, ["b@1"])
      yield* kafka.disconnect({ clientId: "a" })
      assert.deepStrictEqual(yield* open, ["b@1"])
      yield* kafka.disconnect()
      assert.deepStrictEqual(yield* open, [])
    })
  )
})

describe("clients", () => {
  it.effect("find brokers and leaders as on any cluster, and leave nothing", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 2 }, 2)
      yield* kafka.append(topic, [{ key: "a", value: "1" }], { partition: 1 })
      yield* Effect.gen(function* () {
        const client = yield* KafkaClient.KafkaClient
        const found = yield* client.describeTopic(topic)
        assert.deepStrictEqual(
          found.partitions.map(({ leader }) => leader),
          [0, 1]
        )
        const ends = yield* client.listOffsets(found, { isolation: "read_committed", timestamp: "latest" })
        assert.deepStrictEqual(
          ends.map(({ offset }) => offset),
          [0, 1]
        )
        // one for the metadata and one for each leader, whichever of them serves for both
        const open = (yield* kafka.connections).map(({ clientId, node }) => `${clientId}@${node}`)
        assert.deepStrictEqual([...new Set(open)].sort(), ["effect-ktables@0", "effect-ktables@1"])
      }).pipe(Effect.provide(kafka.layerClient()))
      assert.deepStrictEqual(yield* kafka.connections, [])
    })
  )

  it.effect("with options that cannot be are refused", () =>
    Effect.gen(function* () {
      const problems = <A, R>(effect: Effect.Effect<A, KafkaError.InvalidOptionsError, R>) =>
        Effect.map(Effect.flip(effect), (error) => error.problems.map(({ option }) => option))
      const kafka = yield* withTopic()
      assert.deepStrictEqual(
        yield* problems(kafka.client({ requestTimeout: 0, backoff: { initial: -1 }, foo: 1 } as object)),
        ["foo", "requestTimeout", "backoff.initial"]
      )
      assert.deepStrictEqual(
        yield* problems(
          EmbeddedKafka.make({
            nodes: 0,
            topics: {
              "no name": {},
              a: { replicationFactor: 2 },
              b: { configs: { foo: "bar" } },
              c: { foo: 1 } as object
            }
          })
        ),
        ["nodes", "topics.c.foo", "topics.no name", "topics.a", "topics.b"]
      )
      assert.deepStrictEqual(yield* problems(EmbeddedKafka.make({ nodes: 1_001 })), ["nodes"])
      const layer = KafkaClient.layerMemory({ nodes: 1.5, clientId: "a", brokers: ["b:1"] } as object)
      assert.deepStrictEqual(yield* problems(Layer.build(layer)), ["brokers", "nodes"])
    })
  )
})

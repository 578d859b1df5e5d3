/** What is made to go wrong, one by one, as a client sees it. In the test's own time. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { defectsOf } from "../support/effect/v4/causes.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { KafkaError, type EmbeddedKafka, type KafkaClient } from "../../src/index.ts"
import { settle } from "../table/support.ts"
import { connected, fetchOf, produceOf, ref, seen, sent, topic, withTopic } from "./support.ts"

const written = (kafka: EmbeddedKafka.EmbeddedKafka) =>
  Effect.map(kafka.log(topic), (records) => records.map(({ key }) => Buffer.from(key!).toString()))

const metadata = (connection: KafkaClient.BrokerConnection, topics: ReadonlyArray<string> = [topic]) =>
  Effect.map(connection.request("Metadata", { topics: topics }), (answer) =>
    answer.topics.map(({ errorCode }) => errorCode)
  )

describe("Disconnect", () => {
  it.effect("closes the connection; nothing was carried out", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const { hits } = yield* kafka.inject({ _tag: "Disconnect" }, { request: "Produce" })
      const error = yield* Effect.flip(connection.request("Produce", produceOf(sent(["a=1"]))))
      assert.deepStrictEqual([error.reason, connection.isOpen()], ["Closed", false])
      assert.deepStrictEqual(yield* written(kafka), [])
      assert.strictEqual(yield* hits, 1)
    })
  )

  it.effect("applied: the answer is lost, and what was asked is done", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.inject({ _tag: "Disconnect", applied: true }, { request: "Produce" })
      const error = yield* Effect.flip(connection.request("Produce", produceOf(sent(["a=1"]))))
      assert.strictEqual(error.reason, "Closed")
      assert.deepStrictEqual(yield* written(kafka), ["a"])
    })
  )

  it.effect("of a connection that is opened", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      yield* kafka.inject({ _tag: "Disconnect" }, { request: "connect", times: 1 })
      const error = yield* Effect.flip(connected(kafka))
      assert.deepInclude({ ...error }, { reason: "Closed", request: "connect" })
      assert.isTrue((yield* connected(kafka)).isOpen())
    })
  )
})

describe("Hang", () => {
  for (const applied of [false, true]) {
    it.effect(`no answer comes, until the client has had enough; applied: ${applied}`, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic()
        const connection = yield* connected(kafka)
        yield* kafka.inject({ _tag: "Hang", applied }, { request: "Produce" })
        const produce = yield* Effect.forkChild(Effect.flip(connection.request("Produce", produceOf(sent(["a=1"])))))
        yield* TestClock.adjust("10 seconds")
        assert.isFalse(hasEnded(produce))
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual((yield* Fiber.join(produce)).reason, "Timeout")
        assert.deepStrictEqual(yield* written(kafka), applied ? ["a"] : [])
      })
    )
  }
})

describe("Delay", () => {
  it.effect("what was asked is done at once, the answer comes later", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.inject({ _tag: "Delay", millis: 3_000 }, { request: "Produce" })
      const produce = yield* Effect.forkChild(Effect.timed(connection.request("Produce", produceOf(sent(["a=1"])))))
      yield* settle
      assert.deepStrictEqual(yield* written(kafka), ["a"])
      yield* TestClock.adjust("3 seconds")
      const [duration, answer] = yield* Fiber.join(produce)
      assert.deepStrictEqual([Duration.toMillis(duration), answer.partitions[0].errorCode], [3_000, 0])
    })
  )
})

describe("ErrorCode", () => {
  it.effect("for each partition, and nothing is done", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 2 })
      const connection = yield* connected(kafka)
      const client = yield* kafka.client()
      yield* kafka.inject({ _tag: "ErrorCode", code: 29 })
      // a connection that is there already
      const [one] = fetchOf().partitions
      const both = [one, { ...one, partition: 1 }]
      const codes = (answer: { readonly partitions: ReadonlyArray<{ readonly errorCode: number }> }) =>
        answer.partitions.map(({ errorCode }) => errorCode)
      assert.deepStrictEqual(codes(yield* connection.request("Fetch", fetchOf({}, { partitions: both }))), [29, 29])
      const batches = [0, 1].map((partition) => ({ topic: ref, partition, records: sent(["a=1"]) }))
      assert.deepStrictEqual(
        codes(yield* connection.request("Produce", produceOf(sent(["a=1"]), { partitions: batches }))),
        [29, 29]
      )
      const ends = [0, 1].map((partition) => ({ topic: ref, partition, leaderEpoch: -1, timestamp: -1 }))
      const asked = { isolation: "read_committed", partitions: ends } as const
      assert.deepStrictEqual(codes(yield* connection.request("ListOffsets", asked)), [29, 29])
      assert.deepStrictEqual(yield* metadata(connection, [topic, "other"]), [29, 29])
      assert.strictEqual((yield* connection.request("InitProducerId", { transactional: undefined })).errorCode, 29)
      assert.strictEqual((yield* connection.request("DescribeConfigs", { topic })).errorCode, 29)
      assert.strictEqual(
        (yield* connection.request("IncrementalAlterConfigs", { topic, set: { "retention.ms": "1" } })).errorCode,
        29
      )
      const created = { topic: "b", partitions: 1, replicationFactor: 1, configs: {}, timeoutMillis: 1_000 }
      assert.strictEqual((yield* connection.request("CreateTopics", created)).errorCode, 29)
      assert.deepStrictEqual(yield* written(kafka), [])
      assert.deepStrictEqual([...(yield* kafka.topics).keys()], [topic])
      assert.deepStrictEqual((yield* kafka.topics).get(topic)!.configs, { "cleanup.policy": "compact" })
      // a new one is refused for its credentials
      const refused = yield* Effect.flip(client.describeTopic(topic))
      assert.strictEqual(refused._tag, "KafkaConnectionError")
      assert.strictEqual(refused.reason, "Authentication")
    })
  )

  it.effect("for one partition: of the others the answer is what it would be, at once", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 2 })
      const connection = yield* connected(kafka)
      yield* kafka.append(topic, [{ key: "a", value: "1" }], { partition: 1 })
      const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code: 6 }, { partition: 0 })
      const [one] = fetchOf().partitions
      const fetch = (offset: number) =>
        Effect.map(
          connection.request(
            "Fetch",
            fetchOf({}, { partitions: [one, { ...one, partition: 1, fetchOffset: offset }] })
          ),
          ({ partitions }) =>
            partitions.map(({ errorCode, partition, records }) => [partition, errorCode, records.length > 0])
        )
      assert.deepStrictEqual(yield* fetch(0), [
        [0, 6, false],
        [1, 0, true]
      ])
      assert.deepStrictEqual(yield* fetch(1), [
        [0, 6, false],
        [1, 0, false]
      ])
      const batches = [0, 1].map((partition) => ({ topic: ref, partition, records: sent(["b=1"]) }))
      const answer = yield* connection.request("Produce", produceOf(sent(["a=1"]), { partitions: batches }))
      assert.sameDeepMembers(
        answer.partitions.map(({ baseOffset, errorCode, partition }) => [partition, errorCode, baseOffset]),
        [
          [0, 6, -1],
          [1, 0, 1]
        ]
      )
      assert.strictEqual(yield* hits, 3)
      // requests that name no partitions are none of its business
      assert.deepStrictEqual(yield* metadata(connection), [0])
      assert.strictEqual(yield* hits, 3)
    })
  )

  it.effect("for one topic of several", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      yield* kafka.createTopic("other")
      const connection = yield* connected(kafka)
      yield* kafka.inject({ _tag: "ErrorCode", code: 29 }, { topic: "other" })
      const { brokers, topics } = yield* connection.request("Metadata", { topics: [topic, "other"] })
      assert.strictEqual(brokers.length, 1)
      assert.sameDeepMembers(
        topics.map(({ errorCode, name }) => [name, errorCode]),
        [
          [topic, 0],
          ["other", 29]
        ]
      )
      assert.deepStrictEqual(yield* metadata(connection, [topic]), [0])
    })
  )
})

describe("Throttle", () => {
  it.effect("a fetch comes back at once and empty, and the connection is silent for as long as it says", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      yield* kafka.inject({ _tag: "Throttle", millis: 4_000 }, { request: "Fetch", times: 1 })
      assert.deepStrictEqual(yield* connection.request("Fetch", fetchOf()), {
        errorCode: 0,
        throttleMillis: 4_000,
        partitions: []
      })
      const next = yield* Effect.forkChild(Effect.timed(connection.request("Fetch", fetchOf())))
      yield* TestClock.adjust("4 seconds")
      const [duration, answer] = yield* Fiber.join(next)
      assert.strictEqual(Duration.toMillis(duration), 4_000)
      assert.deepStrictEqual(seen(answer.partitions[0].records), ["0:a=1"])
      assert.strictEqual(answer.throttleMillis, 0)
    })
  )

  it.effect("a client that waits by itself does not wait twice", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.inject({ _tag: "Throttle", millis: 4_000 }, { request: "Produce", times: 1 })
      const first = yield* connection.request("Produce", produceOf(sent(["a=1"])))
      assert.deepInclude({ ...first, code: first.partitions[0].errorCode }, { throttleMillis: 4_000, code: 0 })
      assert.deepStrictEqual(yield* written(kafka), ["a"])
      yield* TestClock.adjust("5 seconds")
      const second = yield* connection.request("Produce", produceOf(sent(["b=1"])))
      assert.strictEqual(second.throttleMillis, 0)
    })
  )
})

describe("Truncate and Corrupt", () => {
  it.effect("records on their way are cut off, and the log is whole", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      yield* kafka.append(topic, [{ key: "b", value: "1" }])
      const whole = (yield* connection.request("Fetch", fetchOf())).partitions[0].records
      const cut = whole.length / 2 + 10
      const { hits } = yield* kafka.inject({ _tag: "Truncate", bytes: cut }, { times: 1 })
      const [answer] = (yield* connection.request("Fetch", fetchOf())).partitions
      assert.strictEqual(answer.records.length, cut)
      assert.deepStrictEqual(seen(answer.records), ["0:a=1"])
      assert.deepStrictEqual((yield* connection.request("Fetch", fetchOf())).partitions[0].records, whole)
      assert.strictEqual(yield* hits, 1)
    })
  )

  it.effect("one bit is flipped, of the byte that is meant, in each partition or the one that is meant", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 2 })
      const connection = yield* connected(kafka)
      const [one] = fetchOf().partitions
      const fetch = Effect.map(
        connection.request("Fetch", fetchOf({}, { partitions: [one, { ...one, partition: 1 }] })),
        ({ partitions }) => partitions.map(({ records }) => records)
      )
      for (const partition of [0, 1]) yield* kafka.append(topic, [{ key: "a", value: "1" }], { partition })
      const whole = yield* fetch
      const changed = (records: ReadonlyArray<Buffer>) =>
        records.map((bytes, i) => [...bytes.keys()].filter((at) => bytes[at] !== whole[i][at]))
      const middle = whole[0].length >> 1
      const corrupted = (fault: EmbeddedKafka.Fault, target: EmbeddedKafka.FaultTarget = {}) =>
        Effect.scoped(Effect.andThen(kafka.inject(fault, target), Effect.map(fetch, changed)))
      assert.deepStrictEqual(yield* corrupted({ _tag: "Corrupt" }), [[middle], [middle]])
      assert.deepStrictEqual(yield* corrupted({ _tag: "Corrupt", at: 3 }), [[3], [3]])
      assert.deepStrictEqual(yield* corrupted({ _tag: "Corrupt", at: 3 }, { partition: 1 }), [[], [3]])
      assert.deepStrictEqual(changed(yield* fetch), [[], []])
    })
  )

  it.effect("are for answers that have records", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const { hits } = yield* kafka.inject({ _tag: "Corrupt" }, { times: 1 })
      yield* metadata(connection)
      yield* connection.request("Fetch", fetchOf({}, { maxWaitMillis: 0 }))
      assert.strictEqual(yield* hits, 0)
      const fetch = yield* Effect.forkChild(connection.request("Fetch", fetchOf()))
      yield* settle
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      yield* Fiber.join(fetch)
      assert.strictEqual(yield* hits, 1)
    })
  )
})

describe("Truncate and Corrupt of a fetch that waits already", () => {
  for (const fault of [
    { _tag: "Truncate", bytes: 10 },
    { _tag: "Corrupt", at: 0 }
  ] as const) {
    it.effect(fault._tag, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic()
        const connection = yield* connected(kafka)
        const fetch = yield* Effect.forkChild(connection.request("Fetch", fetchOf()))
        yield* settle
        const { hits } = yield* kafka.inject(fault)
        yield* kafka.append(topic, [{ key: "a", value: "1" }])
        const [{ records }] = (yield* Fiber.join(fetch)).partitions
        if (fault._tag === "Truncate") assert.strictEqual(records.length, 10)
        else assert.strictEqual(records[0], 1, "the first byte of the first offset")
        assert.strictEqual(yield* hits, 1)
      })
    )
  }
})

describe("which requests a fault is for", () => {
  it.effect("by name, client, node and topic, for so many times", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({}, 2)
      const connections = yield* Effect.forEach(["a", "b"], (clientId) =>
        Effect.forEach([0, 1], (node) => connected(kafka, { clientId, node }))
      )
      const hit = (target: EmbeddedKafka.FaultTarget) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code: 7 }, target)
            const outcomes: Array<boolean> = []
            for (const connection of connections.flat()) {
              outcomes.push((yield* metadata(connection))[0] === 7)
              outcomes.push((yield* connection.request("InitProducerId", { transactional: undefined })).errorCode === 7)
            }
            const count = outcomes.filter((isHit) => isHit).length
            assert.strictEqual(yield* hits, count)
            return count
          })
        )
      assert.deepStrictEqual(
        yield* Effect.all([
          hit({}),
          hit({ request: "Metadata" }),
          hit({ request: ["Metadata", "InitProducerId"] }),
          hit({ request: "Fetch" }),
          hit({ clientId: "a" }),
          hit({ clientId: "a", node: 1 }),
          hit({ topic }),
          hit({ topic: "other" }),
          hit({ times: 3 }),
          hit({ node: 1, times: 9 })
        ]),
        [8, 4, 8, 0, 4, 2, 4, 0, 3, 4]
      )
    })
  )

  it.effect("until the scope ends; the first that was injected applies", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* Effect.flatMap(Scope.make(), (scope) => Scope.provide(connected(kafka), scope))
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code: 1 }, { times: 1 }), scope)
      yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code: 2 }), scope)
      assert.deepStrictEqual([yield* metadata(connection), yield* metadata(connection)], [[1], [2]])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* metadata(connection), [0])
      assert.strictEqual(yield* first.hits, 1)
    })
  )
})

describe("intercept", () => {
  it.effect("gets the call, and may answer otherwise; the last one is asked first", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka, { clientId: "me" })
      const calls: Array<unknown> = []
      yield* kafka.intercept("DescribeConfigs", (call, answer) => {
        calls.push(call)
        return Effect.map(answer, (response) => ({ ...response, errorMessage: "first" }))
      })
      yield* kafka.intercept("DescribeConfigs", (_, answer) =>
        Effect.map(answer, (response) => ({ ...response, errorMessage: `${response.errorMessage}, last` }))
      )
      const { configs, errorMessage } = yield* connection.request("DescribeConfigs", { topic })
      assert.strictEqual(errorMessage, "first, last")
      assert.isAbove(configs.length, 30)
      assert.deepStrictEqual(calls, [{ name: "DescribeConfigs", request: { topic }, clientId: "me", node: 0 }])
    })
  )

  it.effect("sees what faults make of it, and may carry it out twice", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.inject({ _tag: "ErrorCode", code: 7 }, { request: "Produce", times: 1 })
      yield* kafka.intercept("Produce", (_, answer) => Effect.andThen(answer, answer))
      const answer = yield* connection.request("Produce", produceOf(sent(["a=1"])))
      assert.deepInclude(answer.partitions[0], { errorCode: 0, baseOffset: 0 })
    })
  )

  it.effect("may fail the connection, or throw", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      yield* kafka.intercept("DescribeConfigs", () => Effect.die(new Error("boom")))
      const exit = yield* Effect.exit(connection.request("DescribeConfigs", { topic }))
      assert.isTrue(Exit.isFailure(exit) && defectsOf(exit.cause).length === 1)
      assert.isTrue(connection.isOpen())
      const reset = new KafkaError.ConnectionError({ reason: "Tls", broker: "b", request: "r" })
      yield* kafka.intercept("Metadata", () => Effect.fail(reset))
      assert.strictEqual(yield* Effect.flip(connection.request("Metadata", { topics: [] })), reset)
      assert.isFalse(connection.isOpen())
    })
  )

  it.effect("what a broker does not have is no fault of the connection", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* connected(kafka)
      const old = new KafkaError.ConnectionError({ reason: "UnsupportedVersion", broker: "b", request: "r" })
      yield* kafka.intercept("IncrementalAlterConfigs", () => Effect.fail(old))
      assert.strictEqual(yield* Effect.flip(connection.request("IncrementalAlterConfigs", { topic, set: {} })), old)
      assert.isTrue(connection.isOpen())
    })
  )

  it.effect("until the scope ends", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const connection = yield* Effect.flatMap(Scope.make(), (scope) => Scope.provide(connected(kafka), scope))
      const asked = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* kafka.intercept("Metadata", (_, answer) => Effect.andThen(Deferred.succeed(asked, void 0), answer))
        })
      )
      yield* connection.request("Metadata", { topics: [] })
      assert.isFalse(yield* Deferred.isDone(asked))
    })
  )
})

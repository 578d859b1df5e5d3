/** What a writer makes of the metadata: leaders, partitions, another life of its topic; and of limits that change. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import * as Latch from "effect/Latch"
import { errorOf } from "../support/exits.ts"
import { census } from "../support/effect/v4/fibers.ts"
import type { KafkaClient, KafkaProtocol, KafkaTableWriter } from "../../src/index.ts"
import { type KafkaError } from "../../src/index.ts"
import { TopicError } from "../../src/KafkaError.ts"
import { brokerError } from "../../src/internal/protocol/errorCodes.ts"
import { facts } from "../support/live.ts"
import { it } from "../support/ManualClock.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  frozen,
  headersOf,
  keysOf,
  isRunning,
  open,
  openOtherwise,
  refuse,
  settle,
  slow,
  start,
  timeout,
  topic,
  within
} from "./support.ts"

/** A writer whose client describes the topic as the test says. */
const openDescribed = (
  brokers: Brokers,
  described: (found: KafkaClient.TopicDescription) => KafkaClient.TopicDescription,
  settings: KafkaTableWriter.WriterSettings = {}
) =>
  openOtherwise(
    brokers,
    (client) => ({ describeTopic: (name) => Effect.map(client.describeTopic(name), described) }),
    settings
  )

const reasonOf = (exit: Exit.Exit<unknown, KafkaError.WriteError>): string =>
  Exit.match(exit, {
    onSuccess: () => "acknowledged",
    onFailure: (cause) => errorOf(exit)?.reason ?? String(cause)
  })

describe("news from a broker that lags behind", () => {
  it.effect("an older leader epoch never wins", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      let stale = false
      const writer = yield* openDescribed(
        brokers,
        (found) =>
          stale ? { ...found, partitions: found.partitions.map((p) => ({ ...p, leader: 0, leaderEpoch: 0 })) } : found,
        { metadataMaxAge: "1 second" }
      )
      yield* writer.set("a", "1")
      brokers.cluster.moveLeader(topic, 1)
      yield* within(5_000, writer.set("a", "2"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 1)
      stale = true
      const sent = brokers.sent.length
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "3"))
      yield* within(2_000, writer.set("a", "4"))
      assert.deepStrictEqual(
        brokers.sent.slice(sent).map(({ node }) => node),
        [1, 1]
      )
    })
  )

  it.effect("an epoch that is not known is no older one, and the same epoch may have another leader", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      let leaderEpoch = 5
      let leader = 0
      const writer = yield* openDescribed(
        brokers,
        (found) => ({ ...found, partitions: found.partitions.map((p) => ({ ...p, leader, leaderEpoch })) }),
        { metadataMaxAge: "1 second" }
      )
      yield* writer.set("a", "1")
      brokers.cluster.moveLeader(topic, 1)
      leader = 1
      leaderEpoch = -1
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "2"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 1)
      brokers.cluster.moveLeader(topic, 0)
      leader = 0
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "3"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3"])
    })
  )

  it.effect("brokers that leave the cluster leave no fiber behind, and those that nobody knows get none", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(20)
      const fibers = yield* census
      let life = 0
      const writer = yield* openDescribed(
        brokers,
        (found) => {
          const leaderOf = (partition: number) => (partition === 0 ? 0 : 100 * ++life + partition)
          const partitions = found.partitions.map((p) => ({ ...p, leader: leaderOf(p.partition), leaderEpoch: -1 }))
          const known = partitions
            .slice(1, 10)
            .map(({ leader }): [number, KafkaProtocol.Broker] => [
              leader,
              { nodeId: leader, host: `kafka-${leader}`, port: 9092 }
            ])
          return { ...found, partitions, brokers: new Map([...found.brokers, ...known]) }
        },
        { metadataMaxAge: "1 second", partitioner: () => 0 }
      ).pipe(fibers.of)
      const begun = yield* fibers.count
      for (let i = 0; i < 10; i++) {
        yield* advance(1_100)
        yield* within(2_000, writer.set("a", `${i}`))
      }
      assert.isAbove(life, 10 * 19)
      assert.isAtMost(yield* fibers.count, begun + 2)
    })
  )

  it.effect("fewer partitions of the same topic change nothing", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      let shown = 3
      const writer = yield* openDescribed(
        brokers,
        (found) => ({ ...found, partitions: found.partitions.slice(0, shown) }),
        { metadataMaxAge: "1 second", partitioner: (_, count) => count - 1 }
      )
      assert.strictEqual((yield* writer.set("a", "1")).partition, 2)
      for (shown of [1, 0, 2]) {
        yield* advance(1_100)
        assert.strictEqual((yield* within(2_000, writer.set("a", `${shown}`))).partition, 2)
      }
      assert.deepStrictEqual(brokers.written(2), ["a=1", "a=1", "a=0", "a=2"])
    })
  )
})

describe("a topic that is missing", () => {
  const missing = new TopicError({ reason: "NotFound", topic })

  /** A client that describes the topic when the test says so: as soon as there is an answer. It asks again at once. */
  const prompted = (answers: Queue.Dequeue<Exit.Exit<KafkaClient.TopicDescription, TopicError>>) => () => ({
    backoff: { initialMillis: 1, maxMillis: 1 },
    describeTopic: () => Effect.flatten(Queue.take(answers))
  })

  it.effect("for just as long as it may be is gone: what waits fails then, typed, and not a moment before", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const brokers = new Brokers()
      const answers = yield* Queue.unbounded<Exit.Exit<KafkaClient.TopicDescription, TopicError>>()
      const found = yield* Effect.flatMap(brokers.client, (client) => client.describeTopic(topic))
      yield* Queue.offer(answers, Exit.succeed(found))
      const writer = yield* openOtherwise(brokers, prompted(answers), { metadataMaxAge: "1 second" })
      yield* advance(1_001)
      const write = yield* start(Effect.flip(writer.set("a", "1")))
      yield* Queue.offer(answers, Exit.fail(missing))
      yield* advance(1_999)
      yield* Queue.offer(answers, Exit.fail(missing))
      assert.isTrue(yield* isRunning(write))
      yield* advance(1)
      yield* Queue.offer(answers, Exit.fail(missing))
      const error = yield* within(0, Fiber.join(write))
      assert.strictEqual(error.reason, "TopicNotFound")
      assert.deepInclude(facts(error.cause as TopicError), { _tag: "KafkaTopicError", reason: "NotFound" })
      assert.deepInclude(yield* writer.stats, { writes: 1, failed: 1, queued: 0 })
    })
  )

  it.effect("for a moment, twice: each has its own time", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const answers = yield* Queue.unbounded<Exit.Exit<KafkaClient.TopicDescription, TopicError>>()
      const found = yield* Effect.flatMap(brokers.client, (client) => client.describeTopic(topic))
      yield* Queue.offer(answers, Exit.succeed(found))
      const writer = yield* openOtherwise(brokers, prompted(answers), { metadataMaxAge: "1 second" })
      for (const value of ["1", "2"]) {
        yield* advance(1_001)
        const write = yield* start(writer.set("a", value))
        yield* Queue.offer(answers, Exit.fail(missing))
        yield* advance(1_500)
        yield* Queue.offer(answers, Exit.fail(missing))
        assert.isTrue(yield* isRunning(write))
        yield* Queue.offer(answers, Exit.succeed(found))
        yield* within(100, Fiber.join(write))
      }
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("at acquisition, for just as long as it may be: an error then, and not a moment before", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const answers = yield* Queue.unbounded<Exit.Exit<KafkaClient.TopicDescription, TopicError>>()
      const acquiring = yield* start(Effect.flip(openOtherwise(new Brokers(), prompted(answers))))
      yield* Queue.offer(answers, Exit.fail(missing))
      yield* advance(1_999)
      yield* Queue.offer(answers, Exit.fail(missing))
      assert.isTrue(yield* isRunning(acquiring))
      yield* advance(1)
      yield* Queue.offer(answers, Exit.fail(missing))
      const error = yield* within(0, Fiber.join(acquiring))
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "NotFound" })
    })
  )

  it.effect("is not what an answer of a broker to another question says, nor a topic that may not be described", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { initProducerId } = brokers
      // UNKNOWN_TOPIC_OR_PARTITION, which passes
      brokers.initProducerId = Effect.succeed({ errorCode: 3, producerId: -1n, producerEpoch: -1 })
      const acquiring = yield* start(open(brokers))
      yield* advance(5_000)
      assert.isTrue(yield* isRunning(acquiring))
      brokers.initProducerId = initProducerId
      yield* within(200, Fiber.join(acquiring))
      const denied = new TopicError({ reason: "Unauthorized", topic })
      const error = yield* within(
        0,
        Effect.flip(openOtherwise(brokers, () => ({ describeTopic: () => Effect.fail(denied) })))
      )
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "Unauthorized" })
    })
  )

  for (const [name, ending, cause] of [
    [
      "a client that interrupts itself",
      Effect.interrupt,
      { _tag: "KafkaConnectionError", reason: "Closed", request: "Metadata", broker: "embedded:9092" }
    ],
    [
      "a broker that does not know its id yet",
      Effect.fail(brokerError({ code: 100, request: "Metadata" })),
      { _tag: "KafkaBrokerError", reason: "NotFound", codeName: "UNKNOWN_TOPIC_ID" }
    ]
  ] as const) {
    it.effect(`is not what is said by ${name}: what waits has its deadline, and the reason`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        let isOdd = false
        const writer = yield* openOtherwise(
          brokers,
          (client) => ({
            describeTopic: (name) => Effect.suspend(() => (isOdd ? ending : client.describeTopic(name)))
          }),
          { metadataMaxAge: "1 second", deliveryTimeout: "5 seconds" }
        )
        yield* advance(1_100)
        isOdd = true
        const write = yield* start(Effect.flip(writer.set("a", "1")))
        yield* advance(4_900)
        assert.isTrue(yield* isRunning(write))
        const error = yield* within(100, Fiber.join(write))
        assert.deepInclude(error, { reason: "Timeout", detail: "not sent within 5000 ms" })
        assert.deepInclude(facts(error.cause as KafkaError.ConnectionError), cause)
      })
    )
  }
})

describe("the age of what is known", () => {
  /** A writer with a topic described two times: at acquisition, and when the test lets it. */
  const aged = Effect.gen(function* () {
    const brokers = new Brokers()
    const latch = yield* Latch.make(true)
    const asked = { times: 0 }
    const writer = yield* openOtherwise(
      brokers,
      (client) => ({
        describeTopic: (name) =>
          Effect.andThen(
            latch.await,
            Effect.suspend(() => client.describeTopic(name))
          ).pipe(Effect.tap(() => Effect.sync(() => asked.times++)))
      }),
      { metadataMaxAge: "10 seconds" }
    )
    yield* settle
    yield* latch.close
    return { asked, brokers, latch, writer }
  })

  it.effect("just as old as it may be, it is good enough to write by; older by a moment, it is asked for first", () =>
    Effect.gen(function* () {
      const { brokers, latch, writer } = yield* aged
      yield* advance(10_000, 1_000)
      yield* within(0, writer.set("a", "1"))
      yield* advance(1)
      const write = yield* start(writer.set("a", "2"))
      assert.isTrue(yield* isRunning(write))
      yield* latch.open
      yield* within(0, Fiber.join(write))
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("in its second half, a write has it asked for, and does not wait for it", () =>
    Effect.gen(function* () {
      const { asked, latch, writer } = yield* aged
      yield* latch.open
      yield* advance(5_000, 1_000)
      yield* within(0, writer.set("a", "1"))
      yield* settle
      assert.strictEqual(asked.times, 1)
      yield* advance(1)
      yield* latch.close
      yield* within(0, writer.set("a", "2"))
      yield* latch.open
      yield* settle
      assert.strictEqual(asked.times, 2)
    })
  )
})

describe("partitions that are not known yet", () => {
  it.effect("none at all: writes wait in their order, and for no longer than deliveryTimeout", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      let isShown = false
      const writer = yield* openDescribed(brokers, (found) => (isShown ? found : { ...found, partitions: [] }), {
        deliveryTimeout: "3 seconds",
        metadataMaxAge: "1 second"
      })
      const early = yield* start(Effect.flip(writer.set("a", "0")))
      yield* advance(2_900)
      const writes = yield* Effect.forEach(["1", "2", "3"], (value) => start(writer.set("a", value)))
      assert.isTrue(yield* isRunning(early))
      assert.strictEqual((yield* within(100, Fiber.join(early))).reason, "Timeout")
      assert.strictEqual((yield* writer.stats).queued, 3)
      isShown = true
      yield* within(1_000, Fiber.joinAll(writes))
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3"])
    })
  )

  it.effect("one between others: it has no leader, and is written when it is shown", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3, 2)
      let isShown = false
      const writer = yield* openDescribed(brokers, (found) =>
        isShown ? found : { ...found, partitions: found.partitions.filter(({ partition }) => partition !== 1) }
      )
      const write = yield* start(writer.set("a", "1", { partition: 1 }))
      yield* writer.set("a", "2", { partition: 2 })
      yield* advance(1_000)
      assert.isTrue(yield* isRunning(write))
      assert.strictEqual(brokers.sent.length, 1)
      isShown = true
      yield* within(1_000, Fiber.join(write))
      assert.deepStrictEqual(brokers.written(1), ["a=1"])
    })
  )

  it.effect("added ones: what waits for an old one stays with it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1)
      brokers.otherwise = refuse(19)
      const writer = yield* open(brokers, { metadataMaxAge: "1 second", partitioner: (_, count) => count - 1 })
      const early = yield* start(writer.set("a", "1"))
      yield* settle
      const behind = yield* start(writer.set("a", "2"))
      brokers.cluster.addPartition(topic)
      yield* advance(1_100)
      const late = yield* start(writer.set("a", "3"))
      yield* advance(200)
      brokers.otherwise = append
      const positions = yield* within(1_000, Fiber.joinAll([early, behind, late]))
      assert.deepStrictEqual(
        positions.map(({ partition }) => partition),
        [0, 0, 1]
      )
      assert.deepStrictEqual(brokers.written(0), ["a=1", "a=2"])
    })
  )
})

describe("a topic without an id, as before Kafka 2.8", () => {
  const nameless = (found: KafkaClient.TopicDescription): KafkaClient.TopicDescription => ({
    ...found,
    topic: { name: found.topic.name, id: undefined }
  })

  it.effect("that has fewer partitions has another life: what waits is assigned anew, and the error names no id", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      brokers.otherwise = refuse(3)
      const writer = yield* openDescribed(brokers, nameless, { partitioner: (_, count) => count - 1 })
      const write = yield* start(writer.set("a", "1"))
      const gone = yield* start(Effect.flip(writer.set("a", "gone", { partition: 2 })))
      yield* settle
      brokers.cluster.createTopic(topic, 2)
      brokers.otherwise = (b, sent) => (sent.batches.some((one) => one.partition === 2) ? refuse(3) : append)(b, sent)
      assert.strictEqual((yield* within(3_000, Fiber.join(write))).partition, 1)
      const error = yield* within(100, Fiber.join(gone))
      assert.deepInclude(error, { reason: "InvalidPartition", partition: 2 })
      const cause = error.cause as KafkaError.TopicError
      assert.deepInclude(cause, { _tag: "KafkaTopicError", reason: "Recreated", topic })
      assert.notProperty(cause, "expected")
      assert.notProperty(cause, "actual")
    })
  )

  it.effect("that has as many or more may be the same: an older leader epoch never wins", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      let stale = false
      const writer = yield* openDescribed(
        brokers,
        (found) => {
          const partitions = found.partitions.map((p) => (stale ? { ...p, leader: 0, leaderEpoch: 0 } : p))
          return nameless({ ...found, partitions })
        },
        { metadataMaxAge: "1 second" }
      )
      brokers.cluster.moveLeader(topic, 1)
      yield* within(5_000, writer.set("a", "1"))
      for (const value of ["2", "3"]) {
        stale = true
        yield* advance(1_100)
        yield* within(2_000, writer.set("a", value))
        assert.strictEqual(brokers.sent.at(-1)?.node, 1)
        brokers.cluster.addPartition(topic, 1)
      }
    })
  )
})

describe("leaders that change", () => {
  const requestsOf = (brokers: Brokers, partition = 0) =>
    brokers.sent.filter(({ batches }) => batches.some((one) => one.partition === partition)).map(({ node }) => node)

  it.effect("an answer that is on its way from the old one is waited for; what came after it goes to the new one", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const brokers = new Brokers(2, 2)
      // appends at once, and answers late
      brokers.script.push((b, sent) =>
        Effect.flatMap(append(b, sent), (answer) => Effect.delay(Effect.succeed(answer), 900))
      )
      const writer = yield* open(brokers, { metadataMaxAge: "400 millis" })
      const first = yield* start(writer.set("a", "1", { partition: 0 }))
      yield* settle
      const second = yield* start(writer.set("a", "2", { partition: 0 }))
      yield* settle
      brokers.cluster.moveLeader(topic, 1, 0)
      brokers.cluster.moveLeader(topic, 1, 1)
      yield* advance(500)
      // brings the news of both
      yield* within(0, writer.set("b", "1", { partition: 1 }))
      const asked = brokers.asked("Metadata")
      yield* advance(399)
      assert.isTrue(yield* isRunning(first))
      yield* advance(1)
      yield* within(0, Fiber.joinAll([first, second]))
      assert.strictEqual(brokers.asked("Metadata"), asked)
      assert.deepStrictEqual(requestsOf(brokers), [0, 1])
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("one that has not answered for just a second is left when it leads no more", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const brokers = new Brokers(1, 2)
      brokers.script.push((b, sent) => Effect.andThen(append(b, sent), frozen(b, sent)))
      const writer = yield* open(brokers)
      const write = yield* start(writer.set("a", "1"))
      yield* settle
      brokers.cluster.moveLeader(topic, 1)
      yield* advance(999)
      assert.deepStrictEqual(requestsOf(brokers), [0])
      assert.strictEqual(brokers.asked("Metadata"), 1)
      yield* advance(1)
      yield* within(0, Fiber.join(write))
      assert.strictEqual(brokers.asked("Metadata"), 2)
      assert.deepStrictEqual(requestsOf(brokers), [0, 1])
      assert.deepStrictEqual(brokers.written(), ["a=1"])
    })
  )

  it.effect(
    "the same one in another epoch is asked again at once, however long the last attempt is to be waited for",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.script.push(refuse(19))
        const writer = yield* openOtherwise(brokers, () => ({ backoff: { initialMillis: 20_000, maxMillis: 20_000 } }))
        const write = yield* start(writer.set("a", "1"))
        // in the same breath, so that the metadata that the refusal asks for has it
        brokers.cluster.moveLeader(topic, 0)
        yield* within(0, Fiber.join(write))
        assert.strictEqual(brokers.sent.length, 2)
      })
  )

  it.effect("what the old one's connection failed with is told where the new one does not answer either", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.script.push(timeout(900))
      brokers.otherwise = (b, sent) => (sent.batches.some((one) => one.partition === 0) ? frozen : append)(b, sent)
      const writer = yield* open(brokers, { metadataMaxAge: "400 millis", deliveryTimeout: "5 seconds" })
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* settle
      brokers.cluster.moveLeader(topic, 1, 0)
      brokers.cluster.moveLeader(topic, 1, 1)
      yield* advance(500)
      yield* within(0, writer.set("b", "1", { partition: 1 }))
      const error = yield* within(4_600, Fiber.join(write))
      assert.deepStrictEqual(requestsOf(brokers), [0, 1])
      assert.deepInclude(error, {
        reason: "UnknownOutcome",
        detail: "sent to embedded:9093, and not acknowledged within 5000 ms"
      })
      assert.deepInclude(error.cause, { _tag: "KafkaConnectionError", reason: "Timeout" })
    })
  )

  it.effect("one that is not among the brokers any more is named by its number", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = frozen
      let isShown = true
      const writer = yield* openDescribed(brokers, (found) => (isShown ? found : { ...found, brokers: new Map() }), {
        deliveryTimeout: "5 seconds"
      })
      const write = yield* start(Effect.flip(writer.set("a", "1")))
      yield* settle
      isShown = false
      const error = yield* within(5_100, Fiber.join(write))
      assert.strictEqual(error.detail, "sent to broker 0, and not acknowledged within 5000 ms")
    })
  )

  it.effect("none at the deadline: it is told, and nothing is asked for any more", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.otherwise = refuse(19)
      const writer = yield* open(brokers, { deliveryTimeout: "2 seconds" })
      const led = yield* start(Effect.flip(writer.set("a", "0", { partition: 1 })))
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* settle
      const behind = yield* start(Effect.flip(writer.set("a", "2", { partition: 0 })))
      brokers.cluster.moveLeader(topic, -1, 0)
      const errors = yield* within(2_100, Fiber.joinAll([led, write, behind]))
      assert.deepStrictEqual(
        errors.map(({ detail, partition, reason }) => [reason, partition, detail]),
        [
          ["Timeout", 1, "not sent within 2000 ms"],
          ["Timeout", 0, "not sent within 2000 ms, the partition has no leader"],
          ["Timeout", 0, "not sent within 2000 ms, the partition has no leader"]
        ]
      )
      yield* advance(200)
      const asked = brokers.asked("Metadata")
      yield* advance(5_000, 500)
      assert.strictEqual(brokers.asked("Metadata"), asked)
    })
  )
})

describe("a topic that was created again", () => {
  const recreate = (brokers: Brokers, partitions: number) => brokers.cluster.createTopic(topic, partitions)

  it.effect("with fewer partitions: what waits is assigned anew, in its order; a partition that is gone is told", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      const writer = yield* open(brokers, { partitioner: (key, count) => key[0] % count })
      yield* writer.setMany(["a", "b", "c"].map((key) => [key, "0"] as const))
      brokers.otherwise = refuse(3)
      const keys = ["a", "b", "c", "b", "a", "b"]
      const writes = yield* Effect.forEach(keys, (key, i) => start(writer.set(key, `${i + 1}`)))
      const gone = yield* start(Effect.flip(writer.set("a", "gone", { partition: 2 })))
      const there = yield* start(writer.set("a", "there", { partition: 1 }))
      yield* settle
      recreate(brokers, 2)
      // what is sent again before the writer knows of it is refused as before
      brokers.otherwise = (brokers, sent) =>
        sent.batches.every(({ partition, records }) =>
          keysOf(records).every((key) => key.charCodeAt(0) % 2 === partition)
        )
          ? append(brokers, sent)
          : refuse(3)(brokers, sent)
      const positions = yield* within(3_000, Fiber.joinAll(writes))
      const error = yield* within(100, Fiber.join(gone))
      assert.deepInclude(error, { reason: "InvalidPartition", partition: 2 })
      assert.include(error.message, "2, of 2 partitions")
      const cause = error.cause as KafkaError.TopicError
      assert.deepInclude(cause, { _tag: "KafkaTopicError", reason: "Recreated", topic })
      assert.isString(cause.expected)
      assert.isString(cause.actual)
      assert.match(cause.message, /expected topic id \S+, found \S+/)
      assert.include(cause.message, "it has 2 partitions, and had 3")
      assert.deepStrictEqual(
        positions.map(({ partition }) => partition),
        keys.map((key) => key.charCodeAt(0) % 2)
      )
      yield* within(100, Fiber.join(there))
      assert.deepStrictEqual(brokers.written(0), ["b=2", "b=4", "b=6"])
      assert.sameMembers([...brokers.written(1)], ["a=1", "c=3", "a=5", "a=there"])
      assert.deepStrictEqual(
        brokers.written(1).filter((text) => text.startsWith("a=")),
        ["a=1", "a=5", "a=there"]
      )
      // and so are those that come later
      const later = yield* Effect.flip(writer.set("a", "1", { partition: 2 }))
      assert.deepInclude(later, { reason: "InvalidPartition", partition: 2 })
      assert.strictEqual((later.cause as KafkaError.TopicError).reason, "Recreated")
      assert.deepInclude(yield* writer.stats, { writes: 12, acknowledged: 10, failed: 2, unknown: 0, queued: 0 })
    })
  )

  it.effect("with fewer partitions: what may be in one that is gone is unknown, at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(3)
      const writer = yield* open(brokers)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* settle
      recreate(brokers, 1)
      const error = yield* within(3_000, Fiber.join(write))
      assert.deepInclude(error, { reason: "UnknownOutcome", partition: 1 })
      assert.include(error.message, "the partition is gone")
      assert.strictEqual((error.cause as KafkaError.TopicError).reason, "Recreated")
      assert.deepInclude(yield* writer.stats, { failed: 0, unknown: 1, queued: 0 })
    })
  )

  for (const [name, ending, reason] of [
    ["refused", slow(1_500, refuse(3)), "InvalidPartition"],
    ["never answered", timeout(1_500), "UnknownOutcome"]
  ] as const) {
    it.effect(`with fewer partitions, known while a request is under way that is ${name}: ${reason}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers(2, 2)
        brokers.cluster.moveLeader(topic, 1, 1)
        brokers.otherwise = (b, sent) => (sent.node === 1 ? ending(b, sent) : append(b, sent))
        const writer = yield* open(brokers, { metadataMaxAge: "1 second" })
        const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
        yield* settle
        recreate(brokers, 1)
        yield* advance(1_100)
        yield* within(100, writer.set("a", "2", { partition: 0 }))
        assert.isTrue(yield* isRunning(write))
        const error = yield* within(1_000, Fiber.join(write))
        assert.deepInclude(error, { reason, partition: 1 })
        assert.strictEqual((error.cause as KafkaError.TopicError).reason, "Recreated")
        // where it grows again, the partition is written again
        recreate(brokers, 2)
        brokers.otherwise = append
        yield* advance(1_100)
        yield* within(3_000, writer.set("a", "3", { partition: 1 }))
        assert.deepStrictEqual(brokers.written(1), ["a=3"])
        const error2 = yield* Effect.flip(writer.set("a", "4", { partition: 2 }))
        assert.isUndefined(error2.cause)
      })
    )
  }

  it.effect(
    "with fewer partitions: what had no answer is told of those that are gone only, and sent again to others",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers(3)
        brokers.script.push(timeout(500))
        const writer = yield* open(brokers)
        const there = yield* start(writer.set("a", "1", { partition: 0 }))
        const gone = yield* start(Effect.flip(writer.set("a", "1", { partition: 2 })))
        yield* settle
        recreate(brokers, 1)
        // the first of them to be sent was alone, the other waits behind it
        assert.strictEqual(brokers.sent.length, 1)
        brokers.script.push((b, sent) => Effect.delay(fail("Closed")(b, sent), 100))
        assert.strictEqual((yield* within(3_000, Fiber.join(there))).partition, 0)
        const error = yield* within(1_000, Fiber.join(gone))
        assert.include(["InvalidPartition", "UnknownOutcome"], error.reason)
        const after = brokers.sent.length
        yield* advance(2_000, 500)
        assert.strictEqual(brokers.sent.length, after)
      })
  )

  it.effect("with fewer partitions: what had no answer from one that is gone is told as soon as that is known", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(timeout(500))
      const writer = yield* openOtherwise(brokers, () => ({ backoff: { initialMillis: 5_000, maxMillis: 5_000 } }))
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* settle
      recreate(brokers, 1)
      yield* advance(500)
      assert.strictEqual((yield* within(0, Fiber.join(write))).reason, "UnknownOutcome")
      assert.strictEqual(brokers.sent.length, 1)
    })
  )

  it.effect("with fewer partitions: the answer that is on its way about one that is gone is waited for", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.script.push(slow(3_000, refuse(3)))
      const writer = yield* open(brokers)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* settle
      recreate(brokers, 1)
      yield* advance(2_900)
      assert.isTrue(yield* isRunning(write))
      assert.strictEqual((yield* within(100, Fiber.join(write))).reason, "InvalidPartition")
    })
  )

  it.effect("with as many: what had no answer is sent again, and all that follows goes on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers)
      yield* writer.set("a", "0", { partition: 1 })
      brokers.script.push(appendThen("Closed"), refuse(3))
      const write = yield* start(writer.set("a", "1", { partition: 1 }))
      yield* settle
      recreate(brokers, 2)
      assert.strictEqual((yield* within(5_000, Fiber.join(write))).offset, 0)
      yield* within(1_000, writer.set("a", "2", { partition: 1 }))
      assert.deepStrictEqual(brokers.written(1), ["a=1", "a=2"])
      assert.deepStrictEqual(headersOf(brokers).at(-1), "7000/0/2")
      // it has lost no partition, so that is no reason for there being none of this number
      const error = yield* Effect.flip(writer.set("a", "3", { partition: 2 }))
      assert.deepInclude(error, { reason: "InvalidPartition", partition: 2 })
      assert.isUndefined(error.cause)
    })
  )

  it.effect("gone while an attempt had no answer: unknown, and what was never sent is certainly not in it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(3)
      const writer = yield* open(brokers)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* settle
      const behind = yield* start(Effect.flip(writer.set("a", "2", { partition: 0 })))
      brokers.cluster.deleteTopic(topic)
      const error = yield* within(6_000, Fiber.join(write))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.strictEqual((error.cause as KafkaError.TopicError).reason, "NotFound")
      assert.strictEqual((yield* within(1_000, Fiber.join(behind))).reason, "TopicNotFound")
      brokers.cluster.createTopic(topic, 2)
      brokers.otherwise = append
      yield* within(5_000, writer.set("a", "3", { partition: 0 }))
      // the old attempt is fenced off
      assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
    })
  )
})

describe("limits of the topic that change", () => {
  const limited =
    (limit: number) =>
    (b: Brokers, sent: Parameters<typeof append>[1]): ReturnType<typeof append> =>
      sent.batches[0].bytes.length > limit ? refuse(10)(b, sent) : append(b, sent)

  const many = Array.from({ length: 20 }, (_, i) => [`k${i}`, "x".repeat(60)] as const)

  it.effect("lowered, and raised: batches follow, and a record that is too large is only so while it is", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { metadataMaxAge: "1 second" })
      yield* writer.setMany(many)
      const before = brokers.sent.length
      brokers.otherwise = limited(500)
      yield* within(5_000, writer.setMany(many))
      assert.strictEqual((yield* Effect.flip(writer.set("k", "x".repeat(600)))).reason, "TooLarge")
      brokers.otherwise = append
      yield* writer.set("k", "x".repeat(600))
      // twice as large after each look at the topic
      for (let i = 0; i < 6; i++) {
        yield* advance(1_100)
        yield* within(1_000, writer.set("a", "1"))
      }
      const sent = brokers.sent.length
      yield* within(1_000, writer.setMany(many))
      assert.strictEqual(brokers.sent.length, sent + 1)
      assert.strictEqual(brokers.sent[0].batches[0].records.length, 20)
      assert.strictEqual(before, 1)
      assert.deepStrictEqual(brokers.sent.at(-1)?.batches[0].records.length, 20)
    })
  )

  it.effect("an attempt had no answer, then it is too large: all of it is unknown, none is sent again", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100), appendThen("Closed"))
      const writer = yield* open(brokers)
      const first = yield* start(writer.set("first", "0"))
      yield* settle
      const writes = yield* Effect.forEach(["a", "b"], (key) => start(Effect.exit(writer.set(key, "1"))))
      brokers.otherwise = refuse(10)
      const exits = yield* within(5_000, Effect.andThen(Fiber.join(first), Fiber.joinAll(writes)))
      assert.deepStrictEqual(exits.map(reasonOf), ["UnknownOutcome", "UnknownOutcome"])
      brokers.otherwise = append
      yield* writer.set("c", "1")
      assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
      assert.deepStrictEqual(brokers.written(), ["first=0", "a=1", "b=1", "c=1"])
    })
  )
})

describe("a writer with nothing to flush closes at once, without time", () => {
  const gone = (brokers: Brokers) => {
    const { before } = brokers.cluster
    return (request: string, behaviour: Effect.Effect<never, KafkaError.ConnectionError>) => {
      brokers.cluster.before = (name, node, detail) =>
        request === "all" || name === request ? behaviour : before(name, node, detail)
    }
  }

  for (const [name, request, behaviour] of [
    ["all requests hang", "all", Effect.never],
    ["connections hang", "connect", Effect.never],
    ["metadata hangs", "Metadata", Effect.never],
    ["produce hangs", "Produce", Effect.never],
    ["nothing can be connected to", "all", Effect.suspend(() => fail("Unreachable")(new Brokers(), undefined as never))]
  ] as const) {
    for (const written of [false, true]) {
      it.effect(`${name}${written ? ", after a write that failed" : ""}`, () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const closing = yield* Effect.scoped(
            Effect.gen(function* () {
              const writer = yield* open(brokers, { deliveryTimeout: "2 seconds" })
              if (request !== "connect") yield* writer.set("a", "1")
              gone(brokers)(request, behaviour as Effect.Effect<never, KafkaError.ConnectionError>)
              if (written && request !== "Metadata") {
                const error = yield* within(3_000, Effect.flip(writer.set("a", "2")))
                assert.include(["Timeout", "UnknownOutcome"], error.reason)
              }
              return writer
            })
          ).pipe(Effect.forkChild)
          // that which is waited for above needs time; the closing needs none
          yield* advance(written ? 2_500 : 0)
          const writer = yield* within(0, Fiber.join(closing)).pipe(Effect.orDie)
          assert.deepInclude(yield* writer.stats, { queued: 0 })
          assert.strictEqual(brokers.cluster.open, 0)
        })
      )
    }
  }

  it.effect("what hangs at its end is not waited for longer than closeTimeout", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = frozen
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* open(brokers, { closeTimeout: "1 second" })
            const write = yield* Effect.forkDetach(Effect.flip(writer.set("a", "1")))
            yield* settle
            return write
          })
        )
      )
      yield* advance(900)
      assert.isTrue(yield* isRunning(fiber))
      const write = yield* within(200, Fiber.join(fiber))
      assert.strictEqual((yield* Fiber.join(write)).reason, "UnknownOutcome")
    })
  )
})

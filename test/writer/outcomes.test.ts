import { assert, describe } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { clockOf, withClock } from "../support/effect/v4/clock.ts"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import type { KafkaError } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import {
  advance,
  append,
  appendAndRefuse,
  appendThen,
  Brokers,
  fail,
  frozen,
  headersOf,
  isRunning,
  open,
  refuse,
  settle,
  slow,
  start,
  timeout,
  topic,
  within
} from "./support.ts"

/** The error of a write that is to fail in time. */
const failure = <A>(write: Effect.Effect<A, KafkaError.WriteError>, millis = 60_000) =>
  within(millis, Effect.flip(write))

describe("repetitions", () => {
  it.effect("the same bytes go out again until they are acknowledged: once in the log", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"), fail("Timeout"), refuse(6), refuse(19))
      const writer = yield* open(brokers)
      const position = yield* within(10_000, writer.set("a", "1"))
      assert.strictEqual(position.offset, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      assert.strictEqual(brokers.sent.length, 5)
      assert.isTrue(brokers.sent.every(({ batches }) => batches[0].bytes.equals(brokers.sent[0].batches[0].bytes)))
      assert.strictEqual((yield* writer.set("a", "2")).offset, 1)
      assert.strictEqual(headersOf(brokers).at(-1), "7000/0/1")
      assert.strictEqual((yield* writer.stats).requests, 6)
    })
  )

  it.effect("without idempotence they may be there twice", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"))
      const writer = yield* open(brokers, { idempotent: false })
      yield* within(10_000, writer.set("a", "1"))
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=1"])
    })
  )

  it.effect("what arrives meanwhile goes after it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"), fail("Unreachable"))
      const writer = yield* open(brokers)
      const first = yield* start(writer.set("a", "1"))
      yield* settle
      const second = yield* start(writer.set("a", "2"))
      yield* within(10_000, Fiber.joinAll([first, second]))
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  for (const code of [2, 3, 5, 6, 7, 9, 19, 20, 56, 74, 75, 89]) {
    it.effect(`error code ${code} is asked again on fresh metadata`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.script.push(refuse(code))
        const writer = yield* open(brokers)
        yield* within(10_000, writer.set("a", "1"))
        assert.deepStrictEqual(brokers.written(), ["a=1"])
        assert.isAbove(brokers.cluster.requests.filter(({ request }) => request === "Metadata").length, 1)
      })
    )
  }
})

describe("deadlines", () => {
  it.effect("Timeout if every attempt was refused: its sequence is given to the next", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = refuse(19)
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const error = yield* failure(writer.set("a", "1"), 6_000)
      assert.strictEqual(error.reason, "Timeout")
      assert.include(error.message, "NOT_ENOUGH_REPLICAS")
      brokers.otherwise = append
      yield* within(5_000, writer.set("a", "2"))
      assert.strictEqual(headersOf(brokers).at(-1), "7000/0/0")
      assert.deepStrictEqual(brokers.written(), ["a=2"])
      assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 1, failed: 1, unknown: 0 })
    })
  )

  for (const [name, behaviour] of [
    ["a connection that closes", fail("Closed")],
    ["a request that times out", fail("Timeout")],
    ["NOT_LEADER_OR_FOLLOWER", refuse(6)],
    ["REQUEST_TIMED_OUT", refuse(7)],
    ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", refuse(20)],
    ["KAFKA_STORAGE_ERROR", refuse(56)]
  ] as const) {
    it.effect(`UnknownOutcome after ${name}: the next has another epoch`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        // one attempt that nobody knows of, and then refusals
        brokers.script.push(behaviour)
        brokers.otherwise = refuse(19)
        const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
        const error = yield* failure(writer.set("a", "1"), 6_000)
        assert.strictEqual(error.reason, "UnknownOutcome")
        brokers.otherwise = append
        yield* within(5_000, writer.set("a", "2"))
        assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
        assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 1, failed: 0, unknown: 1 })
      })
    )
  }

  it.effect("a late arrival of what was given up is refused by the broker: it cannot overtake its successor", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = fail("Timeout")
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const error = yield* failure(writer.set("a", "old"), 6_000)
      assert.strictEqual(error.reason, "UnknownOutcome")
      const late = brokers.sent[0]
      brokers.otherwise = append
      yield* within(5_000, writer.set("a", "new"))
      const answer = yield* append(brokers, late)
      assert.strictEqual(answer.partitions[0].errorCode, 47)
      assert.deepStrictEqual(brokers.written(), ["a=new"])
    })
  )

  it.effect("on time though the request is still under way; its late answer counts for the sequences", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(8_000))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const first = yield* start(Effect.flip(writer.set("a", "1")))
      yield* advance(4_000)
      const second = yield* start(writer.set("a", "2"))
      assert.isTrue(yield* isRunning(first))
      yield* advance(1_100)
      assert.strictEqual((yield* Fiber.join(first)).reason, "UnknownOutcome")
      assert.strictEqual((yield* writer.stats).queued, 1)
      yield* within(4_000, Fiber.join(second))
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/1"])
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("on time though the request is still under way; without an answer the next has another epoch", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(timeout(8_000))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const first = yield* start(Effect.flip(writer.set("a", "1")))
      yield* advance(5_100)
      assert.strictEqual((yield* Fiber.join(first)).reason, "UnknownOutcome")
      yield* within(5_000, writer.set("a", "2"))
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/1/0"])
    })
  )

  it.effect("on time, and then answered by a leader that was deposed: its successor is no repetition of it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(8_000, appendAndRefuse(6)))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const first = yield* start(Effect.flip(writer.set("a", "1")))
      yield* advance(5_100)
      assert.strictEqual((yield* Fiber.join(first)).reason, "UnknownOutcome")
      const position = yield* within(5_000, writer.set("a", "2"))
      assert.strictEqual(position.offset, 1)
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/1/0"])
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("what waits behind it in the queue is certainly not in the log", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(timeout(20_000))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const first = yield* start(Effect.flip(writer.set("a", "1")))
      yield* settle
      const second = yield* start(Effect.flip(writer.set("a", "2")))
      yield* advance(6_000)
      assert.strictEqual((yield* Fiber.join(first)).reason, "UnknownOutcome")
      assert.strictEqual((yield* Fiber.join(second)).reason, "Timeout")
      yield* advance(20_000)
      assert.deepStrictEqual(brokers.written(), [])
    })
  )

  it.effect("without idempotence there are no epochs: all goes on as before after an unknown outcome", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = fail("Timeout")
      const writer = yield* open(brokers, { idempotent: false, deliveryTimeout: "2 seconds" })
      assert.strictEqual((yield* failure(writer.set("a", "1"), 3_000)).reason, "UnknownOutcome")
      brokers.otherwise = append
      yield* within(1_000, writer.set("a", "2"))
      assert.deepStrictEqual([...new Set(headersOf(brokers))], ["-1/-1/-1"])
    })
  )

  it.effect("each has its own: one that is over ends no other, though both are under way", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.cluster.moveLeader(topic, 1, 1)
      brokers.otherwise = frozen
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const first = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* advance(2_000)
      const second = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* advance(2_900)
      assert.isTrue(yield* isRunning(first))
      yield* advance(100)
      assert.strictEqual((yield* Fiber.join(first)).reason, "UnknownOutcome")
      yield* advance(1_900)
      assert.isTrue(yield* isRunning(second))
      yield* advance(100)
      assert.strictEqual((yield* Fiber.join(second)).reason, "UnknownOutcome")
    })
  )

  it.effect("after the last epoch comes another producer id", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.initProducerId = Effect.sync(() => ({
        errorCode: 0,
        producerId: BigInt(7000 + brokers.producerIds++),
        producerEpoch: 0x7fff
      }))
      brokers.otherwise = fail("Closed")
      const writer = yield* open(brokers, { deliveryTimeout: "1 second" })
      assert.strictEqual((yield* failure(writer.set("a", "1"))).reason, "UnknownOutcome")
      brokers.otherwise = append
      yield* within(5_000, writer.set("a", "2"))
      assert.strictEqual(headersOf(brokers).at(-1), `7001/${0x7fff}/0`)
    })
  )

  it.effect("of one partition: the others go on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3, 2)
      brokers.cluster.moveLeader(topic, -1, 1)
      brokers.cluster.moveLeader(topic, 1, 2)
      // node 1 is frozen
      brokers.otherwise = (b, sent) => (sent.node === 1 ? timeout(3_000)(b, sent) : append(b, sent))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const offline = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      const iced = yield* start(Effect.flip(writer.set("a", "1", { partition: 2 })))
      for (let i = 0; i < 20; i++) yield* writer.set("a", `${i}`, { partition: 0 })
      assert.strictEqual(brokers.written(0).length, 20)
      yield* advance(5_100)
      assert.strictEqual((yield* Fiber.join(offline)).reason, "Timeout")
      assert.strictEqual((yield* Fiber.join(offline)).partition, 1)
      assert.strictEqual((yield* Fiber.join(iced)).reason, "UnknownOutcome")
      assert.strictEqual((yield* Fiber.join(iced)).partition, 2)
      yield* advance(3_000)
    })
  )
})

describe("time", () => {
  it.effect("stands still for the queue while the process is stopped", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(3_000))
      // wakes its sleepers late, once: as if the process had been stopped for a minute
      const clock = yield* currentClock
      let stoppedMillis = 0
      const stopped = clockOf({
        millis: () => millisOf(clock) + stoppedMillis,
        sleep: (duration) => clock.sleep(duration)
      })
      const writer = yield* withClock(stopped)(open(brokers, { deliveryTimeout: "5 seconds" }))
      const write = yield* start(writer.set("a", "1"))
      yield* advance(500)
      stoppedMillis = 60_000
      yield* advance(1_500)
      assert.isTrue(yield* isRunning(write))
      yield* within(2_000, Fiber.join(write))
      assert.deepStrictEqual(brokers.written(), ["a=1"])
    })
  )
})

describe("the watch over deadlines", () => {
  for (const [name, late, isOver] of [
    ["just a second late", 1_000, true],
    ["later than a second, as of a process that was stopped", 1_001, false]
  ] as const) {
    it.effect(`that wakes ${name}: the time until then ${isOver ? "counts" : "does not count"}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.otherwise = frozen
        const clock = yield* currentClock
        const sluggish = clockOf({
          millis: () => millisOf(clock),
          sleep: (duration) => clock.sleep(Duration.sum(duration, Duration.millis(late)))
        })
        const writer = yield* withClock(sluggish)(open(brokers, { deliveryTimeout: "5 seconds" }))
        const write = yield* start(Effect.flip(writer.set("a", "1")))
        // it looks once a second, and so three times until then
        yield* advance(3 * (1_000 + late), 500)
        assert.strictEqual(yield* isRunning(write), !isOver)
        yield* advance(isOver ? 0 : 2 * (1_000 + late), 500)
        assert.strictEqual((yield* within(0, Fiber.join(write))).reason, "UnknownOutcome")
      })
    )
  }

  it.effect("asks who leads when a broker has not answered for just a second, and not before", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const brokers = new Brokers()
      brokers.script.push(slow(600), slow(5_000))
      const writer = yield* open(brokers)
      const first = yield* start(writer.set("a", "1"))
      yield* advance(600)
      yield* Fiber.join(first)
      const second = yield* start(writer.set("a", "2"))
      // it looks once a second
      yield* advance(1_399)
      assert.strictEqual(brokers.asked("Metadata"), 1)
      yield* advance(1)
      assert.strictEqual(brokers.asked("Metadata"), 2)
      yield* within(5_000, Fiber.join(second))
      // nobody is asked for anything where all have answered
      const asked = brokers.asked("Metadata")
      yield* advance(5_000, 1_000)
      assert.strictEqual(brokers.asked("Metadata"), asked)
    })
  )
})

describe("answers", () => {
  it.effect("MESSAGE_TOO_LARGE: several are split, in order; one fails", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = (b, sent) => (sent.batches[0].bytes.length > 400 ? refuse(10)(b, sent) : append(b, sent))
      const writer = yield* open(brokers)
      const all = Array.from({ length: 30 }, (_, i) => [`k${i}`, "x".repeat(60)] as const)
      yield* writer.setMany(all)
      assert.deepStrictEqual(
        brokers.log[0].map(({ key }) => key),
        all.map(([key]) => key)
      )
      const requests = brokers.sent.length
      yield* writer.setMany(all)
      // the size that fits is remembered
      assert.isTrue(brokers.sent.slice(requests).every(({ batches }) => batches[0].bytes.length <= 400))
      const error = yield* failure(writer.set("k", "x".repeat(500)))
      assert.strictEqual(error.reason, "TooLarge")
      yield* writer.set("k", "small")
      assert.strictEqual(brokers.log[0].length, 61)
    })
  )

  it.effect("one that is too large does not hurt those that it was sent with", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = (b, sent) => (sent.batches[0].bytes.length > 400 ? refuse(18)(b, sent) : append(b, sent))
      const writer = yield* open(brokers)
      const exits = yield* Effect.forEach(
        ["1", "2", "x".repeat(900), "3"],
        (value) => Effect.exit(writer.set("k", value)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, false, true])
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2", "k=3"])
    })
  )

  it.effect("above maxRecordBytes: nothing is sent", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { maxRecordBytes: 200 })
      assert.strictEqual((yield* failure(writer.set("k", "x".repeat(200)))).reason, "TooLarge")
      const many = yield* failure(
        writer.setMany([
          ["a", "1"],
          ["b", "x".repeat(200)]
        ])
      )
      assert.strictEqual(many.reason, "TooLarge")
      yield* writer.set("k", "x".repeat(100))
      assert.strictEqual(brokers.sent.length, 1)
    })
  )

  it.effect("TOPIC_AUTHORIZATION_FAILED: at once, and no storm", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = refuse(29)
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(writer.set("a", "1"))
      assert.strictEqual(error.reason, "Unauthorized")
      yield* advance(10_000, 1_000)
      assert.strictEqual(brokers.sent.length, 1)
      brokers.otherwise = append
      yield* writer.set("a", "2")
      assert.strictEqual(headersOf(brokers).at(-1), "7000/0/0")
    })
  )

  it.effect("CLUSTER_AUTHORIZATION_FAILED: says how to do without", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = refuse(31)
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(writer.set("a", "1"))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.include(error.message, "idempotent: false")
    })
  )

  it.effect("Rejected, with the broker's words", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(refuse(87, { message: "one record is not to my taste" }))
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(writer.set("a", "1"))
      assert.strictEqual(error.reason, "Rejected")
      assert.include(error.message, "INVALID_RECORD on Produce")
      assert.include(error.message, "(one record is not to my taste)")
      assert.strictEqual((error.cause as KafkaError.BrokerError).code, 87)
    })
  )

  it.effect("a refusal after an attempt without an answer leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"), refuse(29))
      const writer = yield* open(brokers)
      const error = yield* failure(writer.set("a", "1"))
      assert.strictEqual(error.reason, "UnknownOutcome")
      yield* writer.set("a", "2")
      assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("DUPLICATE_SEQUENCE_NUMBER: in the log, but not known where", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendAndRefuse(46))
      const writer = yield* open(brokers)
      const error = yield* failure(writer.set("a", "1"))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.include(error.message, "in the log")
      yield* writer.set("a", "2")
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
    })
  )

  it.effect("UNKNOWN_SERVER_ERROR: who knows", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(refuse(-1))
      const writer = yield* open(brokers)
      assert.strictEqual((yield* failure(writer.set("a", "1"))).reason, "UnknownOutcome")
    })
  )

  for (const code of [45, 47, 49, 59]) {
    it.effect(`error code ${code} on a first attempt: again, under the next epoch`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers)
        yield* writer.set("a", "1")
        brokers.script.push(refuse(code))
        yield* within(5_000, writer.set("a", "2"))
        assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/1", "7000/1/0"])
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
      })
    )

    it.effect(`error code ${code} after an attempt without an answer: the outcome is unknown`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers)
        yield* writer.set("a", "1")
        brokers.script.push(fail("Timeout"), refuse(code))
        const error = yield* failure(writer.set("a", "2"))
        assert.strictEqual(error.reason, "UnknownOutcome")
        yield* writer.set("a", "3")
        assert.deepStrictEqual(headersOf(brokers).at(-1), "7000/1/0")
      })
    )
  }

  it.effect("an error of one partition leaves the others of the request alone", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(slow(100), refuse(29, { partition: 1 }))
      const writer = yield* open(brokers)
      yield* start(writer.set("z", "0", { partition: 0 }))
      yield* settle
      const exits = yield* within(
        5_000,
        Effect.forEach([0, 1], (partition) => Effect.exit(writer.set("a", "1", { partition })), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false])
      assert.strictEqual(brokers.sent.length, 2)
    })
  )

  it.effect("a throttled broker is asked again when it says so, and the others at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.cluster.moveLeader(topic, 1, 1)
      brokers.script.push((b, sent) => Effect.map(append(b, sent), (answer) => ({ ...answer, throttleMillis: 5_000 })))
      const writer = yield* open(brokers)
      yield* writer.set("a", "1", { partition: 0 })
      const held = yield* start(writer.set("a", "2", { partition: 0 }))
      yield* writer.set("a", "1", { partition: 1 })
      yield* advance(4_900)
      assert.isTrue(yield* isRunning(held))
      yield* within(200, Fiber.join(held))
    })
  )
})

describe("leaders", () => {
  it.effect("a new one gets what the old one did not take", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      const writer = yield* open(brokers)
      yield* writer.set("a", "1")
      brokers.cluster.moveLeader(topic, 1)
      yield* within(5_000, writer.set("a", "2"))
      assert.deepStrictEqual(
        brokers.sent.map(({ node }) => node),
        [0, 0, 1]
      )
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/1", "7000/0/1"])
    })
  )

  for (const movedAfter of [300, 3_000]) {
    it.effect(`a frozen one is left when another one leads, known after ${movedAfter} ms`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers(2, 2)
        brokers.cluster.moveLeader(topic, 1, 1)
        // appends, and freezes
        brokers.script.push((b, sent) => Effect.andThen(append(b, sent), frozen(b, sent)))
        const writer = yield* open(brokers)
        const write = yield* start(writer.set("a", "1", { partition: 0 }))
        yield* advance(movedAfter)
        assert.isTrue(yield* isRunning(write))
        brokers.cluster.moveLeader(topic, 1)
        // tells the writer at once
        brokers.script.push(refuse(6))
        yield* start(writer.set("b", "1", { partition: 1 }))
        const position = yield* within(2_500, Fiber.join(write))
        assert.strictEqual(position.offset, 0)
        assert.deepStrictEqual(brokers.written(), ["a=1"])
        assert.deepStrictEqual(
          brokers.sent.filter(({ batches }) => batches.some((b) => b.partition === 0)).map(({ node }) => node),
          [0, 1]
        )
      })
    )
  }

  it.effect("a connection that the broker closed while it was idle is opened anew", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      yield* writer.set("a", "1")
      const connects = () => brokers.cluster.requests.filter(({ request }) => request === "connect").length
      const before = connects()
      brokers.closeIdle()
      yield* writer.set("a", "2")
      assert.strictEqual(connects(), before + 1)
      assert.strictEqual(brokers.sent.length, 2)
    })
  )

  it.effect("credentials that are refused: typed, at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      yield* writer.set("a", "1")
      brokers.script.push(fail("Authentication"))
      const error = yield* failure(writer.set("a", "2"))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.strictEqual((error.cause as KafkaError.ConnectionError).reason, "Authentication")
      yield* within(5_000, writer.set("a", "3"))
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/1", "7000/0/1"])
    })
  )
})

describe("Metadata", () => {
  it.effect("is fresh when a key is hashed", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1)
      const writer = yield* open(brokers, { metadataMaxAge: "10 seconds", partitioner: (_, count) => count - 1 })
      assert.strictEqual((yield* writer.set("a", "1")).partition, 0)
      brokers.cluster.addPartition(topic)
      yield* advance(11_000, 1_000)
      // nothing is asked while nothing is written
      assert.strictEqual(brokers.cluster.requests.filter(({ request }) => request === "Metadata").length, 1)
      assert.strictEqual((yield* within(1_000, writer.set("a", "2"))).partition, 1)
    })
  )

  it.effect("a topic that is gone: typed after a short grace, then at once; and it is never created", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      yield* writer.set("a", "1")
      brokers.cluster.deleteTopic(topic)
      const first = yield* failure(writer.set("a", "2"), 4_000)
      assert.strictEqual(first.reason, "TopicNotFound")
      const second = yield* failure(writer.set("a", "3"), 500)
      assert.strictEqual(second.reason, "TopicNotFound")
      assert.isFalse(brokers.cluster.topics.has(topic))
      brokers.cluster.createTopic(topic)
      yield* within(5_000, writer.set("a", "4"))
    })
  )
})

describe("closing", () => {
  const opened = (brokers: Brokers, settings: Parameters<typeof open>[1] = {}) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(open(brokers, settings), scope)
      return { writer, close: Scope.close(scope, Exit.void) }
    })

  it.effect("delivers what was accepted, and takes no more", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = slow(100)
      const { close, writer } = yield* opened(brokers, { maxQueued: 2 })
      const accepted = yield* Effect.forEach(["1", "2"], (v) => start(writer.set("k", v)))
      const waiting = yield* start(Effect.flip(writer.set("k", "3")))
      yield* within(1_000, close)
      yield* Fiber.joinAll(accepted)
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "Closed")
      assert.strictEqual((yield* Effect.flip(writer.set("k", "4"))).reason, "Closed")
      assert.strictEqual((yield* Effect.flip(writer.setMany([["k", "4"]]))).reason, "Closed")
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2"])
      assert.strictEqual(brokers.cluster.open, 0)
      assert.deepInclude(yield* writer.stats, { writes: 5, acknowledged: 2, failed: 3, queued: 0 })
    })
  )

  it.effect("an idle writer closes at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { close, writer } = yield* opened(brokers)
      yield* writer.set("k", "1")
      yield* close
      assert.strictEqual(brokers.cluster.open, 0)
    })
  )

  it.effect("in bounded time though the broker is frozen: sent is unknown, unsent is closed", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.otherwise = frozen
      const { close, writer } = yield* opened(brokers, { closeTimeout: "3 seconds" })
      const sent = yield* start(Effect.flip(writer.set("k", "1", { partition: 0 })))
      yield* settle
      const unsent = yield* start(Effect.flip(writer.set("k", "2", { partition: 0 })))
      const other = yield* start(Effect.flip(writer.set("k", "3", { partition: 1 })))
      const closing = yield* start(close)
      yield* advance(2_900)
      assert.isTrue(yield* isRunning(closing))
      yield* within(200, Fiber.join(closing))
      assert.strictEqual((yield* Fiber.join(sent)).reason, "UnknownOutcome")
      assert.strictEqual((yield* Fiber.join(unsent)).reason, "Closed")
      assert.strictEqual((yield* Fiber.join(other)).reason, "Closed")
      assert.strictEqual(brokers.cluster.open, 0)
    })
  )
})

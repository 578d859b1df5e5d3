/** What is easily lost when a writer is changed: each of these is promised, and rarely happens. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Codec, KafkaClient, KafkaTableWriter } from "../../src/index.ts"
import { TopicError } from "../../src/KafkaError.ts"
import { recordLogs } from "../support/live.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  headersOf,
  isRunning,
  open,
  refuse,
  settle,
  slow,
  start,
  topic,
  within,
  type Behaviour
} from "./support.ts"

/** Node 0 leads partition 0 and takes two seconds, node 1 leads partition 1 and answers at once. */
const halfSlow = (): Brokers => {
  const brokers = new Brokers(2, 2)
  brokers.cluster.moveLeader(topic, 1, 1)
  brokers.otherwise = (b, sent) => (sent.node === 0 ? slow(2_000)(b, sent) : append(b, sent))
  return brokers
}

describe("the queue", () => {
  it.scoped("a large write that is interrupted at its head lets small ones in, though nothing was settled", () =>
    Effect.gen(function* () {
      const brokers = halfSlow()
      const writer = yield* open(brokers, { maxQueuedBytes: 1_000 })
      const held = yield* start(writer.set("held", "x".repeat(400), { partition: 0 }))
      yield* settle
      const large = yield* start(writer.set("large", "x".repeat(5_000), { partition: 1 }))
      const small = yield* start(writer.set("small", "1", { partition: 1 }))
      assert.isTrue(yield* isRunning(small))
      assert.deepStrictEqual(brokers.written(1), [])
      yield* Fiber.interrupt(large)
      yield* within(100, Fiber.join(small))
      assert.deepStrictEqual(brokers.written(1), ["small=1"])
      assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 1, queued: 1 })
      yield* within(2_100, Fiber.join(held))
    })
  )

  it.scoped("a flush does not wait for a write that was interrupted while it waited for room", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(1_000))
      const writer = yield* open(brokers, { maxQueued: 1 })
      yield* start(writer.set("a", "1"))
      const waiting = yield* start(writer.set("a", "2"))
      const flush = yield* start(writer.flush)
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* advance(900)
      assert.isTrue(yield* isRunning(flush))
      yield* within(200, Fiber.join(flush))
      assert.deepStrictEqual(brokers.written(), ["a=1"])
    })
  )

  it.scoped("what waits for metadata has its deadline, and its reason", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { metadataMaxAge: "1 second", deliveryTimeout: "3 seconds" })
      const { before } = brokers.cluster
      yield* advance(1_100)
      brokers.cluster.before = (request, node, detail) =>
        request === "Metadata" ? fail("Closed")(brokers, undefined as never) : before(request, node, detail)
      const first = yield* start(Effect.flip(writer.set("a", "1")))
      yield* advance(1_000)
      const second = yield* start(Effect.flip(writer.set("a", "2")))
      const error = yield* within(2_100, Fiber.join(first))
      assert.strictEqual(error.reason, "Timeout")
      assert.include(error.message, "Closed")
      assert.isTrue(yield* isRunning(second))
      assert.strictEqual((yield* within(1_100, Fiber.join(second))).reason, "Timeout")
      assert.strictEqual(brokers.sent.length, 0)
      brokers.cluster.before = before
      yield* within(1_000, writer.set("a", "3"))
      assert.deepStrictEqual(brokers.written(), ["a=3"])
    })
  )

  it.scoped("setMany tells of its first entry that failed, whichever failed first", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.cluster.moveLeader(topic, 1, 1)
      brokers.otherwise = (b, sent) =>
        sent.node === 0
          ? slow(500, refuse(87, { message: "late" }))(b, sent)
          : refuse(87, { message: "early" })(b, sent)
      const writer = yield* open(brokers, { partitioner: (key) => key[0] % 2 })
      const error = yield* within(
        1_000,
        Effect.flip(
          writer.setMany([
            ["b", "1"],
            ["a", "2"]
          ])
        )
      )
      assert.include(error.message, "(late)")
    })
  )
})

describe("a request", () => {
  it.scoped("has as long as requestTimeout says, in whole milliseconds, and the records the time of the clock", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      yield* TestClock.adjust("1234 seconds")
      const writer = yield* open(brokers, { requestTimeout: 1_500.5 })
      yield* writer.set("a", "1")
      assert.strictEqual(brokers.sent[0].request.timeoutMillis, 1_501)
      assert.strictEqual(brokers.log[0][0].record.timestamp, 1_234_000)
    })
  )

  it.scoped("is about 8 MiB at most, and each partition has its turn", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      brokers.script.push(slow(100))
      const MiB = 1024 * 1024
      brokers.cluster.alterConfigs(topic, { "max.message.bytes": `${8 * MiB}` })
      const writer = yield* open(brokers, { maxRecordBytes: 8 * MiB, maxQueuedBytes: 64 * MiB })
      const first = yield* start(writer.set("first", "0", { partition: 0 }))
      yield* settle
      const value = "x".repeat(3 * MiB)
      const writes = yield* Effect.forEach([0, 1, 2, 0, 1, 2], (partition, i) =>
        start(writer.set(`k${i}`, value, { partition }))
      )
      yield* within(5_000, Fiber.joinAll([first, ...writes]))
      const asked = brokers.sent.slice(1).map(({ batches }) => batches.map(({ partition }) => partition))
      assert.isTrue(asked.every((partitions) => partitions.length <= 2))
      assert.lengthOf(asked, 3)
      // nobody is left out twice in a row
      assert.sameMembers([...new Set([...asked[0], ...asked[1]])], [0, 1, 2])
    })
  )

  it.scoped("whose answer leaves a partition out is asked again: it is in the log once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const without: Behaviour = (b, sent) => Effect.map(append(b, sent), (answer) => ({ ...answer, partitions: [] }))
      brokers.script.push(without)
      const writer = yield* open(brokers)
      assert.strictEqual((yield* within(5_000, writer.set("a", "1"))).offset, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/0"])
      // and counts as an attempt that may be in the log
      brokers.script.push(without, refuse(29))
      assert.strictEqual((yield* within(5_000, Effect.flip(writer.set("a", "2")))).reason, "UnknownOutcome")
    })
  )

  it.scoped("that is acknowledged without a place leaves it unknown, and its sequence is used up", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push((b, sent) =>
        Effect.map(append(b, sent), (answer) => ({
          ...answer,
          partitions: answer.partitions.map((p) => ({ ...p, baseOffset: -1 }))
        }))
      )
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(writer.set("a", "1"))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.include(error.message, "it is in the log, but not known where")
      assert.strictEqual((yield* writer.set("a", "2")).offset, 1)
      assert.strictEqual(headersOf(brokers).at(-1), "7000/0/1")
    })
  )

  it.scoped("in a version that the broker does not have was never sent: Rejected, and its sequence is given on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(fail("UnsupportedVersion"))
      const writer = yield* open(brokers)
      const error = yield* within(1_000, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(error.reason, "Rejected")
      yield* within(5_000, writer.set("a", "2"))
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/0"])
      assert.deepInclude(yield* writer.stats, { failed: 1, unknown: 0 })
    })
  )

  it.scoped("has headers' bytes as they were at the call", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100))
      const writer = yield* open(brokers)
      yield* start(writer.set("first", "0"))
      yield* settle
      const raw = new Uint8Array([1, 2, 3])
      const write = yield* start(writer.set("a", "1", { headers: { raw } }))
      raw.fill(9)
      yield* within(1_000, Fiber.join(write))
      assert.deepStrictEqual([...brokers.log[0][1].record.headers[0].value!], [1, 2, 3])
    })
  )
})

describe("leaders and rights", () => {
  it.scoped("a partition without a leader is written when it has one", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.cluster.moveLeader(topic, -1, 1)
      const writer = yield* open(brokers)
      const write = yield* start(writer.set("a", "1", { partition: 1 }))
      yield* advance(1_000)
      assert.isTrue(yield* isRunning(write))
      brokers.cluster.moveLeader(topic, 0, 1)
      yield* within(1_000, Fiber.join(write))
      assert.deepStrictEqual(brokers.written(1), ["a=1"])
    })
  )

  it.scoped(
    "a topic that may not be described any more: what waits fails typed, what may be in the log is unknown",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers(2)
        const client = yield* brokers.client
        let isDenied = false
        const writer = yield* KafkaTableWriter.make<string, string>({
          topic,
          value: Codec.utf8,
          ensureTopic: false
        }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, {
            ...client,
            describeTopic: (name) =>
              Effect.suspend(() =>
                isDenied
                  ? Effect.fail(new TopicError({ reason: "Unauthorized", topic: name }))
                  : client.describeTopic(name)
              )
          })
        )
        isDenied = true
        brokers.script.push(appendThen("Closed"))
        brokers.otherwise = refuse(6, { partition: 0 })
        const sent = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
        yield* settle
        const behind = yield* start(Effect.flip(writer.set("a", "2", { partition: 0 })))
        assert.strictEqual((yield* within(1_000, Fiber.join(sent))).reason, "UnknownOutcome")
        assert.strictEqual((yield* within(1_000, Fiber.join(behind))).reason, "Unauthorized")
        isDenied = false
        brokers.otherwise = append
        yield* within(5_000, writer.set("a", "3", { partition: 0 }))
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=3"])
      })
  )

  it.scoped("no right to the next producer id: fails what waits for it alone", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.initProducerId = Effect.succeed({ errorCode: 0, producerId: 7n, producerEpoch: 0x7fff })
      const writer = yield* open(brokers, { deliveryTimeout: "1 second" })
      brokers.initProducerId = Effect.succeed({ errorCode: 31, producerId: -1n, producerEpoch: -1 })
      yield* writer.set("a", "0", { partition: 1 })
      brokers.otherwise = fail("Closed")
      const unknown = yield* within(5_000, Effect.flip(writer.set("a", "1", { partition: 0 })))
      assert.strictEqual(unknown.reason, "UnknownOutcome")
      brokers.otherwise = append
      const error = yield* within(900, Effect.flip(writer.set("a", "2", { partition: 0 })))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.include(error.message, "idempotent: false")
      yield* within(1_000, writer.set("a", "3", { partition: 1 }))
      // the other partition goes on as it was, also after somebody got another id
      brokers.initProducerId = Effect.succeed({ errorCode: 0, producerId: 8n, producerEpoch: 0 })
      yield* within(5_000, Effect.retry(writer.set("a", "4", { partition: 0 }), { times: 5 }))
      yield* within(1_000, writer.set("a", "5", { partition: 1 }))
      assert.deepStrictEqual(headersOf(brokers).slice(-2), ["8/0/0", `7/${0x7fff}/2`])
    })
  )
})

describe("the end", () => {
  it.scoped("what may be in the log, and is not under way now, is unknown; what waits for metadata is Closed", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(19)
      const scope = yield* Scope.make()
      const writer = yield* Scope.extend(open(brokers, { closeTimeout: "1 second", metadataMaxAge: "1 second" }), scope)
      const sent = yield* start(Effect.flip(writer.set("a", "1")))
      yield* settle
      const { before } = brokers.cluster
      brokers.cluster.before = (request, node, detail) =>
        request === "Metadata" ? Effect.never : before(request, node, detail)
      yield* advance(1_500)
      const parked = yield* start(Effect.flip(writer.set("a", "2")))
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* advance(900)
      assert.isTrue(yield* isRunning(closing))
      yield* within(200, Fiber.join(closing))
      assert.strictEqual((yield* Fiber.join(sent)).reason, "UnknownOutcome")
      const error = yield* Fiber.join(parked)
      assert.strictEqual(error.reason, "Closed")
      assert.include(error.message, "closeTimeout passed")
      assert.deepInclude(yield* writer.stats, { writes: 2, failed: 1, unknown: 1, queued: 0 })
    })
  )

  it.scoped("a driver that dies: told in the log, and by every write", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const brokers = new Brokers()
      const client = yield* brokers.client
      const writer = yield* KafkaTableWriter.make<string, string>({
        topic,
        value: Codec.utf8,
        ensureTopic: false
      }).pipe(
        Effect.provideService(KafkaClient.KafkaClient, {
          ...client,
          connect: () => Effect.dieMessage("a driver's bug")
        })
      )
      const error = yield* within(1_000, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(error.reason, "Closed")
      assert.include(error.message, "the writer died of a bug")
      assert.strictEqual((yield* Effect.flip(writer.set("a", "2"))).reason, "Closed")
      assert.isTrue(lines.some((line) => line.includes("level=ERROR") && line.includes("a driver's bug")))
    }).pipe(recordLogs(lines))
  })
})

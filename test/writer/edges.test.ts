/** What is easily lost when a writer is changed: each of these is promised, and rarely happens. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Latch from "effect/Latch"
import { vi } from "vitest"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { Codec, KafkaClient, KafkaTableWriter } from "../../src/index.ts"
import { TopicError } from "../../src/KafkaError.ts"
import { PendingRecord } from "../../src/internal/producer/record.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { recordLogs } from "../support/live.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  frozen,
  headersOf,
  isRunning,
  on,
  open,
  openOtherwise,
  refuse,
  settle,
  slow,
  start,
  topic,
  turn,
  within,
  type Behaviour
} from "./support.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** A codec of Effects. */
function slowly(): Codec.Codec<string> {
  return Codec.makeEffect<string, never, never>({
    encode: (text) => Effect.as(Effect.yieldNow, bytes(text)),
    decode: (encoded) => Effect.succeed(Buffer.from(encoded).toString())
  })
}

const openWith = (brokers: Brokers, value: Codec.Codec<string>, settings: KafkaTableWriter.WriterSettings = {}) =>
  KafkaTableWriter.make<string, string>({ topic, value, ensureTopic: false, ...settings }).pipe(on(brokers))

/** Node 0 leads partition 0 and takes two seconds, node 1 leads partition 1 and answers at once. */
const halfSlow = (): Brokers => {
  const brokers = new Brokers(2, 2)
  brokers.cluster.moveLeader(topic, 1, 1)
  brokers.otherwise = (b, sent) => (sent.node === 0 ? slow(2_000)(b, sent) : append(b, sent))
  return brokers
}

describe("the queue", () => {
  it.effect("a large write that is interrupted at its head lets small ones in, though nothing was settled", () =>
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

  it.effect("a flush does not wait for a write that was interrupted while it waited for room", () =>
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

  it.effect("what waits for metadata has its deadline, and its reason", () =>
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

  it.effect("setMany tells of its first entry that failed, whichever failed first", () =>
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

describe("room in the queue", () => {
  /** As much as records of this key and value take in it. */
  const sizeOf = (key: string, value: string): number =>
    new PendingRecord(
      { key: bytes(key), value: bytes(value), headers: [], timestamp: 0, partition: undefined },
      () => {}
    ).size

  for (const [name, missing, isTaken] of [
    ["just enough", 0, true],
    ["a byte too little", 1, false]
  ] as const) {
    it.effect(`${name} for one more, after others have left: it is ${isTaken ? "accepted" : "to wait"}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers, { maxQueuedBytes: 3 * sizeOf("k", "1") - missing })
        for (const value of ["1", "2"]) yield* writer.set("k", value)
        yield* writer.setMany(["3", "4"].map((value) => ["k", value] as const))
        brokers.script.push(slow(100))
        yield* start(
          writer.setMany([
            ["k", "5"],
            ["k", "6"]
          ])
        )
        const last = yield* start(writer.set("k", "7"))
        yield* settle
        // what was accepted is delivered, what waits is withdrawn
        yield* Fiber.interrupt(last)
        yield* within(1_000, writer.flush)
        assert.strictEqual(brokers.written().includes("k=7"), isTaken)
        const writes = isTaken ? 7 : 6
        assert.deepInclude(yield* writer.stats, { writes, acknowledged: writes, failed: 0, queued: 0 })
      })
    )
  }

  for (const [name, value] of [
    ["plain functions", Codec.utf8],
    ["Effects", slowly()]
  ] as const) {
    it.effect(`a write by a codec of ${name} that is interrupted while it waits for room is never written`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.script.push(slow(1_000))
        const writer = yield* openWith(brokers, value, { maxQueued: 1 })
        const first = yield* start(writer.set("k", "1"))
        yield* settle
        const waiting = yield* start(writer.set("k", "2"))
        const many = yield* start(
          writer.setMany([
            ["k", "3"],
            ["k", "4"]
          ])
        )
        const last = yield* start(writer.set("k", "5"))
        yield* settle
        assert.strictEqual((yield* writer.stats).queued, 5)
        yield* Fiber.interrupt(waiting)
        yield* Fiber.interrupt(many)
        assert.deepInclude(yield* writer.stats, { writes: 2, queued: 2 })
        yield* within(1_500, Fiber.joinAll([first, last]))
        assert.deepStrictEqual(brokers.written(), ["k=1", "k=5"])
      })
    )
  }

  it.effect("many that are interrupted when some of them were accepted: those are delivered, the others never", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(1_000))
      const writer = yield* open(brokers, { maxQueued: 2 })
      const many = yield* start(writer.setMany(["1", "2", "3", "4"].map((value) => ["k", value] as const)))
      yield* settle
      yield* Fiber.interrupt(many)
      yield* within(1_500, writer.flush)
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2"])
      assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 2, queued: 0 })
    })
  )

  it.effect("several who flush at the same time are all told", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(1_000))
      const writer = yield* open(brokers)
      yield* start(writer.set("k", "1"))
      const flushes = yield* Effect.forEach([1, 2, 3], () => start(writer.flush))
      yield* advance(900)
      for (const flush of flushes) assert.isTrue(yield* isRunning(flush))
      yield* within(200, Fiber.joinAll(flushes))
    })
  )
})

describe("many", () => {
  const many = Array.from({ length: 200 }, (_, i) => [`k${i}`, `${i}`] as const)

  /** Counts what it encodes of them. */
  const counting = () => {
    const seen = { encoded: 0 }
    const codec = Codec.make<string>({
      encode: (text) => {
        if (text !== "next") seen.encoded++
        return bytes(text)
      },
      decode: (encoded) => Buffer.from(encoded).toString()
    })
    return { codec, seen }
  }

  /** While the scope is open, each look at the host's clock finds it so much later than the one before. */
  const ticking = (millis: number) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        let now = 1_000
        return vi.spyOn(performance, "now").mockImplementation(() => (now += millis))
      }),
      (spy) => Effect.sync(() => spy.mockRestore())
    )

  for (const millis of [0, 3]) {
    it.effect(`that are encoded in ${millis} ms have their place before what is called next`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const { codec, seen } = counting()
        const writer = yield* openWith(brokers, codec)
        yield* ticking(millis / 3)
        const first = yield* start(writer.setMany(many))
        assert.strictEqual(seen.encoded, 200)
        assert.strictEqual((yield* writer.stats).queued, 200)
        yield* within(100, Fiber.join(first))
      })
    )
  }

  it.effect("that take their time to encode let others have their turn after each 64, and keep their places", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const { codec, seen } = counting()
      const writer = yield* openWith(brokers, codec)
      yield* ticking(4)
      // each that begins gives way to those before it, for a turn of the event loop or for less
      const counts: Array<number> = []
      const noted = Effect.sync(() => counts.push(seen.encoded))
      const first = yield* Effect.tap(start(writer.setMany(many)), noted)
      const next = yield* Effect.tap(start(writer.set("k7", "next")), noted)
      const gone = yield* Effect.tap(start(writer.deleteMany(many.map(([key]) => key))), noted)
      for (let i = 0; i < 3; i++) {
        yield* turn
        counts.push(seen.encoded)
      }
      assert.deepStrictEqual([...new Set(counts)], [64, 128, 192, 200])
      const positions = yield* within(100, Fiber.join(first))
      const tombstones = yield* within(100, Fiber.join(gone))
      yield* within(100, Fiber.join(next))
      const { log } = brokers
      assert.deepStrictEqual(
        positions.map(({ offset, partition }) => log[partition][offset].value),
        many.map(([, value]) => value)
      )
      assert.deepStrictEqual(
        tombstones.map(({ offset, partition }) => [log[partition][offset].key, log[partition][offset].value]),
        many.map(([key]) => [key, null])
      )
      assert.deepStrictEqual(
        log.flat().flatMap(({ key, value }) => (key === "k7" ? [value] : [])),
        ["7", "next", null]
      )
    })
  )

  it.effect(
    "of several requests' batches that take their time to encode are written all the same, in their order",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers(4)
        const writer = yield* open(brokers, { compression: "gzip" })
        yield* ticking(4)
        yield* within(100, writer.setMany(many))
        const written = yield* within(100, writer.setMany(many))
        assert.deepStrictEqual(
          written.map(({ offset, partition }) => brokers.log[partition][offset].key),
          many.map(([key]) => key)
        )
        assert.deepInclude(yield* writer.stats, { writes: 400, acknowledged: 400, queued: 0 })
      })
  )

  for (const [name, first] of [
    ["first", 0],
    ["last", 2]
  ] as const) {
    it.effect(`the error is that of the lowest place, though its record failed ${name}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers(3, 3)
        for (const partition of [1, 2]) brokers.cluster.moveLeader(topic, partition, partition)
        brokers.otherwise = (b, sent) => {
          const after = 100 * Math.abs(sent.batches[0].partition - first) + 100
          return slow(after, refuse(87, { message: `partition ${sent.batches[0].partition}` }))(b, sent)
        }
        // each place has its own partition
        const writer = yield* open(brokers, { partitioner: (key) => key[0] - 97 })
        const error = yield* within(
          1_000,
          Effect.flip(writer.setMany(["a", "b", "c"].map((key) => [key, "1"] as const)))
        )
        assert.strictEqual(error.partition, 0)
        assert.include(error.message, "(partition 0)")
      })
    )
  }
})

describe("what a write is made of", () => {
  const limit = 200

  /** A value with which a record of key `k` takes so many bytes. */
  const valueFor = (size: number): string => {
    const alone = (length: number) =>
      new PendingRecord(
        { key: bytes("k"), value: new Uint8Array(length), headers: [], timestamp: 0, partition: undefined },
        () => {}
      ).aloneSize
    let length = 0
    while (alone(length) < size) length++
    assert.strictEqual(alone(length), size)
    return "x".repeat(length)
  }

  for (const [name, value] of [
    ["plain functions", Codec.utf8],
    ["Effects", slowly()]
  ] as const) {
    it.effect(`of just maxRecordBytes is taken, by ${name}; of one more it is TooLarge, and is told how large`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* openWith(brokers, value, { maxRecordBytes: limit })
        yield* within(100, writer.set("k", valueFor(limit)))
        const one = yield* within(100, Effect.flip(writer.set("k", valueFor(limit + 1))))
        const many = yield* within(100, Effect.flip(writer.setMany([["k", valueFor(limit + 1)]])))
        for (const error of [one, many]) {
          assert.deepInclude(error, { reason: "TooLarge", detail: `${limit + 1} bytes, maxRecordBytes is ${limit}` })
        }
        assert.strictEqual(brokers.sent.length, 1)
        assert.deepInclude(yield* writer.stats, { acknowledged: 1, queued: 0 })
      })
    )

    for (const logValues of [false, true]) {
      it.effect(`by ${name}, logValues ${logValues}: options that are wrong are told in this library's words`, () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const writer = yield* openWith(brokers, value, { logValues })
          const told = (options: unknown) =>
            Effect.map(
              within(100, Effect.flip(writer.set("k", "v", options as KafkaTableWriter.WriteOptions))),
              ({ cause, detail, reason }) => {
                assert.strictEqual(reason, "Encode")
                assert.instanceOf(cause, Error)
                return [cause.name, detail]
              }
            )
          const timestamp = [
            "RangeError",
            "options: timestamp: must be a whole number of milliseconds since the epoch"
          ] as const
          for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
            assert.deepStrictEqual(yield* told({ timestamp: wrong }), [...timestamp])
          }
          const headers = ["TypeError", "options: headers: a key must be a string, and a value a string, bytes or null"]
          for (const wrong of [
            { a: 1 },
            // what Node would make bytes of
            { a: [1, 2] },
            { a: undefined },
            [{ key: 1, value: "x" }],
            [{ key: "a", value: [1] }]
          ]) {
            assert.deepStrictEqual(yield* told({ headers: wrong }), headers)
          }
          assert.strictEqual(brokers.sent.length, 0)
        })
      )
    }
  }

  it.effect("a time of 0, no headers, and empty ones are as good as others", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      yield* writer.set("k", "1", { timestamp: 0, headers: {} })
      yield* writer.set("k", "2", { timestamp: 1, headers: [] })
      yield* writer.set("k", "3", { timestamp: 2, headers: { "": "" } })
      yield* writer.set("k", "4", { timestamp: 3, headers: { none: null } })
      assert.deepStrictEqual(
        brokers.log[0].map(({ record }) => [
          record.timestamp,
          record.headers.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString()])
        ]),
        [
          [0, []],
          [1, []],
          [2, [["", ""]]],
          [3, [["none", null]]]
        ]
      )
    })
  )

  it.effect(
    "what a codec or a partitioner says of a value is quoted for who asked for values, and for nobody else",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const value: Codec.Codec<string> = {
          ...Codec.utf8,
          encodeSync: (text) => {
            if (text === "secret") throw new Error(`not this ${text}`)
            return bytes(text)
          }
        }
        const partitioner = () => {
          throw new Error("no secret place")
        }
        const quoting = yield* openWith(brokers, value, { logValues: true, partitioner })
        const quiet = yield* openWith(brokers, value, { partitioner })
        const encoded = yield* Effect.flip(quoting.set("k", "secret"))
        assert.deepInclude(encoded, { reason: "Encode", detail: "value: not this secret" })
        const placed = yield* Effect.flip(quoting.set("k", "v"))
        assert.deepInclude(placed, { reason: "InvalidPartition", detail: "the partitioner threw: no secret place" })
        for (const error of [yield* Effect.flip(quiet.set("k", "secret")), yield* Effect.flip(quiet.set("k", "v"))]) {
          assert.notInclude(error.message, "secret")
          assert.isTrue(isSchemaError(error.cause))
        }
      })
  )
})

describe("a request", () => {
  it.effect("has as long as requestTimeout says, in whole milliseconds, and the records the time of the clock", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      yield* TestClock.adjust("1234 seconds")
      const writer = yield* open(brokers, { requestTimeout: 1_500.5 })
      yield* writer.set("a", "1")
      assert.strictEqual(brokers.sent[0].request.timeoutMillis, 1_501)
      assert.strictEqual(brokers.log[0][0].record.timestamp, 1_234_000)
    })
  )

  it.effect("is about 8 MiB at most, and each partition has its turn", () =>
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

  it.effect("whose answer leaves a partition out is asked again: it is in the log once", () =>
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

  it.effect("that is acknowledged without a place leaves it unknown, and its sequence is used up", () =>
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

  it.effect("in a version that the broker does not have was never sent: Rejected, and its sequence is given on", () =>
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

  it.effect("has headers' bytes as they were at the call", () =>
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
  it.effect("a partition without a leader is written when it has one", () =>
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

  it.effect(
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

  it.effect("no right to the next producer id: fails what waits for it alone", () =>
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

describe("what is refused", () => {
  /** A writer of partition 0, led by node 0, whose epochs are used up, and of partition 1, led by node 1. */
  const usedUp = Effect.gen(function* () {
    const brokers = new Brokers(2, 2)
    brokers.cluster.moveLeader(topic, 1, 1)
    brokers.initProducerId = Effect.succeed({ errorCode: 0, producerId: 7n, producerEpoch: 0x7fff })
    let isHeld = false
    const latch = yield* Latch.make(true)
    const writer = yield* openOtherwise(
      brokers,
      (client) => ({
        describeTopic: (name) => Effect.andThen(latch.await, client.describeTopic(name)),
        initProducerId: Effect.suspend(() => (isHeld ? Effect.interrupt : client.initProducerId))
      }),
      { metadataMaxAge: "1 second", deliveryTimeout: "5 seconds" }
    )
    // nobody knows of this one: its epoch is not used again
    brokers.script.push(refuse(-1))
    yield* Effect.flip(writer.set("a", "0", { partition: 0 }))
    const hold = () => {
      isHeld = true
    }
    return { brokers, hold, latch, writer }
  })

  const without = (errorCode: number) => Effect.succeed({ errorCode, producerId: -1n, producerEpoch: -1 })

  it.effect(
    "a producer id: fails neither what waits behind another partition's request, nor what waits for metadata",
    () =>
      Effect.gen(function* () {
        const { brokers, latch, writer } = yield* usedUp
        brokers.initProducerId = without(14)
        const waiting = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
        brokers.otherwise = slow(2_000)
        const sent = yield* start(writer.set("b", "1", { partition: 1 }))
        yield* settle
        const behind = yield* start(writer.set("b", "2", { partition: 1 }))
        // what is known grows too old to hash by
        yield* latch.close
        yield* advance(1_100)
        const parked = yield* start(writer.set("b", "3", { partition: 1 }))
        // that passes: it is asked for again, and nothing fails
        assert.isTrue(yield* isRunning(waiting))
        brokers.initProducerId = without(53)
        const error = yield* within(200, Fiber.join(waiting))
        assert.deepInclude(error, { reason: "Unauthorized", partition: 0 })
        assert.deepInclude(error.cause, { request: "InitProducerId", code: 53 })
        yield* advance(500)
        yield* latch.open
        yield* within(5_000, Fiber.joinAll([sent, behind, parked]))
        assert.deepStrictEqual(brokers.written(1), ["b=1", "b=2", "b=3"])
      })
  )

  it.effect("not, but never answered: what waits for a producer id has its deadline, and the reason", () =>
    Effect.gen(function* () {
      const { hold, writer } = yield* usedUp
      hold()
      const error = yield* within(5_100, Effect.flip(writer.set("a", "1", { partition: 0 })))
      assert.deepInclude(error, { reason: "Timeout", partition: 0 })
      assert.deepInclude(error.cause, {
        _tag: "KafkaConnectionError",
        reason: "Closed",
        request: "InitProducerId",
        broker: "embedded:9092"
      })
    })
  )

  it.effect("credentials, by one broker: what waits for others, and for metadata, is none of its business", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.cluster.moveLeader(topic, 1, 1)
      brokers.otherwise = (b, sent) => (sent.node === 0 ? fail("Authentication") : slow(500))(b, sent)
      const writer = yield* open(brokers)
      const sent = yield* start(writer.set("b", "1", { partition: 1 }))
      yield* settle
      const behind = yield* start(writer.set("b", "2", { partition: 1 }))
      const error = yield* within(100, Effect.flip(writer.set("a", "1", { partition: 0 })))
      assert.deepInclude(error, { reason: "Unauthorized", partition: 0 })
      yield* within(2_000, Fiber.joinAll([sent, behind]))
      brokers.otherwise = (b, sent) => (sent.node === 0 ? append : frozen)(b, sent)
      const late = yield* within(31_000, Effect.flip(writer.set("b", "3", { partition: 1 })))
      assert.strictEqual(late.reason, "UnknownOutcome")
      assert.isUndefined(late.cause)
    })
  )

  it.effect("for good, is told once: it is no reason for what a later write waits for", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(refuse(29))
      brokers.otherwise = frozen
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      assert.strictEqual((yield* within(100, Effect.flip(writer.set("a", "1")))).reason, "Unauthorized")
      const error = yield* within(5_100, Effect.flip(writer.set("a", "2")))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.isUndefined(error.cause)
    })
  )

  it.effect("for its sequence, is a reason for what it then waits for in vain", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(refuse(45))
      brokers.otherwise = frozen
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const error = yield* within(5_100, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.deepInclude(error.cause, { codeName: "OUT_OF_ORDER_SEQUENCE_NUMBER" })
    })
  )

  it.effect("by a code that means nothing more: Rejected, with the code, and without advice that does not fit", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const other = yield* open(brokers, { idempotent: false })
      for (const [code, reason, from] of [
        [42, "Rejected", writer],
        [29, "Unauthorized", writer],
        [31, "Unauthorized", other]
      ] as const) {
        brokers.script.push(refuse(code))
        const error = yield* within(100, Effect.flip(from.set("a", "1")))
        assert.deepInclude(error, { reason, partition: 0 })
        assert.deepInclude(error.cause, { code, request: "Produce" })
        assert.notProperty(error, "detail")
      }
    })
  )

  it.effect("as too large: says where, and with which code", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(refuse(10))
      const writer = yield* open(brokers)
      const error = yield* within(100, Effect.flip(writer.set("a", "1", { partition: 1 })))
      assert.deepInclude(error, { reason: "TooLarge", partition: 1 })
      assert.deepInclude(error.cause, { codeName: "MESSAGE_TOO_LARGE" })
    })
  )
})

describe("a connection", () => {
  it.effect(
    "that was closed while idle, and then cannot be opened at first: what is written next is written once",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        let left = 0
        const writer = yield* openOtherwise(brokers, (client) => ({
          connect: (broker) =>
            Effect.suspend(() => (left-- > 0 ? Effect.fail(connectionError("Unreachable")) : client.connect(broker)))
        }))
        brokers.script.push(append, refuse(19))
        yield* writer.set("a", "1")
        yield* within(1_000, writer.set("a", "2"))
        brokers.closeIdle()
        left = 2
        yield* within(1_000, writer.set("a", "3"))
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3"])
        assert.deepInclude(yield* writer.stats, { writes: 3, acknowledged: 3, queued: 0 })
      })
  )
})

describe("the end", () => {
  it.effect("what was only ever refused, and waits for another attempt, is Closed: certainly not in the log", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.otherwise = refuse(19)
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(open(brokers, { closeTimeout: "1 second" }), scope)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* advance(200)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* within(1_100, Fiber.join(closing))
      const error = yield* Fiber.join(write)
      assert.deepInclude(error, {
        reason: "Closed",
        partition: 1,
        detail: "the writer was closed, and closeTimeout passed"
      })
    })
  )

  it.effect("what may be in the log, and is not under way now, is unknown; what waits for metadata is Closed", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(19)
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(
        open(brokers, { closeTimeout: "1 second", metadataMaxAge: "1 second" }),
        scope
      )
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

  it.effect("a driver that dies: told in the log, and by every write", () => {
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
          connect: () => Effect.die(new Error("a driver's bug"))
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

import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { Codec, KafkaClient, KafkaTableWriter, Partitioner, Position } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { advance, Brokers, append, isRunning, on, open, settle, slow, start, topic, within } from "./support.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("writing", () => {
  it.effect("ends at the acknowledgement, with the record's position", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const first = yield* writer.set("a", "1")
      const second = yield* writer.set("b", "")
      const third = yield* writer.delete("a")
      assert.isTrue(Equal.equals(first, Position.make({ topic, partition: 0, offset: 0 })))
      assert.strictEqual(second.toString(), "registry@0:1")
      assert.strictEqual(third.toString(), "registry@0:2")
      assert.deepStrictEqual(brokers.written(), ["a=1", "b=", "a=null"])
      assert.strictEqual(brokers.sent[0].acks, -1)
      const { stats } = writer
      assert.deepInclude(yield* stats, { writes: 3, acknowledged: 3, failed: 0, unknown: 0, queued: 0, requests: 3 })
      assert.isAbove((yield* stats).bytes, 100)
    })
  )

  it.effect("by a tag and a layer, with options that it shares with a table", () =>
    Effect.gen(function* () {
      class Writer extends KafkaTableWriter.Tag("test/Writer")<Writer, string, string>() {}
      const brokers = new Brokers()
      const registry = { topic, value: Codec.utf8, catchUpTimeout: 1000, headers: true }
      const layer = KafkaTableWriter.layer(Writer, registry).pipe(
        Layer.provide(Layer.effect(KafkaClient.KafkaClient, brokers.client))
      )
      const position = yield* Effect.flatMap(Writer, (writer) => writer.set("k", "v")).pipe(Effect.provide(layer))
      assert.strictEqual(position.offset, 0)
      assert.strictEqual(brokers.cluster.open, 0)
    })
  )

  it.effect("headers, timestamp and partition", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      const writer = yield* open(brokers)
      yield* writer.set("a", "1", { headers: { one: "1", none: null, raw: bytes("x") }, timestamp: 1234, partition: 2 })
      yield* writer.delete("a", {
        headers: [
          { key: "k", value: "1" },
          { key: "k", value: "2" }
        ],
        partition: 1
      })
      const { record } = brokers.log[2][0]
      assert.strictEqual(record.timestamp, 1234)
      assert.deepStrictEqual(record.headers, [
        { key: "one", value: bytes("1") },
        { key: "none", value: null },
        { key: "raw", value: bytes("x") }
      ])
      assert.deepStrictEqual(
        brokers.log[1][0].record.headers.map((h) => [h.key, Buffer.from(h.value!).toString()]),
        [
          ["k", "1"],
          ["k", "2"]
        ]
      )
    })
  )

  it.effect("by the partitioner, over the partitions that there are", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(5)
      const writer = yield* open(brokers)
      const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`)
      const positions = yield* writer.setMany(keys.map((key) => [key, key] as const))
      positions.forEach((position, i) => {
        assert.strictEqual(position.partition, Partitioner.murmur2(bytes(keys[i]), 5))
        assert.strictEqual(brokers.log[position.partition][position.offset].key, keys[i])
      })
      const other = yield* open(brokers, { partitioner: () => 4 })
      assert.strictEqual((yield* other.set("a", "1")).partition, 4)
    })
  )

  it.effect("setMany gives positions in the order of its entries, deleteMany writes tombstones", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers)
      assert.deepStrictEqual(yield* writer.setMany([]), [])
      yield* writer.setMany(new Map([["x", "1"]]))
      const gone = yield* writer.deleteMany(["x", "y"])
      assert.strictEqual(gone.length, 2)
      assert.strictEqual([...brokers.written(0), ...brokers.written(1)].filter((w) => w.endsWith("=null")).length, 2)
    })
  )

  it.effect("concurrent writes share requests, and one key keeps the order of its calls", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = slow(5)
      const writer = yield* open(brokers)
      const writes = Array.from({ length: 200 }, (_, i) => writer.set(`k${i % 7}`, `${i}`))
      const positions = yield* within(10_000, Effect.all(writes, { concurrency: 64 }))
      assert.strictEqual(new Set(positions.map((p) => p.offset)).size, 200)
      assert.isBelow(brokers.sent.length, 12)
      assert.deepStrictEqual(
        positions.map((p) => brokers.log[0][p.offset].value),
        Array.from({ length: 200 }, (_, i) => `${i}`)
      )
      for (let k = 0; k < 7; k++) {
        const values = brokers.log[0].filter(({ key }) => key === `k${k}`).map(({ value }) => Number(value))
        assert.deepStrictEqual(
          values,
          [...values].sort((a, b) => a - b)
        )
      }
    })
  )

  it.effect("one request in flight, cut into batches by maxBatchBytes", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { maxBatchBytes: 500 })
      yield* writer.setMany(Array.from({ length: 20 }, (_, i) => [`k${i}`, "x".repeat(100)] as const))
      assert.isTrue(brokers.sent.every(({ batches }) => batches[0].bytes.length <= 500))
      assert.isAbove(brokers.sent.length, 5)
      assert.deepStrictEqual(
        brokers.log[0].map(({ key }) => key),
        Array.from({ length: 20 }, (_, i) => `k${i}`)
      )
    })
  )

  it.effect("sequences of each partition follow each other", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers)
      for (const partition of [0, 1, 0, 0, 1]) yield* writer.set("k", "v", { partition })
      yield* Effect.all([writer.set("k", "v", { partition: 1 }), writer.set("k", "v", { partition: 1 })], {
        concurrency: 2
      })
      yield* writer.set("k", "v", { partition: 1 })
      const sequences = (partition: number) =>
        brokers.sent.flatMap(({ batches }) =>
          batches.filter((b) => b.partition === partition).map(({ header }) => header.baseSequence)
        )
      assert.deepStrictEqual(sequences(0), [0, 1, 2])
      assert.deepStrictEqual(sequences(1), [0, 1, 2, 4])
      const ids = new Set(brokers.sent.map(({ batches }) => batches[0].header.producerId))
      assert.strictEqual(ids.size, 1)
      assert.strictEqual(brokers.producerIds, 1)
    })
  )

  it.effect('acks "leader" and idempotent: false write without a producer id', () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { acks: "leader" })
      yield* writer.set("a", "1")
      const other = yield* open(brokers, { idempotent: false })
      yield* other.set("a", "1")
      assert.deepStrictEqual(
        brokers.sent.map(({ acks, batches }) => [acks, batches[0].header.producerId, batches[0].header.baseSequence]),
        [
          [1, -1n, -1],
          [-1, -1n, -1]
        ]
      )
      assert.strictEqual(brokers.producerIds, 0)
    })
  )

  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    it.effect(`compressed with ${compression}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers, { compression })
        yield* writer.setMany(Array.from({ length: 50 }, (_, i) => [`k${i}`, "abc".repeat(50)] as const))
        assert.strictEqual(brokers.written().length, 50)
        assert.strictEqual(brokers.log[0][49].value, "abc".repeat(50))
        assert.isBelow((yield* writer.stats).bytes, 5_000)
      })
    )
  }
})

describe("encoding", () => {
  const picky = Codec.make<string>({
    encode: (value) => {
      if (value === "bad") throw new Error("this one does not encode")
      return bytes(value)
    },
    decode: (encoded) => Buffer.from(encoded).toString()
  })

  it.effect("a key or value that does not encode fails before any I/O", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* KafkaTableWriter.make<string, string>({
        topic,
        key: picky,
        value: picky,
        ensureTopic: false
      }).pipe(on(brokers))
      const value = yield* Effect.flip(writer.set("k", "bad"))
      assert.strictEqual(value.reason, "Encode")
      assert.include(value.message, "(value: a function of the codec threw Error)")
      assert.strictEqual(Codec.explain(value.cause as Schema.SchemaError), "this one does not encode")
      assert.isTrue(isSchemaError(value.cause))
      const key = yield* Effect.flip(writer.delete("bad"))
      assert.include(key.message, "(key: a function of the codec threw Error)")
      assert.strictEqual(Codec.explain(key.cause as Schema.SchemaError), "this one does not encode")
      const many = yield* Effect.flip(
        writer.setMany([
          ["a", "fine"],
          ["b", "bad"]
        ])
      )
      assert.strictEqual(many.reason, "Encode")
      const when = yield* Effect.flip(writer.set("k", "v", { timestamp: 1.5 }))
      assert.strictEqual(when.reason, "Encode")
      // @ts-expect-error: as from JavaScript
      const header = yield* Effect.flip(writer.set("k", "v", { headers: { a: 1 } }))
      assert.strictEqual(header.reason, "Encode")
      assert.strictEqual(brokers.sent.length, 0)
      yield* writer.set("a", "fine")
    })
  )

  it.effect("a codec of Effects: in the order of calls, and mixed with plain ones", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      // the earlier, the slower
      let calls = 0
      const value = Codec.makeEffect<string, never, string>({
        encode: (text) =>
          text === "bad"
            ? Effect.fail("no such schema")
            : Effect.as(Effect.repeat(Effect.yieldNow, { times: 20 - 2 * calls++ }), bytes(text)),
        decode: (encoded) => Effect.succeed(Buffer.from(encoded).toString())
      })
      const writer = yield* KafkaTableWriter.make<string, string>({ topic, value, ensureTopic: false }).pipe(
        on(brokers)
      )
      const refused = yield* Effect.flip(writer.set("k", "bad"))
      assert.strictEqual(refused.reason, "Encode")
      yield* Effect.all(
        [
          writer.set("k", "1"),
          writer.set("k", "2"),
          writer.delete("k"),
          writer.setMany([
            ["k", "3"],
            ["k", "4"]
          ]),
          writer.set("k", "5")
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2", "k=null", "k=3", "k=4", "k=5"])
    })
  )

  it.effect("an interrupted encoding hands its turn on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const value = Codec.makeEffect<string, never, never>({
        encode: (text) => (text === "stuck" ? Effect.never : Effect.succeed(bytes(text))),
        decode: (encoded) => Effect.succeed(Buffer.from(encoded).toString())
      })
      const writer = yield* KafkaTableWriter.make<string, string>({ topic, value, ensureTopic: false }).pipe(
        on(brokers)
      )
      const stuck = yield* start(writer.set("k", "stuck"))
      const waiting = yield* start(writer.set("k", "waiting"))
      const next = yield* start(writer.set("k", "next"))
      yield* settle
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(brokers.sent.length, 0)
      yield* Fiber.interrupt(stuck)
      yield* Fiber.join(next)
      assert.deepStrictEqual(brokers.written(), ["k=next"])
    })
  )

  it.effect("a partition that does not exist, and a partitioner that throws", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers, {
        partitioner: (key) => {
          if (key[0] === 98) throw new Error("no b")
          return key[0] === 99 ? 0.5 : 2
        }
      })
      for (const key of ["a", "b", "c"]) {
        const error = yield* Effect.flip(writer.set(key, "1"))
        assert.strictEqual(error.reason, "InvalidPartition")
      }
      const asked = yield* Effect.flip(writer.set("a", "1", { partition: 7 }))
      assert.include(asked.message, "7, of 2 partitions")
      assert.strictEqual(brokers.sent.length, 0)
      assert.deepInclude(yield* writer.stats, { writes: 4, failed: 4, queued: 0 })
    })
  )
})

describe("the queue", () => {
  it.effect("a full one makes writes wait, in their order; interrupted then, nothing is written", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = slow(100)
      const writer = yield* open(brokers, { maxQueued: 2 })
      const fibers = yield* Effect.forEach(["1", "2", "3", "4", "5"], (v) => start(writer.set("k", v)))
      yield* settle
      assert.strictEqual((yield* writer.stats).queued, 5)
      yield* Fiber.interrupt(fibers[2])
      yield* within(1_000, Fiber.join(fibers[4]))
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2", "k=4", "k=5"])
      assert.deepInclude(yield* writer.stats, { writes: 4, acknowledged: 4, queued: 0 })
    })
  )

  it.effect("by bytes, too; one that is larger than all of it goes alone", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = slow(100)
      const writer = yield* open(brokers, { maxQueuedBytes: 1000 })
      const fibers = yield* Effect.forEach([400, 400, 5000, 10], (n, i) =>
        Effect.tap(start(writer.set(`${i}`, "x".repeat(n))), settle)
      )
      yield* within(2_000, Fiber.joinAll(fibers))
      assert.deepStrictEqual(
        brokers.sent.map(({ batches }) => batches[0].records.length),
        [1, 1, 1, 1]
      )
    })
  )

  it.effect("what is queued is delivered, whatever happens to who waits", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100))
      const writer = yield* open(brokers)
      const one = yield* start(writer.set("a", "1"))
      const two = yield* start(writer.set("b", "1"))
      yield* settle
      yield* Fiber.interrupt(one)
      yield* Fiber.interrupt(two)
      yield* within(1_000, writer.flush)
      assert.deepStrictEqual(brokers.written(), ["a=1", "b=1"])
      assert.deepInclude(yield* writer.stats, { acknowledged: 2, queued: 0 })
    })
  )

  it.effect("so is what waited for room before", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = slow(100)
      const writer = yield* open(brokers, { maxQueued: 1 })
      yield* start(writer.set("k", "1"))
      const second = yield* start(writer.set("k", "2"))
      // the first is acknowledged, the second has its place
      yield* advance(100)
      yield* Fiber.interrupt(second)
      yield* within(1_000, writer.flush)
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2"])
      assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 2, queued: 0 })
    })
  )

  it.effect("flush waits for what was called before, and for nothing else", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers, { maxQueued: 2 })
      yield* writer.flush
      brokers.otherwise = slow(200)
      yield* Effect.forEach(["1", "2", "3"], (v) => start(writer.set("k", v, { partition: 0 })))
      const flush = yield* start(writer.flush)
      yield* settle
      brokers.otherwise = append
      assert.isTrue(yield* isRunning(flush))
      yield* within(1_000, Fiber.join(flush))
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2", "k=3"])
      brokers.script.push(slow(200))
      yield* start(writer.set("later", "1"))
      const next = yield* start(writer.flush)
      assert.isTrue(yield* isRunning(next))
      yield* within(1_000, Fiber.join(next))
    })
  )
})

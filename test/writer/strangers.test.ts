/** Codecs, partitioners and clients that end badly, in every way that there is: typed, and nobody else's trouble. */
import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { both } from "../support/effect/v4/causes.ts"
import { interruptAtOnce } from "../support/effect/v4/fibers.ts"
import { Codec, KafkaClient, KafkaTableWriter, type Partitioner } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { answering } from "../support/answering.ts"
import { advance, Brokers, isRunning, on, open, settle, slow, start, topic, within } from "./support.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** A codec that is written by hand, as from JavaScript: `encode` may do whatever it likes. */
const byHand = (parts: {
  readonly encode: (text: string) => unknown
  readonly encodeSync?: (text: string) => unknown
}) =>
  ({
    ...Codec.utf8,
    encodeSync: () => Codec.suspended,
    ...parts
  }) as unknown as Codec.Codec<string>

const opened = (
  brokers: Brokers,
  codecs: { readonly key?: Codec.Codec<string>; readonly value?: Codec.Codec<string> },
  settings: KafkaTableWriter.WriterSettings = {}
) =>
  KafkaTableWriter.make<string, string>({
    topic,
    key: codecs.key ?? Codec.utf8,
    value: codecs.value ?? Codec.utf8,
    ensureTopic: false,
    deliveryTimeout: "5 seconds",
    ...settings
  }).pipe(on(brokers))

const interruptsItself = Effect.withFiber<never>((fiber) => {
  interruptAtOnce(fiber)
  return Effect.never
})

describe("a codec", () => {
  const endings: ReadonlyArray<readonly [name: string, ending: () => unknown, words: RegExp]> = [
    ["fails", () => Effect.fail(new Error("no such schema")), /an Effect of the codec failed with/],
    ["fails with nothing", () => Effect.fail(undefined), /an Effect of the codec failed with/],
    ["dies", () => Effect.die(new Error("a defect of mine")), /the codec threw Error/],
    ["is interrupted", () => Effect.interrupt, /interrupt/i],
    ["interrupts its own fiber", () => interruptsItself, /interrupt/i],
    [
      "fails and dies",
      () => Effect.failCause(both(Cause.fail("one"), Cause.die("two"))),
      /an Effect of the codec failed with/
    ],
    ["throws before it is an Effect", () => thrown(), /the codec threw Error/],
    ["is a promise", () => Promise.resolve(bytes("x")), /the codec threw/],
    ["makes a text", () => Effect.succeed("text"), /must make bytes/],
    ["makes nothing", () => Effect.succeed(undefined), /must make bytes/],
    ["makes a promise", () => Effect.succeed(Promise.resolve()), /must make bytes/]
  ]

  function thrown(): never {
    throw new Error("not even begun")
  }

  for (const [name, ending, words] of endings) {
    for (const part of ["key", "value"] as const) {
      it.effect(`of the ${part} that ${name}: Encode, and the writer goes on`, () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const codec = byHand({ encode: (text) => (text === "bad" ? ending() : Effect.succeed(bytes(text))) })
          const writer = yield* opened(brokers, { [part]: codec })
          const write = part === "key" ? writer.set("bad", "v") : writer.set("k", "bad")
          const before = yield* start(writer.set("a", "1"))
          const bad = yield* start(Effect.flip(write))
          const after = yield* start(writer.set("a", "2"))
          const error = yield* within(1_000, Fiber.join(bad))
          assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Encode", retriable: false })
          assert.match(error.message, words)
          assert.isTrue(isSchemaError(error.cause))
          // what others' code says may quote the record
          assert.notMatch(error.message, /no such schema|defect of mine|not even begun/)
          assert.match(error.detail ?? "", new RegExp(`^${part}: `))
          yield* within(1_000, Fiber.joinAll([before, after]))
          const many = yield* within(
            1_000,
            Effect.flip(writer.setMany([["b", "1"], part === "key" ? ["bad", "2"] : ["b", "bad"]]))
          )
          assert.strictEqual(many.reason, "Encode")
          yield* writer.set("a", "3")
          assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3"])
          assert.deepInclude(yield* writer.stats, { acknowledged: 3, failed: 1, unknown: 0, queued: 0 })
        })
      )
    }
  }

  for (const [name, encodeSync] of [
    ["throws", () => thrown()],
    ["throws nothing", () => throwing(undefined)],
    ["throws a symbol", () => throwing(Symbol("odd"))],
    ["makes a text", () => "text"],
    ["makes nothing", () => undefined],
    ["makes a promise", () => Promise.resolve(bytes("x"))],
    ["makes other numbers than bytes", () => new Float64Array(2)]
  ] as const) {
    it.effect(`of plain functions that ${name}: Encode, and the writer goes on`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const codec = byHand({
          encode: () => Effect.die("not to be asked"),
          encodeSync: (text) => (text === "bad" ? encodeSync() : bytes(text))
        })
        const writer = yield* opened(brokers, { key: codec, value: codec })
        for (const write of [writer.set("bad", "v"), writer.set("k", "bad"), writer.delete("bad")]) {
          assert.strictEqual((yield* Effect.flip(write)).reason, "Encode")
        }
        assert.strictEqual((yield* Effect.flip(writer.setMany([["k", "bad"]]))).reason, "Encode")
        assert.strictEqual(brokers.sent.length, 0)
        yield* writer.set("a", "1")
        assert.deepStrictEqual(brokers.written(), ["a=1"])
      })
    )
  }

  function throwing(what: unknown): never {
    throw what
  }

  for (const [name, hanging] of [
    ["hangs", Effect.never],
    ["hangs, and cannot be interrupted", Effect.uninterruptible(Effect.never)]
  ] as const) {
    it.effect(
      `that ${name}: Timeout at deliveryTimeout, and what was called after it goes on, all at the same time`,
      () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const value = byHand({ encode: (text) => (text === "stuck" ? hanging : Effect.succeed(bytes(text))) })
          const writer = yield* opened(brokers, { value })
          const stuck = yield* Effect.forEach(["a", "b", "c"], (key) =>
            start(Effect.flip(Effect.asVoid(writer.set(key, "stuck"))))
          )
          const many = yield* start(Effect.flip(Effect.asVoid(writer.setMany([["d", "stuck"]]))))
          const next = yield* start(writer.set("a", "next"))
          yield* advance(4_900)
          assert.isTrue(yield* isRunning(stuck[0]))
          // those that hang have hung at the same time
          const errors = yield* within(200, Fiber.joinAll([...stuck, many]))
          for (const error of errors) {
            assert.strictEqual(error.reason, "Timeout")
            assert.strictEqual(error.detail, "value: not encoded within 5000 ms")
          }
          assert.lengthOf(errors, 4)
          yield* within(200, Fiber.join(next))
          assert.deepStrictEqual(brokers.written(), ["a=next"])
        })
    )
  }

  it.effect("that is slow for one value: the order is that of the calls all the same", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const value = byHand({ encode: (text) => Effect.delay(Effect.succeed(bytes(text)), text === "1" ? 2_000 : 10) })
      const writer = yield* opened(brokers, { value })
      const writes = yield* Effect.forEach(["1", "2", "3"], (v) => start(Effect.asVoid(writer.set("k", v))))
      const many = yield* start(Effect.asVoid(writer.setMany([["k", "4"]])))
      const flush = yield* start(writer.flush)
      yield* advance(1_900)
      assert.deepStrictEqual(brokers.written(), [])
      assert.isTrue(yield* isRunning(flush))
      yield* within(200, Fiber.joinAll([...writes, many]))
      yield* within(100, Fiber.join(flush))
      assert.deepStrictEqual(brokers.written(), ["k=1", "k=2", "k=3", "k=4"])
    })
  )

  it.effect("what is interrupted by its caller is no failure", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      let interrupted = 0
      const value = byHand({
        encode: (text) =>
          text === "stuck"
            ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
            : Effect.succeed(bytes(text))
      })
      const writer = yield* opened(brokers, { value })
      const stuck = yield* start(writer.set("k", "stuck"))
      yield* settle
      yield* Fiber.interrupt(stuck)
      yield* settle
      assert.strictEqual(interrupted, 1)
      yield* within(1_000, writer.set("k", "1"))
      assert.deepInclude(yield* writer.stats, { writes: 1, acknowledged: 1, failed: 0 })
    })
  )
})

describe("a partitioner", () => {
  const bad: ReadonlyArray<readonly [name: string, partition: () => unknown, words: string]> = [
    ["NaN", () => NaN, "NaN, of 2 partitions"],
    ["a half", () => 0.5, "0.5, of 2 partitions"],
    ["less than 0", () => -1, "-1, of 2 partitions"],
    ["one too many", () => 2, "2, of 2 partitions"],
    ["infinity", () => Infinity, "Infinity, of 2 partitions"],
    ["nothing", () => undefined, "a value of type undefined"],
    ["a text", () => "1", "a value of type string"],
    ["a bigint", () => 1n, "a value of type bigint"],
    ["a symbol", () => Symbol("one"), "a value of type symbol"],
    ["what cannot be shown", () => ({ toString: () => assert.fail("asked") }), "a value of type object"],
    ["a promise", () => Promise.resolve(1), "a promise, of 2 partitions"],
    ["a promise that is rejected", () => Promise.reject(new Error("nobody handles this")), "a promise"]
  ]

  for (const [name, partition, words] of bad) {
    it.effect(`that returns ${name}: InvalidPartition, and others' writes go on`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers(2)
        const partitioner = ((key) => (key[0] === 98 ? partition() : 1)) as Partitioner.Partitioner
        const writer = yield* open(brokers, { partitioner, maxQueued: 2 })
        // more of them than the queue has room for: none keeps its place
        for (const key of ["b", "bb", "bbb"]) {
          const error = yield* Effect.flip(writer.set(key, "1"))
          assert.strictEqual(error.reason, "InvalidPartition")
          assert.include(error.message, words)
        }
        yield* writer.set("a", "1")
        assert.deepStrictEqual(brokers.written(1), ["a=1"])
        assert.deepInclude(yield* writer.stats, { writes: 4, acknowledged: 1, failed: 3, queued: 0 })
      })
    )
  }

  it.effect("that throws, in the middle of many: each is told, and the others are written", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const partitioner: Partitioner.Partitioner = (key) => {
        if (key[0] === 98) throw new Error("no b")
        return 0
      }
      const writer = yield* open(brokers, { partitioner })
      const error = yield* Effect.flip(
        writer.setMany([
          ["a", "1"],
          ["b", "2"],
          ["c", "3"]
        ])
      )
      assert.strictEqual(error.reason, "InvalidPartition")
      assert.include(error.message, "the partitioner threw Error")
      assert.deepStrictEqual(brokers.written(), ["a=1", "c=3"])
    })
  )
})

describe("a client that interrupts itself", () => {
  for (const request of ["connect", "Produce", "Metadata", "InitProducerId"] as const) {
    it.effect(`at ${request}: a failure that passes`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        let left = 0
        const client = yield* brokers.client
        const sometimes = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
          Effect.suspend(() => (left-- > 0 ? Effect.interrupt : self))
        const odd: KafkaClient.KafkaClient = {
          ...client,
          ...(request === "Metadata" ? { describeTopic: (name) => sometimes(client.describeTopic(name)) } : {}),
          ...(request === "InitProducerId" ? { initProducerId: sometimes(client.initProducerId) } : {}),
          connect: (broker) => {
            const connected = Effect.map(client.connect(broker), (connection) =>
              answering(connection, request === "Produce" ? { Produce: (sent, ask) => sometimes(ask(sent)) } : {})
            )
            return request === "connect" ? sometimes(connected) : connected
          }
        }
        left = request === "Metadata" || request === "InitProducerId" ? 2 : 0
        const writer = yield* within(
          5_000,
          KafkaTableWriter.make<string, string>({
            topic,
            value: Codec.utf8,
            ensureTopic: false,
            metadataMaxAge: "1 second"
          }).pipe(Effect.provideService(KafkaClient.KafkaClient, odd))
        )
        left = 2
        yield* advance(2_000, 500)
        yield* within(5_000, writer.set("a", "1"))
        yield* within(5_000, writer.set("a", "2"))
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
        if (request !== "InitProducerId") assert.isBelow(left, 0)
      })
    )
  }

  it.effect("for ever: writes fail typed at their deadline, and the writer closes", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const client = yield* brokers.client
      const writer = yield* KafkaTableWriter.make<string, string>({
        topic,
        value: Codec.utf8,
        ensureTopic: false,
        deliveryTimeout: "3 seconds"
      }).pipe(Effect.provideService(KafkaClient.KafkaClient, { ...client, connect: () => Effect.interrupt }))
      const error = yield* within(3_200, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(error.reason, "Timeout")
      assert.include(error.message, "the client interrupted itself")
    })
  )
})

it.effect("a write whose caller goes while another's codec is slow takes nobody along", () =>
  Effect.gen(function* () {
    const brokers = new Brokers()
    brokers.otherwise = slow(10)
    const value = byHand({ encode: (text) => Effect.delay(Effect.succeed(bytes(text)), 1_000) })
    const writer = yield* opened(brokers, { value })
    const writes = yield* Effect.forEach(["1", "2", "3"], (v) => start(writer.set("k", v)))
    yield* settle
    yield* Fiber.interrupt(writes[1])
    yield* within(2_000, Fiber.joinAll([writes[0], writes[2]]))
    assert.deepStrictEqual(brokers.written(), ["k=1", "k=3"])
  })
)

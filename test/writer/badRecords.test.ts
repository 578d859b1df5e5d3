/** One caller's record that the broker refuses: it alone fails, with the broker's words, and the others are written. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { failureOf } from "../support/exits.ts"
import { type KafkaProtocol, type KafkaError, type KafkaTableWriter, type Position } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import {
  append,
  appendThen,
  Brokers,
  fail,
  headersOf,
  keysOf,
  open,
  refuse,
  settle,
  slow,
  start,
  within,
  type Behaviour
} from "./support.ts"

const INVALID_TIMESTAMP = 32
const INVALID_RECORD = 87

type Writer = KafkaTableWriter.KafkaTableWriter<string, string>

/** Refuses batches that hold a record whose key is one of these; `named`: as Kafka since 2.4, which names them. */
const picky =
  (bad: ReadonlyArray<string>, options: { readonly named: boolean; readonly code?: number }): Behaviour =>
  (brokers, sent) => {
    const keys = keysOf(sent.batches[0].records)
    const recordErrors = keys.flatMap((key, batchIndex): Array<KafkaProtocol.RecordError> =>
      bad.includes(key) ? [{ batchIndex, message: `no ${key}` }] : []
    )
    if (recordErrors.length === 0) return append(brokers, sent)
    const message = "some records are not to my taste"
    return refuse(options.code ?? INVALID_RECORD, options.named ? { message, recordErrors } : { message })(
      brokers,
      sent
    )
  }

/** Writes that share a batch, as they come while the request before them is under way. */
const together = (brokers: Brokers, writer: Writer, keys: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    brokers.script.push(slow(100))
    const first = yield* start(writer.set("first", "0"))
    yield* settle
    const fibers = yield* Effect.forEach(keys, (key, i) => start(Effect.exit(writer.set(key, `${i + 1}`))))
    return yield* within(20_000, Effect.andThen(Fiber.join(first), Fiber.joinAll(fibers)))
  })

/** The offset that was told, or the error's reason and what the broker said. */
const told = (exit: Exit.Exit<Position.Position, KafkaError.WriteError>): string =>
  Exit.match(exit, {
    onSuccess: ({ offset }) => `${offset}`,
    onFailure: () => {
      const error = failureOf(exit)
      return `${error.reason}: ${(error.cause as KafkaError.BrokerError).detail}`
    }
  })

describe("a record that the broker refuses and names", () => {
  for (const code of [INVALID_TIMESTAMP, INVALID_RECORD]) {
    it.effect(
      `error code ${code}: it fails with what was said of it, the others of its batch are written in order`,
      () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          brokers.otherwise = picky(["bad", "worse"], { named: true, code })
          const writer = yield* open(brokers)
          const exits = yield* together(brokers, writer, ["a", "bad", "b", "worse", "a"])
          assert.deepStrictEqual(exits.map(told), ["1", "Rejected: no bad", "2", "Rejected: no worse", "3"])
          assert.deepStrictEqual(brokers.written(), ["first=0", "a=1", "b=3", "a=5"])
          // the refused batch took no sequences
          assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/1", "7000/0/1"])
          assert.strictEqual((yield* writer.set("later", "1")).offset, 4)
          assert.strictEqual(headersOf(brokers).at(-1), "7000/0/4")
          const stats = yield* writer.stats
          assert.deepInclude(stats, { writes: 7, acknowledged: 5, failed: 2, unknown: 0, queued: 0 })
        })
    )
  }

  it.effect("its error has the broker's code and words, its partition, and says that it is not in the log", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.otherwise = picky(["bad"], { named: true, code: INVALID_TIMESTAMP })
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(writer.set("bad", "1", { partition: 1 }))
      assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Rejected", partition: 1, retriable: false })
      assert.deepInclude(error.cause, { codeName: "INVALID_TIMESTAMP", code: 32, request: "Produce", partition: 1 })
      assert.include(error.message, "INVALID_TIMESTAMP on Produce")
      assert.include(error.message, "(no bad)")
      assert.include(error.message, "not in the log")
    })
  )

  it.effect("a later write of the same key goes on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      // a broker that refuses by the value
      brokers.otherwise = (b, sent) => {
        const { records } = sent.batches[0]
        const recordErrors = records.flatMap((r, batchIndex) =>
          Buffer.from(r.value!).toString() === "2" ? [{ batchIndex, message: undefined }] : []
        )
        return recordErrors.length === 0 ? append(b, sent) : refuse(INVALID_RECORD, { recordErrors })(b, sent)
      }
      const writer = yield* open(brokers)
      const exits = yield* together(brokers, writer, ["k", "k", "k"])
      assert.deepStrictEqual(exits.map(told), ["1", "Rejected: undefined", "2"])
      assert.deepStrictEqual(brokers.written(), ["first=0", "k=1", "k=3"])
    })
  )

  it.effect("what is said of the batch is told of a record of which nothing is said", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(
        refuse(INVALID_RECORD, { message: "in all", recordErrors: [{ batchIndex: 0, message: undefined }] })
      )
      const writer = yield* open(brokers)
      assert.include((yield* Effect.flip(writer.set("a", "1"))).message, "(in all)")
    })
  )

  it.effect("all of setMany but the one are written, and its error is told", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = picky(["bad"], { named: true })
      const writer = yield* open(brokers)
      const error = yield* Effect.flip(
        writer.setMany([
          ["a", "1"],
          ["bad", "2"],
          ["b", "3"]
        ])
      )
      assert.strictEqual(error.reason, "Rejected")
      assert.deepStrictEqual(brokers.written(), ["a=1", "b=3"])
    })
  )

  it.effect("places that no record has name nothing; one that is named twice fails once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const at = (...places: ReadonlyArray<number>) =>
        refuse(INVALID_RECORD, { recordErrors: places.map((batchIndex) => ({ batchIndex, message: "no" })) })
      // none of two, so that each is asked for alone: the first is refused again, as the one that is meant
      brokers.script.push(slow(100), at(-1, 2, 0x7fffffff), at(7))
      const first = yield* start(writer.set("first", "0"))
      yield* settle
      const fibers = yield* Effect.forEach(["a", "b"], (key) => start(Effect.exit(writer.set(key, "1"))))
      const exits = yield* within(5_000, Effect.andThen(Fiber.join(first), Fiber.joinAll(fibers)))
      assert.deepStrictEqual(exits.map(told), ["Rejected: undefined", "1"])
      brokers.script.push(slow(100), at(1, 1, 9))
      const second = yield* start(writer.set("second", "0"))
      yield* settle
      const more = yield* Effect.forEach(["a", "b", "c"], (key) => start(Effect.exit(writer.set(key, "2"))))
      const others = yield* within(5_000, Effect.andThen(Fiber.join(second), Fiber.joinAll(more)))
      assert.deepStrictEqual(others.map(told), ["3", "Rejected: no", "4"])
      assert.deepStrictEqual(brokers.written(), ["first=0", "b=1", "second=0", "a=2", "c=2"])
      assert.deepInclude(yield* writer.stats, { writes: 7, acknowledged: 5, failed: 2, queued: 0 })
    })
  )

  it.effect("another partition of the request does not hear of it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(
        slow(100),
        refuse(INVALID_RECORD, { partition: 0, recordErrors: [{ batchIndex: 0, message: "no" }] })
      )
      const writer = yield* open(brokers)
      yield* start(writer.set("first", "0", { partition: 1 }))
      yield* settle
      const exits = yield* within(
        5_000,
        Effect.forEach([0, 1], (partition) => Effect.exit(writer.set("a", "1", { partition })), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(exits.map(told), ["Rejected: no", "1"])
      assert.deepStrictEqual(brokers.written(1), ["first=0", "a=1"])
    })
  )
})

describe("a record that the broker refuses and does not name", () => {
  const keys = Array.from({ length: 64 }, (_, i) => `k${i}`)

  for (const bad of [["k0"], ["k63"], ["k31"], ["k5", "k6", "k40"]]) {
    it.effect(`${bad.join()} of 64: alone in the end, and all others are written in order`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.otherwise = picky(bad, { named: false, code: INVALID_TIMESTAMP })
        const writer = yield* open(brokers)
        const exits = yield* together(brokers, writer, keys)
        const expected = keys.filter((key) => !bad.includes(key))
        assert.deepStrictEqual(
          exits.map(told),
          keys.map((key) =>
            bad.includes(key) ? "Rejected: some records are not to my taste" : `${expected.indexOf(key) + 1}`
          )
        )
        assert.deepStrictEqual(
          brokers.log[0].map(({ key }) => key),
          ["first", ...expected]
        )
        // seven to find one of 64, and as many until batches are as large as before
        assert.isBelow(brokers.sent.length, 3 + 14 * bad.length)
        const again = keys.flatMap((key) => ["1", "2", "3", "4"].map((value) => [`${key}!`, value] as const))
        yield* within(5_000, writer.setMany(again))
        const before = brokers.sent.length
        yield* within(5_000, writer.setMany(again))
        assert.strictEqual(brokers.sent.length, before + 1)
      })
    )
  }

  it.effect("all of them, if all are refused: each with what was said", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = picky(["a", "b", "c", "d", "e"], { named: false })
      const writer = yield* open(brokers)
      const exits = yield* together(brokers, writer, ["a", "b", "c", "d", "e"])
      assert.deepStrictEqual(
        exits.map(told),
        Array.from({ length: 5 }, () => "Rejected: some records are not to my taste")
      )
      assert.deepStrictEqual(brokers.written(), ["first=0"])
      // the first is found by halves, each of the others at once
      assert.deepStrictEqual(
        brokers.sent.map(({ batches }) => batches[0].records.length),
        [1, 5, 3, 2, 1, 1, 1, 1, 1]
      )
    })
  )
})

describe("after an attempt without an answer", () => {
  for (const named of [true, false])
    it.effect(
      `a refusal of some (named: ${named}) leaves all of the batch unknown, and sends nothing of it again`,
      () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          brokers.script.push(slow(100), appendThen("Closed"), picky(["bad"], { named }))
          const writer = yield* open(brokers)
          const first = yield* start(writer.set("first", "0"))
          yield* settle
          const fibers = yield* Effect.forEach(["a", "bad", "b"], (key) => start(Effect.flip(writer.set(key, "1"))))
          const errors = yield* within(10_000, Effect.andThen(Fiber.join(first), Fiber.joinAll(fibers)))
          assert.deepStrictEqual(
            errors.map(({ reason }) => reason),
            ["UnknownOutcome", "UnknownOutcome", "UnknownOutcome"]
          )
          assert.include(errors[0].message, "an earlier attempt had no answer")
          assert.strictEqual((yield* writer.set("next", "1")).offset, 4)
          assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
          assert.deepStrictEqual(brokers.written(), ["first=0", "a=1", "bad=1", "b=1", "next=1"])
        })
    )

  it.effect("refusals alone leave nothing unknown: the others are written after them", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100), refuse(19), picky(["bad"], { named: true }), refuse(19))
      const writer = yield* open(brokers)
      const first = yield* start(writer.set("first", "0"))
      yield* settle
      const fibers = yield* Effect.forEach(["a", "bad", "b"], (key) => start(Effect.exit(writer.set(key, "1"))))
      const exits = yield* within(10_000, Effect.andThen(Fiber.join(first), Fiber.joinAll(fibers)))
      assert.deepStrictEqual(exits.map(told), ["1", "Rejected: no bad", "2"])
      assert.deepStrictEqual(brokers.written(), ["first=0", "a=1", "b=1"])
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", ...Array.from({ length: 4 }, () => "7000/0/1")])
    })
  )

  it.effect("whose deadline passes while a refusal is under way: told once, and the lane goes on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(8_000, picky(["bad"], { named: true })))
      const writer = yield* open(brokers, { deliveryTimeout: "5 seconds" })
      const bad = yield* start(Effect.flip(writer.set("bad", "1")))
      assert.strictEqual((yield* within(5_200, Fiber.join(bad))).reason, "UnknownOutcome")
      assert.strictEqual((yield* within(5_000, writer.set("a", "2"))).offset, 0)
      // the refusal told that it is not in the log
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/0"])
      assert.deepInclude(yield* writer.stats, { writes: 2, acknowledged: 1, failed: 0, unknown: 1, queued: 0 })
    })
  )

  it.effect("another's refusal is no cause for those whom it held up", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100), picky(["bad"], { named: true }))
      brokers.otherwise = fail("Timeout")
      const writer = yield* open(brokers, { deliveryTimeout: "2 seconds" })
      yield* start(writer.set("first", "0"))
      yield* settle
      yield* start(Effect.flip(writer.set("bad", "1")))
      const other = yield* within(5_000, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(other.reason, "UnknownOutcome")
      assert.notInclude(other.message, "no bad")
    })
  )
})

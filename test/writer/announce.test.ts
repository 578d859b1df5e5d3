/** Keys that are announced: written at once, again and again, and deleted at the end of the scope. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import { Codec, KafkaTableWriter } from "../../src/index.ts"
import { recordLogs } from "../support/live.ts"
import { it } from "../support/ManualClock.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  frozen,
  isRunning,
  on,
  open,
  refuse,
  settle,
  slow,
  start,
  topic,
  within
} from "./support.ts"

/** A writer in a scope of its own. */
const openAlone = (brokers: Brokers, settings: KafkaTableWriter.WriterSettings = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const writer = yield* Scope.provide(open(brokers, settings), scope)
    return { writer, close: Scope.close(scope, Exit.void) }
  })

/** Announces in a scope of its own. */
const announce = <V>(
  writer: KafkaTableWriter.KafkaTableWriter<string, V>,
  value: V | Effect.Effect<V>,
  options?: KafkaTableWriter.AnnounceOptions
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const position = yield* Scope.provide(writer.announce("a", value, options), scope)
    return { position, close: Scope.close(scope, Exit.void) }
  })

/** Records log lines of a body, without what is printed around their messages. */
const logged = <A, E, R>(body: (lines: Array<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  return recordLogs(lines)(body(lines))
}

describe("a lease", () => {
  it.effect("is written at once, then every ten seconds, and deleted when the scope ends", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const { close, position } = yield* announce(writer, "1")
      assert.strictEqual(position.offset, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      yield* advance(9_900)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      yield* advance(20_000)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=1", "a=1"])
      yield* close
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=1", "a=1", "a=null"])
      yield* advance(30_000)
      assert.strictEqual(brokers.written().length, 4)
      // the writer is as good as before
      yield* writer.set("b", "1")
    })
  )

  it.effect("runs an Effect for each of its writes", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const beats = yield* Ref.make(0)
      const value = Effect.map(
        Ref.updateAndGet(beats, (n) => n + 1),
        String
      )
      const { close } = yield* announce(writer, value, { every: "1 second" })
      yield* advance(2_000)
      yield* close
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3", "a=null"])
    })
  )

  it.effect("keeps its time from call to call; after one that took longer the next comes at once, and alone", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const { close } = yield* announce(writer, "1", { every: "1 second" })
      brokers.script.push(slow(400), slow(2_500))
      yield* advance(1_900)
      assert.strictEqual(brokers.sent.length, 2)
      yield* advance(2_500)
      assert.strictEqual(brokers.sent.length, 3)
      yield* advance(100)
      assert.strictEqual(brokers.sent.length, 4)
      yield* advance(900)
      assert.strictEqual(brokers.sent.length, 4)
      yield* advance(100)
      assert.strictEqual(brokers.sent.length, 5)
      yield* close
    })
  )
})

describe("what cannot be announced", () => {
  it.effect("options that cannot work are refused, with the topic, and nothing is written", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      for (const [options, problem] of [
        [{ every: 0 }, "must be a duration above zero"],
        [{ every: "-1 second" }, "must be a duration above zero"],
        [{ every: "soon" }, "must be a duration above zero"],
        [{ evry: 1 }, "evry"],
        [null, "must be an object"]
      ] as const) {
        const error = yield* Effect.flip(announce(writer, "1", options as never))
        assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
        assert.include(error.message, problem)
        assert.include(error.message, topic)
      }
      assert.strictEqual(brokers.sent.length, 0)
    })
  )

  it.effect("a first write that is refused fails, and nothing follows it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(refuse(87))
      const writer = yield* open(brokers)
      const scope = yield* Scope.make()
      const error = yield* Effect.flip(Scope.provide(writer.announce("a", "1"), scope))
      assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Rejected" })
      yield* advance(20_000)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(brokers.sent.length, 1)
    })
  )

  it.effect("by a writer that is closed", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { close, writer } = yield* openAlone(brokers)
      yield* close
      const error = yield* Effect.flip(announce(writer, "1"))
      assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Closed" })
      assert.strictEqual(brokers.sent.length, 0)
    })
  )

  it.effect("an Effect that dies is its caller's, and nothing is written", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const exit = yield* Effect.exit(announce(writer, Effect.die("no value")))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(brokers.sent.length, 0)
    })
  )

  it.effect("a first write of which nobody knows: it fails, and the key is deleted at the end of the scope", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { deliveryTimeout: "2 seconds" })
      brokers.otherwise = appendThen("Closed")
      const scope = yield* Scope.make()
      const error = yield* within(3_000, Effect.flip(Scope.provide(writer.announce("a", "1"), scope)))
      assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "UnknownOutcome" })
      brokers.otherwise = append
      yield* advance(20_000)
      assert.notInclude(brokers.written(), "a=null")
      yield* within(1_000, Scope.close(scope, Exit.void))
      assert.strictEqual(brokers.written().at(-1), "a=null")
    })
  )

  it.effect("a first write that is interrupted on its way: the key is deleted at the end of the scope", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(1_000))
      const writer = yield* open(brokers)
      const scope = yield* Scope.make()
      const announcing = yield* start(Scope.provide(writer.announce("a", "1"), scope))
      yield* settle
      yield* Fiber.interrupt(announcing)
      yield* advance(20_000)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
    })
  )
})

describe("heartbeats that fail", () => {
  it.effect("are told once, with the reason, until they are written again", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers)
        const { close } = yield* announce(writer, "the secret value", { every: "1 second" })
        for (const [round, count] of [
          [1, 3],
          [2, 1]
        ]) {
          brokers.otherwise = refuse(29)
          yield* advance(count * 1_000)
          assert.strictEqual(lines.length, 2 * round - 1)
          assert.match(lines.at(-1)!, /a heartbeat was not written, the next is tried after 1000 ms: Unauthorized/)
          brokers.otherwise = append
          yield* advance(2_000)
          assert.strictEqual(lines.length, 2 * round)
          assert.include(lines.at(-1)!, `heartbeats are written again, after ${count} in vain`)
        }
        yield* close
        assert.strictEqual(brokers.written().at(-1), "a=null")
        assert.strictEqual(lines.length, 4)
        assert.notInclude(lines.join(), "secret")
        assert.include(lines.join(), topic)
      })
    )
  )

  it.effect("by an Effect that dies, or does not end: the next ones come in their time", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const writer = yield* open(brokers)
        const values: Array<Effect.Effect<string>> = [
          Effect.succeed("1"),
          Effect.die(new RangeError("the secret")),
          Effect.uninterruptible(Effect.never),
          Effect.interrupt
        ]
        const next = Effect.suspend(() => values.shift() ?? Effect.succeed("2"))
        const { close } = yield* announce(writer, next, { every: "1 second" })
        yield* advance(1_000)
        assert.match(lines[0], /a heartbeat was not written, .*: the Effect of its value ended with RangeError/)
        yield* advance(2_900)
        assert.deepStrictEqual(brokers.written(), ["a=1"])
        yield* advance(100)
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
        assert.include(lines[1], "heartbeats are written again, after 3 in vain")
        yield* close
        assert.strictEqual(lines.length, 2)
        assert.notInclude(lines.join(), "secret")
      })
    )
  )
})

describe("the end of a lease", () => {
  it.effect("in the middle of a heartbeat: the tombstone comes after it, and nothing after that", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const { close } = yield* announce(writer, "1", { every: "1 second" })
      brokers.script.push(slow(500))
      yield* advance(1_000)
      assert.strictEqual(brokers.sent.length, 2)
      const closing = yield* start(close)
      yield* settle
      assert.isTrue(yield* isRunning(closing))
      yield* within(600, Fiber.join(closing))
      yield* advance(5_000)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=1", "a=null"])
    })
  )

  it.effect("while a heartbeat waits for room, for its codec or for its value: it is never written", () =>
    Effect.gen(function* () {
      for (const wait of ["room", "codec", "value"]) {
        const brokers = new Brokers()
        const gate = yield* Deferred.make<void>()
        const waiting = (is: string) => (first ? Effect.void : wait === is ? Deferred.await(gate) : Effect.void)
        let first = true
        const value = Codec.makeEffect<string, never, never>({
          encode: (text) => Effect.as(waiting("codec"), Buffer.from(text)),
          decode: (bytes) => Effect.succeed(Buffer.from(bytes).toString())
        })
        const writer = yield* KafkaTableWriter.make<string, string>({
          topic,
          value,
          ensureTopic: false,
          maxQueued: 1
        }).pipe(on(brokers))
        const { close } = yield* announce(
          writer,
          Effect.suspend(() => Effect.as(waiting("value"), "1")),
          { every: "2 seconds" }
        )
        first = false
        if (wait === "room") {
          brokers.script.push(slow(2_500))
          yield* start(writer.set("other", "1"))
        }
        yield* advance(2_000)
        const closing = yield* start(close)
        yield* settle
        yield* Deferred.succeed(gate, undefined)
        yield* within(3_000, Fiber.join(closing))
        assert.deepStrictEqual(
          brokers.written().filter((record) => record.startsWith("a")),
          ["a=1", "a=null"],
          wait
        )
      }
    })
  )

  for (const [name, behaviour] of [
    ["cannot be reached", fail("Unreachable")],
    ["are frozen", frozen]
  ] as const) {
    it.effect(`while the brokers ${name}: within closeTimeout, and it is told`, () =>
      logged((lines) =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const { close: closeWriter, writer } = yield* openAlone(brokers, {
            closeTimeout: "3 seconds",
            maxQueued: 1
          })
          const { close } = yield* announce(writer, "1", { every: "1 second" })
          brokers.otherwise = behaviour
          yield* advance(1_500)
          // the heartbeat takes all of the room, and nobody knows when it ends
          lines.length = 0
          const closing = yield* start(close)
          yield* advance(1_000)
          assert.isTrue(yield* isRunning(closing))
          yield* within(2_100, Fiber.join(closing))
          const told = lines.filter((line) =>
            line.includes("an announced key may stay, as its tombstone was not written")
          )
          assert.strictEqual(told.length, 1)
          yield* within(5_100, closeWriter)
        })
      )
    )
  }

  it.effect(
    "while the brokers are away: the tombstone is written when they are back, by a writer that is still there",
    () =>
      logged((lines) =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const writer = yield* open(brokers)
          const { close } = yield* announce(writer, "1")
          brokers.otherwise = fail("Unreachable")
          yield* within(5_100, close)
          assert.deepStrictEqual(brokers.written(), ["a=1"])
          assert.lengthOf(lines, 1)
          brokers.otherwise = append
          yield* advance(5_000)
          assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
        })
      )
  )

  it.effect("by the end of its writer, in the middle of the first write: it is deleted all the same", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { close: closeWriter, writer } = yield* openAlone(brokers)
      const scope = yield* Scope.make()
      brokers.script.push(slow(500))
      const announcing = yield* start(Scope.provide(writer.announce("a", "1", { every: "1 second" }), scope))
      yield* settle
      yield* within(1_000, closeWriter)
      assert.strictEqual((yield* Fiber.join(announcing)).offset, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
      yield* advance(5_000)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(brokers.sent.length, 2)
    })
  )

  it.effect("of a key that is announced twice: it stays until the last of them ends, whichever that is", () =>
    Effect.gen(function* () {
      for (const order of [
        [0, 1],
        [1, 0]
      ]) {
        const brokers = new Brokers()
        const writer = yield* open(brokers)
        const leases = [
          yield* announce(writer, "1", { every: "1 second" }),
          yield* announce(writer, "2", { every: "1 second" })
        ]
        yield* leases[order[0]].close
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=2"])
        yield* advance(1_000)
        assert.strictEqual(brokers.written().at(-1), `a=${order[1] + 1}`)
        assert.lengthOf(brokers.written(), 3)
        yield* leases[order[1]].close
        assert.deepStrictEqual(brokers.written().slice(3), ["a=null"])
        yield* advance(5_000)
        assert.lengthOf(brokers.written(), 4)
      }
    })
  )

  it.effect("of a key that is announced twice, by the end of the writer: it is deleted once, after both", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { close: closeWriter, writer } = yield* openAlone(brokers)
      yield* announce(writer, "1", { every: "1 second" })
      yield* announce(writer, "2", { every: "1 second" })
      brokers.script.push(slow(500))
      yield* advance(1_000)
      yield* within(1_000, closeWriter)
      const written = brokers.written()
      assert.strictEqual(written.at(-1), "a=null")
      assert.lengthOf(
        written.filter((record) => record === "a=null"),
        1
      )
    })
  )

  it.effect("of a key whose other announcement has failed: it is deleted", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers)
      const { close } = yield* announce(writer, "1")
      brokers.script.push(refuse(87))
      yield* Effect.flip(announce(writer, "2"))
      yield* close
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
    })
  )

  it.effect("by the end of its writer: it is deleted all the same, and its scope has nothing left to do", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const { close: closeWriter, writer } = yield* openAlone(brokers)
        const { close } = yield* announce(writer, "1", { every: "1 second" })
        brokers.script.push(slow(500))
        yield* advance(1_000)
        yield* within(1_000, closeWriter)
        assert.deepStrictEqual(brokers.written(), ["a=1", "a=1", "a=null"])
        yield* advance(5_000)
        yield* close
        assert.strictEqual(brokers.sent.length, 3)
        assert.deepStrictEqual(lines, [])
      })
    )
  )

  it.effect("by the end of its writer, which takes longer than to the next heartbeat: there is none", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { close: closeWriter, writer } = yield* openAlone(brokers)
      const { close } = yield* announce(writer, "1", { every: "1 second" })
      brokers.otherwise = slow(2_500)
      yield* within(3_000, closeWriter)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
      yield* close
    })
  )

  it.effect("by the end of its writer while the brokers are frozen: within closeTimeout, in all", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const { close: closeWriter, writer } = yield* openAlone(brokers, { closeTimeout: "2 seconds" })
        const { close } = yield* announce(writer, "1", { every: "1 second" })
        brokers.otherwise = frozen
        const write = yield* start(Effect.flip(writer.set("b", "1")))
        const closing = yield* start(closeWriter)
        yield* advance(1_900)
        assert.isTrue(yield* isRunning(closing))
        yield* within(200, Fiber.join(closing))
        assert.strictEqual((yield* Fiber.join(write)).reason, "UnknownOutcome")
        yield* close
        assert.strictEqual(lines.length, 1)
        assert.include(lines[0], "an announced key may stay, as its tombstone was not written: it was not acknowledged")
      })
    )
  )

  it.effect("in one scope with its writer, and with others of it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* open(brokers)
          for (const key of ["a", "b", "c"]) yield* writer.announce(key, key)
        })
      )
      assert.deepStrictEqual([...brokers.written().slice(3)].sort(), ["a=null", "b=null", "c=null"])
    })
  )

  it.effect("into a scope that was closed meanwhile: the key is deleted at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(500))
      const writer = yield* open(brokers)
      const scope = yield* Scope.make()
      const announcing = yield* start(Scope.provide(writer.announce("a", "1", { every: "1 second" }), scope))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* within(1_000, Fiber.join(announcing))
      yield* advance(5_000)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=null"])
    })
  )
})

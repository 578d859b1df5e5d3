import { assert, describe } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import type { Strategy } from "effect-ktables/LiveTable"
import type { RecordChange } from "effect-ktables/TableChange"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { streamOf } from "../../src/internal/effect/v4/pushed.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { ABSENT } from "../../src/internal/table/content/rowVector.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { Reports } from "../../src/internal/table/publication/reports.ts"
import { Subscriptions } from "../../src/internal/table/publication/subscriptions.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { interruptedAnywhere } from "../support/interrupting.ts"
import { it } from "../support/ManualClock.ts"
import { snapshotOf } from "./contents.ts"

type Change = RecordChange<string, number>

const conflate: Strategy = { _tag: "Conflate" }
const sliding = (capacity: number): Strategy => ({ _tag: "Sliding", capacity })
const dropping = (capacity: number): Strategy => ({ _tag: "Dropping", capacity })
const backPressure = (capacity: number): Strategy => ({ _tag: "BackPressure", capacity })
const strategies = [conflate, sliding(3), dropping(3), backPressure(3)]

/** A write of a number, or a deletion. */
type Write = readonly [key: string, value: number | undefined]

/** A table that publishes what it is told, as its reader does. */
class Source {
  readonly state = new TableState<string, number>(Codec.utf8)
  readonly subscriptions = new Subscriptions<Change>()
  private offset = 0

  publish(...writes: ReadonlyArray<Write>): ReadonlyArray<Change> {
    return this.publishAll(writes)
  }

  publishAll(writes: ReadonlyArray<Write>): ReadonlyArray<Change> {
    const log = { ids: new Array<string>(), changes: new Array<Change>() }
    this.state.log = log
    for (const [key, value] of writes) {
      const bytes = Buffer.from(key)
      let slot = this.state.find(bytes, 0, bytes.length)
      if (slot === -1) slot = this.state.addKey(bytes, 0, bytes.length, key)
      this.state.put(slot, value ?? ABSENT, 0, this.offset, this.offset, undefined)
      this.offset++
    }
    this.state.log = undefined
    this.subscriptions.push(log)
    return log.changes
  }

  get content(): Map<string, number> {
    return snapshotOf(this.state, 0).toMap()
  }
}

const brief = (changes: Iterable<Change>) =>
  [...changes].map((c) => [c.key, c._tag === "Upsert" ? c.value : undefined, Option.getOrUndefined(c.previous)])

/** Each change has to fit what the subscriber knew. */
const follow = (known: Map<string, number>, changes: Iterable<Change>): Map<string, number> => {
  const next = new Map(known)
  for (const change of changes) {
    assert.deepStrictEqual(change.previous, Option.fromNullishOr(next.get(change.key)), change.key)
    if (change._tag === "Upsert") next.set(change.key, change.value)
    else assert.isTrue(next.delete(change.key))
  }
  return next
}

/** All that is there and will be, once the table is closed. */
const rest = (source: Source, changes: Stream.Stream<Change>) =>
  Effect.suspend(() => {
    source.subscriptions.close()
    return Stream.runCollect(changes)
  })

const settled = Effect.repeat(yieldToEventLoop, { times: 3 })

const isPending = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.map(settled, () => !hasEnded(fiber))

describe("Subscriptions", () => {
  it.effect.each(strategies)("delivers what is taken in time, as it happened: $_tag", (strategy) =>
    Effect.gen(function* () {
      const source = new Source()
      const { changes, remove } = source.subscriptions.add(strategy)
      const received = yield* Queue.unbounded<Change>()
      const fiber = yield* Effect.forkChild(Stream.runForEach(changes, (change) => Queue.offer(received, change)))
      for (const writes of [
        [
          ["a", 1],
          ["b", 2]
        ],
        [["a", 3]],
        [
          ["a", undefined],
          ["a", undefined],
          ["c", 1]
        ]
      ] satisfies ReadonlyArray<ReadonlyArray<Write>>) {
        const told = source.publish(...writes)
        const chunk = yield* Queue.takeN(received, told.length)
        assert.deepStrictEqual([...chunk], [...told])
      }
      source.subscriptions.close()
      yield* Fiber.join(fiber)
      remove()
      assert.strictEqual(source.subscriptions.count, 0)
    })
  )

  it.effect.each(strategies)("ends after what is buffered: $_tag", (strategy) =>
    Effect.gen(function* () {
      const source = new Source()
      const first = source.subscriptions.add(strategy)
      source.publish(["a", 1], ["b", 2])
      const all = yield* rest(source, first.changes)
      assert.deepStrictEqual(brief(all), [
        ["a", 1, undefined],
        ["b", 2, undefined]
      ])
      // and again, now that there is nothing more
      assert.lengthOf(Array.from(yield* Stream.runCollect(first.changes)), 0)
      // too late
      const late = source.subscriptions.add(strategy)
      source.publish(["c", 1])
      assert.lengthOf(Array.from(yield* Stream.runCollect(late.changes)), 0)
      late.remove()
      first.remove()
      assert.strictEqual(source.subscriptions.count, 0)
      assert.isTrue(source.subscriptions.isEmpty)
    })
  )

  it.effect.each(strategies)("fails after what is buffered, and whoever comes later at once: $_tag", (strategy) =>
    Effect.gen(function* () {
      const subscriptions = new Subscriptions<Change, string>()
      const told = (stream: Stream.Stream<Change, string>) =>
        Effect.gen(function* () {
          const seen: Array<Change> = []
          const error = yield* Effect.flip(Stream.runForEach(stream, (change) => Effect.sync(() => seen.push(change))))
          return [error, brief(seen)] as const
        })
      const source = new Source()
      const change = source.publish(["a", 1])
      const [waiting, waitingForKey] = [
        yield* Effect.forkChild(told(streamOf(subscriptions.pushed(strategy)))),
        yield* Effect.forkChild(told(subscriptions.add(strategy, "b").changes))
      ]
      const untaken = subscriptions.add(strategy)
      yield* settled
      subscriptions.push({ ids: ["a"], changes: [...change] })
      subscriptions.fail("over")
      // the first end counts
      subscriptions.fail("over again")
      subscriptions.close()
      const all = [["a", 1, undefined]]
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["over", all])
      assert.deepStrictEqual(yield* Fiber.join(waitingForKey), ["over", []])
      assert.deepStrictEqual(yield* told(untaken.changes), ["over", all])
      // and again, now that there is nothing more
      assert.deepStrictEqual(yield* told(untaken.changes), ["over", []])
      assert.deepStrictEqual(yield* told(subscriptions.add(strategy).changes), ["over", []])
      assert.deepStrictEqual(yield* told(streamOf(subscriptions.pushed(strategy))), ["over", []])
      assert.strictEqual(subscriptions.count, 0)
      assert.isFalse(subscriptions.isFull)
    })
  )

  it.effect("a reader that waits for room goes on when all of it ends", () =>
    Effect.gen(function* () {
      const subscriptions = new Subscriptions<Change, string>()
      subscriptions.add(backPressure(1))
      const changes = new Source().publish(["a", 1], ["b", 1])
      subscriptions.push({ ids: ["a", "b"], changes: [...changes] })
      const reader = yield* Effect.forkChild(subscriptions.awaitRoom)
      assert.isTrue(yield* isPending(reader))
      subscriptions.fail("over")
      yield* Fiber.join(reader)
    })
  )

  it.effect.each(strategies)("leaves nothing of an interrupted subscriber: $_tag", (strategy) =>
    Effect.gen(function* () {
      const source = new Source()
      const subscribe = Stream.unwrap(
        Effect.map(
          Effect.acquireRelease(
            Effect.sync(() => source.subscriptions.add(strategy)),
            ({ remove }) => Effect.sync(remove)
          ),
          ({ changes }) => changes
        )
      )
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Stream.runDrain(subscribe)))
      yield* settled
      assert.strictEqual(source.subscriptions.count, 3)
      assert.isFalse(source.subscriptions.isEmpty)
      yield* Fiber.interruptAll(fibers)
      assert.strictEqual(source.subscriptions.count, 0)
      // one that takes a single change and leaves
      const one = yield* Effect.forkChild(Stream.runHead(subscribe))
      yield* settled
      source.publish(["a", 1], ["b", 1])
      assert.strictEqual(Option.getOrThrow(yield* Fiber.join(one)).key, "a")
      assert.strictEqual(source.subscriptions.count, 0)
      assert.isTrue(source.subscriptions.isEmpty)
    })
  )

  it.effect.each(strategies)("registers with the run of a channel, and goes with it: $_tag", (strategy) =>
    Effect.gen(function* () {
      const source = new Source()
      const changes = streamOf(source.subscriptions.pushed(strategy))
      assert.isTrue(source.subscriptions.isEmpty)
      const seen: Array<Change> = []
      const drained = yield* Effect.forkChild(
        Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change)))
      )
      const first = yield* Effect.forkChild(Stream.runHead(changes))
      const mapped = yield* Effect.forkChild(Stream.runDrain(Stream.map(changes, ({ key }) => key)))
      yield* yieldToEventLoop
      assert.strictEqual(source.subscriptions.count, 3)
      const published = source.publish(["a", 1])
      assert.deepStrictEqual(yield* Fiber.join(first), Option.some(published[0]))
      yield* Fiber.interrupt(mapped)
      assert.strictEqual(source.subscriptions.count, 1)
      assert.deepStrictEqual(seen, [...published])
      source.subscriptions.close()
      yield* Fiber.join(drained)
      yield* Stream.runDrain(changes)
      assert.isTrue(source.subscriptions.isEmpty)
    })
  )

  it.effect("leaves nothing of a stream that is interrupted wherever its fiber gives way", () =>
    Effect.gen(function* () {
      const { subscriptions } = new Source()
      let looks = 0
      let begun = 0
      const changes = streamOf(
        subscriptions.pushed(backPressure(1), () => {
          // it waits once before it begins
          if (looks++ % 2 === 0) return Effect.yieldNow
          begun++
          return undefined
        })
      )
      // a reader would wait for ever for room with one that is not there any more
      yield* interruptedAnywhere(
        () => Stream.runDrain(changes),
        (where) => Effect.sync(() => assert.isTrue(subscriptions.isEmpty, where))
      )
      assert.isAbove(begun, 10)
    })
  )

  it.effect("wakes all runs of one stream, whoever was interrupted before", () =>
    Effect.gen(function* () {
      const source = new Source()
      const { changes } = source.subscriptions.add(conflate)
      const gone = yield* Effect.forkChild(Stream.runDrain(changes))
      const runs = yield* Effect.forEach([1, 2], () => Effect.forkChild(Stream.runDrain(changes)))
      yield* yieldToEventLoop
      yield* Fiber.interrupt(gone)
      source.subscriptions.close()
      yield* Fiber.joinAll(runs)
    })
  )

  it.effect("goes on after a take that was interrupted", () =>
    Effect.gen(function* () {
      const source = new Source()
      const { changes } = source.subscriptions.add(conflate)
      const fiber = yield* Effect.forkChild(Stream.runDrain(changes))
      yield* settled
      yield* Fiber.interrupt(fiber)
      source.publish(["a", 1])
      assert.deepStrictEqual(brief(yield* rest(source, changes)), [["a", 1, undefined]])
    })
  )

  it.effect("removing a subscriber ends its stream", () =>
    Effect.gen(function* () {
      const source = new Source()
      const { changes, remove } = source.subscriptions.add(conflate)
      const fiber = yield* Effect.forkChild(Stream.runCollect(changes))
      assert.isTrue(yield* isPending(fiber))
      source.publish(["a", 1])
      remove()
      source.publish(["a", 2])
      assert.deepStrictEqual(brief(yield* Fiber.join(fiber)), [["a", 1, undefined]])
      remove()
      assert.strictEqual(source.subscriptions.count, 0)
    })
  )

  describe("Conflate", () => {
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<Write>, ReadonlyArray<unknown>]> = [
      [
        "the last of several values",
        [
          ["k", 1],
          ["k", 2],
          ["k", 3]
        ],
        [["k", 3, 0]]
      ],
      [
        "a deletion, with the value that was known",
        [
          ["k", 1],
          ["k", undefined]
        ],
        [["k", undefined, 0]]
      ],
      [
        "a value again after a deletion",
        [
          ["k", undefined],
          ["k", 5]
        ],
        [["k", 5, 0]]
      ],
      [
        "nothing of a key that came and went unseen",
        [
          ["new", 1],
          ["new", 2],
          ["new", undefined]
        ],
        []
      ],
      [
        "a key that came, went and came, as new",
        [
          ["new", 1],
          ["new", undefined],
          ["new", 3]
        ],
        [["new", 3, undefined]]
      ],
      [
        "the last one of each key, in the log's order",
        [
          ["k", 1],
          ["x", 1],
          ["y", 1],
          ["k", 2],
          ["x", undefined]
        ],
        [
          ["y", 1, undefined],
          ["k", 2, 0]
        ]
      ]
    ]

    it.effect.each(cases)("delivers %s", ([, writes, expected]) =>
      Effect.gen(function* () {
        const source = new Source()
        source.publish(["k", 0])
        for (const together of [true, false]) {
          const one = new Source()
          one.publish(["k", 0])
          const { changes } = one.subscriptions.add(conflate)
          if (together) one.publish(...writes)
          else for (const write of writes) one.publish(write)
          assert.deepStrictEqual(brief(yield* rest(one, changes)), [...expected])
        }
      })
    )

    it("takes a subscriber, however slow, to the content that all changes lead to", () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              writes: fc.array(
                fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.option(fc.nat(9), { nil: undefined, freq: 3 })),
                { maxLength: 6 }
              ),
              /** How many chunks the subscriber asks for afterwards. */
              takes: fc.nat(2)
            }),
            { maxLength: 15 }
          ),
          fc.nat(3),
          (rounds, from) =>
            Effect.gen(function* () {
              const source = new Source()
              for (const { writes } of rounds.slice(0, from)) source.publish(...writes)
              let known = source.content
              const asked = yield* Queue.unbounded<void>()
              const { changes, remove } = source.subscriptions.add(conflate)
              const fiber = yield* Effect.forkChild(
                Stream.runForEachArray(changes, (chunk) =>
                  Effect.andThen(
                    Effect.sync(() => {
                      assert.strictEqual(
                        new Set(Array.from(chunk, (c) => c.key)).size,
                        chunk.length,
                        "one change a key at a time"
                      )
                      known = follow(known, chunk)
                    }),
                    Queue.take(asked)
                  )
                )
              )
              for (const { takes, writes } of rounds.slice(from)) {
                source.publish(...writes)
                for (let i = 0; i < takes; i++) yield* Queue.offer(asked, void 0)
                yield* yieldToEventLoop
              }
              source.subscriptions.close()
              yield* Queue.offerAll(asked, new Array<void>(100).fill(void 0))
              yield* Fiber.join(fiber)
              remove()
              assert.deepStrictEqual(known, source.content)
              assert.strictEqual(source.subscriptions.count, 0)
            }).pipe(Effect.runPromise)
        ),
        { numRuns: 200 }
      ))

    it.effect("holds no more than one change a key", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(conflate)
        for (let i = 0; i < 10_000; i++) source.publish([`k${i % 10}`, i], [`once${i}`, i], [`once${i}`, undefined])
        const all = yield* rest(source, changes)
        assert.strictEqual(all.length, 10)
        assert.deepStrictEqual(follow(new Map(), all), source.content)
      })
    )

    it.effect("wakes for nothing when nothing is left", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(conflate)
        const fiber = yield* Effect.forkChild(Stream.runHead(changes))
        source.publish(["a", 1], ["a", undefined])
        assert.isTrue(yield* isPending(fiber))
        source.publish(["b", 1])
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(fiber)).key, "b")
      })
    )
  })

  describe("Sliding", () => {
    it.effect.each([1, 2, 7, 100])("keeps the last %i", (capacity) =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(sliding(capacity))
        for (let i = 0; i < 1000; i++) source.publish([`k${i}`, i])
        const all = yield* rest(source, changes)
        assert.deepStrictEqual(
          [...all].map((c) => c.key),
          Array.from({ length: capacity }, (_, i) => `k${1000 - capacity + i}`)
        )
      })
    )
  })

  describe("Dropping", () => {
    it.effect("keeps the first ones, and what comes after there is room again", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(dropping(3))
        for (let i = 0; i < 1000; i++) source.publish([`k${i}`, i], [`l${i}`, i])
        const first = yield* Stream.runHead(Stream.chunks(changes))
        assert.deepStrictEqual(
          [...Option.getOrThrow(first)].map((c) => c.key),
          ["k0", "l0", "k1"]
        )
        for (let i = 1000; i < 2000; i++) source.publish([`k${i}`, i])
        assert.deepStrictEqual(
          [...(yield* rest(source, changes))].map((c) => c.key),
          ["k1000", "k1001", "k1002"]
        )
      })
    )
  })

  describe("BackPressure", () => {
    const fill = (source: Source, n: number) =>
      source.publishAll(Array.from({ length: n }, (_, i): Write => [`k${i}`, i]))

    it.effect("has room up to its capacity", () =>
      Effect.gen(function* () {
        const source = new Source()
        source.subscriptions.add(backPressure(3))
        yield* source.subscriptions.awaitRoom
        fill(source, 3)
        yield* source.subscriptions.awaitRoom
      })
    )

    it.effect("makes the reader wait until enough was taken, and loses nothing", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(backPressure(3))
        fill(source, 8)
        const waiting = yield* Effect.forkChild(source.subscriptions.awaitRoom)
        assert.isTrue(yield* isPending(waiting))
        const gate = yield* Queue.unbounded<void>()
        const chunks: Array<number> = []
        const taking = yield* Effect.forkChild(
          Stream.runForEachArray(changes, (chunk) => {
            chunks.push(chunk.length)
            return Queue.take(gate)
          })
        )
        yield* settled
        assert.deepStrictEqual(chunks, [3])
        assert.isTrue(yield* isPending(waiting), "five are left")
        yield* Queue.offer(gate, void 0)
        yield* Fiber.join(waiting)
        assert.deepStrictEqual(chunks, [3, 3])
        fill(source, 1)
        source.subscriptions.close()
        yield* Queue.offerAll(gate, [void 0, void 0, void 0])
        yield* Fiber.join(taking)
        assert.deepStrictEqual(chunks, [3, 3, 3])
      })
    )

    it.effect.each(["remove", "close"] as const)("lets the reader go by %s", (how) =>
      Effect.gen(function* () {
        const source = new Source()
        const one = source.subscriptions.add(backPressure(1))
        const other = source.subscriptions.add(backPressure(2))
        fill(source, 5)
        const waiting = yield* Effect.forkChild(source.subscriptions.awaitRoom)
        assert.isTrue(yield* isPending(waiting))
        if (how === "close") source.subscriptions.close()
        else {
          one.remove()
          assert.isTrue(yield* isPending(waiting), "the other one is full, too")
          other.remove()
        }
        yield* Fiber.join(waiting)
        assert.strictEqual(source.subscriptions.count, 0)
        // what was buffered is delivered all the same
        assert.strictEqual((yield* Stream.runCollect(one.changes)).length, 5)
      })
    )

    it.effect("waits again after an interrupted wait", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { remove } = source.subscriptions.add(backPressure(1))
        fill(source, 2)
        const first = yield* Effect.forkChild(source.subscriptions.awaitRoom)
        assert.isTrue(yield* isPending(first))
        yield* Fiber.interrupt(first)
        const second = yield* Effect.forkChild(source.subscriptions.awaitRoom)
        assert.isTrue(yield* isPending(second))
        remove()
        yield* Fiber.join(second)
      })
    )

    it.effect("of a large publication, takes as long as it is", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes } = source.subscriptions.add(backPressure(16))
        const told = fill(source, 200_000)
        const all = yield* rest(source, changes)
        assert.strictEqual(all.length, told.length)
        assert.deepStrictEqual(Array.from(all).at(-1), told.at(-1))
      })
    )

    it.effect("goes on for ever with a subscriber that is never quite done", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes, remove } = source.subscriptions.add(backPressure(4))
        let known = new Map<string, number>()
        const taking = yield* Effect.forkChild(
          Stream.runForEachArray(changes, (chunk) =>
            Effect.sync(() => {
              known = follow(known, chunk)
            })
          )
        )
        for (let i = 0; i < 2000; i++) {
          source.publish(["a", i], ["b", i], ["c", i], ["a", undefined], ["d", i], ["e", i])
          yield* source.subscriptions.awaitRoom
        }
        remove()
        yield* Fiber.join(taking)
        assert.deepStrictEqual(known, source.content)
      })
    )
  })

  it.effect.each([0, -1, 0.5, Number.NaN])("a capacity of %d is one of 1", (capacity) =>
    Effect.gen(function* () {
      for (const strategy of [sliding(capacity), dropping(capacity), backPressure(capacity)]) {
        const source = new Source()
        const { changes } = source.subscriptions.add(strategy)
        source.publish(["a", 1])
        yield* source.subscriptions.awaitRoom
        source.publish(["b", 1])
        const expected = { Sliding: ["b"], Dropping: ["a"], BackPressure: ["a", "b"], Conflate: [] }[strategy._tag]
        assert.deepStrictEqual(
          [...(yield* rest(source, changes))].map((c) => c.key),
          expected
        )
      }
    })
  )

  it.effect("without a bound, by a capacity of Infinity", () =>
    Effect.gen(function* () {
      for (const strategy of [sliding(Infinity), dropping(Infinity), backPressure(Infinity)]) {
        const source = new Source()
        const { changes } = source.subscriptions.add(strategy)
        for (let i = 0; i < 100; i++) source.publish(["a", i])
        yield* source.subscriptions.awaitRoom
        assert.strictEqual((yield* rest(source, changes)).length, 100)
      }
    })
  )

  describe("of one key", () => {
    it.effect("hears of that key alone, each subscriber for itself", () =>
      Effect.gen(function* () {
        const source = new Source()
        const one = source.subscriptions.add(conflate, "a")
        const other = source.subscriptions.add(sliding(10), "a")
        const b = source.subscriptions.add(conflate, "b")
        const every = source.subscriptions.add(sliding(10))
        assert.strictEqual(source.subscriptions.count, 4)
        source.publish(["a", 1], ["b", 1], ["a", 2], ["c", 1])
        source.publish(["c", 2])
        one.remove()
        source.publish(["a", 3])
        assert.strictEqual(source.subscriptions.count, 3)
        assert.deepStrictEqual(brief(yield* Stream.runCollect(one.changes)), [["a", 2, undefined]])
        source.subscriptions.close()
        assert.deepStrictEqual(brief(yield* Stream.runCollect(other.changes)), [
          ["a", 1, undefined],
          ["a", 2, 1],
          ["a", 3, 2]
        ])
        assert.deepStrictEqual(brief(yield* Stream.runCollect(b.changes)), [["b", 1, undefined]])
        assert.strictEqual((yield* Stream.runCollect(every.changes)).length, 6)
        assert.strictEqual(source.subscriptions.count, 0)
      })
    )

    it.effect("does not wake for others", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes, remove } = source.subscriptions.add(conflate, "a")
        assert.isFalse(source.subscriptions.isEmpty)
        const fiber = yield* Effect.forkChild(Stream.runHead(changes))
        source.publish(["b", 1])
        assert.isTrue(yield* isPending(fiber))
        source.publish(["a", 1])
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(fiber)).key, "a")
        remove()
        assert.isTrue(source.subscriptions.isEmpty)
      })
    )

    it.effect("ends when the table is closed", () =>
      Effect.gen(function* () {
        const source = new Source()
        const { changes, remove } = source.subscriptions.add(conflate, "a")
        const fiber = yield* Effect.forkChild(Stream.runDrain(changes))
        assert.isTrue(yield* isPending(fiber))
        source.subscriptions.close()
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
        remove()
        assert.strictEqual(source.subscriptions.count, 0)
      })
    )
  })
})

describe("Reports", () => {
  const told = <A>(stream: Stream.Stream<A, string>) =>
    Effect.gen(function* () {
      const seen: Array<A> = []
      const fiber = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(stream, (report) => Effect.sync(() => seen.push(report))))
      )
      yield* settled
      return { seen, fiber }
    })

  it.effect("reach whoever listens when they are made, in their order, and nobody who comes later", () =>
    Effect.gen(function* () {
      const reports = new Reports<number, string>(10)
      reports.push([1])
      const first = yield* told(reports.stream)
      reports.push([2, 3])
      yield* settled
      const second = yield* told(reports.stream)
      reports.push([4])
      yield* settled
      assert.deepStrictEqual([first.seen, second.seen], [[2, 3, 4], [4]])
      yield* Fiber.interrupt(first.fiber)
      reports.push([5])
      yield* settled
      assert.deepStrictEqual(
        [first.seen, second.seen],
        [
          [2, 3, 4],
          [4, 5]
        ]
      )
      assert.strictEqual((Reflect.get(reports, "all") as Set<unknown>).size, 1)
    })
  )

  it.effect("leave nothing of a stream that is interrupted wherever its fiber gives way", () =>
    Effect.gen(function* () {
      const reports = new Reports<number, never>(10)
      let begun = 0
      const stream = reports.streamAfter(() => [begun++])
      yield* interruptedAnywhere(
        () => Stream.runDrain(stream),
        (where) => Effect.sync(() => assert.isTrue(reports.isEmpty, where))
      )
      assert.isAbove(begun, 10)
    })
  )

  it.effect("a slow one keeps the last of them", () =>
    Effect.gen(function* () {
      const reports = new Reports<number, string>(3)
      const begun = yield* Queue.unbounded<number>()
      const goOn = yield* Queue.unbounded<number>()
      const seen: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(reports.stream, (report) =>
          Effect.andThen(
            Queue.offer(begun, report),
            Effect.map(Queue.take(goOn), () => seen.push(report))
          )
        )
      )
      yield* settled
      reports.push([0])
      yield* Queue.take(begun)
      for (let i = 1; i <= 10; i++) reports.push([i])
      yield* Queue.offerAll(goOn, [0, 0, 0, 0])
      yield* settled
      assert.deepStrictEqual(seen, [0, 8, 9, 10])
    })
  )

  for (const how of ["fail", "close"] as const) {
    it.effect(`${how}: after what was reported before, and for whoever comes later at once`, () =>
      Effect.gen(function* () {
        const reports = new Reports<number, string>(3)
        const { fiber, seen } = yield* told(reports.stream)
        reports.push([1, 2])
        if (how === "fail") reports.fail("over")
        else reports.close()
        // the first end counts
        reports.close()
        reports.fail("over again")
        const end = how === "fail" ? Exit.fail("over") : Exit.void
        assert.deepStrictEqual(yield* Fiber.join(fiber), end)
        assert.deepStrictEqual(seen, [1, 2])
        const late = yield* told(reports.stream)
        assert.deepStrictEqual(yield* Fiber.join(late.fiber), end)
        assert.deepStrictEqual(late.seen, [])
        assert.strictEqual((Reflect.get(reports, "all") as Set<unknown>).size, 0)
      })
    )
  }
})

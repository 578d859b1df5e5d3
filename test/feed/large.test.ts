/** What feeds and caches are told of updates with very many rows, or of many that nobody has taken yet. */
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Queue, Stream } from "effect"
import { FeedEvent, type TableChange, TableFeed } from "../../src/index.ts"
import { PIECE } from "../../src/internal/table/publication/lateLogs.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { failureOf } from "../support/exits.ts"
import { it } from "../support/ManualClock.ts"
import { settle } from "../table/support.ts"
import { handTable } from "../views/handTable.ts"

const ROWS = 3 * PIECE

/** The rows `k0` and so on, each with this value. */
const rowsOf = (value: number) => Array.from({ length: ROWS }, (_, i) => [`k${i}`, value] as const)

describe("a feed", () => {
  it.effect("of updates with very many rows tells of whole versions, in pieces", () =>
    Effect.gen(function* () {
      const { table, write } = yield* handTable<number>()
      const feed = yield* TableFeed.make(table)
      const copy = FeedEvent.makeCopy<string, number>()
      let pieces = 0
      const lives: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(feed.stream(), (event) =>
          Effect.sync(() => {
            if (event._tag === "Changes") pieces++
            if (!copy.apply(event)) return
            lives.push(event._tag === "Live" ? event.version : -1)
            // The reader is slower than the table, so what it is told is the latest version of that moment.
            if (copy.version === table.unsafeSnapshot().version) {
              assert.deepStrictEqual(copy.toMap(), table.unsafeSnapshot().toMap())
            }
          })
        )
      )
      yield* settle
      yield* write(rowsOf(1))
      // While these are told, others come: more than are taken in at once, and few.
      yield* write(rowsOf(2))
      yield* write([["k0", 3]])
      yield* write([
        ["k1", undefined],
        ["new", 1]
      ])
      yield* Effect.repeat(settle, { until: () => copy.version === table.unsafeSnapshot().version })
      assert.strictEqual(copy.size, ROWS)
      assert.deepStrictEqual(
        lives,
        [...lives].sort((a, b) => a - b)
      )
      assert.isAtLeast(pieces, ROWS / 1000)
      assert.deepStrictEqual([copy.get("k0"), copy.get("k1"), copy.get("k2"), copy.get("new")], [3, undefined, 2, 1])
    })
  )

  it.effect("that ends before they are taken in tells all of them, and then of the end", () =>
    Effect.gen(function* () {
      const { fail, publication, table, write } = yield* handTable<number>()
      const feed = yield* TableFeed.make(table)
      const copy = FeedEvent.makeCopy<string, number>()
      const reading = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(feed.stream(), (event) => Effect.sync(() => copy.apply(event))))
      )
      yield* settle
      // The table fails in the step in which it has shown them.
      publication.subscriptions.listen({ push: () => fail(connectionError("Closed")), end: () => {} })
      yield* write(rowsOf(1))
      assert.strictEqual(failureOf(yield* Fiber.join(reading))._tag, "KafkaConnectionError")
      assert.strictEqual(copy.size, ROWS)
    })
  )
})

type Change = TableChange.RecordChange<string, number>

/** The keys that are to be forgotten, each time that somebody asks. */
const asked = (
  table: Effect.Success<ReturnType<typeof handTable<number>>>["table"],
  keys: (change: Change) => Iterable<string>
) =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<ReadonlyArray<string>>()
    const asks = yield* Queue.unbounded<void>()
    const fiber = yield* Effect.forkScoped(
      Effect.exit(
        Stream.runForEach(TableFeed.invalidations(table, keys), (all) =>
          Effect.andThen(Queue.offer(told, all), Queue.take(asks))
        )
      )
    )
    yield* settle
    const ask = Queue.offer(asks, void 0)
    return { ask, ended: Fiber.join(fiber), next: Effect.andThen(ask, Queue.take(told)), told }
  })

describe("keys to forget", () => {
  const byValue = (change: Change): ReadonlyArray<string> => [
    ...Option.toArray(Option.map(change.previous, (value) => `value ${value}`)),
    ...(change._tag === "Upsert" ? [`value ${change.value}`] : [])
  ]

  it.effect("are those of each value that a row has had, however slowly they are taken", () =>
    Effect.gen(function* () {
      const { table, write } = yield* handTable<number>()
      yield* write([["a", 1]])
      const { next, told } = yield* asked(table, byValue)
      yield* write([["a", 2]])
      assert.deepStrictEqual(yield* Queue.take(told), ["value 1", "value 2"])
      // A cache may have read any of these meanwhile.
      for (const value of [3, 4, undefined, 5]) yield* write([["a", value]])
      assert.deepStrictEqual(yield* next, ["value 2", "value 3", "value 4", "value 5"])
    })
  )

  it.effect("of very many changes come once, when all are known", () =>
    Effect.gen(function* () {
      const { table, write } = yield* handTable<number>()
      const { next, told } = yield* asked(table, ({ key }) => ["all", key])
      yield* write(rowsOf(1))
      assert.lengthOf(yield* Queue.take(told), ROWS + 1)
      yield* write(rowsOf(2))
      yield* write([["k0", 3]])
      assert.lengthOf(yield* next, ROWS + 1)
    })
  )

  it.effect("come before the end of the table", () =>
    Effect.gen(function* () {
      const { fail, table, write } = yield* handTable<number>()
      const { ask, ended, next, told } = yield* asked(table, ({ key }) => [key])
      yield* write([["a", 1]])
      assert.deepStrictEqual(yield* Queue.take(told), ["a"])
      yield* write([["b", 1]])
      yield* write([["c", 1]])
      fail(connectionError("Closed"))
      assert.deepStrictEqual(yield* next, ["b", "c"])
      yield* ask
      assert.strictEqual(failureOf(yield* ended)._tag, "KafkaConnectionError")
    })
  )

  it.effect("end with what the function throws, which is nothing to the table", () =>
    Effect.gen(function* () {
      const { publication, table, write } = yield* handTable<number>()
      let calls = 0
      const { ask, ended, told } = yield* asked(table, ({ key }) => {
        calls++
        if (key === "k70") throw new Error("of the user")
        return [key]
      })
      yield* write(rowsOf(1))
      // What came before that is still to be forgotten, and nobody is asked about what came after it.
      assert.strictEqual((yield* Queue.take(told)).at(-1), "k69")
      assert.strictEqual(calls, 71)
      yield* ask
      const exit = yield* ended
      assert.include(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "", "of the user")
      assert.strictEqual(publication.subscriptions.count, 0)
      assert.strictEqual(table.unsafeSnapshot().size, ROWS)
    })
  )

  it.effect("of what is no table are refused", () =>
    Effect.gen(function* () {
      for (const given of [{ changes: Stream.empty }, null, "table"]) {
        const exit = yield* Effect.exit(Stream.runDrain(TableFeed.invalidations(given as never, () => [])))
        assert.include(failureOf(exit).message, "must be a table of this library")
        const made = yield* Effect.exit(Effect.scoped(TableFeed.make(given as never)))
        assert.include(failureOf(made).message, "must be a table of this library")
      }
    })
  )
})

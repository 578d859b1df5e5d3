/** What leaves the process: schemas, server-sent events, keys of caches. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { jsonOf } from "../../src/internal/effect/v4/tableSchemas.ts"
import {
  Codec,
  FeedEvent,
  KafkaClient,
  KafkaTable,
  KafkaTableWriter,
  TableChange,
  TableFeed,
  TableSnapshot
} from "../../src/index.ts"
import { errorOf, failureOf } from "../support/exits.ts"
import { settle } from "../support/answers.ts"
import { test } from "../support/live.ts"

class Price extends Schema.Class<Price>("Price")({ cents: Schema.Number, since: Schema.DateFromString }) {}

const price = new Price({ cents: 1, since: new Date(0) })
const record = { partition: 1, offset: 2, timestamp: 3 }
const previous = Option.some(price)

/** There and back, by way of a text. */
const roundTrip = <A, I>(schema: Schema.Codec<A, I>, value: A) =>
  Effect.gen(function* () {
    const json = jsonOf(schema)
    const text = JSON.stringify(yield* Schema.encodeEffect(json)(value))
    return yield* Schema.decodeUnknownEffect(json)(JSON.parse(text))
  })

describe("schemas", () => {
  it.effect("of changes, entries and events come back from JSON", () =>
    Effect.gen(function* () {
      const change = TableChange.schema(Schema.String, Price)
      for (const one of [
        { _tag: "Upsert", key: "a", value: price, previous },
        { _tag: "Upsert", key: "a", value: price, previous: Option.none() },
        { _tag: "Delete", key: "a", previous }
      ] as const) {
        assert.deepStrictEqual(yield* roundTrip(change, one), one)
      }
      const recordChange = TableChange.recordSchema(Schema.String, Price)
      for (const one of [
        { _tag: "Upsert", key: "a", value: price, previous, replayed: true, ...record },
        { _tag: "Delete", key: "a", previous, replayed: false, cause: "evicted", ...record }
      ] as const) {
        const withHeaders = { ...one, headers: [] }
        assert.deepStrictEqual(yield* roundTrip(recordChange, withHeaders), one)
      }
      const entry = { key: "a", value: price }
      assert.deepStrictEqual(yield* roundTrip(TableSnapshot.entrySchema(Schema.String, Price), entry), entry)
      const recordEntry = { ...entry, ...record }
      const entryWithHeaders = { ...recordEntry, headers: [] }
      assert.deepStrictEqual(
        yield* roundTrip(TableSnapshot.recordEntrySchema(Schema.String, Price), entryWithHeaders),
        recordEntry
      )
      const event = FeedEvent.schema(Schema.String, Price)
      for (const one of [
        { _tag: "Reset", size: 1 },
        { _tag: "Resumed" },
        { _tag: "Entries", entries: [entry] },
        {
          _tag: "Changes",
          changes: [
            { _tag: "Upsert", ...entry },
            { _tag: "Delete", key: "a" }
          ]
        },
        { _tag: "Live", version: 1, token: "x" }
      ] as const) {
        assert.deepStrictEqual(yield* roundTrip(event, one), one)
      }
    })
  )
})

const events: ReadonlyArray<FeedEvent.FeedEvent<string, number>> = [
  { _tag: "Reset", size: 1 },
  { _tag: "Entries", entries: [{ key: "a\nb", value: 1 }] },
  { _tag: "Live", version: 1, token: "t.1" },
  { _tag: "Changes", changes: [{ _tag: "Delete", key: "a" }] },
  { _tag: "Resumed" }
]

describe("server-sent events", () => {
  it.effect("have the token as the id, and none until all is told", () =>
    Effect.gen(function* () {
      const texts = yield* Stream.fromIterable(events).pipe(
        TableFeed.toServerSentEvents({ key: Schema.String, value: Schema.Number }),
        Stream.runCollect
      )
      assert.deepStrictEqual(Array.from(texts), [
        `id:\nevent: Reset\ndata: {"_tag":"Reset","size":1}\n\n`,
        `event: Entries\ndata: {"_tag":"Entries","entries":[{"key":"a\\nb","value":1}]}\n\n`,
        `id: t.1\nevent: Live\ndata: {"_tag":"Live","version":1,"token":"t.1"}\n\n`,
        `event: Changes\ndata: {"_tag":"Changes","changes":[{"_tag":"Delete","key":"a"}]}\n\n`,
        `event: Resumed\ndata: {"_tag":"Resumed"}\n\n`
      ])
    })
  )

  it.effect("say in between that they are still there, and end with the feed", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const running = yield* Stream.fromIterable(events.slice(4)).pipe(
        Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep("40 seconds")))),
        Stream.concat(Stream.fail("gone" as const)),
        TableFeed.toServerSentEvents({ key: Schema.String, value: Schema.Number }),
        Stream.runForEach((text) => Effect.sync(() => seen.push(text.slice(0, 5)))),
        Effect.exit,
        Effect.forkChild
      )
      yield* settle
      assert.deepStrictEqual(seen, ["event"])
      for (const [millis, count] of [
        [14_999, 1],
        [1, 2],
        [15_000, 3]
      ]) {
        yield* TestClock.adjust(millis)
        yield* settle
        assert.lengthOf(seen, count)
      }
      assert.strictEqual(seen[1], ": sti")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(errorOf(yield* Fiber.join(running)), "gone")
    })
  )

  it.effect("fail at once for a heartbeat that is no duration above zero", () =>
    Effect.gen(function* () {
      const codecs = { key: Schema.String, value: Schema.Number }
      for (const [options, problem] of [
        ...[0, "-1 seconds", "soon", null, Infinity].map(
          (heartbeat) => [{ heartbeat }, "heartbeat: must be a duration above zero"] as const
        ),
        [{ heartBeat: 1 }, `heartBeat: unknown; did you mean "heartbeat"?`]
      ] as const) {
        const exit = yield* Stream.fromIterable(events).pipe(
          TableFeed.toServerSentEvents({ ...codecs, ...(options as object) }),
          Stream.runDrain,
          Effect.exit
        )
        const error = failureOf(exit)
        assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
        assert.include(error.message, problem)
      }
    })
  )

  it.effect("fail for a value that does not encode", () =>
    Effect.gen(function* () {
      const exit = yield* Stream.make<[FeedEvent.FeedEvent<string, number>]>({
        _tag: "Entries",
        entries: [{ key: "a", value: 1.5 }]
      }).pipe(TableFeed.toServerSentEvents({ key: Schema.String, value: Schema.Int }), Stream.runDrain, Effect.exit)
      assert.isDefined(errorOf(exit))
    })
  )
})

describe("with a table", () => {
  const options = { topic: "feeds", value: Codec.utf8 }
  const withTable = <A, E>(
    body: (
      table: KafkaTable.KafkaTable<string, string>,
      writer: KafkaTableWriter.KafkaTableWriter<string, string>
    ) => Effect.Effect<A, E>
  ) =>
    Effect.gen(function* () {
      const writer = yield* KafkaTableWriter.make<string, string>(options)
      return yield* body(yield* KafkaTable.make<string, string>(options), writer)
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))

  test("keys to forget come once for all changes that are there together", () =>
    withTable((table, writer) =>
      Effect.gen(function* () {
        const seen: Array<ReadonlyArray<string>> = []
        const running = yield* TableFeed.invalidations(table, ({ key }) =>
          key === "nothing" ? [] : [`team:${key[0]}`, `user:${key}`]
        ).pipe(
          Stream.takeUntil((keys) => {
            seen.push(keys)
            return keys.includes("user:end")
          }),
          Stream.runDrain,
          Effect.forkChild
        )
        yield* Effect.yieldNow
        yield* writer.setMany([
          ["nothing", ""],
          ["a1", ""],
          ["a2", ""],
          ["a1", "again"]
        ])
        yield* writer.set("end", "").pipe(Effect.flatMap(table.awaitPosition))
        yield* Fiber.join(running)
        for (const keys of seen) assert.strictEqual(new Set(keys).size, keys.length)
        assert.deepStrictEqual([...new Set(seen.flat())].sort(), ["team:a", "team:e", "user:a1", "user:a2", "user:end"])
      })
    ))

  test("a table that nobody feeds has no subscriber; a slow reader is told each key once", () =>
    withTable((table, writer) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* table.stats).subscribers, 0)
        const feed = yield* TableFeed.make(table, { chunkSize: 2 })
        const copy = FeedEvent.makeCopy<string, string>()
        const seen: Array<FeedEvent.FeedEvent<string, string>> = []
        yield* feed.stream().pipe(
          Stream.takeUntil((event) => event._tag === "Live" && event.version > 0),
          // it is slow when it has the first version, while all is written
          Stream.runForEach((event) => {
            seen.push(event)
            return copy.apply(event) && copy.version === 0
              ? Effect.forEach(["1", "2", "3"], (value) =>
                  Effect.flatMap(
                    writer.setMany(["a", "b", "c"].map((key) => [key, value] as const)),
                    table.awaitPosition
                  )
                )
              : Effect.void
          })
        )
        assert.deepStrictEqual(
          seen.map((event) => (event._tag === "Changes" ? event.changes.map(({ key }) => key) : event._tag)),
          ["Reset", "Live", ["a", "b"], ["c"], "Live"]
        )
        assert.deepStrictEqual(copy.toMap(), table.unsafeSnapshot().toMap())
      }).pipe(Effect.scoped)
    ))

  test("options that cannot work are told by name, all at once", () =>
    withTable((table) =>
      Effect.gen(function* () {
        const exit = yield* TableFeed.make(table, { history: -1, chunkSize: 0, chunks: 1 } as never).pipe(
          Effect.scoped,
          Effect.exit
        )
        assert.deepStrictEqual(
          errorOf(exit)?.problems.map(({ option }) => option),
          ["chunks", "history", "chunkSize"]
        )
      })
    ))
})

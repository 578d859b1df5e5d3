/** Rows whose time is over: gone for everybody at the same moment, by their records' time and the Clock. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Codec, KafkaTable, LiveTable, type TableChange, TableIndex } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { advance, capturing, on, open, settle, topic, until, withTopic } from "./support.ts"

type Table = KafkaTable.KafkaTable<string, string>

const at = (key: string, timestamp: number, value: string | null = `${key} of ${timestamp}`) => ({
  key,
  value,
  timestamp
})

const contentOf = (table: Table) => Object.fromEntries(table.unsafeSnapshot())

const follow = (table: Table, strategy = LiveTable.backPressure(1_000)) =>
  Effect.gen(function* () {
    const seen: Array<TableChange.RecordChange<string, string>> = []
    const { changes } = yield* table.subscribe({ strategy })
    yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change))))
    yield* settle
    return seen
  })

/** A change as a line. */
const lineOf = (change: TableChange.RecordChange<string, string>): string => {
  const { key, offset, partition, previous } = change
  const what = change._tag === "Upsert" ? `= ${change.value}` : change.cause
  return `${key} ${what}, was ${Option.getOrElse(previous, () => "nothing")}, by ${partition}:${offset}`
}

const linesOf = (changes: Array<TableChange.RecordChange<string, string>>) => changes.splice(0).map(lineOf)

describe("expireAfter", () => {
  it.effect("a row goes at its time, to the millisecond, as a delete of its record; a later record brings it back", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", 0, "1"), at("b", 500, "1")])
      const table = yield* open(cluster, { expireAfter: "2 seconds" })
      const seen = yield* follow(table)
      yield* advance(1_999)
      assert.deepStrictEqual(contentOf(table), { a: "1", b: "1" })
      const { version } = table.unsafeSnapshot()
      yield* advance(1)
      assert.deepStrictEqual(contentOf(table), { b: "1" })
      assert.strictEqual(table.unsafeSnapshot().version, version + 1)
      const [gone] = seen
      assert.deepStrictEqual(gone, {
        _tag: "Delete",
        cause: "expired",
        key: "a",
        previous: Option.some("1"),
        partition: 0,
        offset: 0,
        timestamp: 0,
        headers: [],
        replayed: false
      })
      assert.deepStrictEqual(linesOf(seen), ["a expired, was 1, by 0:0"])
      cluster.append(topic, [at("a", 2_000, "2"), at("b", 2_000, "2")])
      yield* advance(600)
      assert.deepStrictEqual(contentOf(table), { a: "2", b: "2" })
      assert.deepStrictEqual(linesOf(seen), ["a = 2, was nothing, by 0:2", "b = 2, was 1, by 0:3"])
      assert.deepInclude(yield* table.stats, { expired: 1, entries: 2, expiryErrors: 0 })
      yield* advance(10_000)
      assert.deepStrictEqual(contentOf(table), {})
      assert.deepStrictEqual(linesOf(seen), ["a expired, was 2, by 0:2", "b expired, was 2, by 0:3"])
      assert.deepInclude(yield* table.stats, { expired: 3, entries: 0 })
    })
  )

  it.effect("what is past when it comes is never shown, and takes what its key had", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      yield* advance(10_000)
      cluster.append(topic, [at("old", 1_000), at("young", 9_500)])
      const table = yield* open(cluster, { expireAfter: 1_000 })
      const seen = yield* follow(table)
      assert.deepStrictEqual(contentOf(table), { young: "young of 9500" })
      assert.strictEqual((yield* table.stats).expired, 0)
      // in one answer: shown, past; past, shown; past alone; past twice; deleted after it was past
      cluster.append(topic, [
        at("a", 9_800),
        at("a", 1_000),
        at("b", 1_000),
        at("b", 9_900),
        at("c", 1_000),
        at("young", 1_000),
        at("young", 2_000),
        at("d", 1_000),
        at("d", 1_000, null)
      ])
      yield* advance(1)
      assert.deepStrictEqual(contentOf(table), { b: "b of 9900" })
      assert.deepStrictEqual(linesOf(seen), [
        "a = a of 9800, was nothing, by 0:2",
        "a expired, was a of 9800, by 0:3",
        "b = b of 9900, was nothing, by 0:5",
        "young expired, was young of 9500, by 0:7"
      ])
      assert.strictEqual((yield* table.stats).expired, 1)
    })
  )

  it.effect("of a key in two partitions the newest record counts, past or not", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      yield* advance(10_000)
      // the row of the first partition lives longer, and has lost
      const expireAt = (value: string) => Number(value)
      cluster.append(topic, [at("a", 1_000, "30000"), at("b", 1_000, "30000")], 0)
      cluster.append(topic, [at("a", 2_000, "12000"), at("b", 2_000, "9000")], 1)
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: Codec.utf8,
        ensureTopic: false,
        expireAt
      }).pipe(on(cluster))
      const seen = yield* follow(table)
      assert.deepStrictEqual(contentOf(table), { a: "12000" })
      yield* advance(2_000)
      assert.deepStrictEqual(contentOf(table), {})
      assert.deepStrictEqual(linesOf(seen), ["a expired, was 12000, by 1:0"])
      // an older record changes nothing; when the log forgets the newest, the other one is shown
      cluster.append(topic, [at("a", 1_500, "31000")], 0)
      yield* advance(1_000)
      assert.deepStrictEqual(contentOf(table), {})
      cluster.truncateHead(topic, 2, 1)
      yield* until(() => table.unsafeSnapshot().size > 0)
      assert.deepStrictEqual(contentOf(table), { a: "31000", b: "30000" })
      assert.deepStrictEqual(linesOf(seen).sort(), ["a = 31000, was nothing, by 0:2", "b = 30000, was nothing, by 0:1"])
      yield* advance(30_000)
      assert.deepStrictEqual(contentOf(table), {})
    })
  )
})

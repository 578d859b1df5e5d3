/** Rows whose time is over: gone for everybody at the same moment, by their records' time and the Clock. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Schedule, Schema, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import {
  Aggregate,
  Codec,
  DerivedTable,
  EmbeddedKafka,
  KafkaClient,
  KafkaTable,
  LiveTable,
  type TableChange,
  TableIndex
} from "../../src/index.ts"
import * as TestClock from "effect/testing/TestClock"
import { TableState } from "../../src/internal/table/content/state.ts"
import { makeCounters } from "../../src/internal/table/reading/counters.ts"
import { expiryOf, ROWS_AT_ONCE } from "../../src/internal/table/reading/expiry.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { allSeries } from "../support/effect/v4/metrics.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { it, ManualClock } from "../support/ManualClock.ts"
import { runAll } from "../views/byHand.ts"
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
  it.effect(
    "a row goes at its time, to the millisecond, as a delete of its record; a later record brings it back",
    () =>
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

  it.effect("what comes while rows go, in slices, goes at its own time", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(
        topic,
        Array.from({ length: 300 }, (_, i) => at(`k${i}`, 0))
      )
      const table = yield* open(cluster, { expireAfter: "2 seconds" })
      /** What a row does that leaves: it takes its time, and the first one sees to it that a record comes meanwhile. */
      let left = 0
      const leave = () => {
        if (left++ === 0) cluster.append(topic, [at("late", 1_999)])
        const end = performance.now() + 0.1
        while (performance.now() < end);
        return 0
      }
      const counted = yield* DerivedTable.make(
        DerivedTable.from(table).pipe(
          DerivedTable.groupBy(() => "all", {
            rows: Aggregate.count,
            left: Aggregate.make({ of: () => 0, empty: 0, add: () => 0, remove: leave, result: () => 0 })
          })
        )
      )
      yield* advance(2_000)
      yield* until(() => table.unsafeSnapshot().has("late"))
      assert.strictEqual(left, 300)
      assert.deepStrictEqual(contentOf(table), { late: "late of 1999" })
      assert.deepStrictEqual([...counted.unsafeSnapshot()], [["all", { rows: 1, left: 0 }]])
      yield* advance(2_000)
      assert.deepStrictEqual(contentOf(table), {})
      assert.deepStrictEqual([...counted.unsafeSnapshot()], [])
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

  it.effect("many that go at once: in one version, whatever is made of them with it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const count = 30_000
      for (let i = 0; i < 3; i++) {
        cluster.append(
          topic,
          Array.from({ length: count / 3 }, (_, n) => at(`${i}-${n}`, 0, "x"))
        )
      }
      const indexes = TableIndex.define<string, string>()((index) => ({ value: index.hash((value) => value) }))
      const table = yield* KafkaTable.make<string, string, typeof indexes>(
        { topic, value: Codec.utf8, ensureTopic: false, expireAfter: "1 minute" },
        indexes
      ).pipe(on(cluster))
      cluster.append(topic, [at("last", 1, "y")])
      yield* advance(1_000)
      const { version } = table.unsafeSnapshot()
      yield* advance(59_000)
      yield* until(() => table.unsafeSnapshot().version > version)
      const after = table.unsafeSnapshot()
      assert.deepStrictEqual([...after], [["last", "y"]])
      assert.strictEqual(after.version, version + 1)
      assert.strictEqual(after.by("value").count("x"), 0)
      assert.strictEqual(after.by("value").count("y"), 1)
    })
  )

  it.effect(
    "so many that they go in portions: each a version of its own, and what is written meanwhile is not last",
    () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        const count = 3 * ROWS_AT_ONCE
        for (let i = 0; i < count; i += 16_384) {
          cluster.append(
            topic,
            Array.from({ length: 16_384 }, (_, n) => at(`${i + n}`, 0, "x"))
          )
        }
        const table = yield* open(cluster, { expireAfter: "1 minute", history: { versions: 100 } })
        assert.strictEqual(table.unsafeSnapshot().size, count)
        const first = table.unsafeSnapshot().version
        yield* advance(59_000)
        cluster.append(topic, [at("new", 59_000)])
        yield* Effect.forkScoped(TestClock.adjust(1_000))
        yield* until(() => table.unsafeSnapshot().size === 1)
        const sizes: Array<number> = []
        for (let version = first; version <= table.unsafeSnapshot().version; version++) {
          sizes.push(Option.getOrThrow(yield* table.snapshotAt({ version })).size)
        }
        const drops = sizes.slice(1).map((size, i) => sizes[i] - size)
        assert.strictEqual(Math.max(...drops), ROWS_AT_ONCE)
        assert.isBelow(drops.indexOf(-1), drops.lastIndexOf(ROWS_AT_ONCE))
        assert.deepInclude(yield* table.stats, { expired: count, entries: 1 })
      })
  )

  it("an update that is given up in the middle leaves none of them behind", () => {
    const state = new TableState<string, string>(Codec.utf8)
    const put = (key: string) => {
      const bytes = Buffer.from(key)
      state.put(state.addKey(bytes, 0, bytes.length, key), key, 0, state.rows.length, 0, undefined)
    }
    const counters = makeCounters()
    const expiry = expiryOf<string, string>({ expireAfterMillis: 1_000, expireAt: undefined }, state, counters)!
    state.note({ log: undefined, touched: [] })
    for (let i = 0; i < 10_000; i++) put(`${i}`)
    runAll(expiry.run(0, state.slots()))
    const shown = state.slots()
    state.note({ log: undefined, touched: [] })
    for (let steps = 1; steps <= 3; steps++) {
      const running = expiry.run(1_000, shown)
      for (let i = 0; i < steps; i++) assert.isFalse(running.next().done)
    }
    runAll(expiry.run(1_000, shown))
    assert.strictEqual(state.size, 0)
    assert.strictEqual(expiry.next, Number.POSITIVE_INFINITY)
    assert.strictEqual(counters.expired, 10_000)
  })

  it.effect("a clock that is set back shows nothing again, and holds up nothing for good", () => {
    const clock = new ManualClock(100_000)
    return Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", 90_000), at("b", 95_000)])
      const table = yield* open(cluster, { expireAfter: "12 seconds" })
      const pass = (millis: number) => Effect.andThen(clock.adjust(millis), settle)
      yield* pass(2_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["b"])
      yield* Effect.sync(() => clock.unsafeSetTime(50_000))
      yield* pass(1_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["b"])
      cluster.append(topic, [at("c", 51_000)])
      yield* pass(11_999)
      assert.deepStrictEqual(Object.keys(contentOf(table)).sort(), ["b", "c"])
      yield* pass(1)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["b"])
      yield* pass(44_000)
      assert.deepStrictEqual(contentOf(table), {})
      assert.strictEqual((yield* table.stats).expired, 3)
    }).pipe(withClock(clock))
  })

  it.effect("a clock that is set forward: what is past by it goes within a minute, though no broker answers", () => {
    const clock = new ManualClock()
    return Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", 0)])
      const table = yield* open(cluster, { expireAfter: "2 hours" })
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      const pass = (millis: number) => Effect.andThen(clock.adjust(millis), settle)
      yield* pass(90_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["a"])
      clock.unsafeSet(clock.millis() + 7_200_000)
      yield* pass(60_000)
      assert.deepStrictEqual(contentOf(table), {})
    }).pipe(withClock(clock))
  })

  it.effect("the deletes have the headers of the records that went, where headers are kept", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make()
      yield* kafka.createTopic(topic)
      yield* advance(10_000)
      const record = (timestamp: number) => ({ ...at("a", timestamp), headers: { from: `${timestamp}` } })
      yield* kafka.append(topic, [record(9_000)])
      const options = { topic, value: Codec.utf8, headers: true, expireAfter: "5 seconds" } as const
      const table = yield* Effect.flatMap(kafka.client(), (client) =>
        Effect.provideService(KafkaTable.make<string, string>(options), KafkaClient.KafkaClient, client)
      )
      const seen = yield* follow(table)
      yield* kafka.append(topic, [record(1_000)])
      yield* kafka.append(topic, [record(9_500)])
      yield* advance(10_000)
      assert.deepStrictEqual(
        seen.map((change) => [
          change._tag === "Delete" ? change.cause : "set",
          change.headers.map(({ value }) => Buffer.from(value!).toString())
        ]),
        [
          ["expired", ["1000"]],
          ["set", ["9500"]],
          ["expired", ["9500"]]
        ]
      )
    })
  )

  it.effect("a record without a timestamp stays", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", -1)])
      const table = yield* open(cluster, { expireAfter: "1 second" })
      yield* advance(100_000)
      assert.strictEqual((yield* table.entries)[0].timestamp, -1)
    })
  )

  it.effect("while a subscriber holds the reader up nothing goes; then all that is due", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { expireAfter: "5 seconds" })
      const { changes } = yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
      cluster.append(topic, [at("a", 0), at("b", 0), at("c", 0)])
      yield* advance(10_000)
      assert.strictEqual(table.unsafeSnapshot().size, 3)
      const lines: Array<TableChange.RecordChange<string, string>> = []
      yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => lines.push(change))))
      yield* settle
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      assert.deepStrictEqual(
        lines.map(({ _tag, key }) => `${_tag} ${key}`),
        ["Upsert a", "Upsert b", "Upsert c", "Delete a", "Delete b", "Delete c"]
      )
    })
  )

  it.effect("metrics and stats count, watchers and conflated subscribers see it", () =>
    Effect.gen(function* () {
      // Of all tables that have been: other tests in the process have theirs.
      const expired = Effect.map(allSeries, (all) =>
        all
          .filter(({ name }) => name === "kafka_table_expired_total")
          .reduce((sum, { value }) => sum + Number(value), 0)
      )
      const before = yield* expired
      const cluster = withTopic()
      cluster.append(topic, [at("a", 0)])
      const table = yield* open(cluster, { expireAfter: "5 seconds" })
      const seen: Array<Option.Option<string>> = []
      yield* Effect.forkScoped(Stream.runForEach(table.watch("a"), (value) => Effect.sync(() => seen.push(value))))
      const lines = yield* follow(table, LiveTable.conflate)
      yield* advance(5_000)
      assert.deepStrictEqual(seen, [Option.some("a of 0"), Option.none()])
      assert.deepStrictEqual(linesOf(lines), ["a expired, was a of 0, by 0:0"])
      assert.strictEqual((yield* expired) - before, 1)
    })
  )
})

describe("expireAfter, and a reader that begins again", () => {
  it.effect("the old content goes on to expire while the new one is replayed, which shows nothing that is past", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", 0), at("b", 6_000)])
      const table = yield* open(cluster, {
        expireAfter: "10 seconds",
        restart: Schedule.recurs(1),
        metadataMaxAge: "1 second"
      })
      const lines = yield* follow(table)
      cluster.createTopic(topic)
      cluster.append(topic, [at("b", 1), at("c", 3_000), at("d", 20_000)])
      // the replay does not come to its end yet
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(9_000)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "Failed")
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["a", "b"])
      yield* advance(1_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["b"])
      assert.deepStrictEqual(linesOf(lines), ["a expired, was a of 0, by 0:0"])
      yield* advance(4_000)
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("d"))
      assert.deepStrictEqual(contentOf(table), { d: "d of 20000" })
      assert.deepStrictEqual(linesOf(lines).sort(), [
        "b expired, was b of 6000, by 0:0",
        "d = d of 20000, was nothing, by 0:2"
      ])
      yield* advance(20_000)
      assert.deepStrictEqual(contentOf(table), {})
    })
  )
})

describe("expireAt", () => {
  const secret = "do not quote this"

  const openAt = (cluster: FakeCluster, expireAt: KafkaTable.ExpireAt<string, string>, settings = {}) =>
    KafkaTable.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false, expireAt, ...settings }).pipe(
      on(cluster)
    )

  it.effect("gets the value, the key and the timestamp; with expireAfter, the earlier of both counts", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const asked = new Set<string>()
      cluster.append(topic, [at("a", 100, "3000"), at("b", 200, "9000"), at("c", 300, "never")])
      const table = yield* openAt(
        cluster,
        (value, { key, timestamp }) => {
          asked.add(`${key} ${value} ${timestamp}`)
          return value === "never" ? undefined : Number(value)
        },
        { expireAfter: "5 seconds" }
      )
      assert.deepStrictEqual([...asked], ["a 3000 100", "b 9000 200", "c never 300"])
      yield* advance(2_999)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["a", "b", "c"])
      yield* advance(1)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["b", "c"])
      yield* advance(2_200)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["c"])
      yield* advance(100)
      assert.deepStrictEqual(contentOf(table), {})
    })
  )

  it.effect("what throws, or is no time, stays: counted, and told once, without what the record holds", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const cluster = withTopic()
      const answers: Record<string, unknown> = {
        nan: Number.NaN,
        text: "2020-01-01",
        date: new Date(0),
        null: null,
        endless: Infinity,
        past: -Infinity,
        good: 5_000
      }
      cluster.append(
        topic,
        [...Object.keys(answers), "throws"].map((key) => at(key, 0, secret))
      )
      const table = yield* openAt(cluster, (value, { key }) => {
        if (key === "throws") throw new Error(value)
        return answers[key] as number
      }).pipe(capturing(lines))
      yield* advance(100_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["nan", "text", "date", "null", "endless", "throws"])
      assert.deepInclude(yield* table.stats, { expired: 1, expiryErrors: 5 })
      cluster.append(topic, [at("throws", 1, secret)])
      yield* advance(1_000)
      assert.deepInclude(yield* table.stats, { expired: 1, expiryErrors: 6 })
      const told = lines.filter((line) => line.startsWith("expireAt tells no time"))
      assert.deepStrictEqual(told, [
        "expireAt tells no time of some rows, which do not expire by it: it returned NaN. See stats.expiryErrors"
      ])
      assert.isFalse(lines.some((line) => line.includes(secret)))
    })
  )

  it.effect("a value that does not decode changes nothing of what the key had", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [at("a", 0, "5000")])
      const table = yield* KafkaTable.make<string, number>({
        topic,
        value: Codec.json(Schema.Number),
        ensureTopic: false,
        expireAt: (value) => value
      }).pipe(on(cluster))
      cluster.append(topic, [at("a", 0, "no number")])
      yield* advance(4_999)
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), 5_000)
      yield* advance(1)
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      assert.deepInclude(yield* table.stats, { expired: 1, expiryErrors: 0, valueErrors: 1 })
    })
  )

  it.effect("options that cannot work are told", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const problem = (settings: object) => Effect.map(Effect.flip(open(cluster, settings)), ({ message }) => message)
      assert.include(yield* problem({ expireAt: 5 }), "expireAt: must be a function")
      for (const expireAfter of [0, -1, Infinity, "soon"]) {
        assert.include(yield* problem({ expireAfter }), "expireAfter: must be a duration above zero, and not endless")
      }
      const table = yield* open(cluster, { expireAfter: "400 days" })
      cluster.append(topic, [at("a", 0)])
      yield* advance(1_000)
      assert.deepStrictEqual(Object.keys(contentOf(table)), ["a"])
    })
  )
})

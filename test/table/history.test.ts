/** The versions of a table that are kept: found again by number, position and time. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Codec, KafkaTable, Position, TableIndex } from "../../src/index.ts"
import { History } from "../../src/internal/table/publication/history.ts"
import { FakeCluster } from "../support/FakeCluster.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { it, ManualClock } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { advance, inNoTime, on, open, settle, topic, withTopic } from "./support.ts"

type Table = KafkaTable.KafkaTable<string, string>

const place = (offset: number, partition = 0) => Position.make({ topic, partition, offset })

/** What a table showed then, with the version; `undefined` if it does not tell. */
const then = (table: Table, when: KafkaTable.SnapshotAt) =>
  Effect.map(table.snapshotAt(when), (found) =>
    Option.isNone(found) ? undefined : ([found.value.version, Object.fromEntries(found.value)] as const)
  )

describe("history", () => {
  it.effect("the last versions, by number, by the first that shows a position, and by the time", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { history: { versions: 3 } })
      const { version: v } = table.unsafeSnapshot()
      for (let i = 0; i < 4; i++) {
        cluster.append(topic, [{ key: "a", value: `${i}` }])
        cluster.append(topic, [{ key: `k${i}`, value: "x" }])
        yield* advance(1_000)
      }
      const newest = table.unsafeSnapshot().version
      assert.strictEqual(newest, v + 4)
      assert.isUndefined(yield* then(table, { version: newest - 3 }))
      assert.isUndefined(yield* then(table, { version: newest + 1 }))
      assert.deepStrictEqual(yield* then(table, { version: newest - 2 }), [newest - 2, { a: "1", k0: "x", k1: "x" }])
      assert.strictEqual(Option.getOrThrow(yield* table.snapshotAt({ version: newest })), table.unsafeSnapshot())
      for (const [offset, version] of [
        [0, undefined],
        [1, undefined],
        [2, newest - 2],
        [3, newest - 2],
        [4, newest - 1],
        [7, newest],
        [8, undefined]
      ] as const) {
        assert.strictEqual((yield* then(table, { position: place(offset) }))?.[0], version, `${offset}`)
      }
      assert.strictEqual((yield* then(table, { position: [place(7), place(2)] }))?.[0], newest)
      for (const [timestamp, version] of [
        [999, undefined],
        [1_000, newest - 2],
        [1_999, newest - 2],
        [2_000, newest - 1],
        [4_000, newest],
        [4_001, undefined]
      ] as const) {
        assert.strictEqual((yield* then(table, { timestamp }))?.[0], version, `${timestamp}`)
      }
    })
  )

  it.effect("by a clock that was ahead for a moment: what is shown is found, and nothing is kept for long", () => {
    const clock = new ManualClock(100_000)
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { history: { duration: "10 seconds" } })
      const pass = (millis: number) => Effect.andThen(clock.adjust(millis), settle)
      const write = (value: string) => {
        cluster.append(topic, [{ key: "a", value }])
        return pass(1_000)
      }
      clock.unsafeSetTime(1_000_000_000)
      yield* write("1")
      clock.unsafeSetTime(101_000)
      assert.deepStrictEqual((yield* then(table, { timestamp: 101_000 }))?.[1], { a: "1" })
      yield* write("2")
      const { version } = table.unsafeSnapshot()
      assert.deepStrictEqual(yield* then(table, { timestamp: 102_000 }), [version, { a: "2" }])
      yield* write("3")
      yield* pass(10_000)
      assert.isUndefined(yield* then(table, { version }))
      assert.deepStrictEqual((yield* then(table, { timestamp: 105_000 }))?.[1], { a: "3" })
    }).pipe(withClock(clock))
  })

  it.effect("of a time: what was shown within it, and no more, whether something is written or not", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { history: { duration: "10 seconds" } })
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* advance(1_000)
      const first = table.unsafeSnapshot().version
      cluster.append(topic, [{ key: "a", value: "2" }])
      yield* advance(9_999)
      assert.strictEqual((yield* then(table, { timestamp: 999 }))?.[0], first)
      assert.strictEqual((yield* then(table, { timestamp: 1_000 }))?.[0], first + 1)
      yield* advance(1)
      assert.isUndefined(yield* then(table, { version: first }))
      assert.isUndefined(yield* then(table, { timestamp: 999 }))
      yield* advance(60_000)
      assert.deepStrictEqual(yield* then(table, { timestamp: 71_000 }), [first + 1, { a: "2" }])
      assert.deepStrictEqual(yield* then(table, { timestamp: 65_000 }), [first + 1, { a: "2" }])
    })
  )

  it.effect(
    "what is shown no more is forgotten by number and position alike; nothing is known of what is to come",
    () =>
      Effect.gen(function* () {
        const cluster = withTopic(2)
        cluster.append(topic, [{ key: "a", value: "1" }], 0)
        cluster.append(topic, [{ key: "b", value: "1" }], 1)
        const table = yield* open(cluster, { history: { versions: 1 } })
        // the version that shows it first may be this one, or one that is not kept
        cluster.append(topic, [{ key: "a", value: "2" }], 0)
        yield* advance(1_000)
        const { version } = table.unsafeSnapshot()
        assert.isUndefined(yield* then(table, { position: place(0) }))
        assert.isUndefined(yield* then(table, { position: place(0, 1) }))
        assert.strictEqual((yield* then(table, { position: place(1) }))?.[0], version)
        assert.strictEqual((yield* then(table, { position: [place(1), place(0, 1)] }))?.[0], version)
        assert.isUndefined(yield* then(table, { position: [place(1), place(1, 1)] }))
        assert.isUndefined(yield* then(table, { position: place(0, 7) }))
      })
  )

  it.effect("a position that no row comes from is shown by the version of its time", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.createTopic(topic, 1, { "cleanup.policy": "delete" })
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { history: { versions: 10 } })
      const { version } = table.unsafeSnapshot()
      // a record without a key changes nothing
      cluster.append(topic, [{ key: null, value: "1" }])
      yield* advance(1_000)
      assert.strictEqual(table.unsafeSnapshot().version, version)
      assert.strictEqual((yield* then(table, { position: place(1) }))?.[0], version)
    })
  )

  it.effect("its snapshots have their indexes, through renumberings, and after the table's end", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const keys = Array.from({ length: 3_000 }, (_, i) => `k${i}`)
      const indexes = TableIndex.define<string, string>()((index) => ({ value: index.hash((value) => value) }))
      const { byKeys, table } = yield* Effect.scoped(
        Effect.gen(function* () {
          const table = yield* KafkaTable.make<string, string, typeof indexes>(
            { topic, value: Codec.utf8, ensureTopic: false, history: { versions: 100 } },
            indexes
          ).pipe(on(cluster))
          cluster.append(
            topic,
            keys.map((key) => ({ key, value: "x" }))
          )
          yield* advance(1_000)
          yield* inNoTime(() => table.unsafeSnapshot().size === keys.length)
          const full = table.unsafeSnapshot().version
          cluster.append(
            topic,
            keys.slice(10).map((key) => ({ key, value: null }))
          )
          yield* advance(1_000)
          yield* inNoTime(() => table.unsafeSnapshot().size === 10)
          cluster.append(topic, [{ key: "k1", value: "y" }])
          yield* advance(1_000)
          const byKeys = (version: number, value: string) =>
            Effect.map(table.snapshotAt({ version }), (found) =>
              Array.from(Option.getOrThrow(found).by("value").get(value), ({ key }) => key)
            )
          assert.deepStrictEqual(yield* byKeys(full, "x"), keys)
          return { byKeys: { full, ask: byKeys }, table }
        })
      )
      yield* advance(1_000)
      const { ask, full } = byKeys
      assert.deepStrictEqual(yield* ask(full, "x"), keys)
      assert.deepStrictEqual(yield* ask(full + 1, "x"), keys.slice(0, 10))
      assert.deepStrictEqual(yield* ask(full + 2, "y"), ["k1"])
      assert.strictEqual(table.unsafeSnapshot().size, 10)
    })
  )

  it.effect("what cannot be answered is a typed error", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const without = yield* open(cluster)
      const table = yield* open(cluster, { history: { versions: 2 } })
      const problem = (table: Table, when: unknown) =>
        Effect.map(Effect.flip(table.snapshotAt(when as KafkaTable.SnapshotAt)), ({ message }) => message)
      assert.include(yield* problem(without, { version: 0 }), "history: this table keeps no history")
      for (const when of [undefined, null, {}, { version: 1, timestamp: 1 }, { versions: 1 }]) {
        assert.include(yield* problem(table, when), "when: must have one of version, position, timestamp")
      }
      assert.include(yield* problem(table, { version: "1" }), "version: must be a number")
      assert.include(yield* problem(table, { timestamp: Number.NaN }), "timestamp: must be a number")
      assert.include(yield* problem(table, { position: [] }), "position: must be at least one")
      const foreign = Position.make({ topic: "other", partition: 0, offset: 0 })
      assert.include(yield* problem(table, { position: [place(0), foreign] }), `position: of topic "other"`)
    })
  )

  it.effect("is given by versions or by a duration", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const problem = (history: unknown) =>
        Effect.map(
          Effect.flip(open(cluster, { history: history as KafkaTable.HistorySettings })),
          ({ message }) => message
        )
      assert.include(yield* problem({}), "history: must have either versions or duration")
      assert.include(yield* problem({ versions: 1, duration: 1 }), "history: must have either versions or duration")
      assert.include(yield* problem({ versions: 0 }), "history.versions: must be a whole number from 1")
      assert.include(yield* problem({ versions: 10_001 }), "history.versions: must be at most 10000")
      assert.include(yield* problem({ duration: 0 }), "history.duration: must be a duration above zero")
      assert.include(yield* problem({ duration: Infinity }), "history.duration: must be a duration above zero")
      assert.include(yield* problem({ version: 1 }), `history.version: unknown; did you mean "versions"?`)
      assert.include(yield* problem(5), "history: must be an object")
    })
  )
})

describe("history, of versions at random", () => {
  it("answers as one that keeps all of them would, within its limits", () => {
    const random = randomOf(7)
    for (let round = 0; round < ofRounds(200, 2_000); round++) {
      const versions = random() < 0.5 ? 1 + Math.floor(random() * 6) : 10_000
      const millis = random() < 0.5 ? 1 + Math.floor(random() * 20) : Infinity
      let now = 0
      let forgotten = 0
      let shown = { version: 0 }
      const history = new History({ versions, millis }, shown, now)
      const all = [{ version: 0, since: 0, until: Infinity, positions: [0, 0, 0] }]
      for (let step = 0; step < 30; step++) {
        now += Math.floor(random() * 4)
        if (random() < 0.1) now = Math.max(0, now - Math.floor(random() * 30))
        // What was shown at a time that comes again counts as shown now.
        for (const one of all) {
          if (one.since > now) one.since = now
          if (Number.isFinite(one.until) && one.until > now) one.until = now
        }
        const newest = all.at(-1)!
        const before = shown
        if (random() < 0.7) {
          shown = { version: shown.version + 1 }
          newest.until = now
          all.push({ version: shown.version, since: now, until: Infinity, positions: [...newest.positions] })
        }
        const { positions } = all.at(-1)!
        for (const p of positions.keys()) if (random() < 0.4) positions[p] += 1 + Math.floor(random() * 3)
        history.published(
          before,
          shown,
          positions.map((visible, partition) => ({ partition, visible })),
          now
        )
        // What was forgotten once does not come back with a clock that is set back.
        const isKept = ({ until }: (typeof all)[number]) => until > now - millis
        forgotten = Math.max(forgotten, all.length - versions, all.findIndex(isKept))
        const kept = all.slice(forgotten)
        const at = { partition: Math.floor(random() * 3), offset: Math.floor(random() * 40) }
        const also = { partition: Math.floor(random() * 3), offset: Math.floor(random() * 40) }
        const isIn = (list: typeof all, found: (typeof all)[number] | undefined) =>
          found !== undefined && list.includes(found) ? found.version : undefined
        const showing = all.find(({ positions }) =>
          [at, also].every(({ offset, partition }) => positions[partition] > offset)
        )
        assert.strictEqual(history.byPosition([at, also], shown, now)?.version, isIn(kept, showing))
        const time = Math.floor(random() * (now + 3))
        const then = time > now ? undefined : all.findLast(({ since }) => since <= time)
        assert.strictEqual(history.byTimestamp(time, shown, now)?.version, isIn(kept, then))
        const version = Math.floor(random() * (all.length + 2))
        assert.strictEqual(history.byVersion(version, shown, now)?.version, isIn(kept, all[version]))
      }
    }
  })
})

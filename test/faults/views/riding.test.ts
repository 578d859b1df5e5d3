/** What rides along is judged: it is found wrong where it is broken on purpose, each time for what it is, and only then. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import type { FeedEvent, TableChange, TableSnapshot } from "../../../src/index.ts"
import { embeddedBackend } from "../../contract/embeddedBackend.ts"
import { newName, tableOn, writerOn } from "../../contract/suite.ts"
import { eventually, numbers, test } from "../../support/live.ts"
import { randomOf } from "../../support/random.ts"
import { start as startLoad, writerSettings, type Writer } from "../load.ts"
import type { Table } from "../Witness.ts"
import { LIFE_MILLIS } from "./expiring.ts"
import type { Ix, Views } from "./made.ts"
import { history, Riding, type Changes } from "./riding.ts"
import { judge, missing, topicsBeside } from "./verdict.ts"

interface Broken extends Partial<Changes> {
  readonly table?: (table: Table) => Table
}

/** After so many writes the groups have rows, and the one that is watched has changed again and again. */
const GROUP_WRITES = 60

/** What is found wrong, and what there is no evidence of, after some load. */
const foundOn = ({ table: change = (one) => one, ...changes }: Broken) =>
  Effect.gen(function* () {
    const kafka = yield* embeddedBackend
    const topic = newName()
    const topics = topicsBeside(topic)
    for (const one of [topic, topics.groups, topics.catalog]) yield* kafka.createTopic(one, { partitions: 2 })
    const old = Date.now() - LIFE_MILLIS
    yield* kafka.append(
      topic,
      numbers(20).map((i) => ({ key: `old${i}`, value: `seed-${i} ${"x".repeat(5 * i)}`, timestamp: old }))
    )
    const random = randomOf(1)
    const own = yield* kafka.client
    const isBroken = Object.keys(changes).length > 0
    const table = change(yield* tableOn(own, topic, { history }))
    const writers = new Map<string, Writer>()
    for (const [name, settings] of Object.entries(writerSettings)) {
      writers.set(name, yield* writerOn(own, topic, settings))
    }
    const load = yield* startLoad(writers, random)
    const connect = () => kafka.client
    const withinMillis = isBroken ? 500 : 10_000
    const riding = yield* Riding.start({ connect, topics, table, load, random, changes, withinMillis })
    yield* eventually(
      Effect.sync(() => ({ operations: load.operations.length, ...riding.progress })),
      ({ groupWrites, looks, operations }) =>
        operations >= 300 && groupWrites >= GROUP_WRITES && looks.every((count) => count >= 4)
    )
    yield* Effect.all([load.pause, riding.pause], { concurrency: 2 })
    const logOf = (topic: string) => kafka.log(topic, { committed: true })
    const logs = {
      table: yield* logOf(topic),
      groups: yield* logOf(topics.groups),
      catalog: yield* logOf(topics.catalog)
    }
    const evidence = yield* riding.finish(logs)
    return {
      found: judge(evidence, logs).map(({ invariant, what }) => `${invariant} ${what}`),
      gaps: missing(evidence)
    }
  })

/** Tells each time what it should have told the time before. */
const late = <A>(now: () => A): (() => A) => {
  let next = now()
  return () => {
    const told = next
    next = now()
    return told
  }
}

/** The same with some of it in the place of its own. */
const instead = <A extends object>(one: A, other: Partial<A>): A =>
  new Proxy(one, {
    get: (_, name) => {
      const found: unknown = Reflect.get(name in other ? other : one, name)
      // What is private to it is not to be had of anything else.
      return typeof found === "function" ? (found.bind(one) as unknown) : found
    }
  })

/** Tells for ever what it told first. */
const stopped = <A>(now: () => A): (() => A) => {
  const first = now()
  return () => first
}

type Snapshot<K> = TableSnapshot.RecordSnapshot<K, string>

/** A snapshot that shows none of its rows. */
const withoutRows = <K>(snapshot: Snapshot<K>): Snapshot<K> => instead(snapshot, { entries: () => [].values() })

/** A stream without the n-th of those elements. */
const without =
  <A>(n: number, isMeant: (one: A) => boolean) =>
  <E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> => {
    let count = 0
    return Stream.filter(stream, (one) => !isMeant(one) || ++count !== n)
  }

test("finds nothing wrong with what is sound", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* foundOn({}), { found: [], gaps: [] })
  }))

type Event = FeedEvent.FeedEvent<string, string>

/** What is broken at the same time, and what has to be found of each. */
const broken: ReadonlyArray<{
  readonly what: string
  readonly changes: Broken
  readonly found: ReadonlyArray<readonly [invariant: number, text: string]>
}> = [
  {
    what: "what is a version behind, or without one change, one event; an insert that is told as won by both",
    changes: {
      views: (views): Views => ({
        ...views,
        joined: { ...views.joined, unsafeSnapshot: late(views.joined.unsafeSnapshot) },
        some: {
          ...views.some,
          subscribe: (options) =>
            Effect.map(views.some.subscribe(options), ({ changes, result }) => ({
              result,
              changes: without<TableChange.TableChange<string, string>>(2, () => true)(changes)
            }))
        }
      }),
      feed: (feed) => ({
        stream: (options) => without<Event>(1, ({ _tag }) => _tag === "Changes")(feed.stream(options))
      }),
      catalog: (catalog) => ({ ...catalog, insert: (record) => Effect.as(catalog.insert(record), record) }),
      expiring: (table) => ({ ...table, unsafeSnapshot: late(table.unsafeSnapshot) })
    },
    found: [
      [12, "views at version"],
      [13, "some"],
      [14, "in the copy"],
      [16, "expiring"],
      [18, "was told that"]
    ]
  },
  {
    what: "what is held and changes, is told twice, or is another version than it says; groups without rows",
    changes: {
      table: (table) => ({
        ...table,
        snapshotAt: (when) =>
          table.snapshotAt("version" in when && when.version > 1 ? { version: when.version - 1 } : when)
      }),
      views: (views): Views => ({
        ...views,
        shares: {
          ...views.shares,
          unsafeSnapshot: () =>
            instead(views.shares.unsafeSnapshot(), {
              [Symbol.iterator]: () => views.shares.unsafeSnapshot()[Symbol.iterator]()
            })
        },
        groups: {
          ...views.groups,
          subscribe: (options) =>
            Effect.map(views.groups.subscribe(options), ({ changes, snapshot }) => ({
              snapshot,
              changes: Stream.flatMap(changes, (change) => Stream.make(change, change))
            }))
        }
      }),
      others: (others) => ({
        ...others,
        table: {
          ...others.table,
          unsafeSnapshot: () => withoutRows(others.table.unsafeSnapshot())
        }
      }),
      catalog: (catalog) => ({ ...catalog, insert: () => Effect.die("of an insert") }),
      // Its rows stay for ever.
      expiring: (table) => ({ ...table, unsafeSnapshot: stopped(table.unsafeSnapshot) })
    },
    found: [
      [12, "what is held"],
      [13, "groups"],
      [14, "reader"],
      [16, "in the end"],
      [17, "groups: "],
      [11, "Insert of catalog"]
    ]
  },
  {
    what: "conflicts that are forgotten, a copy that goes on without what it missed, a write that is told as shown too late",
    changes: {
      table: (table) => ({
        ...table,
        snapshotAt: (when) =>
          "position" in when
            ? // Some versions later.
              Effect.delay(
                Effect.sync(() => Option.some(table.unsafeSnapshot())),
                "150 millis"
              )
            : table.snapshotAt(when)
      }),
      views: (views): Views => ({
        ...views,
        indexed: {
          ...views.indexed,
          unsafeSnapshot: () => {
            const snapshot = views.indexed.unsafeSnapshot()
            const forgetful = { conflicts: () => [] }
            // Look-ups of all kinds have a type each.
            const by = (name: keyof Ix) =>
              name === "serial" ? instead(snapshot.by(name), forgetful) : snapshot.by(name)
            return instead(snapshot, { by: by as typeof snapshot.by })
          }
        }
      }),
      feed: (feed) => ({
        stream: (options) =>
          Stream.filter(feed.stream(options), ({ _tag }) => options?.after === undefined || _tag !== "Changes")
      })
    },
    found: [
      [12, "conflicts"],
      [14, "in the copy"],
      [15, "which the one before has, too"]
    ]
  },
  {
    what: "queries of a catalog that find nothing, and who watches a group and is told once",
    changes: {
      catalog: (catalog) => ({
        ...catalog,
        snapshot: Effect.map(catalog.snapshot, (snapshot) => ({ ...snapshot, query: () => [] }))
      }),
      others: (others) => ({ ...others, watchGroup: (group) => Stream.take(others.watchGroup(group), 1) })
    },
    found: [
      [12, "finds []"],
      [17, "who watches a group"]
    ]
  }
]

for (const { changes, found: expected, what } of broken) {
  test(`finds ${what}`, () =>
    Effect.gen(function* () {
      const { found } = yield* foundOn(changes)
      for (const [invariant, text] of expected) {
        const isFound = found.some((one) => one.startsWith(`${invariant} `) && one.includes(text))
        assert.isTrue(isFound, `${invariant} ${text} in ${JSON.stringify(found)}`)
      }
      const invariants = new Set(expected.map(([invariant]) => `${invariant}`))
      assert.deepStrictEqual(
        found.filter((one) => !invariants.has(one.split(" ", 1)[0])),
        []
      )
    }))
}

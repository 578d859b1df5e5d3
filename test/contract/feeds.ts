import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { FeedEvent, type KafkaTable, TableFeed } from "../../src/index.ts"
import { differences, eventually, fold, numbers } from "../support/live.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import type { Suite, Table } from "./suite.ts"

type Copy = FeedEvent.Copy<string, string>
type Feed = TableFeed.TableFeed<string, string>

const contentOf = (pairs: Iterable<readonly [string, string]>) => new Map([...pairs].sort())

/** Reads a feed into the copy until `stop`, one event at a time; gives the events' names. */
const follow = (feed: Feed, copy: Copy, stop: (event: FeedEvent.FeedEvent<string, string>) => boolean) =>
  Effect.suspend(() => {
    const seen: Array<string> = []
    return feed.stream({ after: copy.token }).pipe(
      Stream.takeUntil((event) => {
        seen.push(event._tag)
        copy.apply(event)
        return stop(event)
      }),
      Stream.runDrain,
      Effect.map(() => seen)
    )
  })

const untilLive = (feed: Feed, copy: Copy) => follow(feed, copy, (event) => event._tag === "Live")

const assertSame = (copy: Copy, table: Table) => {
  assert.strictEqual(copy.version, table.unsafeSnapshot().version)
  assert.deepStrictEqual(contentOf(copy), contentOf(table.unsafeSnapshot()))
}

export const feeds = (test: Suite): void => {
  test("a feed: all entries in pieces, then what changes; who comes back is told what was missed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(
        topic,
        numbers(10).map((i) => ({ key: `${i}`, value: "0" }))
      )
      const table = yield* kafka.table(topic)
      const feed = yield* TableFeed.make(table, { chunkSize: 4 })
      const copy = FeedEvent.makeCopy<string, string>()
      assert.deepStrictEqual(yield* untilLive(feed, copy), ["Reset", "Entries", "Entries", "Entries", "Live"])
      assertSame(copy, table)
      const after = copy.token
      yield* kafka.append(topic, [
        { key: "3", value: null },
        { key: "4", value: "1" },
        { key: "new", value: "1" },
        { key: "new", value: null }
      ])
      yield* table.barrier()
      assert.deepStrictEqual(yield* untilLive(feed, copy), ["Resumed", "Changes", "Live"])
      assertSame(copy, table)
      assert.isFalse(copy.has("3"))
      assert.strictEqual(copy.get("4"), "1")
      // nothing was missed
      assert.deepStrictEqual(yield* untilLive(feed, copy), ["Resumed", "Live"])
      // what no feed has given, and what another has
      const another = yield* TableFeed.make(table)
      for (const [one, token] of [
        [feed, "nonsense"],
        [feed, `${copy.token}0`],
        [another, after]
      ] as const) {
        const first = yield* Stream.runHead(one.stream({ after: token }))
        assert.deepNestedInclude(first, { "value._tag": "Reset" }, token)
      }
    }))

  test("copies that are cut off at random and come back are the table, at each version that they are told", (kafka) =>
    Effect.gen(function* () {
      const random = randomOf(9)
      const below = (n: number) => Math.floor(random() * n)
      const seen = new Set<string>()
      for (const history of [10_000, 20]) {
        const topic = yield* kafka.topic({ partitions: 2 })
        const [one, two] = [yield* kafka.table(topic), yield* kafka.table(topic)]
        const options = { history, chunkSize: 3, acrossProcesses: true }
        const replicas = [
          { table: one, feed: yield* TableFeed.make(one, options) },
          { table: two, feed: yield* TableFeed.make(two, options) }
        ]
        // each copy runs in turns: it reads some events of either replica, and is cut off anywhere
        const copies = numbers(4).map(() => ({ copy: FeedEvent.makeCopy<string, string>(), from: replicas[0] }))
        const present = new Set<string>()
        for (const round of numbers(ofRounds(60, 300))) {
          const write = kafka.append(
            topic,
            numbers(1 + below(12)).map((n) => {
              const key = `key-${below(25)}`
              // few tombstones are of a key that is not there: each of them leaves a doubt about other replicas' copies
              const isDelete = random() < (present.has(key) ? 0.4 : 0.03)
              if (isDelete) present.delete(key)
              else present.add(key)
              return { key, value: isDelete ? null : `${round}.${n}`, partition: Number(key.slice(4)) % 2 }
            })
          )
          // some read while it is written, others when all is there
          const writing = yield* Effect.forkChild(write)
          for (const one of copies) {
            if (random() < 0.5) continue
            const { copy } = one
            const { feed, table } = replicas[below(2)]
            let left = 1 + below(6)
            const events = yield* follow(feed, copy, (event) => {
              // what is told to be a version is that version, if the table still is there
              if (event._tag === "Live") {
                one.from = replicas.find((replica) => replica.feed === feed)!
                if (event.version === table.unsafeSnapshot().version) assertSame(copy, table)
              }
              return --left === 0 || event._tag === "Live"
            })
            seen.add(events[0])
          }
          yield* Fiber.join(writing)
          if (round % 5 !== 0) continue
          for (const { table } of replicas) yield* table.barrier()
          const replica = replicas[below(2)]
          for (const one of copies) {
            const events = yield* untilLive(replica.feed, one.copy)
            seen.add(`${events[0]} ${one.from === replica ? "at home" : "elsewhere"}`)
            one.from = replica
            assertSame(one.copy, replica.table)
          }
        }
        for (const { table } of replicas) {
          yield* table.barrier()
          assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
        }
      }
      assert.deepStrictEqual([...seen].sort(), [
        "Reset",
        "Reset at home",
        "Reset elsewhere",
        "Resumed",
        "Resumed at home",
        "Resumed elsewhere"
      ])
    }))

  test("a reader that stays is told every version's content, conflated, and from another replica by place", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const [one, two] = [yield* kafka.table(topic), yield* kafka.table(topic)]
      yield* kafka.append(topic, [{ key: "a", value: "0" }])
      yield* Effect.all([one.barrier(), two.barrier()])
      const feeds = yield* Effect.all([
        TableFeed.make(one, { acrossProcesses: true }),
        TableFeed.make(two, { acrossProcesses: true })
      ])
      const copy = FeedEvent.makeCopy<string, string>()
      const reading = yield* Effect.forkChild(follow(feeds[0], copy, () => copy.get("last") !== undefined))
      for (const i of numbers(50)) {
        yield* kafka.append(topic, [{ key: `${i % 7}`, value: i % 3 === 0 ? null : `${i}` }])
      }
      yield* kafka.append(topic, [{ key: "last", value: "x" }])
      yield* Fiber.join(reading)
      yield* Effect.all([one.barrier(), two.barrier()])
      assertSame(copy, one)
      // a tombstone of a key that nobody has leaves a doubt: another replica may have had it
      yield* kafka.append(topic, [{ key: "0", value: "again" }])
      yield* two.barrier()
      assert.strictEqual((yield* untilLive(feeds[1], copy))[0], "Resumed")
      assertSame(copy, two)
      yield* kafka.append(topic, [
        { key: "nobody's", value: null },
        { key: "0", value: "once more" }
      ])
      yield* Effect.all([one.barrier(), two.barrier()])
      assert.strictEqual((yield* untilLive(feeds[0], copy))[0], "Reset")
      assertSame(copy, one)
    }))

  test("a reader that goes on with another replica has no row that has expired meanwhile", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const now = yield* Clock.currentTimeMillis
      yield* kafka.append(topic, [
        { key: "a", value: "0", timestamp: now },
        { key: "b", value: "0", timestamp: now + 600_000 }
      ])
      const settings = { expireAfter: 4_000 }
      const [one, two] = [yield* kafka.table(topic, settings), yield* kafka.table(topic, settings)]
      const options = { acrossProcesses: true }
      const feeds = [yield* TableFeed.make(one, options), yield* TableFeed.make(two, options)]
      const copy = FeedEvent.makeCopy<string, string>()
      yield* untilLive(feeds[0], copy)
      assert.isTrue(copy.has("b"))
      yield* eventually(two.has("a"), (is) => !is)
      yield* untilLive(feeds[1], copy)
      assertSame(copy, two)
    }))

  test("a token tells a place only while the content follows from it", (kafka) =>
    Effect.gen(function* () {
      const placeAfter = (
        happens: (topic: string, table: Table) => Effect.Effect<unknown, unknown, Scope.Scope>,
        settings: KafkaTable.TableSettings = {}
      ) =>
        Effect.gen(function* () {
          const topic = yield* kafka.topic({ partitions: 2 })
          yield* kafka.append(topic, [{ key: "a", value: "0", partition: 0 }])
          const table = yield* kafka.table(topic, settings)
          const feed = yield* TableFeed.make(table, { acrossProcesses: true })
          yield* happens(topic, table)
          yield* kafka.append(topic, [{ key: "last", value: "x", partition: 1 }])
          yield* eventually(table.has("last"), (is) => is)
          const copy = FeedEvent.makeCopy<string, string>()
          yield* untilLive(feed, copy)
          return copy.token?.split(".")[3]
        }).pipe(Effect.scoped)
      const none = Effect.void
      assert.strictEqual(yield* placeAfter(() => none), "0:1,1:1")
      assert.isUndefined(yield* placeAfter(() => none, { isolation: "read_uncommitted" }))
      assert.isUndefined(yield* placeAfter(() => none, { expireAfter: "1 hour" }))
      const undecodable = Buffer.from([0xff])
      assert.isUndefined(
        yield* placeAfter((topic, table) =>
          Effect.flatMap(kafka.append(topic, [{ key: "b", value: undecodable, partition: 0 }]), table.awaitPosition)
        )
      )
      assert.isUndefined(
        yield* placeAfter((topic) => kafka.append(topic, [{ key: "a", value: "elsewhere", partition: 1 }]))
      )
      assert.isUndefined(
        yield* placeAfter((topic) =>
          Effect.flatMap(kafka.transaction(), ({ append }) =>
            append(topic, [{ key: "c", value: "open", partition: 0 }])
          )
        )
      )
    }))

  test("a feed ends when the table is closed, and when its own scope is; it fails when the table does", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "0" }])
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(kafka.table(topic), scope)
      const feed = yield* TableFeed.make(table)
      const own = yield* Scope.make()
      const short = yield* Scope.provide(TableFeed.make(table), own)
      const drain = (one: Feed) => Effect.forkChild(Effect.exit(follow(one, FeedEvent.makeCopy(), () => false)))
      const [first, second] = [yield* drain(short), yield* drain(feed)]
      yield* eventually(table.stats, ({ subscribers }) => subscribers === 2)
      yield* Scope.close(own, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(first), Exit.succeed(["Reset", "Entries", "Live"]))
      yield* eventually(table.stats, ({ subscribers }) => subscribers === 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(second), Exit.succeed(["Reset", "Entries", "Live"]))
      // who comes later is told the last content, and that this was all
      assert.deepStrictEqual(yield* follow(feed, FeedEvent.makeCopy(), () => false), ["Reset", "Entries", "Live"])

      const failing = yield* kafka.table(topic, { onPoison: "skip" })
      const failingFeed = yield* TableFeed.make(failing)
      const copy = FeedEvent.makeCopy<string, string>()
      const third = yield* Effect.forkChild(Effect.exit(follow(failingFeed, copy, () => false)))
      yield* kafka.deleteTopic(topic)
      const exit = yield* Fiber.join(third)
      assert.strictEqual(failureOf(exit)?._tag, "KafkaTopicError")
      assert.strictEqual(copy.get("a"), "0")
    }))
}

/** Tables of groups with members: what peers promise of them, and what they tell in more than one way. */
import { assert, describe, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { afterEach } from "vitest"
import type { KafkaClient } from "../../src/index.ts"
import { Codec, GroupedKafkaTable, GroupedKafkaTableWriter, type KafkaError, TableIndex } from "../../src/index.ts"
import { streamOf } from "../../src/internal/effect/v4/pushed.ts"
import { GroupWatchers } from "../../src/internal/grouped/watching.ts"
import { Slots } from "../../src/internal/table/content/slots.ts"
import { settle } from "../support/answers.ts"
import { collect } from "../support/live.ts"
import { interruptedAnywhere } from "../support/interrupting.ts"
import { it } from "../support/ManualClock.ts"
import { keyOf, onCluster, open, openWriter, options, plain, type Snapshot, topic, write } from "./support.ts"

const some: ReadonlyArray<readonly [string, string, string]> = [
  ["billing", "b1", "1"],
  ["users", "u1", "2"],
  ["billing", "b2", "3"],
  ["", "nobody", "4"],
  ["😀", "m", "5"],
  ["users", "", "6"]
]

const right: ReturnType<typeof plain> = [
  ["", [["nobody", "4"]]],
  [
    "billing",
    [
      ["b1", "1"],
      ["b2", "3"]
    ]
  ],
  [
    "users",
    [
      ["", "6"],
      ["u1", "2"]
    ]
  ],
  ["😀", [["m", "5"]]]
]

const invalid = <A, E>(effect: Effect.Effect<A, E, KafkaClient.KafkaClient | Scope.Scope>) =>
  Effect.map(Effect.flip(effect), (error) => error as E & KafkaError.InvalidOptionsError)

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a grouped table", () => {
  it.effect("tells the same in every way of reading", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        const snapshot = yield* table.snapshot
        assert.strictEqual(snapshot, table.unsafeSnapshot())
        assert.strictEqual(snapshot.table, table.table.unsafeSnapshot())
        assert.strictEqual(snapshot.version, snapshot.table.version)
        assert.deepStrictEqual(plain(snapshot.toMap()), right)
        assert.deepStrictEqual([snapshot.size, yield* table.size], [6, 6])
        assert.deepStrictEqual([snapshot.groupCount, yield* table.groupCount], [4, 4])
        // in the order of their first appearance, members too
        const groups = ["billing", "users", "", "😀"]
        assert.deepStrictEqual([snapshot.groups(), yield* table.groups], [groups, groups])
        assert.deepStrictEqual([...snapshot.group("users")], Object.entries({ u1: "2", "": "6" }))
        for (const [group, members] of snapshot.toMap()) {
          assert.deepStrictEqual([...snapshot.group(group)], [...members])
          assert.deepStrictEqual([...(yield* table.group(group))], [...members])
          assert.deepStrictEqual(
            [snapshot.groupSize(group), yield* table.groupSize(group)],
            [members.size, members.size]
          )
          assert.isTrue(snapshot.hasGroup(group) && (yield* table.hasGroup(group)))
        }
        for (const [group, member, value] of some) {
          assert.isTrue(snapshot.has(group, member) && (yield* table.has(group, member)))
          assert.deepStrictEqual(snapshot.get(group, member), Option.some(value))
          assert.deepStrictEqual(yield* table.get(group, member), Option.some(value))
          assert.strictEqual(snapshot.getOrUndefined(group, member), value)
        }
        for (const group of ["billingb", "bill", "b", "7:billing", "\uD83D", "__proto__"]) {
          assert.deepStrictEqual([snapshot.group(group), yield* table.group(group)], [new Map(), new Map()])
          assert.isFalse(snapshot.hasGroup(group) || (yield* table.hasGroup(group)))
          assert.deepStrictEqual([snapshot.groupSize(group), yield* table.groupSize(group)], [0, 0])
          assert.isFalse(snapshot.has(group, "b1") || (yield* table.has(group, "b1")))
          assert.deepStrictEqual(
            [snapshot.get(group, "b1"), yield* table.get(group, "b1")],
            [Option.none(), Option.none()]
          )
        }
      })
    )
  )

  it.effect("is what there was before it, and what comes after", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        yield* kafka.append(
          topic,
          some.map(([group, member, value]) => ({ key: keyOf(group, member), value }))
        )
        const table = yield* open
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), right)
        yield* write(kafka, table, [["billing", "b3", "7"]])
        assert.strictEqual(yield* table.groupSize("billing"), 3)
      })
    )
  )

  it.effect("loses a group with its last member, and has it again with the next one", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        yield* write(kafka, table, [["billing", "b1", null]])
        assert.deepStrictEqual([...(yield* table.group("billing"))], [["b2", "3"]])
        const held = table.unsafeSnapshot()
        yield* write(kafka, table, [["billing", "b2", null]])
        assert.isFalse(yield* table.hasGroup("billing"))
        assert.deepStrictEqual(yield* table.groups, ["users", "", "😀"])
        assert.deepStrictEqual([yield* table.groupCount, yield* table.size], [3, 4])
        // what was held has it still
        assert.deepStrictEqual([held.hasGroup("billing"), held.groupCount, held.groupSize("billing")], [true, 4, 1])
        yield* write(kafka, table, [["billing", "b9", "9"]])
        assert.deepStrictEqual([...(yield* table.group("billing"))], [["b9", "9"]])
        assert.deepStrictEqual([...held.group("billing")], [["b2", "3"]])
      })
    )
  )

  it.effect("skips foreign keys, counts them, and tells of them", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        const poison = yield* collect(table.poison)
        yield* settle
        const foreign = ["no separator", "+1:a", "01:ab", "١:ab", "9:ab", `${"9".repeat(100_000)}:ab`, ":ab", ""]
        const at = yield* kafka.append(topic, [
          ...foreign.map((key) => ({ key, value: "1" })),
          { key: "foreign, too", value: null },
          { key: keyOf("a", "b"), value: "1" }
        ])
        yield* table.awaitPosition(at)
        yield* settle
        const stats = yield* table.stats
        assert.deepStrictEqual([stats.keyErrors, stats.valueErrors, stats.applied], [foreign.length + 1, 0, 1])
        assert.deepStrictEqual(
          poison.map(({ reason }) => reason),
          Array.from({ length: foreign.length + 1 }, () => "Key")
        )
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), [["a", [["b", "1"]]]])
      })
    )
  )

  it.effect("looks at no more rows than it gives: one for a member, those of a group, none for the groups", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(
          kafka,
          table,
          Array.from({ length: 600 }, (_, i) => [`group ${i % 30}`, `${i}`, "1"] as const)
        )
        const snapshot = table.unsafeSnapshot()
        const looked = <A>(read: (snapshot: Snapshot) => A): number => {
          const keys = vi.spyOn(Slots.prototype, "keyAt")
          const values = vi.spyOn(Slots.prototype as unknown as { readonly valueIn: () => unknown }, "valueIn")
          read(snapshot)
          const most = Math.max(keys.mock.calls.length, values.mock.calls.length)
          vi.restoreAllMocks()
          return most
        }
        assert.strictEqual(
          looked((s) => s.get("group 7", "37")),
          1
        )
        assert.strictEqual(
          looked((s) => s.group("group 7")),
          20
        )
        assert.strictEqual(
          looked((s) => s.groups()),
          0
        )
        assert.strictEqual(
          looked((s) => [s.groupCount, s.groupSize("group 7"), s.hasGroup("group 8")]),
          0
        )
        assert.strictEqual(
          looked((s) => s.toMap()),
          600
        )
      })
    )
  )

  it.effect("has groups and members of other types, by codecs of text", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const Team = Schema.NonEmptyString.pipe(Schema.brand("Team"))
        const number = Codec.utf8.pipe(Codec.imap(Number, String))
        const table = yield* GroupedKafkaTable.make({
          topic,
          value: Codec.utf8,
          group: Codec.string(Team),
          member: number
        })
        const byNumber = yield* GroupedKafkaTable.make({ topic, value: Codec.utf8, group: number })
        const writer = yield* GroupedKafkaTableWriter.make({
          topic,
          value: Codec.utf8,
          group: Codec.string(Team),
          member: number
        })
        yield* writer.set(Team.make("7"), 42, "a")
        const at = yield* writer.set(Team.make("7"), 43, "b")
        yield* Effect.all([table.awaitPosition(at), byNumber.awaitPosition(at)])
        assert.deepStrictEqual(
          [...(yield* table.group(Team.make("7")))],
          [
            [42, "a"],
            [43, "b"]
          ]
        )
        assert.deepStrictEqual(yield* table.get(Team.make("7"), 43), Option.some("b"))
        assert.deepStrictEqual(
          [...(yield* byNumber.group(7))],
          [
            ["42", "a"],
            ["43", "b"]
          ]
        )
        assert.deepStrictEqual([yield* byNumber.groups, yield* byNumber.groupSize(8)], [[7], 0])
        // what only looks the same to a codec is another group
        yield* byNumber.awaitPosition(yield* kafka.append(topic, [{ key: keyOf("07", "1"), value: "c" }]))
        assert.deepStrictEqual([yield* byNumber.groupSize(7), yield* byNumber.groups], [2, [7, 7]])
        assert.strictEqual(byNumber.unsafeSnapshot().toMap().get(7)?.size, 3)
      })
    )
  )

  it.effect("stays readable when it is closed, and by those who hold a snapshot", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const table = yield* Scope.provide(open, scope)
        yield* write(kafka, table, some)
        const ofGroup = yield* collect(table.watchGroup("users"))
        yield* settle
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), right)
        assert.strictEqual(yield* table.groupCount, 4)
        assert.strictEqual(ofGroup.length, 1)
        // a stream that begins now has what there is, and ends
        const all = yield* Stream.runCollect(table.watchGroup("users"))
        assert.deepStrictEqual(
          Array.from(all, (members) => [...members]),
          [Object.entries({ u1: "2", "": "6" })]
        )
      })
    )
  )

  it.effect("has the table by key beside it, which may be indexed", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        const entry = Option.getOrThrow(yield* table.table.entry({ group: "users", member: "u1" }))
        assert.deepStrictEqual([entry.value, entry.offset], ["2", 1])
        const indexed = yield* TableIndex.attach(table.table, (index) => ({ value: index.unique((value) => value) }))
        assert.deepStrictEqual(
          Option.map(yield* indexed.by("value").get("5"), ({ key }) => key),
          Option.some({ group: "😀", member: "m" })
        )
      })
    )
  )
})

describe("the options of grouped tables and their writers", () => {
  const wrong = { topic: "", value: "json", group: Codec.int32, member: {}, key: Codec.utf8 } as never

  it.effect("are checked all at once", () =>
    onCluster(() =>
      Effect.gen(function* () {
        const table = yield* invalid(GroupedKafkaTable.make({ ...(wrong as object), catchUpTimeout: -1 } as never))
        assert.strictEqual(table._tag, "KafkaInvalidOptionsError")
        assert.strictEqual(table.module, "GroupedKafkaTable")
        assert.sameMembers(
          table.problems.map(({ option }) => option),
          ["topic", "value", "group", "member", "key", "catchUpTimeout"]
        )
        const writer = yield* invalid(GroupedKafkaTableWriter.make({ ...(wrong as object), acks: "some" } as never))
        assert.strictEqual(writer.module, "GroupedKafkaTableWriter")
        assert.sameMembers(
          writer.problems.map(({ option }) => option),
          ["topic", "value", "group", "member", "key", "acks"]
        )
        assert.include(writer.message, "must be a Codec of text, such as Codec.utf8")
        for (const nothing of [undefined, null, 1]) {
          yield* invalid(GroupedKafkaTable.make(nothing as never))
          yield* invalid(GroupedKafkaTableWriter.make(nothing as never))
        }
      })
    )
  )

  it.effect("can be one object for both", () =>
    onCluster(() =>
      Effect.gen(function* () {
        const both = { ...options, catchUpTimeout: "1 minute", compression: "gzip", closeTimeout: "1 second" } as const
        const table = yield* GroupedKafkaTable.make<string, string, string>(both)
        const writer = yield* GroupedKafkaTableWriter.make<string, string, string>(both)
        yield* table.awaitPosition(yield* writer.set("a", "b", "1"))
        assert.deepStrictEqual(yield* table.get("a", "b"), Option.some("1"))
      })
    )
  )
})

describe("the writer of a grouped table", () => {
  it.effect("writes keys as ktables does, alone and together", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        const writer = yield* openWriter
        assert.strictEqual(writer.topic, topic)
        yield* writer.set("😀", "m", "1", { headers: { from: "here" } })
        yield* writer.delete("😀", "m")
        const positions = yield* writer.setMany([
          ["a", "x", "2"],
          ["a", "y", "3"],
          ["b", "", "4"]
        ])
        assert.strictEqual(positions.length, 3)
        yield* table.awaitPosition(yield* writer.deleteMany([["a", "y"]]))
        const log = yield* kafka.log(topic)
        assert.deepStrictEqual(
          log.map(({ key, value }) => [
            Buffer.from(key!).toString(),
            value === null ? null : Buffer.from(value).toString()
          ]),
          [
            ["1:😀m", "1"],
            ["1:😀m", null],
            ["1:ax", "2"],
            ["1:ay", "3"],
            ["1:b", "4"],
            ["1:ay", null]
          ]
        )
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), [
          ["a", [["x", "2"]]],
          ["b", [["", "4"]]]
        ])
        assert.strictEqual((yield* writer.stats).acknowledged, 6)
        yield* writer.flush
      })
    )
  )

  it.effect("refuses what cannot be a key, and writes nothing of it", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const writer = yield* openWriter
        for (const attempt of [
          writer.set("\uD83D", "\uDE00", "1"),
          writer.set("a", "\uD83D", "1"),
          writer.delete("\uDE00", "a"),
          Effect.asVoid(
            writer.setMany([
              ["a", "b", "1"],
              ["a", "\uD83D", "1"]
            ])
          )
        ]) {
          const error = yield* Effect.flip(attempt)
          assert.deepStrictEqual([error._tag, error.reason], ["KafkaWriteError", "Encode"])
          assert.match(error.message, /(group|member): Expected well-formed text/)
        }
        assert.deepStrictEqual(yield* kafka.log(topic), [])
      })
    )
  )

  it.effect("announces a member, which leaves with its scope, and the group with it", () =>
    onCluster(() =>
      Effect.gen(function* () {
        const table = yield* open
        const writer = yield* openWriter
        const scope = yield* Scope.make()
        yield* table.awaitPosition(yield* Scope.provide(writer.announce("billing", "b1", "up"), scope))
        assert.deepStrictEqual([...(yield* table.group("billing"))], [["b1", "up"]])
        yield* Scope.close(scope, Exit.void)
        yield* table.barrier()
        assert.isFalse(yield* table.hasGroup("billing"))
      })
    )
  )
})

describe("who watches a group", () => {
  it.effect("sees it now, and whenever one of its members changes, and nothing of other groups", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        const seen = yield* collect(Stream.map(table.watchGroup("billing"), (members) => Object.fromEntries(members)))
        const ofNone = yield* collect(Stream.map(table.watchGroup("none"), (members) => members.size))
        const ofNoText = yield* collect(Stream.map(table.watchGroup("\uD83D"), (members) => members.size))
        yield* settle
        const writes: ReadonlyArray<Parameters<typeof write>[2]> = [
          [["billing", "b1", "7"]],
          [["users", "u9", "7"]],
          // a tombstone of no member
          [["billing", "b7", null]],
          [
            ["billing", "b3", "8"],
            ["billing", "b4", "9"]
          ],
          // the same value, in another record
          [["billing", "b1", "7"]],
          // it comes and goes in one version
          [
            ["billing", "b8", "1"],
            ["billing", "b8", null]
          ],
          ["b1", "b2", "b3", "b4"].map((member) => ["billing", member, null] as const),
          [["billing", "b1", "10"]]
        ]
        for (const some of writes) {
          yield* write(kafka, table, some)
          yield* settle
        }
        assert.deepStrictEqual(seen, [
          { b1: "1", b2: "3" },
          { b1: "7", b2: "3" },
          { b1: "7", b2: "3", b3: "8", b4: "9" },
          { b1: "7", b2: "3", b3: "8", b4: "9" },
          {},
          { b1: "10" }
        ])
        assert.deepStrictEqual([ofNone, ofNoText], [[0], [0]])
      })
    )
  )

  it.effect(
    "who comes in the middle of an update waits for its end, as what was done before was noted for nobody",
    () =>
      Effect.gen(function* () {
        const atRest = yield* Deferred.make<void>()
        const root = { isMoving: true, atRest: Deferred.await(atRest) }
        const input = { roots: new Set([root]), shownVersion: "before" }
        const watchers = new GroupWatchers<string, string, string>(input as never)
        const seen = yield* collect(streamOf(watchers.watch("a")))
        yield* settle
        assert.deepStrictEqual(seen, [])
        root.isMoving = false
        input.shownVersion = "after"
        yield* Deferred.succeed(atRest, undefined)
        yield* settle
        assert.deepStrictEqual<ReadonlyArray<unknown>>(seen, ["after"])
      }).pipe(Effect.scoped)
  )

  it.effect("sees the latest, if it is slow", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        const seen: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(table.watchGroup("a"), (members) =>
            Effect.andThen(
              Effect.sync(() => seen.push(members.size)),
              Effect.sleep("1 minute")
            )
          )
        )
        yield* settle
        for (const member of ["1", "2", "3", "4"]) yield* write(kafka, table, [["a", member, "1"]])
        assert.deepStrictEqual(seen, [0])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(seen, [0, 4])
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(seen, [0, 4])
      })
    )
  )

  it.effect("is let go of when it leaves", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        const first = yield* Stream.runCollect(Stream.take(table.watchGroup("a"), 1))
        assert.strictEqual(Array.from(first).length, 1)
        // the rows of a group that nobody watches are not compared
        const entries = vi.spyOn(Slots.prototype, "entryAt")
        yield* write(kafka, table, [["a", "b", "1"]])
        assert.strictEqual(entries.mock.calls.length, 0)
      })
    )
  )

  it.effect("is let go of wherever it is interrupted", () =>
    Effect.gen(function* () {
      let begun = 0
      const input = {
        roots: new Set([{ isMoving: false }]),
        get shownVersion() {
          begun++
          return undefined
        }
      }
      const watchers = new GroupWatchers<string, string, string>(input as never)
      const { byGroup } = watchers as unknown as { readonly byGroup: ReadonlyMap<string, unknown> }
      yield* interruptedAnywhere(
        () => Stream.runDrain(streamOf(watchers.watch("a"))),
        (where) => Effect.sync(() => assert.strictEqual(byGroup.size, 0, where))
      )
      assert.isAbove(begun, 10)
    })
  )

  it.effect("is told of the end: after what there is, the failure of a reader that has ended", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        const seen: Array<number> = []
        const watching = yield* Effect.forkScoped(
          Effect.flip(Stream.runForEach(table.watchGroup("users"), ({ size }) => Effect.sync(() => seen.push(size))))
        )
        yield* settle
        yield* kafka.deleteTopic(topic)
        yield* TestClock.adjust("2 minutes")
        const error = yield* Fiber.join(watching)
        assert.deepStrictEqual([error._tag, seen], ["KafkaTopicError", [2]])
        const later = yield* Effect.flip(
          Stream.runForEach(table.watchGroup("users"), ({ size }) => Effect.sync(() => seen.push(size)))
        )
        assert.deepStrictEqual([later, seen], [error, [2, 2]])
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), right)
      })
    )
  )

  it.effect("hears nothing of a rebuild that leaves its group as it was", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        yield* write(kafka, table, some)
        const billing = yield* collect(Stream.map(table.watchGroup("billing"), ({ size }) => size))
        const users = yield* collect(Stream.map(table.watchGroup("users"), ({ size }) => size))
        yield* settle
        // so long an outage that tombstones may have gone meanwhile: all is read again
        yield* kafka.stopNode(0)
        yield* TestClock.adjust("5 minutes")
        yield* kafka.startNode(0)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* table.stats).rebuilds, 1)
        assert.deepStrictEqual([billing, users], [[2], [2]])
        yield* write(kafka, table, [["users", "u2", "1"]])
        yield* settle
        assert.deepStrictEqual([billing, users], [[2], [2, 3]])
        assert.deepStrictEqual(yield* table.groups, ["billing", "users", "", "😀"])
      })
    )
  )
})

/** Groups at their edges: of many members, with long names, whose members go by themselves, of two tables of one topic. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Codec, GroupedKafkaTable, KafkaTable } from "../../src/index.ts"
import { settle } from "../support/answers.ts"
import { collect, eventually, test } from "../support/live.ts"
import { it } from "../support/ManualClock.ts"
import { keyOf, onCluster, open, openWriter, options, plain, topic, write } from "./support.ts"

describe("a group of 100,000 members", () => {
  const COUNT = 100_000

  test("is read, watched, emptied and filled again as a small one is", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const member = (i: number) => ({ key: keyOf("large", `m${i}`), value: `${i}` })
        for (let from = 0; from < COUNT; from += 10_000) {
          yield* kafka.append(
            topic,
            Array.from({ length: 10_000 }, (_, i) => member(from + i))
          )
        }
        yield* kafka.append(topic, [{ key: keyOf("small", "a"), value: "1" }])
        const table = yield* open
        assert.deepStrictEqual([yield* table.groupSize("large"), yield* table.groups], [COUNT, ["large", "small"]])
        const members = yield* table.group("large")
        assert.strictEqual(members.size, COUNT)
        assert.deepStrictEqual([members.get("m0"), members.get(`m${COUNT - 1}`)], ["0", `${COUNT - 1}`])
        assert.deepStrictEqual([...members.keys()].slice(0, 3), ["m0", "m1", "m2"])
        const sizes = yield* collect(Stream.map(table.watchGroup("large"), ({ size }) => size))
        const small = yield* collect(Stream.map(table.watchGroup("small"), ({ size }) => size))
        yield* write(kafka, table, [
          ["large", "m5", null],
          ["large", "new", "1"],
          ["large", "m6", "other"]
        ])
        assert.deepStrictEqual(yield* table.get("large", "m6"), Option.some("other"))
        const held = table.unsafeSnapshot()
        yield* write(kafka, table, [
          ...Array.from({ length: COUNT }, (_, i) => ["large", `m${i}`, null] as const),
          ["large", "new", null]
        ])
        assert.deepStrictEqual([yield* table.groups, yield* table.groupSize("large")], [["small"], 0])
        assert.deepStrictEqual([held.groupSize("large"), held.group("large").size], [COUNT, COUNT])
        yield* write(kafka, table, [["large", "again", "1"]])
        assert.deepStrictEqual(plain(yield* Effect.map(table.snapshot, (snapshot) => snapshot.toMap())), [
          ["large", [["again", "1"]]],
          ["small", [["a", "1"]]]
        ])
        yield* eventually(
          Effect.sync(() => sizes.at(-1)),
          (size) => size === 1
        )
        assert.deepStrictEqual([sizes[0], small], [COUNT, [1]])
      })
    ))
})

describe("long names", () => {
  it.effect("are names, as long as a record may be; longer ones are refused, typed, and nothing is written", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* open
        const writer = yield* openWriter
        const [long, emoji] = ["x".repeat(300_000), "😀".repeat(50_000)]
        yield* writer.set(long, emoji, "1")
        yield* table.awaitPosition(yield* writer.set(emoji, long, "2"))
        assert.deepStrictEqual(yield* table.get(long, emoji), Option.some("1"))
        assert.deepStrictEqual([...(yield* table.group(emoji)).keys()], [long])
        assert.deepStrictEqual(yield* table.groups, [long, emoji])
        const { length } = yield* kafka.log(topic)
        const error = yield* Effect.flip(writer.set("x".repeat(2_000_000), "m", "3"))
        assert.strictEqual(error.reason, "TooLarge")
        assert.isBelow(error.message.length, 2_000)
        assert.strictEqual((yield* kafka.log(topic)).length, length)
      })
    )
  )
})

describe("members that go by themselves", () => {
  it.effect("when their time is over: from their groups, those with their last ones, and before who watches", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* GroupedKafkaTable.make<string, string, string>({
          ...options,
          expireAfter: "1 minute",
          // each member by itself, too
          expireAt: (value, { key, timestamp }) => (key.group === "short" ? timestamp + Number(value) : undefined)
        })
        yield* write(kafka, table, [
          ["long", "a", "1"],
          ["short", "a", "1000"],
          ["short", "b", "2000"]
        ])
        const seen = yield* collect(Stream.map(table.watchGroup("short"), (members) => [...members.keys()].join()))
        const other = yield* collect(Stream.map(table.watchGroup("long"), ({ size }) => size))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual([seen, yield* table.groupSize("short")], [["a,b", "b"], 1])
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual([seen, yield* table.groups], [["a,b", "b", ""], ["long"]])
        yield* write(kafka, table, [["short", "c", "9000"]])
        yield* settle
        yield* TestClock.adjust("1 minute")
        yield* settle
        assert.deepStrictEqual(seen, ["a,b", "b", "", "c", ""])
        assert.deepStrictEqual([other, yield* table.groupCount, yield* table.size], [[1, 0], 0, 0])
      })
    )
  )
})

describe("a topic that is deleted and created again", () => {
  it.effect("has other groups: nothing of the old ones is left, and who watches sees one change", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const table = yield* GroupedKafkaTable.make<string, string, string>({
          ...options,
          restart: Schedule.spaced("1 second")
        })
        yield* write(kafka, table, [
          ["a", "m", "1"],
          ["b", "m", "1"],
          ["b", "n", "1"]
        ])
        const held = table.unsafeSnapshot()
        const [ofA, ofB, ofC] = [
          yield* collect(Stream.map(table.watchGroup("a"), Object.fromEntries)),
          yield* collect(Stream.map(table.watchGroup("b"), Object.fromEntries)),
          yield* collect(Stream.map(table.watchGroup("c"), Object.fromEntries))
        ]
        yield* settle
        yield* kafka.deleteTopic(topic)
        yield* kafka.createTopic(topic)
        yield* kafka.append(topic, [
          // at the place of another value before
          { key: keyOf("a", "m"), value: "2" },
          { key: keyOf("c", "m"), value: "3" }
        ])
        yield* TestClock.adjust("2 minutes")
        yield* settle
        assert.deepStrictEqual(plain(table.unsafeSnapshot().toMap()), [
          ["a", [["m", "2"]]],
          ["c", [["m", "3"]]]
        ])
        assert.deepStrictEqual(ofA, [{ m: "1" }, { m: "2" }])
        assert.deepStrictEqual(ofB, [{ m: "1", n: "1" }, {}])
        assert.deepStrictEqual(ofC, [{}, { m: "3" }])
        assert.deepStrictEqual([held.groupSize("b"), held.hasGroup("c")], [2, false])
      })
    )
  )
})

describe("several tables of one topic", () => {
  it.effect("are each what its codecs make of it: by groups, by numbers, by keys", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const number = Codec.utf8.pipe(
          Codec.imap((text) => {
            if (!/^\d+$/.test(text)) throw new RangeError("no number")
            return Number(text)
          }, String)
        )
        const texts = yield* open
        const numbers = yield* GroupedKafkaTable.make({ topic, value: Codec.utf8, group: number, member: number })
        const keys = yield* KafkaTable.make<string, string>({ topic, value: Codec.utf8 })
        const at = yield* kafka.append(topic, [
          { key: "2:7142", value: "1" },
          { key: "1:a5", value: "2" },
          { key: "1:5a", value: "3" },
          { key: "foreign", value: "4" },
          { key: "0:", value: "5" }
        ])
        for (const table of [texts, numbers, keys]) yield* table.awaitPosition(at)
        assert.deepStrictEqual(plain(texts.unsafeSnapshot().toMap()), [
          ["", [["", "5"]]],
          ["5", [["a", "3"]]],
          ["71", [["42", "1"]]],
          ["a", [["5", "2"]]]
        ])
        assert.deepStrictEqual([...numbers.unsafeSnapshot().toMap()], [[71, new Map([[42, "1"]])]])
        assert.deepStrictEqual(
          [(yield* texts.stats).keyErrors, (yield* numbers.stats).keyErrors, (yield* keys.stats).keyErrors],
          [1, 4, 0]
        )
        assert.strictEqual(yield* keys.size, 5)
        const strict = yield* Effect.flip(
          GroupedKafkaTable.make<string, string, string>({ ...options, onPoison: "fail" })
        )
        assert.deepInclude(strict as object, { _tag: "KafkaPoisonRecordError", reason: "Key", topic, offset: 3 })
      })
    )
  )
})

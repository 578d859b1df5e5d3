import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { assert } from "vitest"
import type { Compression, ReadRecord } from "../kafka/records.ts"
import { codecsIn } from "../support/codecsIn.ts"
import { differences, fold, numbers, recordLogs } from "../support/live.ts"
import type { Suite, Table } from "./suite.ts"

const headersOf = (record: Pick<ReadRecord, "headers">) =>
  record.headers.map(({ key, value }) => [key, value && value.toString("hex")])

const headersIn = (table: Table, key: string) =>
  Effect.map(table.entry(key), (entry) =>
    Option.getOrThrow(entry).headers.map(({ key, value }) => [key, value && Buffer.from(value).toString("hex")])
  )

/** In the order of their numbers in a batch's attributes. */
const codecs: ReadonlyArray<Compression> = ["none", "gzip", "snappy", "lz4", "zstd"]

export const records = (test: Suite): void => {
  test("a null value deletes; an empty value is data, and an empty key is a key", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(topic, [
        { key: "a", value: "1" },
        { key: "gone", value: "1" },
        { key: "never there", value: null },
        { key: "gone", value: null }
      ])
      const table = yield* kafka.table(topic)
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      yield* kafka.append(topic, [
        { key: "", value: "of the empty key" },
        { key: "empty", value: "" },
        { key: "a", value: null },
        { key: "gone", value: "back" }
      ])
      yield* table.barrier()
      const right = { "": "of the empty key", empty: "", gone: "back" }
      assert.deepStrictEqual(Object.fromEntries(table.unsafeSnapshot()), right)
      assert.deepStrictEqual(yield* table.get("empty"), Option.some(""))
      const stats = yield* table.stats
      assert.deepInclude(stats, { applied: 5, tombstones: 3, keyless: 0, keyErrors: 0, valueErrors: 0 })
      const replayed = yield* kafka.table(topic)
      assert.deepStrictEqual(Object.fromEntries(replayed.unsafeSnapshot()), right)
      assert.deepInclude(yield* replayed.stats, { replayed: 8 })
    }))

  test("the last write of a key wins, whatever the records' clocks say", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      yield* kafka.appendInBatches(
        topic,
        [
          { key: "a", value: "1", timestamp: 5_000 },
          { key: "a", value: "2", timestamp: 1_000 },
          { key: "b", value: "1", timestamp: 9_000 },
          { key: "b", value: null, timestamp: 1 }
        ],
        1
      )
      yield* table.barrier()
      for (const one of [table, yield* kafka.table(topic)]) {
        assert.deepStrictEqual([...one.unsafeSnapshot()], [["a", "2"]])
        assert.deepInclude(Option.getOrThrow(yield* one.entry("a")), { offset: 1, timestamp: 1_000 })
      }
    }))

  test("a record without a key is refused on a compacted topic, and nothing of its batch is written", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const error = yield* Effect.flip(
        kafka.append(topic, [
          { key: null, value: "no key" },
          { key: "a", value: "1" }
        ])
      )
      assert.strictEqual(error.codeName, "INVALID_RECORD")
      assert.deepStrictEqual(yield* kafka.log(topic), [])
    }))

  test("on others it is skipped, counted, and warned about once per burst", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const lines: Array<string> = []
      const warnings = Effect.sync(() => lines.filter((line) => line.includes("without a key")).length)
      yield* kafka.append(topic, [
        { key: null, value: "no key" },
        { key: "a", value: "1" },
        { key: null, value: null },
        { key: null, value: "" },
        { key: "b", value: "2" }
      ])
      const table = yield* recordLogs(lines)(kafka.table(topic))
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["a", "b"])
      assert.deepInclude(yield* table.stats, { keyless: 3, applied: 2, tombstones: 0 })
      assert.strictEqual(yield* warnings, 1)
      for (const value of ["1", "2"]) {
        yield* table.awaitPosition(yield* kafka.append(topic, [{ key: null, value }]))
      }
      assert.strictEqual((yield* table.stats).keyless, 5)
      assert.strictEqual(yield* warnings, 1)
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: null, value: "3" }]))
      assert.strictEqual(yield* warnings, 2)
      assert.strictEqual(yield* table.size, 2)
    }))

  for (const [code, compression] of codecs.entries()) {
    test(`batches in ${compression}: replayed and followed as they were written`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic({ partitions: 2 })
        const following = yield* kafka.table(topic, { headers: true })
        const some = (round: number) => [
          ...numbers(300).map((i) => ({
            key: `key-${i % 200}`,
            value: `{"round":${round},"i":${i},"text":"${"the same again ".repeat(i % 20)}"}`,
            headers: i % 50 === 0 ? [{ key: "trace", value: `${i}` }] : []
          })),
          {
            key: "large",
            value: numbers(40_000)
              .map((i) => `${(i * round) % 977}`)
              .join(",")
          },
          { key: "key-1", value: null },
          { key: "key-2", value: "" }
        ]
        yield* kafka.append(topic, some(1), { compression })
        const replayed = yield* kafka.table(topic, { headers: true })
        yield* kafka.append(topic, some(2), { compression })
        const right = fold(yield* kafka.log(topic))
        assert.strictEqual(right.size, 200)
        for (const table of [following, replayed]) {
          yield* table.barrier()
          assert.deepStrictEqual(differences(table.unsafeSnapshot(), right), [])
          for (const [key, record] of right) assert.deepStrictEqual(yield* headersIn(table, key), headersOf(record))
        }
        assert.deepStrictEqual(yield* codecsIn(yield* kafka.client, topic), [code])
      }))
  }

  test("odd keys, values and headers", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const odd = [
        { key: "", value: "of the empty key" },
        { key: "e\u0301", value: "decomposed" },
        { key: "\u00e9", value: "composed" },
        { key: "\ufeffbom", value: "\ufeffbom" },
        { key: "\u0000", value: "\u0000" },
        { key: "line\nbreak\ttab", value: "x" },
        { key: "日本語 😀 👩‍👩‍👧", value: "日本語 😀 👩‍👩‍👧" },
        { key: "k".repeat(5_000), value: "long key" },
        { key: "__proto__", value: "1" },
        { key: "constructor", value: "2" },
        { key: "headers", value: "x" }
      ]
      yield* kafka.append(topic, [
        ...odd,
        {
          key: "headers",
          value: "x",
          headers: [
            { key: "null", value: null },
            { key: "empty", value: "" },
            { key: "again", value: "1" },
            { key: "again", value: "2" },
            { key: "", value: "of the empty key" },
            { key: "ünï", value: new Uint8Array([0, 255, 128]) }
          ]
        }
      ])
      const table = yield* kafka.table(topic, { headers: true })
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      for (const { key, value } of odd) assert.deepStrictEqual(yield* table.get(key), Option.some(value))
      assert.strictEqual(yield* table.size, odd.length)
      assert.deepStrictEqual(yield* headersIn(table, "headers"), [
        ["null", null],
        ["empty", ""],
        ["again", "31"],
        ["again", "32"],
        ["", Buffer.from("of the empty key").toString("hex")],
        ["ünï", "00ff80"]
      ])
    }))

  test("values of 1 MB, above the size of a partition's answer; headers on request; the broker's timestamps", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({
        configs: { "max.message.bytes": "4000000", "message.timestamp.type": "LogAppendTime" }
      })
      const big = (letter: string) => letter.repeat(1_000_000)
      yield* kafka.append(topic, [
        { key: "a", value: big("a"), timestamp: 1_000 },
        { key: "b", value: "small", headers: [{ key: "h", value: "1" }] },
        { key: "c", value: big("c") }
      ])
      const table = yield* kafka.table(topic, {
        headers: true,
        fetch: { maxPartitionBytes: 10_000, maxBytes: 20_000 }
      })
      const plain = yield* kafka.table(topic)
      yield* kafka.append(topic, [{ key: "d", value: big("d"), headers: [{ key: "h", value: null }] }])
      yield* table.barrier()
      yield* plain.barrier()
      const log = yield* kafka.log(topic)
      assert.isTrue(log.every((record) => record.timestamp > 1_600_000_000_000))
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(log)), [])
      assert.deepStrictEqual(differences(plain.unsafeSnapshot(), fold(log)), [])
      assert.deepStrictEqual(yield* headersIn(table, "a"), [])
      assert.deepStrictEqual(yield* headersIn(table, "b"), [["h", "31"]])
      assert.deepStrictEqual(yield* headersIn(table, "d"), [["h", null]])
      assert.deepStrictEqual(yield* headersIn(plain, "d"), [])
    }))
}

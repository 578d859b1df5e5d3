/** What other clients write is what a table shows, and they read what a writer wrote: Java's clients, librdkafka. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaTableWriter } from "../../src/index.ts"
import { consoleProduce } from "../kafka/java.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as Librdkafka from "../kafka/Librdkafka.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import type { Compression, ReadRecord, RecordToSend } from "../kafka/records.ts"
import { codecsIn } from "../support/codecsIn.ts"
import { differences, eventually, failOnProcessWarnings, fold, shared, test } from "../support/live.ts"
import { open, withClient } from "./support.ts"

failOnProcessWarnings()

const compacted = { "cleanup.policy": "compact" }

const codecs: ReadonlyArray<Compression> = ["none", "gzip", "snappy", "lz4", "zstd"]

/** Of each size: alike enough to be worth compressing, and not all alike. */
const recordsOf = (tag: string): ReadonlyArray<RecordToSend> => [
  ...Array.from({ length: 400 }, (_, i) => ({
    key: `${tag}-${i % 300}`,
    value: `{"tag":"${tag}","i":${i},"text":"${"the same again ".repeat(i % 20)}"}`,
    timestamp: 1_700_000_000_000 + i,
    headers: i % 50 === 0 ? [{ key: "trace", value: `${i}` }] : []
  })),
  { key: `${tag}-large`, value: Array.from({ length: 60_000 }, (_, i) => `${i % 977}`).join(",") },
  { key: `${tag}-1`, value: null },
  { key: `${tag}-2`, value: "" }
]

/** Headers as other clients' are shown. */
const headersOf = (record: Pick<ReadRecord, "headers">) =>
  record.headers.map((header) => [header.key, header.value === null ? null : Buffer.from(header.value).toString("hex")])

realKafka("what other clients wrote", { java: true, python: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      return { brokers, java: yield* JavaClient.make(adminBrokers) }
    })
  )

  /** A topic that `write` wrote to, replayed and followed: both as Java and librdkafka read it, with headers. */
  const agrees = <E>(
    options: { readonly configs?: Readonly<Record<string, string>>; readonly codecs: ReadonlyArray<number> },
    write: (topic: string) => Effect.Effect<unknown, E, Scope.Scope>
  ) =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: { ...compacted, ...options.configs } })
      const following = yield* open({ brokers }, topic, { headers: true })
      yield* write(topic)
      yield* following.barrier()
      const replayed = yield* open({ brokers }, topic, { headers: true })
      const log = yield* java.dump(topic, { committed: true })
      const right = fold(log)
      const other = fold(yield* Librdkafka.consume({ brokers, topic }))
      assert.strictEqual(other.size, right.size)
      for (const table of [following, replayed]) {
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), right), [])
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), other), [])
        for (const entry of table.unsafeSnapshot().entries()) {
          const record = right.get(entry.key)!
          assert.deepStrictEqual(
            entry.headers.map((h) => [h.key, h.value === null ? null : Buffer.from(h.value).toString("hex")]),
            headersOf(record)
          )
        }
        assert.strictEqual((yield* table.stats).keyErrors + (yield* table.stats).valueErrors, 0)
      }
      const client = yield* KafkaClient.make({ brokers })
      // a batch that would not get smaller may be left as it is
      assert.includeMembers(yield* codecsIn(client, topic), [...options.codecs])
      return { right, log }
    })

  test("our own writer, in every codec: Java and librdkafka read what our table shows", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const { right } = yield* agrees({ codecs: [0, 1, 2, 3, 4] }, (topic) =>
        Effect.forEach(codecs, (compression) =>
          Effect.gen(function* () {
            const writer = yield* KafkaTableWriter.make<string, string>({
              topic,
              value: Codec.utf8,
              compression,
              ensureTopic: false
            }).pipe(withClient({ brokers }))
            yield* Effect.forEach(
              recordsOf(compression),
              ({ headers, key, timestamp, value }) => {
                const options = {
                  ...(headers === undefined ? {} : { headers }),
                  ...(timestamp === undefined ? {} : { timestamp })
                }
                return value === null
                  ? writer.delete(String(key), options)
                  : writer.set(String(key), String(value), options)
              },
              { concurrency: "unbounded", discard: true }
            )
          })
        )
      )
      assert.strictEqual(right.size, codecs.length * 300)
    }))

  test("librdkafka, in every codec", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const { right } = yield* agrees({ codecs: [0, 1, 2, 3, 4] }, (topic) =>
        Effect.forEach(codecs, (compression) =>
          Librdkafka.produce({ brokers, topic, records: recordsOf(compression), compression })
        )
      )
      assert.strictEqual(right.size, codecs.length * 300)
    }))

  test("brokers that compress by themselves, in every codec", () =>
    Effect.gen(function* () {
      const { java } = yield* kafka
      for (const [codec, compression] of [...codecs.entries()].slice(1)) {
        yield* agrees({ codecs: [codec], configs: { "compression.type": compression } }, (topic) =>
          java.produce(topic, recordsOf(compression))
        )
      }
    }))

  test("transactions that are compressed, and producers without acknowledgements", () =>
    Effect.gen(function* () {
      const { java } = yield* kafka
      const { right } = yield* agrees({ codecs: [0, 2, 3, 4] }, (topic) =>
        Effect.gen(function* () {
          for (const compression of ["lz4", "zstd"] as const) {
            const transaction = yield* java.transaction({ compression })
            yield* transaction.begin
            yield* transaction.send(topic, recordsOf(compression))
            yield* transaction.commit
            yield* transaction.begin
            yield* transaction.send(topic, recordsOf(`${compression} aborted`))
            yield* transaction.abort
          }
          yield* java.produce(topic, recordsOf("acks 1"), { acks: "1", compression: "snappy" })
          const count = Effect.map(java.listOffsets(topic), (ends) => ends.reduce((sum, { offset }) => sum + offset, 0))
          const before = yield* count
          yield* java.produce(topic, recordsOf("acks 0"), { acks: "0", compression: "snappy" })
          // nobody acknowledges that it is there
          yield* eventually(count, (all) => all === before + recordsOf("acks 0").length)
        })
      )
      assert.isFalse([...right.keys()].some((key) => key.includes("aborted")))
    }))

  test("the console producer: keys, headers, tombstones", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const { right } = yield* agrees({ codecs: [0, 4] }, (topic) =>
        Effect.all(
          [
            consoleProduce({
              brokers,
              topic,
              keySeparator: "\t",
              headers: true,
              nullMarker: "NULL",
              lines: [
                "from:console,again:yes\ta\t1",
                "h:\tb\t2",
                "from:console\tc\tNULL",
                "x:y\tä€😀\tünïcode 😀",
                "x:y\tempty\t"
              ]
            }),
            consoleProduce({
              brokers,
              topic,
              keySeparator: "\t",
              compression: "zstd",
              lines: Array.from({ length: 200 }, (_, i) => `line-${i}\t{"n":${i},"text":"${"x".repeat(50)}"}`)
            })
          ],
          { concurrency: 2 }
        )
      )
      assert.strictEqual(right.size, 204)
      assert.strictEqual(right.get("ä€😀")?.value?.toString(), "ünïcode 😀")
    }))

  const odd: ReadonlyArray<RecordToSend> = [
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
    { key: "empty", value: "" },
    { key: "gone", value: "1" },
    { key: "gone", value: null },
    { key: "never there", value: null },
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
  ]

  const filler = [0, 1].map((partition) => ({ key: `filler ${partition}`, value: "x".repeat(20_000), partition }))

  test("odd keys, values and headers, by librdkafka", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const { right } = yield* agrees({ codecs: [3] }, (topic) =>
        Librdkafka.produce({
          brokers,
          topic,
          // to be compressed at all, it has to get smaller
          records: [...odd, ...recordsOf("more").map((r) => ({ ...r, partition: 0 })), ...filler],
          compression: "lz4"
        })
      )
      assert.includeMembers(
        [...right.keys()],
        ["", "e\u0301", "\u00e9", "\ufeffbom", "\u0000", "__proto__", "constructor", "empty", "headers"]
      )
      assert.isFalse(right.has("gone"))
    }))
})

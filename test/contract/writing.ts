import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTableWriter, Partitioner, type KafkaError, type Position } from "../../src/index.ts"
import type { Compression, ReadRecord } from "../kafka/records.ts"
import { codecsIn } from "../support/codecsIn.ts"
import { eventually, facts, numbers, sooner } from "../support/live.ts"
import { stopwatch, turnsOfLoop } from "../support/ownTime.ts"
import { held } from "./clients.ts"
import { tableOn, writerOn, type Suite } from "./suite.ts"

const text = (bytes: Buffer | null): string => bytes?.toString() ?? "null"

const shown = ({ key, value }: ReadRecord): string => `${text(key)}=${text(value)}`

/** What is at this position in the log. */
const at = (log: ReadonlyArray<ReadRecord>, position: Position.Position): string | undefined => {
  const found = log.find((r) => r.partition === position.partition && r.offset === position.offset)
  return found === undefined ? undefined : shown(found)
}

/** In the order of their numbers in a batch's attributes. */
const codecs: ReadonlyArray<Compression> = ["none", "gzip", "snappy", "lz4", "zstd"]

const rising = (list: ReadonlyArray<number>): boolean => list.every((n, i) => i === 0 || n > list[i - 1])

export const writing = (test: Suite): void => {
  test("others read keys, values, tombstones, headers and timestamps, at the positions that were told", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const writer = yield* kafka.writer(topic)
      const positions = [
        yield* writer.set("a", "1", {
          timestamp: 1_700_000_000_123,
          headers: [
            { key: "h", value: "x" },
            { key: "h", value: null },
            { key: "h2", value: new Uint8Array([0, 255]) }
          ]
        }),
        yield* writer.set("", "empty key"),
        yield* writer.set("ключ 😀", ""),
        yield* writer.delete("a"),
        yield* writer.set("last", "1", { partition: 2 })
      ]
      const log = yield* kafka.log(topic)
      assert.strictEqual(log.length, positions.length)
      assert.deepStrictEqual(
        positions.map((position) => at(log, position)),
        ["a=1", "=empty key", "ключ 😀=", "a=null", "last=1"]
      )
      const first = log.find((r) => r.timestamp === 1_700_000_000_123)
      assert.deepStrictEqual(first?.headers, [
        { key: "h", value: Buffer.from("x") },
        { key: "h", value: null },
        { key: "h2", value: Buffer.from([0, 255]) }
      ])
      assert.deepStrictEqual([positions[4].topic, positions[4].partition], [topic, 2])
    }))

  test("keys go where others' producers put them", (kafka) =>
    Effect.gen(function* () {
      const [ours, others] = [yield* kafka.topic({ partitions: 7 }), yield* kafka.topic({ partitions: 7 })]
      const writer = yield* kafka.writer(ours)
      const keys = ["", "a", "ab", "abc", "abcd", "ключ", "😀", ...numbers(60).map((i) => `key-${i * 7919}`)]
      const positions = yield* writer.setMany(keys.map((key) => [key, key] as const))
      const expected = yield* kafka.append(
        others,
        keys.map((key) => ({ key, value: key }))
      )
      assert.deepStrictEqual(
        positions.map((p) => p.partition),
        expected.map((p) => p.partition)
      )
      assert.strictEqual(new Set(expected.map((p) => p.partition)).size, 7)
      // another one, where that is asked for
      const crc = yield* kafka.writer(ours, { partitioner: Partitioner.crc32 })
      const { partition } = yield* crc.set("abc", "1")
      assert.strictEqual(partition, Partitioner.crc32(Buffer.from("abc"), 7))
    }))

  for (const [code, compression] of codecs.entries()) {
    test(`others read what was compressed with ${compression}, and so do tables`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic()
        const writer = yield* kafka.writer(topic, { compression })
        // one that takes several blocks, and one that does not compress
        const many = numbers(500).map((i) => [`k${i}`, `${i} `.repeat(200)] as const)
        const noise = numbers(30_000)
          .map((i) => String.fromCharCode(33 + ((i * i * 31) % 90)))
          .join("")
        yield* writer.setMany(many)
        yield* writer.set("noise", noise)
        assert.deepStrictEqual((yield* kafka.log(topic)).map(shown), [
          ...many.map(([k, v]) => `${k}=${v}`),
          `noise=${noise}`
        ])
        const table = yield* kafka.table(topic)
        assert.deepStrictEqual([...table.unsafeSnapshot()], [...many, ["noise", noise]] as Array<[string, string]>)
        assert.deepStrictEqual(yield* codecsIn(yield* kafka.client, topic), [code])
        const { bytes } = yield* writer.stats
        if (compression === "none") assert.isAbove(bytes, 300_000)
        else assert.isBelow(bytes, 200_000)
      }))
  }

  for (const compression of codecs) {
    test(`a value that compresses to next to nothing (${compression}) is read; one too large is, once the option is raised`, (kafka) =>
      Effect.gen(function* () {
        const MiB = 1024 * 1024
        const topic = yield* kafka.topic({ configs: { "max.message.bytes": `${10 * MiB}` } })
        const writer = yield* kafka.writer(topic, { compression, maxRecordBytes: 10 * MiB })
        const value = "0".repeat(5 * MiB)
        yield* writer.setMany(["a", "b"].map((key) => [key, value] as const))
        yield* writer.set("c", "1")
        const table = yield* kafka.table(topic)
        assert.deepStrictEqual(
          [...table.unsafeSnapshot()].map(([key, found]) => [key, found.length, found === value]),
          [
            ["a", value.length, true],
            ["b", value.length, true],
            ["c", 1, false]
          ]
        )
        const small = { maxBatchBytes: 2 * MiB }
        const error = yield* Effect.flip(kafka.table(topic, { fetch: small }))
        assert.deepInclude(facts(error), { _tag: "KafkaCorruptBatchError", reason: "TooLarge" })
        assert.include((error as KafkaError.KafkaError).message, "raise fetch.maxBatchBytes")
        const raised = yield* kafka.table(topic, { fetch: { maxBatchBytes: 6 * MiB } })
        assert.strictEqual(yield* raised.size, 3)
      }))
  }

  test("64 in flight: every key in the order of its calls, every acknowledgement at its position, few requests", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 4 })
      const writer = yield* kafka.writer(topic)
      const written: Array<{ readonly expected: string; readonly position: Position.Position }> = []
      yield* Effect.forEach(
        numbers(5_000),
        (i) =>
          Effect.map(writer.set(`k${i % 50}`, `${i}`), (position) => {
            written.push({ expected: `k${i % 50}=${i}`, position })
          }),
        { concurrency: 64 }
      )
      const log = yield* kafka.log(topic)
      assert.strictEqual(log.length, 5_000)
      const values = new Map(log.map((r) => [`${r.partition}:${r.offset}`, shown(r)]))
      for (const { expected, position } of written) {
        assert.strictEqual(values.get(`${position.partition}:${position.offset}`), expected)
      }
      for (const key of numbers(50)) {
        const of = log.filter((record) => text(record.key) === `k${key}`).map(({ value }) => Number(value))
        assert.strictEqual(of.length, 100)
        assert.isTrue(rising(of), of.join())
      }
      const stats = yield* writer.stats
      assert.deepInclude(stats, { writes: 5_000, acknowledged: 5_000, failed: 0, unknown: 0, queued: 0 })
      assert.isBelow(stats.requests, 1_000)
      assert.isTrue(Object.isFrozen(stats))
    }))

  test("at full speed it leaves room for the rest of the process", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const writer = yield* kafka.writer(topic)
      const leaving = turnsOfLoop()
      yield* Effect.forEach(numbers(30_000), (i) => writer.set(`k${i % 100}`, `${i}`), {
        concurrency: 64,
        discard: true
      })
      const { longest, millis, ticks } = leaving()
      // without any room it would be a gap of all of its time
      assert.isBelow(longest, Math.max(250, millis / 3))
      assert.isAbove(ticks, 5)
    }))

  for (const [name, settings] of [
    ["the leader's acknowledgement alone", { acks: "leader" }],
    ["no numbers on the records", { idempotent: false }]
  ] as const) {
    test(`the same with ${name}`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic({ partitions: 2 })
        const writer = yield* kafka.writer(topic, settings)
        const positions = yield* Effect.forEach(numbers(500), (i) => writer.set(`k${i % 20}`, `${i}`), {
          concurrency: 32
        })
        const log = yield* kafka.log(topic)
        assert.strictEqual(log.length, 500)
        assert.deepStrictEqual(
          positions.map((position) => at(log, position)),
          numbers(500).map((i) => `k${i % 20}=${i}`)
        )
        for (const key of numbers(20)) {
          const of = log.filter((record) => text(record.key) === `k${key}`).map(({ value }) => Number(value))
          assert.isTrue(rising(of), of.join())
        }
      }))
  }

  test("writers of several processes: each in its order, all of it in the log once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const table = yield* kafka.table(topic)
      const writers = yield* Effect.forEach(numbers(4), () => kafka.writer(topic))
      const positions = yield* Effect.forEach(
        numbers(1_000),
        (i) => Effect.map(writers[i % 4].set(`k${i % 10}`, `${i % 4}/${i}`), (position) => ({ position, i })),
        { concurrency: 40 }
      )
      const log = yield* kafka.log(topic)
      assert.strictEqual(log.length, 1_000)
      for (const { i, position } of positions) assert.strictEqual(at(log, position), `k${i % 10}=${i % 4}/${i}`)
      for (const key of numbers(10)) {
        for (const writer of numbers(4)) {
          const of = log
            .filter((record) => text(record.key) === `k${key}` && text(record.value).startsWith(`${writer}/`))
            .map(({ value }) => Number(text(value).split("/")[1]))
          assert.isTrue(rising(of), of.join())
        }
      }
      yield* table.awaitPosition(positions.map(({ position }) => position))
      const last = new Map(log.map((record) => [text(record.key), text(record.value)]))
      assert.deepStrictEqual([...table.unsafeSnapshot()].sort(), [...last].sort())
    }))

  test("above the topic's max.message.bytes: batches are split, one record is TooLarge and hurts no other", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "max.message.bytes": "2000" } })
      const writer = yield* kafka.writer(topic)
      yield* writer.setMany(numbers(100).map((i) => [`k${i}`, "x".repeat(100)] as const))
      const [before, error, after] = yield* Effect.all(
        [writer.set("before", "1"), Effect.flip(writer.set("big", "x".repeat(3_000))), writer.set("after", "1")],
        { concurrency: "unbounded" }
      )
      assert.deepInclude(facts(error), { _tag: "KafkaWriteError", reason: "TooLarge", topic })
      const log = yield* kafka.log(topic)
      assert.deepStrictEqual(
        log.map((r) => text(r.key)),
        [...numbers(100).map((i) => `k${i}`), "before", "after"]
      )
      assert.deepStrictEqual(
        [before, after].map((position) => at(log, position)),
        ["before=1", "after=1"]
      )
      assert.deepInclude(yield* writer.stats, { acknowledged: 102, failed: 1, unknown: 0 })
    }))

  for (const compression of ["none", "gzip"] as const) {
    test(`a record whose timestamp the broker refuses (${compression}): it fails alone, with the broker's words`, (kafka) =>
      Effect.gen(function* () {
        const hour = 3_600_000
        const limits = "limits of timestamps" in kafka.lacks ? ["difference"] : ["before", "after"]
        const topic = yield* kafka.topic({
          configs: Object.fromEntries(limits.map((limit) => [`message.timestamp.${limit}.max.ms`, `${hour}`]))
        })
        const client = yield* kafka.client
        // Its leader has begun to lead it when it tells this. Before, it would have to be asked for the first write once more.
        yield* kafka.ends(topic)
        const slow = yield* held(client, ["Produce"])
        const writer = yield* writerOn(slow.client, topic, { compression })
        const now = Math.floor(yield* Clock.currentTimeMillis)
        const first = yield* Effect.forkChild(writer.set("first", "0"))
        yield* eventually(slow.waiting, (count) => count === 1)
        // all of these share the next batch
        const writes = yield* Effect.forkChild(
          Effect.forEach(
            [
              writer.set("a", "1"),
              writer.set("b", "late", { timestamp: now - 2 * hour }),
              writer.set("b", "2", { timestamp: now - hour / 2 }),
              writer.set("b", "early", { timestamp: now + 48 * hour }),
              writer.delete("a"),
              writer.set("b", "3", { timestamp: now + hour / 2 })
            ],
            Effect.exit,
            { concurrency: "unbounded" }
          )
        )
        yield* eventually(writer.stats, (stats) => stats.writes === 7)
        yield* slow.release
        yield* Fiber.join(first)
        const exits = yield* Fiber.join(writes)
        const log = yield* kafka.log(topic)
        assert.deepStrictEqual(
          exits.map((exit) => (exit._tag === "Success" ? at(log, exit.value) : "refused")),
          ["a=1", "refused", "b=2", "refused", "a=null", "b=3"]
        )
        assert.deepStrictEqual(log.map(shown), ["first=0", "a=1", "b=2", "a=null", "b=3"])
        for (const [i, timestamp] of [
          [1, now - 2 * hour],
          [3, now + 48 * hour]
        ]) {
          const error = yield* Effect.flip(exits[i])
          assert.strictEqual(error.reason, "Rejected")
          assert.include(error.message, "INVALID_TIMESTAMP")
          if ("refused records" in kafka.lacks) continue
          assert.include(error.message, `Timestamp ${timestamp} of message with offset ${i} is out of range`)
        }
        assert.deepInclude(yield* writer.stats, { acknowledged: 5, failed: 2, unknown: 0 })
        // the batch that was refused and the one without the two, which are looked for where they are not named
        if (!("refused records" in kafka.lacks)) assert.strictEqual((yield* writer.stats).requests, 3)
        assert.strictEqual((yield* writer.set("b", "4")).offset, 5)
      }))
  }

  test("where the log's time counts, no timestamp is refused", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "message.timestamp.type": "LogAppendTime" } })
      const writer = yield* kafka.writer(topic)
      yield* writer.set("a", "1", { timestamp: 4_000_000_000_000 })
      assert.deepStrictEqual((yield* kafka.log(topic)).map(shown), ["a=1"])
    }))

  test("what cannot be written is refused before anything is sent, of many none", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const writer = yield* kafka.withClient(
        KafkaTableWriter.make<string, number>({ topic, value: Codec.json(Schema.Int), maxRecordBytes: 200 })
      )
      const reasons = yield* Effect.forEach(
        [
          writer.set("a", 1.5),
          writer.setMany([
            ["a", 1],
            ["b", 2.5]
          ]),
          writer.set("k".repeat(300), 1),
          writer.set("a", 1, { partition: 7 })
        ] as ReadonlyArray<Effect.Effect<unknown, KafkaError.WriteError>>,
        (write) => Effect.map(Effect.flip(write), ({ reason }) => reason)
      )
      assert.deepStrictEqual(reasons, ["Encode", "Encode", "TooLarge", "InvalidPartition"])
      assert.strictEqual((yield* writer.stats).requests, 0)
      assert.deepStrictEqual(yield* kafka.log(topic), [])
    }))

  test("a table reads its own writes by their positions, one of them or the last of many", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const client = yield* kafka.client
      const writer = yield* writerOn(client, topic)
      const table = yield* tableOn(client, topic)
      for (const i of numbers(20)) {
        yield* table.awaitPosition(yield* writer.set("k", `${i}`))
        assert.deepStrictEqual(yield* table.get("k"), Option.some(`${i}`))
      }
      yield* table.awaitPosition(yield* writer.setMany(numbers(200).map((i) => [`k${i}`, `${i}`] as const)))
      assert.strictEqual(yield* table.size, 201)
      yield* table.awaitPosition(yield* writer.deleteMany(numbers(200).map((i) => `k${i}`)))
      assert.deepStrictEqual(yield* table.keys, ["k"])
    }))

  test("a key that is announced is written again and again, and is gone from tables at the end of its scope", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const client = yield* kafka.client
      const writer = yield* writerOn(client, topic)
      const table = yield* tableOn(client, topic)
      const scope = yield* Scope.make()
      const position = yield* Scope.provide(writer.announce("a", "1", { every: "50 millis" }), scope)
      yield* table.awaitPosition(position)
      assert.deepStrictEqual(yield* table.get("a"), Option.some("1"))
      yield* eventually(table.stats, ({ applied }) => applied >= 3)
      yield* Scope.close(scope, Exit.void)
      yield* table.barrier()
      assert.strictEqual(yield* table.size, 0)
      const { acknowledged } = yield* writer.stats
      const log = (yield* kafka.log(topic)).map(shown)
      assert.deepStrictEqual(log, [...numbers(acknowledged - 1).map(() => "a=1"), "a=null"])
    }))

  test("new partitions are found within metadataMaxAge", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const writer = yield* kafka.writer(topic, { metadataMaxAge: "300 millis", partitioner: (_, count) => count - 1 })
      assert.strictEqual((yield* writer.set("a", "1")).partition, 0)
      yield* kafka.addPartitions(topic, 3)
      yield* sooner(writer.set("a", "1"), ({ partition }) => partition === 2)
    }))

  test("what was accepted is written, although nobody waits for it any more; flush waits for it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const slow = yield* held(yield* kafka.client, ["Produce"])
      const writer = yield* writerOn(slow.client, topic)
      const write = (i: number) => Effect.forkChild(writer.set(`k${i}`, "1"))
      const first = yield* write(0)
      yield* eventually(slow.waiting, (count) => count === 1)
      // one is on its way, and these are behind it
      const others = yield* Effect.forEach(numbers(49, 1), write)
      yield* eventually(writer.stats, ({ writes }) => writes === 50)
      yield* Fiber.interruptAll([first, ...others])
      const flushing = yield* Effect.forkScoped(writer.flush)
      yield* Effect.yieldNow
      assert.isFalse(hasEnded(flushing))
      yield* slow.release
      yield* Fiber.join(flushing)
      assert.deepStrictEqual(
        (yield* kafka.log(topic)).map(shown),
        numbers(50).map((i) => `k${i}=1`)
      )
      assert.deepInclude(yield* writer.stats, { writes: 50, acknowledged: 50, queued: 0 })
    }))

  test("closing delivers what was accepted, and takes no more", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const slow = yield* held(yield* kafka.client, ["Produce"])
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(writerOn(slow.client, topic, { maxBatchBytes: 10_000 }), scope)
      const writes = yield* Effect.forkScoped(
        Effect.all(
          numbers(3_000).map((i) => writer.set(`k${i}`, "1")),
          { concurrency: "unbounded" }
        )
      )
      yield* eventually(slow.waiting, (count) => count > 0)
      const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      // it has begun to close
      yield* Effect.yieldNow
      assert.deepInclude(facts(yield* Effect.flip(writer.set("late", "1"))), {
        _tag: "KafkaWriteError",
        reason: "Closed"
      })
      assert.isFalse(hasEnded(closing))
      const passed = stopwatch()
      yield* slow.release
      yield* Fiber.join(closing)
      assert.isBelow(passed(), 4_000)
      const positions = yield* Fiber.join(writes)
      const written = new Map((yield* kafka.log(topic)).map((r) => [`${r.partition}:${r.offset}`, shown(r)]))
      assert.strictEqual(written.size, 3_000)
      assert.deepStrictEqual(
        positions.map(({ offset, partition }) => written.get(`${partition}:${offset}`)),
        numbers(3_000).map((i) => `k${i}=1`)
      )
    }))
}

/** A table's promises on a real Kafka, whose other clients write what the table reads and say what is right. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { createServer as createHttpServer } from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { assert, describe } from "vitest"
import { Codec, KafkaClient, KafkaError, KafkaTable, Position } from "../../src/index.ts"
import { makeAuthority } from "../kafka/certificates.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { freePorts } from "../kafka/ports.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import {
  changesOf,
  collect,
  differences,
  eventually,
  failOnProcessWarnings,
  failureOf,
  fold,
  leftovers,
  listening,
  open,
  seenBy,
  shared,
  sockets,
  statuses,
  statusOf,
  test,
  withClient
} from "./support.ts"

failOnProcessWarnings()

const compacted = { "cleanup.policy": "compact" }

const numbers = (count: number, from = 0): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => from + i)

const positionsAt = (topic: string, positions: ReadonlyArray<JavaClient.Position>) =>
  positions.map(({ offset, partition }) => Position.make({ topic, partition, offset }))

const http = () => createHttpServer((_request, response) => response.end("hello"))

realKafka("a table on a real Kafka", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      return { brokers, java: yield* JavaClient.make(adminBrokers) }
    })
  )

  // -------------------------------------------------------------------------------------------------------------------
  // catching up and following
  // -------------------------------------------------------------------------------------------------------------------

  test("when acquired, it is complete as of the start, and exact at its positions, while others go on writing", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      yield* java.seed(topic, { count: 40_000, keys: 5_000, valueBytes: 200 })
      const writing = yield* Effect.forkScoped(
        Effect.forEach(numbers(40), (i) =>
          java.produce(topic, [
            { key: `key-000000${i % 10}`, value: `late ${i}` },
            { key: `new ${i}`, value: `${i}` },
            { key: `key-000001${i % 10}`, value: null }
          ])
        )
      )
      const ends = yield* java.listOffsets(topic)
      // small answers, so that there are many of them
      const table = yield* open({ brokers }, topic, { fetch: { maxPartitionBytes: 65_536, maxBytes: 200_000 } })
      const atStart = yield* seenBy(table)
      assert.deepStrictEqual((yield* statusOf(table))._tag, "CaughtUp")
      for (const { offset, partition } of ends) assert.isAtLeast(atStart.positions.get(partition) ?? -1, offset)
      yield* Fiber.join(writing)
      yield* table.barrier()
      const atEnd = yield* seenBy(table)

      const log = yield* java.dump(topic)
      assert.deepStrictEqual(differences(atStart.snapshot, fold(log, atStart.positions)), [])
      assert.deepStrictEqual(differences(atEnd.snapshot, fold(log)), [])
      const stats = yield* table.stats
      assert.strictEqual(stats.applied + stats.tombstones, log.length)
      assert.strictEqual(stats.rebuilds, 0)
      assert.isAtMost(stats.replayed, log.length)
    }))

  test("writes appear at once; barrier and awaitPosition see what was acknowledged; nothing twice", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 8, configs: compacted })
      // whatever waited for the next answer to a long poll would take seconds
      const table = yield* open({ brokers }, topic, { fetch: { maxWait: "5 seconds" } })
      const changes = yield* changesOf(table)
      const waits: Array<number> = []
      const put = (i: number, partition: number | undefined, wait: "awaitPosition" | "barrier") =>
        Effect.gen(function* () {
          const key = partition === undefined ? `key-${i % 7}` : `in ${partition}`
          const to = partition === undefined ? {} : { partition }
          const positions = yield* java.produce(topic, [{ key, value: `${i}`, ...to }])
          const begin = performance.now()
          if (wait === "barrier") yield* table.barrier()
          else yield* table.awaitPosition(positionsAt(topic, positions))
          waits.push(performance.now() - begin)
          assert.strictEqual(table.unsafeSnapshot().getOrUndefined(key), `${i}`)
        })
      // each partition, from the first moment on
      yield* Effect.forEach(numbers(8), (partition) => put(partition, 7 - partition, "awaitPosition"))
      yield* Effect.forEach(numbers(60), (i) => put(i, undefined, i % 2 === 0 ? "awaitPosition" : "barrier"))
      waits.sort((a, b) => a - b)
      assert.isBelow(waits[34], 250)
      assert.isBelow(waits[67], 2_000)
      yield* eventually(
        Effect.sync(() => changes.length),
        (count) => count >= 68
      )
      // partitions are read beside each other: in order by key
      for (const key of numbers(7).map((i) => `key-${i}`)) {
        assert.deepStrictEqual(
          changes.filter((change) => change[0] === key).map((change) => Number(change[1])),
          numbers(60).filter((i) => `key-${i % 7}` === key)
        )
      }
      assert.strictEqual(changes.length, 68)

      for (const _ of numbers(5)) {
        const begin = performance.now()
        yield* table.barrier()
        assert.isBelow(performance.now() - begin, 2_000)
      }
    }))

  test("a partition that is late does not wait for the others' long poll", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1", partition: 1 }])
      const client = yield* KafkaClient.make({ brokers })
      // the first answer about where it begins is an error, as leaders give it that have just been elected
      let asked = 0
      const error = new KafkaError.ConnectionError({ reason: "Closed", broker: "", request: "ListOffsets" })
      const late: KafkaClient.KafkaClient = {
        ...client,
        listOffsets: (description, at) =>
          Effect.map(client.listOffsets(description, at), (offsets) =>
            asked++ < 2 ? offsets.map((one) => (one.partition === 1 ? { ...one, offset: -1, error } : one)) : offsets
          )
      }
      const begin = performance.now()
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: Codec.utf8,
        fetch: { maxWait: "5 seconds" },
        onCatchUpTimeout: "fail"
      }).pipe(Effect.provideService(KafkaClient.KafkaClient, late))
      assert.isTrue(table.unsafeSnapshot().has("a"))
      assert.isBelow(performance.now() - begin, 2_000)
    }))

  test("what awaitPosition promises is visible, and stats are of what is visible, in the middle of an answer, too", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 3, configs: compacted })
      const decoder = new TextDecoder()
      // partitions of one answer are applied one after the other: here, that takes a while
      const slow = Codec.makeEffect({
        decode: (bytes) =>
          Effect.delay(
            Effect.sync(() => decoder.decode(bytes)),
            "50 millis"
          ),
        encode: (value: string) => Effect.sync(() => new TextEncoder().encode(value))
      })
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: slow,
        fetch: { minBytes: 200, maxWait: "500 millis" }
      }).pipe(withClient({ brokers }))
      const positions = yield* java.produce(
        topic,
        numbers(3).map((partition) => ({ key: `k${partition}`, value: "1", partition }))
      )
      yield* Effect.forEach(
        positions,
        (position) =>
          Effect.map(table.awaitPosition(positionsAt(topic, [position])), () => {
            assert.isTrue(table.unsafeSnapshot().has(`k${position.partition}`), `partition ${position.partition}`)
          }),
        { concurrency: "unbounded" }
      )
      const next = yield* java.produce(
        topic,
        numbers(3).map((partition) => ({ key: `k${partition}`, value: "2", partition }))
      )
      const early: Array<number> = []
      while (table.unsafeSnapshot().getOrUndefined("k0") !== "2") {
        const { positions, snapshot } = yield* seenBy(table)
        for (const p of [0, 1, 2]) assert.strictEqual(positions.get(p), Number(snapshot.getOrUndefined(`k${p}`)))
        // whoever comes in the middle
        yield* Effect.forEach(next, (position) =>
          Effect.forkScoped(
            Effect.map(table.awaitPosition(positionsAt(topic, [position])), () => {
              if (table.unsafeSnapshot().getOrUndefined(`k${position.partition}`) !== "2")
                early.push(position.partition)
            })
          )
        )
        yield* Effect.sleep(5)
      }
      assert.deepStrictEqual(early, [])
    }))

  test("a partition that was added a moment ago: barrier includes it, and without one it is found by itself", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const table = yield* open({ brokers }, topic)
      const watching = yield* open({ brokers }, topic, { metadataMaxAge: "500 millis" })
      yield* java.createPartitions(topic, 3)
      yield* java.produce(topic, [
        { key: "in the second", value: "1", partition: 1 },
        { key: "in the third", value: "1", partition: 2 }
      ])
      yield* table.barrier()
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["in the second", "in the third"])
      yield* eventually(watching.size, (size) => size === 2)
      assert.strictEqual((yield* watching.stats).partitions.length, 3)
      yield* java.produce(topic, [{ key: "in the third", value: null, partition: 2 }])
      yield* table.barrier()
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["in the second"])
    }))

  test("one bootstrap broker of several is enough", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const [port] = yield* freePorts(1)
      const wrong = yield* listening(http)
      const all = [`127.0.0.1:${port}`, wrong.address, "no-such-host.invalid:9092", ...brokers]
      const table = yield* open({ brokers: all }, topic)
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
    }))

  test("100,000 records: every value is right, the event loop stays usable meanwhile", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      yield* java.seed(topic, { count: 100_000, valueBytes: 236 })
      let longest = 0
      let ticks = 0
      let last = performance.now()
      const ticker = setInterval(() => {
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
        ticks++
      }, 5)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(ticker)))
      const begin = performance.now()
      last = begin
      const table = yield* open({ brokers }, topic)
      const millis = performance.now() - begin
      clearInterval(ticker)
      const snapshot = table.unsafeSnapshot()
      assert.strictEqual(snapshot.size, 100_000)
      let wrong = 0
      for (let i = 0; i < 100_000; i++) {
        const value = snapshot.getOrUndefined(`key-${String(i).padStart(7, "0")}`)
        if (value === undefined || value.length !== 236 || !value.startsWith(`{"n":${i},`)) wrong++
      }
      assert.strictEqual(wrong, 0)
      // the machine may be busy with other things: a catch-up in one piece would be a gap of all of its time
      assert.isBelow(longest, Math.max(200, millis / 3))
      assert.isAbove(ticks, millis / 60)
      const stats = yield* table.stats
      assert.strictEqual(stats.replayed, 100_000)
      assert.isDefined(stats.catchUpMillis)
    }))

  test("throttled by a quota: slow, and complete all the same", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: compacted })
      yield* java.seed(topic, { count: 3_500, valueBytes: 200, config: { "batch.size": "8000" } })
      const clientId = topicName("slow")
      const quota = (rate: number | null) => java.alterQuota({ "client-id": clientId }, { consumer_byte_rate: rate })
      // over its window of about ten seconds: the last part of what there is, is above it
      yield* Effect.acquireRelease(quota(60_000), () => Effect.ignore(quota(null)))
      const begin = performance.now()
      const table = yield* open({ brokers, clientId }, topic, {
        fetch: { maxBytes: 30_000 },
        onCatchUpTimeout: "fail"
      })
      assert.isAbove(performance.now() - begin, 1_000)
      assert.strictEqual(yield* table.size, 3_500)
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      assert.strictEqual((yield* table.stats).reconnects, 0)
    }))

  test("values of 1 MB, above the size of a partition's answer; headers on request; the broker's timestamps", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, {
        configs: { ...compacted, "max.message.bytes": "4000000", "message.timestamp.type": "LogAppendTime" }
      })
      const big = (letter: string) => letter.repeat(1_000_000)
      const settings = { config: { "max.request.size": "4000000" } }
      yield* java.produce(
        topic,
        [
          { key: "a", value: big("a"), timestamp: 1_000 },
          { key: "b", value: "small", headers: [{ key: "h", value: "1" }] },
          { key: "c", value: big("c") }
        ],
        settings
      )
      const table = yield* open({ brokers }, topic, {
        headers: true,
        fetch: { maxPartitionBytes: 10_000, maxBytes: 20_000 }
      })
      const plain = yield* open({ brokers }, topic)
      yield* java.produce(
        topic,
        [
          {
            key: "d",
            value: big("d"),
            headers: [
              { key: "h", value: "1" },
              { key: "h", value: null },
              { key: "ü", value: "" }
            ]
          }
        ],
        settings
      )
      yield* table.barrier()
      yield* plain.barrier()
      const log = yield* java.dump(topic)
      assert.isTrue(log.every((record) => record.timestampType === "LogAppendTime" && record.timestamp > 1_000))
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(log)), [])
      assert.deepStrictEqual(differences(plain.unsafeSnapshot(), fold(log)), [])
      const headers = (key: string) =>
        Effect.map(table.entry(key), (entry) =>
          Option.getOrThrow(entry).headers.map((h) => [h.key, h.value && Buffer.from(h.value).toString()])
        )
      assert.deepStrictEqual(yield* headers("a"), [])
      assert.deepStrictEqual(yield* headers("b"), [["h", "1"]])
      assert.deepStrictEqual(yield* headers("d"), [
        ["h", "1"],
        ["h", null],
        ["ü", ""]
      ])
      assert.deepStrictEqual(Option.getOrThrow(yield* plain.entry("d")).headers, [])
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // compaction
  // -------------------------------------------------------------------------------------------------------------------

  test("compacted, and compacted again while it is being read: holes and empty batches hang nothing", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: { ...compacted, "delete.retention.ms": "0" } })
      const write = (round: number) =>
        Effect.gen(function* () {
          // batches of one producer each, so that whole batches lose all of their records
          yield* java.seed(topic, { count: 2_000, from: round * 100, keys: 100, valueBytes: 300 })
          yield* java.produce(topic, [
            ...numbers(50).map((i) => ({ key: `key-00000${10 + i}`, value: null })),
            { key: `round ${round}`, value: "" }
          ])
        })
      // compaction appends tombstones of a key of its own
      const right = Effect.map(java.dump(topic), (log) => fold(log))
      yield* write(0)
      yield* java.compact(topic, { dropTombstones: true })
      const first = yield* java.dump(topic)
      const ends = yield* java.listOffsets(topic)
      assert.isBelow(first.length, ends[0].offset + ends[1].offset)

      const small = { fetch: { maxPartitionBytes: 1_000 } }
      const table = yield* open({ brokers }, topic, { ...small, onCatchUpTimeout: "fail" })
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(first)), [])
      for (const round of [1, 2]) {
        yield* write(round)
        const [, replaying] = yield* Effect.all(
          [
            java.compact(topic, { dropTombstones: true }),
            Effect.flatMap(Effect.sleep("300 millis"), () =>
              open({ brokers }, topic, { ...small, onCatchUpTimeout: "fail" })
            )
          ],
          { concurrency: 2 }
        )
        yield* table.barrier()
        yield* replaying.barrier()
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), yield* right), [])
        assert.deepStrictEqual(differences(replaying.unsafeSnapshot(), yield* right), [])
      }
    }))

  test("a topic that keeps tombstones for no time is not replayed for being idle", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: { ...compacted, "delete.retention.ms": "0" } })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      const table = yield* open({ brokers }, topic, { fetch: { maxWait: "200 millis" } })
      for (const i of numbers(5)) {
        yield* Effect.sleep("250 millis")
        yield* java.produce(topic, [{ key: "a", value: `${i}` }])
        yield* table.barrier()
      }
      assert.strictEqual((yield* table.stats).rebuilds, 0)
    }))

  test("tombstones that compaction took away while the reader was held up: replayed in full, no deleted key stays", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: { ...compacted, "delete.retention.ms": "0" } })
      yield* java.produce(
        topic,
        numbers(5).map((i) => ({ key: `key-${i}`, value: "1" }))
      )
      const table = yield* open({ brokers }, topic)
      const holder = yield* table.subscribe({ strategy: KafkaTable.backPressure(1) })
      // as many as are on their way to a reader that takes nothing, and more
      for (const i of numbers(8)) yield* java.produce(topic, [{ key: "held", value: `${i}` }])
      yield* java.produce(topic, [
        { key: "key-1", value: null },
        { key: "key-2", value: null }
      ])
      yield* java.compact(topic, { dropTombstones: true })
      assert.isTrue(table.unsafeSnapshot().has("key-1"))
      yield* collect(holder.changes)
      yield* eventually(table.stats, (stats) => stats.rebuilds === 1)
      yield* eventually(table.keys, (keys) => !keys.includes("key-1"))
      yield* table.barrier()
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["key-0", "key-3", "key-4", "held"])
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // transactions
  // -------------------------------------------------------------------------------------------------------------------

  test("transactions: committed is shown, aborted never, open after its commit; an open one hangs no start", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const transaction = yield* java.transaction()
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "committed", value: "1" }])
      yield* transaction.commit
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "aborted", value: "1" }])
      yield* transaction.abort
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "open", value: "1" }])
      yield* java.produce(topic, [{ key: "behind it", value: "1" }])

      const begin = yield* Clock.currentTimeMillis
      const table = yield* open({ brokers }, topic, { onCatchUpTimeout: "fail" })
      assert.isBelow((yield* Clock.currentTimeMillis) - begin, 5_000)
      const uncommitted = yield* open({ brokers }, topic, { isolation: "read_uncommitted" })
      const changes = yield* changesOf(table)
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["committed"])
      assert.sameMembers([...uncommitted.unsafeSnapshot().keys()], ["committed", "aborted", "open", "behind it"])

      const error = failureOf(yield* Effect.exit(table.barrier({ timeout: "1 second" })))
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      assert.include(error.message, "open transaction")
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.deepStrictEqual(error.behind, [{ partition: 0, position: 4, target: 6 }])
      }
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")

      yield* transaction.commit
      yield* table.barrier()
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["committed", "open", "behind it"])
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "aborted", value: "2" }])
      yield* transaction.abort
      yield* table.barrier()
      assert.isFalse(table.unsafeSnapshot().has("aborted"))
      assert.deepStrictEqual(changes, [
        ["open", "1"],
        ["behind it", "1"]
      ])
      assert.strictEqual((yield* table.stats).aborted, 2)
    }))

  test("transactions of many producers, most of them aborted, one inside the other: as Java reads them", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: compacted })
      const live = yield* open({ brokers }, topic, { fetch: { maxPartitionBytes: 500 } })
      const changes = yield* changesOf(live)
      const producers = yield* Effect.forEach(numbers(4), () => java.transaction(), { concurrency: 4 })
      let count = 0
      for (const round of numbers(6)) {
        yield* Effect.forEach(producers, (producer) => producer.begin, { concurrency: 4 })
        for (const _ of numbers(3)) {
          for (const [p, producer] of producers.entries()) {
            const fate = (round + p) % 3 === 0 ? "committed" : "aborted"
            yield* producer.send(topic, [
              { key: `key-${count++ % 11}`, value: `${fate} ${round}/${p}/${count}` },
              { key: `own-${p}`, value: `${fate} ${round}/${p}/${count}` }
            ])
          }
          yield* java.produce(topic, [{ key: `key-${count++ % 11}`, value: `plain ${count}` }])
        }
        // ended in another order than begun
        for (const [p, producer] of [...producers.entries()].reverse()) {
          yield* (round + p) % 3 === 0 ? producer.commit : producer.abort
        }
      }
      yield* live.barrier()
      const committed = yield* java.dump(topic, { committed: true })
      const all = yield* java.dump(topic)
      assert.isAbove(all.length, committed.length)
      assert.deepStrictEqual(differences(live.unsafeSnapshot(), fold(committed)), [])
      assert.deepStrictEqual(
        changes.filter((change) => change[1]?.startsWith("aborted")),
        []
      )
      assert.strictEqual(changes.length, committed.length)
      assert.strictEqual((yield* live.stats).aborted, all.length - committed.length)
      for (const maxPartitionBytes of [300, 4_000_000]) {
        const replayed = yield* open({ brokers }, topic, { fetch: { maxPartitionBytes } })
        assert.deepStrictEqual(differences(replayed.unsafeSnapshot(), fold(committed)), [])
        assert.strictEqual((yield* replayed.stats).aborted, all.length - committed.length)
      }
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // the topic itself
  // -------------------------------------------------------------------------------------------------------------------

  test("records deleted beyond a reader that was held up: reported, rebuilt, and replaced at once", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: { "cleanup.policy": "compact,delete" } })
      yield* java.produce(
        topic,
        numbers(5).map((i) => ({ key: `old-${i}`, value: "1" }))
      )
      const table = yield* open({ brokers }, topic, { fetch: { maxPartitionBytes: 2_000, maxBytes: 2_000 } })
      const truncations = yield* collect(table.truncations)
      const contents = yield* collect(
        Stream.map(table.ref.changes, (snapshot) => [...snapshot.keys()].filter((key) => key.startsWith("new-")).length)
      )
      // a subscriber that insists on every change, and takes none, holds the reader
      const holder = yield* table.subscribe({ strategy: KafkaTable.backPressure(1) })
      for (const i of numbers(30)) yield* java.produce(topic, [{ key: "held", value: `${i}` }])
      const held = (yield* table.stats).partitions[0].position
      assert.isBelow(held, 35)
      yield* java.deleteRecords(topic, [{ partition: 0, offset: 35 }])
      yield* java.produce(
        topic,
        numbers(300).map((i) => ({ key: `new-${i}`, value: "x".repeat(50) })),
        { config: { "batch.size": "500" } }
      )
      assert.isTrue(table.unsafeSnapshot().has("old-0"))
      yield* collect(holder.changes)
      yield* eventually(table.stats, (stats) => stats.rebuilds === 1 && stats.partitions[0].position === 335)
      yield* table.barrier()
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      assert.strictEqual(yield* table.size, 300)
      assert.deepStrictEqual(
        truncations.map((error) => [error.reason, error.partition, error.to]),
        [["Head", 0, 35]]
      )
      assert.isBelow(truncations[0].from, 35)
      // none of them or all of them, although they came in many answers
      assert.sameMembers([...new Set(contents)], [0, 300])
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
    }))

  test("topic deleted: typed, content frozen and readable, never created again", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      const id = yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      const table = yield* open({ brokers }, topic)
      const failure = yield* Effect.forkScoped(Effect.exit(table.failure))
      yield* java.deleteTopic(topic)
      const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
      const error = failureOf(yield* Fiber.join(failure))
      assert.strictEqual(error._tag, "KafkaTopicError")
      if (error._tag === "KafkaTopicError") assert.deepStrictEqual([error.reason, error.expected], ["Deleted", id])
      assert.deepStrictEqual(status, { _tag: "Failed", error, healing: false })
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      const waited = yield* Effect.exit(table.barrier())
      assert.isTrue(Exit.isFailure(waited))
      assert.notInclude(yield* java.listTopics, topic)
    }))

  test("topic re-created: typed with both ids; with a restart policy the new content replaces the old at once", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      const before = yield* java.createTopic(topic, { partitions: 2, configs: compacted })
      yield* java.produce(
        topic,
        numbers(50).map((i) => ({ key: `old-${i}`, value: "1" }))
      )
      const frozen = yield* open({ brokers }, topic)
      const restarting = yield* open({ brokers }, topic, {
        restart: Schedule.spaced("100 millis"),
        fetch: { maxPartitionBytes: 2_000, maxBytes: 2_000 }
      })
      const contents = yield* collect(
        Stream.map(restarting.ref.changes, (snapshot) => {
          const old = [...snapshot.keys()].filter((key) => key.startsWith("old-")).length
          return `${old} + ${snapshot.size - old}`
        })
      )
      yield* java.deleteTopic(topic)
      const after = yield* java.createTopic(topic, { configs: compacted })
      // the old positions are inside of the new log
      yield* java.produce(
        topic,
        numbers(300).map((i) => ({ key: `new-${i}`, value: "x".repeat(50) })),
        { config: { "batch.size": "500" } }
      )
      const status = yield* eventually(statusOf(frozen), (one) => one._tag === "Failed")
      if (status._tag === "Failed") {
        assert.strictEqual(status.error._tag, "KafkaTopicError")
        if (status.error._tag === "KafkaTopicError") {
          const { actual, expected, reason } = status.error
          assert.deepStrictEqual([reason, expected, actual], ["Recreated", before, after])
        }
      }
      assert.strictEqual(frozen.unsafeSnapshot().size, 50)
      assert.isTrue([...frozen.unsafeSnapshot().keys()].every((key) => key.startsWith("old-")))

      yield* eventually(restarting.size, (size) => size === 300)
      yield* eventually(statusOf(restarting), (one) => one._tag === "CaughtUp")
      yield* restarting.barrier()
      assert.deepStrictEqual(differences(restarting.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      // a new life that had some records only when it was replayed is complete as of then
      assert.isTrue(
        contents.every((content) => content === "50 + 0" || content.startsWith("0 + ")),
        contents.join(", ")
      )
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// brokers that fail
// ---------------------------------------------------------------------------------------------------------------------

/** Nothing takes longer than this to be noticed. */
/** Brokers close connections that were idle for so long. */
const IDLE_MILLIS = 2_000

const impatient = { requestTimeout: "1 second", connectTimeout: "1 second" } as const

realKafka("a table whose broker fails", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ config: { "connections.max.idle.ms": String(IDLE_MILLIS) } })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      return { java, brokers: cluster.brokers, node: cluster.nodes[0] }
    })
  )

  for (const way of ["stopped and started", "killed and started"] as const) {
    test(`broker ${way}: serves and says so, then goes on with nothing lost and nothing twice`, () =>
      Effect.gen(function* () {
        const { brokers, java, node } = yield* kafka
        const topic = topicName()
        yield* java.createTopic(topic, { partitions: 2, configs: compacted })
        const put = (from: number) =>
          Effect.forEach(numbers(10, from), (i) => java.produce(topic, [{ key: `k${i % 2}`, value: `${i}` }]))
        const table = yield* open({ brokers, ...impatient }, topic)
        const changes = yield* changesOf(table)
        const seen = yield* statuses(table)
        yield* put(0)
        yield* table.barrier()
        assert.isTrue((yield* table.freshness).connected)

        const large = topicName()
        yield* java.createTopic(large, { partitions: 2, configs: compacted })
        yield* java.seed(large, { count: 3_000, valueBytes: 100, config: { "batch.size": "1000" } })
        // one that still replays, in small answers
        let fetches = 0
        const client = yield* KafkaClient.make({ brokers, ...impatient })
        const slow: KafkaClient.KafkaClient = {
          ...client,
          connect: (broker) =>
            Effect.map(client.connect(broker), (connection) => ({
              ...connection,
              fetch: (request) => {
                fetches++
                return Effect.delay(connection.fetch(request), "10 millis")
              }
            }))
        }
        const replaying = yield* KafkaTable.make<string, string>({
          topic: large,
          value: Codec.utf8,
          fetch: { maxPartitionBytes: 1_000, maxBytes: 1_000 },
          onCatchUpTimeout: "fail"
        }).pipe(Effect.provideService(KafkaClient.KafkaClient, slow), Effect.forkScoped)
        yield* eventually(
          Effect.sync(() => fetches),
          (count) => count > 20
        )

        yield* way === "killed and started" ? node.kill : node.shutdown
        const down = yield* eventually(
          table.freshness,
          (freshness) => !freshness.connected && freshness.lastFailure !== undefined
        )
        assert.strictEqual(down.lastFailure?._tag, "KafkaConnectionError")
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k1"), "9")
        const barrier = failureOf(yield* Effect.exit(table.barrier({ timeout: "500 millis" })))
        assert.strictEqual(barrier._tag, "KafkaWaitTimeoutError")
        yield* eventually(table.freshness, (freshness) => (freshness.staleMillis ?? 0) > 1_000)

        yield* node.start
        yield* put(10)
        yield* table.barrier()
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k1"), "19")
        for (const key of ["k0", "k1"]) {
          assert.deepStrictEqual(
            changes.filter((change) => change[0] === key).map((change) => Number(change[1])),
            numbers(20).filter((i) => `k${i % 2}` === key)
          )
        }
        const up = yield* eventually(table.freshness, (freshness) => freshness.connected)
        assert.isUndefined(up.lastFailure)
        assert.strictEqual(up.lag, 0)
        assert.deepStrictEqual(seen, ["CaughtUp"])
        const stats = yield* table.stats
        assert.deepStrictEqual([stats.rebuilds, stats.reconnects > 0], [0, true])
        const replayed = yield* Fiber.join(replaying)
        assert.deepStrictEqual(differences(replayed.unsafeSnapshot(), fold(yield* java.dump(large))), [])
        assert.strictEqual((yield* replayed.stats).replayed, 3_000)
        assert.isAbove((yield* replayed.stats).reconnects, 0)
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      }))
  }

  test("a connection that the broker closed for being idle is no failure", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* eventually(Effect.sync(sockets), (count) => count === 0)
      const table = yield* open({ brokers }, topic)
      // one to ask, one to fetch
      assert.strictEqual(sockets(), 2)
      yield* eventually(Effect.sync(sockets), (count) => count === 1)
      const begin = performance.now()
      yield* table.barrier()
      assert.isBelow(performance.now() - begin, 1_000)
      assert.isUndefined((yield* table.freshness).lastFailure)
    }))

  test("frozen broker: noticed within the request timeout, a start is degraded or fails on time, then all resume", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      const table = yield* open({ brokers, ...impatient }, topic)
      const seen = yield* statuses(table)
      yield* Effect.acquireRelease(node.stop, () => Effect.ignore(node.continue))
      const begin = yield* Clock.currentTimeMillis
      const frozen = yield* eventually(table.freshness, (freshness) => !freshness.connected, "5 seconds")
      assert.isBelow((yield* Clock.currentTimeMillis) - begin, 3_000)
      assert.strictEqual(frozen.lastFailure?.reason, "Timeout")

      const [degraded, failed] = yield* Effect.all(
        [
          open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second" }),
          Effect.exit(open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second", onCatchUpTimeout: "fail" }))
        ],
        { concurrency: 2 }
      )
      const status = yield* statusOf(degraded)
      assert.strictEqual(status._tag, "Degraded")
      assert.strictEqual(failureOf(failed)._tag, "KafkaWaitTimeoutError")

      yield* node.continue
      yield* java.produce(topic, [{ key: "a", value: "2" }])
      yield* table.barrier()
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "2")
      yield* degraded.awaitCaughtUp()
      assert.strictEqual(degraded.unsafeSnapshot().getOrUndefined("a"), "2")
      assert.deepStrictEqual(seen, ["CaughtUp"])
    }))

  test("no broker at the start: degraded or a typed error on time; caught up once there is one", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      yield* node.kill
      const begin = yield* Clock.currentTimeMillis
      const [degraded, failed] = yield* Effect.all(
        [
          open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second" }),
          Effect.exit(open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second", onCatchUpTimeout: "fail" }))
        ],
        { concurrency: 2 }
      )
      assert.isBelow((yield* Clock.currentTimeMillis) - begin, 3_000)
      const error = failureOf(failed)
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.strictEqual(error.cause?._tag, "KafkaConnectionError")
        assert.strictEqual(error.cause?.reason, "Unreachable")
      }
      assert.strictEqual((yield* statusOf(degraded))._tag, "Degraded")
      assert.strictEqual(yield* degraded.size, 0)
      yield* node.start
      yield* degraded.awaitCaughtUp()
      assert.deepStrictEqual([...degraded.unsafeSnapshot()], [["a", "1"]])
    }))

  test("closed or interrupted, broker up or frozen: at once, and nothing is left", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 3, configs: compacted })
      yield* java.seed(topic, { count: 50_000, valueBytes: 200 })
      const nothing = { sockets: 0, fibers: 0, timers: 0 }
      const clean = (what: string, found: { readonly left: { readonly millisToClose: number } & typeof nothing }) => {
        const { millisToClose, ...left } = found.left
        assert.deepStrictEqual(left, nothing, what)
        assert.isBelow(millisToClose, 2_000, what)
      }
      const use = Effect.gen(function* () {
        // the driver's own timers of 10 seconds would be seen
        const table = yield* open({ brokers }, topic)
        yield* table.barrier()
        return table
      })
      const used = yield* leftovers(use)
      clean("closed", used)
      if (Exit.isSuccess(used.exit)) {
        const table = used.exit.value
        assert.strictEqual(table.unsafeSnapshot().size, 50_000)
        assert.strictEqual(failureOf(yield* Effect.exit(table.barrier()))._tag, "KafkaTableClosedError")
      }
      for (const millis of [0, 2, 5, 15, 40, 90]) {
        clean(`interrupted after ${millis} ms`, yield* leftovers(use, { interruptAfter: millis }))
      }

      yield* Effect.acquireRelease(node.stop, () => Effect.ignore(node.continue))
      clean("frozen, acquiring", yield* leftovers(use, { interruptAfter: "300 millis" }))
      const late = yield* leftovers(
        open({ brokers, ...impatient }, topic, { catchUpTimeout: "1500 millis", onCatchUpTimeout: "fail" })
      )
      assert.strictEqual(failureOf(late.exit)._tag, "KafkaWaitTimeoutError")
      clean("frozen, timed out", late)
      yield* node.continue
      const frozen = yield* leftovers(
        Effect.gen(function* () {
          const table = yield* use
          const waiting = yield* Effect.forkDaemon(Effect.exit(table.barrier()))
          yield* node.stop
          const barrier = yield* Effect.forkDaemon(Effect.exit(table.barrier()))
          // in the middle of everything: requests unanswered, and new connections
          yield* Effect.sleep("700 millis")
          return { waiting, barrier }
        })
      )
      if (Exit.isFailure(frozen.exit)) return assert.fail(String(frozen.exit))
      const ended = failureOf(yield* Fiber.join(frozen.exit.value.barrier))
      assert.strictEqual(ended._tag, "KafkaTableClosedError")
      yield* node.continue
      const { fibers: _fibers, millisToClose, ...left } = frozen.left
      assert.deepStrictEqual(left, { sockets: 0, timers: 0 })
      assert.isBelow(millisToClose, 2_000)
    }))
})

realKafka("a table whose leader fails", { java: true }, () => {
  test(
    "one of three brokers is killed, one is frozen: others go on, then the next leader is followed",
    () =>
      Effect.gen(function* () {
        const cluster = yield* KafkaCluster.make({ nodes: 3, config: { "min.insync.replicas": "1" } })
        const java = yield* JavaClient.make(cluster.adminBrokers)
        const topic = topicName()
        yield* java.createTopic(topic, {
          assignments: [
            [1, 2, 3],
            [2, 3, 1],
            [3, 1, 2]
          ],
          configs: compacted
        })
        const table = yield* open({ brokers: cluster.brokers, ...impatient }, topic)
        const changes = yield* changesOf(table)
        const seen = yield* statuses(table)
        // a producer that asks for the leaders often, and is given the time for it
        const patient = {
          config: { "metadata.max.age.ms": "500", "request.timeout.ms": "2000", "delivery.timeout.ms": "40000" }
        }
        let count = 0
        const put = (partition: number) =>
          Effect.gen(function* () {
            const value = `${count++}`
            const positions = yield* java.produce(topic, [{ key: `k${partition}`, value, partition }], patient)
            yield* table.awaitPosition(positionsAt(topic, positions))
            assert.strictEqual(table.unsafeSnapshot().getOrUndefined(`k${partition}`), value)
          })
        const leaders = Effect.map(table.stats, (stats) => stats.partitions.map((p) => p.leader))
        yield* Effect.forEach([0, 1, 2], put)
        assert.deepStrictEqual(yield* leaders, [1, 2, 3])

        // a leader that moves for no fault
        yield* java.reassign(topic, [{ partition: 1, replicas: [3, 2, 1] }])
        yield* java.electLeaders(topic, [1])
        yield* Effect.forEach([0, 1, 2], put)
        yield* eventually(leaders, (list) => list[1] === 3)

        yield* cluster.nodes[0].kill
        yield* put(1)
        yield* put(0)
        assert.notInclude(yield* leaders, 1)
        yield* table.barrier()
        yield* cluster.nodes[0].start

        const frozen = cluster.nodes[2]
        yield* Effect.acquireRelease(frozen.stop, () => Effect.ignore(frozen.continue))
        yield* put(0)
        yield* eventually(leaders, (list) => !list.includes(3) && !list.includes(-1), "20 seconds")
        yield* Effect.forEach([2, 1, 0], put)
        yield* frozen.continue
        yield* Effect.forEach([0, 1, 2], put)

        for (const key of ["k0", "k1", "k2"]) {
          const values = changes.filter((change) => change[0] === key).map((change) => Number(change[1]))
          assert.deepStrictEqual(
            values,
            [...values].sort((a, b) => a - b)
          )
          assert.strictEqual(new Set(values).size, values.length)
        }
        assert.strictEqual(changes.length, count)
        assert.deepStrictEqual(seen, ["CaughtUp"])
        assert.strictEqual((yield* table.stats).rebuilds, 0)
        // the one that was frozen may still tell others about the log as it was when it led it
        yield* eventually(
          Effect.map(java.dump(topic), (log) => differences(table.unsafeSnapshot(), fold(log))),
          (found) => found.length === 0
        )
      }),
    120_000
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// what is no broker
// ---------------------------------------------------------------------------------------------------------------------

describe("a port that speaks something else", () => {
  const says =
    (bytes: Uint8Array | undefined, end = false) =>
    () =>
      Net.createServer((socket) => {
        socket.once("data", () => {
          if (bytes !== undefined) socket.write(bytes)
          if (end) socket.end()
        })
      })

  const frame = (...bytes: ReadonlyArray<number>) => Buffer.from(bytes)

  const tls = (now: number) => () => {
    const authority = makeAuthority("test-ca", now)
    return Tls.createServer(authority.issue({ name: "broker", hosts: ["127.0.0.1"] }))
  }

  const peers: ReadonlyArray<readonly [string, (now: number) => () => Net.Server, ReadonlyArray<string>]> = [
    ["HTTP", () => http, ["Protocol"]],
    ["TLS, met in plain", tls, ["Protocol", "Closed"]],
    ["SSH", () => says(Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")), ["Protocol"]],
    ["nothing", () => says(undefined), ["Timeout"]],
    ["nothing, and closes", () => says(undefined, true), ["Closed"]],
    ["a frame of 0 bytes", () => says(frame(0, 0, 0, 0)), ["Protocol"]],
    ["a frame of -1 bytes", () => says(frame(255, 255, 255, 255)), ["Protocol"]],
    ["a frame of garbage", () => says(frame(0, 0, 0, 8, 0, 0, 0, 0, 255, 255, 255, 255)), ["Protocol"]],
    ["an answer to nobody", () => says(frame(0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0)), ["Timeout", "Protocol"]],
    ["half a frame, and closes", () => says(frame(0, 0, 0, 8, 0, 0), true), ["Closed"]]
  ]

  for (const [name, make, reasons] of peers) {
    test(`${name}: a typed error, no crash, no hang, nothing left`, () =>
      Effect.gen(function* () {
        const peer = yield* listening(make(yield* Clock.currentTimeMillis))
        const client = { brokers: [peer.address], ...impatient }
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (one) => one.describeTopic("topic")).pipe(withClient(client))
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.include(reasons, error.reason)
        assert.include(error.message, peer.address)
        const acquired = failureOf(
          yield* Effect.exit(open(client, "topic", { catchUpTimeout: "1500 millis", onCatchUpTimeout: "fail" }))
        )
        assert.strictEqual(acquired._tag, "KafkaWaitTimeoutError")
        if (acquired._tag === "KafkaWaitTimeoutError") {
          assert.strictEqual(acquired.cause?._tag, "KafkaConnectionError")
          assert.include(reasons, acquired.cause?.reason)
        }
      }))
  }

  test("plain, met in TLS: a Tls error at once", () =>
    Effect.gen(function* () {
      const peer = yield* listening(http)
      const error = failureOf(yield* Effect.exit(open({ brokers: [peer.address], tls: true, ...impatient }, "topic")))
      assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"])
    }))

  test("nobody: refused, or no such host", () =>
    Effect.gen(function* () {
      const [port] = yield* freePorts(1)
      for (const broker of [`127.0.0.1:${port}`, "no-such-host.invalid:9092"]) {
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (one) => one.describeTopic("topic")).pipe(
            withClient({ brokers: [broker], ...impatient })
          )
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.strictEqual(error.reason, "Unreachable")
      }
    }))
})

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { Catalog, Codec, KafkaClient, LiveTable } from "../../src/index.ts"
import { catalogOn, Part, part, skus, stocks } from "../catalog/support.ts"
import { collect, eventually, numbers, sooner } from "../support/live.ts"
import { batchAnAnswer, newName, type Kafka, type Suite } from "./suite.ts"

type PartCatalog = Catalog.Catalog<Part, "sku", "vendor" | "zone">

/** A catalog as another process has it. */
const catalogIn = (kafka: Kafka, topic: string, settings?: Catalog.CatalogSettings) =>
  Effect.flatMap(kafka.client, (client) => catalogOn(client, topic, settings))

const small = { topicSettings: { partitions: 2, replicationFactor: 1 } } as const

/** The topic of a catalog whose compaction can be tried at once. */
const topicOf = (kafka: Kafka, partitions = 2) => kafka.topic({ partitions, configs: { "delete.retention.ms": "0" } })

/** What a catalog shows of all records, for comparison with others. */
const contentOf = (catalog: PartCatalog) =>
  Effect.map(catalog.table.entries, (entries) =>
    entries
      .map(
        ({ key, offset, partition, value }) => `${key.rowKey}/${key.fingerprint}@${partition}:${offset}=${value.stock}`
      )
      .sort()
  )

/** Waits until all of them have read all, and fails unless they show the same. */
const agreed = (...catalogs: ReadonlyArray<PartCatalog>) =>
  Effect.gen(function* () {
    const contents = yield* Effect.forEach(catalogs, (catalog) => Effect.andThen(catalog.barrier(), contentOf(catalog)))
    for (const content of contents) assert.deepStrictEqual(content, contents[0])
    return contents[0]
  })

const ended = (record: { readonly value: Buffer | null }) => record.value === null

export const catalogs = (test: Suite): void => {
  test("records are inserted, found by any of their keys, and deleted; the log is made as it should be", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const parts = yield* catalogIn(kafka, topic, small)
      assert.strictEqual((yield* kafka.describeTopic(topic))?.configs["cleanup.policy"], "compact")
      for (const one of [part("c", "ACME", "eu"), part("a", "Acme", "us"), part("b", "Bolt", "eu")]) {
        assert.deepStrictEqual(yield* parts.insert(one), one)
        // it is there when the insert has ended
        assert.deepStrictEqual(yield* parts.find(one), Option.some(one))
      }
      assert.deepStrictEqual(skus(yield* parts.query({ vendor: "acme" })), ["a", "c"])
      assert.deepStrictEqual(skus(yield* parts.query({ zone: "EU" })), ["b", "c"])
      assert.deepStrictEqual(skus(yield* parts.query({ vendor: "ACME", zone: "eu" })), ["c"])
      assert.deepStrictEqual(skus(yield* parts.query({ rowFrom: "b", rowTo: "c" })), ["b", "c"])
      assert.strictEqual(yield* parts.delete({ zone: "Eu", rowTo: "b" }), 1)
      assert.deepStrictEqual(skus(yield* parts.query({ rowFrom: "a" })), ["a", "c"])
      assert.strictEqual(yield* parts.size, 2)
      assert.strictEqual((yield* kafka.log(topic)).filter(ended).length, 1)
      const second = yield* catalogIn(kafka, topic)
      assert.strictEqual((yield* agreed(parts, second)).length, 2)
    }))

  test("an identity that is inserted twice is there once: the first payload stays, whoever comes second", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const [one, two] = [yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic)]
      assert.strictEqual((yield* one.insert(part("a", "ACME", "eu", 1))).stock, 1)
      const records = (yield* kafka.log(topic)).length
      // one that has not read it yet would write its own, in vain
      yield* two.barrier()
      for (const each of [one, two]) {
        assert.strictEqual((yield* each.insert(part("a", "acme", "EU", 2))).stock, 1)
      }
      // what is known to be there is not written again
      assert.strictEqual((yield* kafka.log(topic)).length, records)
      // with another index value, or another case of the row key, it is another one
      yield* two.insert(part("a", "Bolt", "eu", 3))
      yield* two.insert(part("A", "ACME", "eu", 4))
      assert.strictEqual((yield* agreed(one, two)).length, 3)
      assert.deepStrictEqual(stocks(yield* one.query({ sku: "a" })).toSorted(), [1, 3])
    }))

  test("writers race for one identity, while a third one reads: all get the same record, before and after compaction", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka, 1)
      const writers = [yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic)]
      const reader = yield* catalogIn(kafka, topic)
      const subscription = yield* reader.table.subscribe({ strategy: LiveTable.backPressure(100_000) })
      const changes = yield* collect(subscription.changes)
      for (const round of numbers(10)) {
        const got = yield* Effect.forEach(
          writers.flatMap((writer, w) => [0, 1].map((n) => ({ writer, stock: 100 * round + 10 * w + n }))),
          ({ stock, writer }) => writer.insert(part(`sku-${round}`, "ACME", "eu", stock)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(stocks(got)).size, 1)
        yield* reader.barrier()
        assert.deepStrictEqual(stocks(yield* reader.query({ sku: `sku-${round}` })), [got[0].stock])
      }
      const before = yield* agreed(...writers, reader)
      assert.strictEqual(before.length, 10)
      // nobody has seen a record that was replaced by another one
      assert.isTrue(changes.every((change) => change._tag === "Upsert" && Option.isNone(change.previous)))
      // of each identity one record is left that is not deleted
      const live = new Map((yield* kafka.log(topic)).map((record) => [record.key!.toString("latin1"), record]))
      assert.strictEqual(
        [...live.values()].filter((record) => record.value !== null && record.value.length > 0).length,
        10
      )
      yield* kafka.clean(topic, { dropTombstones: true })
      const fresh = yield* catalogIn(kafka, topic)
      assert.deepStrictEqual(yield* agreed(...writers, reader, fresh), before)
    }))

  test("a candidate of a writer that died changes nothing, as long as the first one is there; a delete takes both", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka, 1)
      const parts = yield* catalogIn(kafka, topic)
      yield* parts.insert(part("a", "ACME", "eu", 1))
      const first = (yield* kafka.log(topic)).findLast(({ value }) => value !== null && value.length > 0)!
      // the same identity by somebody who has written it, and nothing since
      const key = Buffer.from(first.key!)
      key.fill(0xee, key.length - 16)
      const value = Buffer.from(JSON.stringify({ sku: "a", vendor: "ACME", zone: "eu", stock: 2 }))
      yield* kafka.append(topic, [{ key, value, partition: first.partition }])
      yield* parts.barrier()
      assert.deepStrictEqual(stocks(yield* parts.query({ sku: "a" })), [1])
      assert.strictEqual(yield* parts.size, 1)
      yield* kafka.clean(topic, { dropTombstones: true })
      const fresh = yield* catalogIn(kafka, topic)
      assert.strictEqual((yield* agreed(parts, fresh)).length, 1)
      assert.deepStrictEqual(stocks(yield* fresh.query({ sku: "a" })), [1])
      assert.strictEqual(yield* fresh.delete({ vendor: "ACME" }), 1)
      assert.deepStrictEqual(yield* agreed(parts, fresh), [])
      // and it can be inserted again
      assert.strictEqual((yield* parts.insert(part("a", "ACME", "eu", 3))).stock, 3)
      yield* kafka.clean(topic, { dropTombstones: true })
      assert.strictEqual((yield* agreed(parts, fresh, yield* catalogIn(kafka, topic))).length, 1)
    }))

  test("what others have inserted and deleted counts, if it is not read yet", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const [one, two] = [yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic)]
      for (const round of numbers(20)) {
        assert.strictEqual((yield* one.insert(part("a", "ACME", "eu", round))).stock, round)
        assert.strictEqual(yield* two.delete({ vendor: "acme" }), 1)
        assert.strictEqual(yield* two.size, 0)
      }
      assert.deepStrictEqual(yield* agreed(one, two), [])
    }))

  test("an insert whose caller is gone after the record was sent: it is in the log, and so in each catalog", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const parts = yield* catalogIn(kafka, topic)
      yield* parts.insert(part("a", "ACME", "eu", 1))
      const end = (yield* kafka.ends(topic)).reduce((a, b) => a + b)
      yield* Effect.gen(function* () {
        // the process as it is just before it dies: what it has sent is in the log, and it has read nothing of that
        const scope = yield* Scope.make()
        const dying = yield* Scope.provide(catalogIn(kafka, topic), scope)
        const insert = yield* Effect.forkIn(dying.insert(part("b", "ACME", "eu", 2)), scope)
        yield* eventually(kafka.ends(topic), (ends) => ends.reduce((a, b) => a + b) > end)
        void insert
        yield* Scope.close(scope, Exit.void)
      })
      const fresh = yield* catalogIn(kafka, topic)
      assert.strictEqual((yield* agreed(parts, fresh)).length, 2)
      assert.strictEqual((yield* fresh.insert(part("b", "ACME", "eu", 3))).stock, 2)
    }))

  test("partitions are added: what was there stays what it was, and is found and deleted where it is", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka, 1)
      const quick = { metadataMaxAge: "200 millis" } as const
      const [one, two] = [yield* catalogIn(kafka, topic, quick), yield* catalogIn(kafka, topic, quick)]
      const all = numbers(12).map((i) => part(`sku-${i}`, "ACME", "eu", i))
      yield* Effect.forEach(all, (each) => one.insert(each), { concurrency: "unbounded", discard: true })
      const before = yield* agreed(one, two)
      yield* kafka.addPartitions(topic, 5)
      yield* sooner(
        Effect.suspend(() => Effect.andThen(one.insert(part(newName(), "Bolt", "eu")), kafka.ends(topic))),
        (ends) => ends.slice(1).some((end) => end > 0)
      )
      for (const each of all) {
        assert.strictEqual((yield* two.insert(new Part({ ...each, stock: 100 + each.stock }))).stock, each.stock)
      }
      // one that knows of none writes to another partition
      const first = (yield* kafka.log(topic)).find(({ value }) => value !== null && value.includes(`"sku-3"`))!
      const key = Buffer.from(first.key!)
      key.fill(0xee, key.length - 16)
      const late = Buffer.from(first.value!.toString().replace(`"stock":3`, `"stock":333`))
      yield* kafka.append(topic, [{ key, value: late, partition: 4, timestamp: first.timestamp + 5 }])
      const after = yield* agreed(one, two, yield* catalogIn(kafka, topic))
      for (const row of before) assert.include(after, row)
      assert.strictEqual(yield* one.delete({ vendor: "acme" }), 12)
      yield* two.barrier()
      assert.deepStrictEqual(yield* two.query({ vendor: "acme" }), [])
      // each tombstone is where its record is, or the record would come back
      yield* kafka.clean(topic, { dropTombstones: true })
      const last = yield* catalogIn(kafka, topic)
      assert.deepStrictEqual(yield* last.query({ vendor: "acme" }), [])
    }))

  test("with other keys, a log is refused: at the start if it was written to, else at the first insert", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const other = Effect.flatMap(kafka.client, (client) =>
        Catalog.make({ rowKey: "sku", indexKeys: ["vendor"] }, { topic, value: Codec.json(Part) }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, client)
        )
      )
      // neither has written yet
      const [one, two] = [yield* catalogIn(kafka, topic), yield* other]
      const inserted = yield* Effect.all(
        [Effect.exit(one.insert(part("a", "ACME", "eu"))), Effect.exit(two.insert(part("a", "ACME", "eu")))],
        { concurrency: 2 }
      )
      assert.strictEqual(inserted.filter(Exit.isSuccess).length, 1)
      const winner = Exit.isSuccess(inserted[0]) ? ["vendor", "zone"] : ["vendor"]
      const loser = winner.length === 2 ? Effect.asVoid(other) : Effect.asVoid(catalogIn(kafka, topic))
      const refused = yield* Effect.flip(loser)
      assert.strictEqual(refused._tag, "KafkaCatalogLockedError")
      if (refused._tag !== "KafkaCatalogLockedError") return
      assert.deepStrictEqual(refused.locked, { rowKey: "sku", indexKeys: winner })
      yield* kafka.clean(topic, { dropTombstones: true })
      assert.strictEqual((yield* Effect.flip(loser))._tag, refused._tag)
    }))

  test("what has never counted is not seen when a record is deleted, not even for a moment", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka, 1)
      // a batch for each tombstone, and an answer for each batch
      const parts = yield* catalogIn(kafka, topic, { maxBatchBytes: 1 })
      const reader = yield* catalogIn(kafka, topic, batchAnAnswer)
      const subscription = yield* reader.table.subscribe({ strategy: LiveTable.backPressure(100_000) })
      const changes = yield* collect(subscription.changes)
      for (const round of numbers(5)) {
        yield* parts.insert(part("a", "ACME", "eu", round))
        const first = (yield* kafka.log(topic)).at(-1)!
        yield* kafka.append(
          topic,
          [0xee, 0xef].map((id) => {
            const key = Buffer.from(first.key!)
            key.fill(id, key.length - 16)
            return { key, value: JSON.stringify(part("a", "ACME", "eu", id)), partition: 0 }
          })
        )
        yield* parts.barrier()
        assert.strictEqual(yield* parts.delete({ sku: "a" }), 1)
        yield* reader.barrier()
        assert.strictEqual(yield* reader.size, 0)
      }
      yield* eventually(
        Effect.sync(() => changes.length),
        (length) => length >= 10
      )
      assert.deepStrictEqual(
        changes.map((change) => (change._tag === "Upsert" ? change.value.stock : "-")),
        numbers(5).flatMap((round) => [round, "-"])
      )
    }))

  test("one identity, inserted and deleted by several at the same time: each gets what the log has, and all agree", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const writers = [yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic)]
      yield* Effect.forEach(
        writers,
        (writer, w) =>
          Effect.forEach(
            numbers(15),
            (round) =>
              Effect.gen(function* () {
                const there = yield* writer.insert(part("a", "ACME", "eu", 100 * w + round))
                assert.isTrue(there.stock % 100 <= 15)
                if (round % 3 === w) assert.isAtMost(yield* writer.delete({ sku: "a", vendor: "acme" }), 1)
              }),
            { discard: true }
          ),
        { concurrency: "unbounded", discard: true }
      )
      const before = yield* agreed(...writers)
      assert.isAtMost(before.length, 1)
      // nobody's candidates are left that do not count
      const live = new Map((yield* kafka.log(topic)).map(({ key, value }) => [key!.toString("latin1"), value]))
      const records = [...live.values()].filter((value) => value !== null && value.length > 0)
      assert.strictEqual(records.length, before.length)
      yield* kafka.clean(topic, { dropTombstones: true })
      assert.deepStrictEqual(yield* agreed(...writers, yield* catalogIn(kafka, topic)), before)
      yield* writers[0].delete({ sku: "a" })
      assert.strictEqual((yield* writers[1].insert(part("a", "ACME", "eu", 999))).stock, 999)
    }))

  test("records are deleted by a filter while others insert more of them: what was acknowledged before is gone", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const [inserting, deleting] = [yield* catalogIn(kafka, topic), yield* catalogIn(kafka, topic)]
      const acknowledged = new Set<string>()
      const gone = new Set<string>()
      const inserts = yield* Effect.forkScoped(
        Effect.forEach(
          numbers(120),
          (i) =>
            Effect.map(
              inserting.insert(part(`sku-${i}`, i % 4 === 0 ? "Bolt" : "ACME", "eu", i)),
              ({ sku, vendor }) => {
                if (vendor === "ACME") acknowledged.add(sku)
              }
            ),
          { concurrency: 4, discard: true }
        )
      )
      let deleted = 0
      for (let round = 0; round < 5; round++) {
        yield* eventually(
          Effect.sync(() => acknowledged.size),
          (size) => size >= 15 * (round + 1)
        )
        const before = [...acknowledged]
        deleted += yield* deleting.delete({ vendor: "acme" })
        const left = new Set(skus(yield* deleting.query({ vendor: "acme" })))
        for (const sku of before) gone.add(sku)
        assert.deepStrictEqual(
          [...gone].filter((sku) => left.has(sku)),
          []
        )
      }
      yield* Fiber.join(inserts)
      assert.strictEqual((yield* agreed(inserting, deleting, yield* catalogIn(kafka, topic))).length, 120 - deleted)
      assert.lengthOf(yield* inserting.query({ vendor: "bolt" }), 30)
      assert.strictEqual(yield* inserting.delete({ zone: "eu" }), 120 - deleted)
      assert.deepStrictEqual(yield* agreed(inserting, deleting), [])
    }))

  test("recovered from a time: what is older is not shown, again and again; an empty log has nothing to recover", (kafka) =>
    Effect.gen(function* () {
      const empty = yield* topicOf(kafka)
      for (const recoverFrom of [0, Date.now()]) {
        const parts = yield* catalogIn(kafka, empty, { recoverFrom })
        assert.deepStrictEqual([yield* parts.size, yield* parts.query({ rowFrom: "a" })], [0, []])
      }
      const topic = yield* topicOf(kafka)
      const all = yield* catalogIn(kafka, topic)
      yield* all.insert(part("old", "ACME", "eu", 1))
      const [{ timestamp }] = yield* all.table.entries
      yield* eventually(
        Effect.sync(() => Date.now()),
        (now) => now > timestamp
      )
      yield* all.insert(part("new", "ACME", "eu", 2))
      const log = yield* kafka.log(topic)
      for (const round of numbers(2)) {
        const parts = yield* catalogIn(kafka, topic, { recoverFrom: timestamp + 1 })
        assert.deepStrictEqual(skus(yield* parts.query({ zone: "eu" })), ["new"], `${round}`)
        // it is the old one that counts, though it is not shown
        assert.strictEqual((yield* parts.insert(part("old", "ACME", "eu", 3))).stock, 1)
      }
      assert.deepStrictEqual(yield* kafka.log(topic), log)
    }))

  test("a log whose beginning is gone: a running catalog and a fresh one show the same, and both go on", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "compact,delete" } })
      const running = yield* catalogIn(kafka, topic)
      for (const sku of ["a", "b", "c"]) yield* running.insert(part(sku, "ACME", "eu", 1))
      const watched = yield* collect(running.table.watch(yield* running.identity(part("a", "ACME", "eu"))))
      const second = (yield* kafka.log(topic)).find(({ value }) => value?.includes(`"b"`) === true)!
      // with it the claim of the log, and the first record
      yield* kafka.deleteRecords(topic, 0, second.offset)
      yield* eventually(running.size, (size) => size === 2)
      yield* eventually(
        Effect.sync(() => watched.at(-1)),
        (last) => last !== undefined && Option.isNone(last)
      )
      const fresh = yield* catalogIn(kafka, topic)
      assert.strictEqual((yield* agreed(running, fresh)).length, 2)
      assert.strictEqual((yield* fresh.insert(part("a", "ACME", "eu", 2))).stock, 2)
      assert.strictEqual((yield* running.insert(part("a", "ACME", "eu", 3))).stock, 2)
      assert.strictEqual((yield* running.insert(part("b", "ACME", "eu", 4))).stock, 1)
      assert.strictEqual((yield* agreed(running, fresh, yield* catalogIn(kafka, topic))).length, 3)
    }))

  test("a catalog that is read-only shows what is inserted and deleted, writes nothing, and says so", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* topicOf(kafka)
      const reader = yield* catalogIn(kafka, topic, { readOnly: true })
      assert.deepStrictEqual(yield* kafka.log(topic), [])
      const writer = yield* catalogIn(kafka, topic)
      yield* writer.insert(part("a", "ACME", "eu", 1))
      yield* writer.insert(part("b", "ACME", "eu", 2))
      assert.strictEqual((yield* agreed(writer, reader)).length, 2)
      yield* writer.delete({ sku: "a" })
      yield* agreed(writer, reader)
      const log = yield* kafka.log(topic)
      const attempts = [
        Effect.asVoid(reader.insert(part("c", "ACME", "eu"))),
        Effect.asVoid(reader.delete({ sku: "b" }))
      ]
      for (const attempt of attempts) {
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "KafkaCatalogReadOnlyError")
      }
      assert.deepStrictEqual(yield* kafka.log(topic), log)
      assert.deepStrictEqual(stocks(yield* reader.query({ vendor: "acme" })), [2])
      const missing = newName()
      const error = yield* Effect.flip(catalogIn(kafka, missing, { readOnly: true }))
      assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "NotFound" })
      assert.isUndefined(yield* kafka.describeTopic(missing))
    }))

  test("a log that is kept for ever: made so, and checked", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const parts = yield* catalogIn(kafka, topic, { ...small, log: "forever" })
      const { configs } = (yield* kafka.describeTopic(topic))!
      assert.deepInclude(configs, { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" })
      yield* parts.insert(part("a", "ACME", "eu"))
      yield* parts.delete({ sku: "a" })
      yield* catalogIn(kafka, topic, { log: "forever", topicSettings: { onPolicyMismatch: "fail" } })
      const compacted = yield* topicOf(kafka)
      const strict = { log: "forever", topicSettings: { onPolicyMismatch: "fail" } } as const
      const error = yield* Effect.flip(catalogIn(kafka, compacted, strict))
      assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "PolicyMismatch" })
      yield* catalogIn(kafka, compacted, { log: "forever", topicSettings: { onPolicyMismatch: "reconcile" } })
      yield* catalogIn(kafka, compacted, strict)
    }))
}

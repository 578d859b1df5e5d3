import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, type TableSnapshot } from "../../src/index.ts"
import { collect, differences, eventually, fold, numbers } from "../support/live.ts"
import { newName, type Suite } from "./suite.ts"

class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}
class Services extends KafkaTable.Tag("test/Services")<Services, string, Service>() {}
class ServicesWriter extends KafkaTableWriter.Tag("test/ServicesWriter")<ServicesWriter, string, Service>() {}

const entriesOf = <K, V>(snapshot: TableSnapshot.RecordSnapshot<K, V>) =>
  [...snapshot.entries()].map(({ key, offset, partition, timestamp, value }) => ({
    key,
    offset,
    partition,
    timestamp,
    value
  }))

export const reading = (test: Suite): void => {
  test("as layers: one description of the topic for the table and its writer, typed at both ends", (kafka) =>
    Effect.gen(function* () {
      const topicSettings = { partitions: 2, replicationFactor: 1 }
      const registry = { topic: newName(), value: Codec.json(Service), topicSettings }
      const tables = Layer.mergeAll(
        KafkaTable.layer(Services, registry),
        KafkaTableWriter.layer(ServicesWriter, registry)
      )
      const context = yield* Layer.build(
        tables.pipe(Layer.provide(Layer.effect(KafkaClient.KafkaClient, kafka.client)))
      )
      const services = Context.get(context, Services)
      const writer = Context.get(context, ServicesWriter)
      const billing = new Service({ host: "b1", port: 8080 })
      yield* services.awaitPosition(yield* writer.set("billing", billing))
      const found = yield* services.get("billing")
      assert.deepStrictEqual(found, Option.some(billing))
      assert.instanceOf(Option.getOrThrow(found), Service)
      // another process, other means
      const [record] = yield* kafka.log(registry.topic)
      assert.deepStrictEqual(JSON.parse(record.value!.toString()), { host: "b1", port: 8080 })
      yield* services.awaitPosition(
        yield* kafka.append(registry.topic, [{ key: "users", value: `{"host":"u1","port":1}` }])
      )
      assert.deepStrictEqual(yield* services.get("users"), Option.some(new Service({ host: "u1", port: 1 })))
      yield* services.awaitPosition(yield* writer.delete("billing"))
      assert.deepStrictEqual(yield* services.keys, ["users"])
    }))

  test("every way of reading tells the same, with the place and time of the log", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      yield* kafka.append(
        topic,
        numbers(40).map((i) => ({ key: `key-${i % 30}`, value: `${i}`, timestamp: 1_700_000_000_000 + i }))
      )
      const table = yield* kafka.table(topic)
      const right = fold(yield* kafka.log(topic))
      const snapshot = yield* table.snapshot
      assert.strictEqual(table.topic, topic)
      assert.strictEqual(snapshot, table.unsafeSnapshot())
      assert.deepStrictEqual(differences(snapshot, right), [])
      assert.deepStrictEqual([snapshot.size, yield* table.size], [30, 30])
      for (const [key, record] of right) {
        const value = record.value!.toString()
        assert.deepStrictEqual([yield* table.get(key), snapshot.get(key)], [Option.some(value), Option.some(value)])
        assert.isTrue((yield* table.has(key)) && snapshot.has(key))
        const { offset, partition, timestamp } = record
        const expected = { key, value, partition, offset, timestamp, headers: [] }
        assert.deepInclude(Option.getOrThrow(yield* table.entry(key)), expected)
        assert.deepInclude(Option.getOrThrow(snapshot.entry(key)), expected)
      }
      for (const absent of ["key-30", "", "__proto__"]) {
        assert.isFalse((yield* table.has(absent)) || snapshot.has(absent))
        assert.deepStrictEqual([yield* table.get(absent), yield* table.entry(absent)], [Option.none(), Option.none()])
        assert.isUndefined(snapshot.getOrUndefined(absent))
      }
      const pairs = entriesOf(snapshot).map(({ key, value }) => [key, value])
      assert.deepStrictEqual([...snapshot], pairs as Array<[string, string]>)
      assert.deepStrictEqual([...snapshot.toMap()], pairs as Array<[string, string]>)
      assert.deepStrictEqual(
        (yield* table.entries).map(({ key, value }) => [key, value]),
        pairs
      )
      const keys = pairs.map(([key]) => key)
      const values = pairs.map(([, value]) => value)
      assert.deepStrictEqual([[...snapshot.keys()], yield* table.keys], [keys, keys])
      assert.deepStrictEqual([[...snapshot.values()], yield* table.values], [values, values])
    }))

  test("a snapshot never changes, whatever comes after it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(
        topic,
        numbers(3_000).map((i) => ({ key: `key-${i}`, value: "0" }))
      )
      const table = yield* kafka.table(topic)
      const taken: Array<{ readonly snapshot: TableSnapshot.RecordSnapshot<string, string>; readonly then: unknown }> =
        []
      for (const round of numbers(12, 1)) {
        const snapshot = yield* table.snapshot
        taken.push({ snapshot, then: entriesOf(snapshot) })
        yield* table.awaitPosition(
          yield* kafka.append(
            topic,
            numbers(300).map((i) => ({
              key: `key-${(i * 37 * round) % 3_100}`,
              value: i % 5 === 0 ? null : `${round}`
            }))
          )
        )
      }
      for (const { snapshot, then } of taken) assert.deepStrictEqual(entriesOf(snapshot), then)
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
    }))

  test("each publication is the log up to a position, in order; nothing changes without an async boundary", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      const published = yield* collect(SubscriptionRef.changes(table.ref))
      yield* Effect.forkScoped(
        Effect.forEach(numbers(150), (i) =>
          Effect.andThen(
            Effect.sleep(1),
            kafka.append(
              topic,
              numbers(10).map((n) => ({ key: `key-${(i * 10 + n) % 77}`, value: `${i}/${n}` }))
            )
          )
        )
      )
      let same = 0
      while ((yield* table.stats).applied < 1_500) {
        const before = table.unsafeSnapshot()
        const until = performance.now() + 2
        while (performance.now() < until) if (table.unsafeSnapshot() === before) same++
        assert.strictEqual(table.unsafeSnapshot(), before)
        yield* Effect.sleep(1)
      }
      assert.isAbove(same, 0)
      yield* table.barrier()
      yield* eventually(
        Effect.sync(() => published[published.length - 1]),
        (last) => last === table.unsafeSnapshot()
      )
      const log = yield* kafka.log(topic)
      assert.isAbove(published.length, 5)
      let [version, position] = [-1, -1]
      for (const snapshot of published) {
        const reached = Math.max(-1, ...[...snapshot.entries()].map(({ offset }) => offset))
        assert.deepStrictEqual(differences(snapshot, fold(log, new Map([[0, reached + 1]]))), [])
        assert.isAbove(snapshot.version, version)
        assert.isAtLeast(reached, position)
        version = snapshot.version
        position = reached
      }
    }))

  test("somebody who modifies the table's refs, and never comes to an end, holds nobody", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      yield* Effect.forkChild(SubscriptionRef.updateEffect(table.ref, () => Effect.never))
      yield* Effect.forkChild(SubscriptionRef.updateEffect(table.status, () => Effect.never))
      yield* Effect.yieldNow
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "a", value: "1" }]))
      assert.deepStrictEqual([...(yield* SubscriptionRef.get(table.ref))], [["a", "1"]])
    }))

  test("what somebody else sets the ref to reaches nobody's reads, and is gone with the next publication", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const table = yield* kafka.table(topic)
      const other = yield* kafka.table(yield* kafka.topic())
      yield* SubscriptionRef.set(table.ref, other.unsafeSnapshot())
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      assert.deepStrictEqual(yield* table.get("a"), Option.some("1"))
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "b", value: "2" }]))
      const [seen] = [...(yield* Stream.runCollect(Stream.take(SubscriptionRef.changes(table.ref), 1)))]
      assert.deepStrictEqual(
        [...seen],
        [
          ["a", "1"],
          ["b", "2"]
        ]
      )
    }))

  test("keys that are numbers or bytes, compared by their bytes", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const key = (n: number) => {
        const bytes = Buffer.alloc(4)
        bytes.writeInt32BE(n)
        return bytes
      }
      yield* kafka.append(topic, [
        { key: key(1), value: "one" },
        { key: key(-1), value: "minus one" },
        { key: new Uint8Array([0xc3, 0x28]), value: "not UTF-8" },
        { key: key(1), value: "one again" }
      ])
      const numbers = yield* kafka.withClient(
        KafkaTable.make<number, string>({ topic, key: Codec.int32, value: Codec.utf8 })
      )
      assert.deepStrictEqual(
        [...numbers.unsafeSnapshot()],
        [
          [1, "one again"],
          [-1, "minus one"]
        ]
      )
      assert.strictEqual((yield* numbers.stats).keyErrors, 1)
      const bytes = yield* kafka.withClient(
        KafkaTable.make<Uint8Array, string>({ topic, key: Codec.bytes, value: Codec.utf8 })
      )
      assert.deepStrictEqual(yield* bytes.get(new Uint8Array([0xc3, 0x28])), Option.some("not UTF-8"))
      assert.strictEqual(yield* bytes.size, 3)
      const texts = yield* kafka.table(topic)
      // -1 and C3 28 are no text; 1 is four control characters
      assert.deepStrictEqual(yield* texts.keys, ["\u0000\u0000\u0000\u0001"])
      assert.strictEqual((yield* texts.stats).keyErrors, 2)
    }))
}

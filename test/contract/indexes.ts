import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { assert } from "vitest"
import { Codec, KafkaTable, TableIndex } from "../../src/index.ts"
import { numbers, sooner } from "../support/live.ts"
import type { Kafka, Suite } from "./suite.ts"

const User = Schema.Struct({
  email: Schema.String,
  city: Schema.String,
  age: Schema.Number,
  tags: Schema.Array(Schema.String)
})
type User = typeof User.Type

const indexes = TableIndex.define<string, User>()((index) => ({
  email: index.unique((user) => user.email),
  city: index.hash((user) => user.city),
  tag: index.multi((user) => user.tags),
  age: index.sorted((user) => user.age)
}))

type Table = KafkaTable.KafkaTable<string, User, typeof indexes>

const open = (kafka: Kafka, topic: string, settings: KafkaTable.TableSettings = {}) =>
  kafka.withClient(
    KafkaTable.make<string, User, typeof indexes>({ topic, value: Codec.json(User), ...settings }, indexes)
  )

const CITIES = ["Berlin", "Rome", "Oslo"]

const userOf = (i: number): User => ({
  email: `${i % 90}@example.com`,
  city: CITIES[i % 3],
  age: i % 50,
  tags: i % 7 === 0 ? ["admin", "dev"] : ["dev"]
})

const record = (i: number, user: User | string | null = userOf(i)) => ({
  key: `key-${String(i).padStart(3, "0")}`,
  value: user === null ? null : typeof user === "string" ? user : JSON.stringify(user)
})

const keys = (entries: Iterable<{ readonly key: string }>) => Array.from(entries, ({ key }) => key)

/** All that the indexes say is what the rows say. */
const check = (table: Table): void => {
  const snapshot = table.unsafeSnapshot()
  const rows = [...snapshot.entries()]
  const inOrder = (a: { readonly key: string }, b: { readonly key: string }) => (a.key < b.key ? -1 : 1)
  for (const city of CITIES) {
    assert.deepStrictEqual(keys(snapshot.by("city").get(city)), keys(rows.filter(({ value }) => value.city === city)))
  }
  const admins = rows.filter(({ value }) => value.tags.includes("admin"))
  assert.deepStrictEqual(keys(snapshot.by("tag").get("admin")), keys(admins))
  const byAge = [...rows].sort((a, b) => a.value.age - b.value.age || inOrder(a, b))
  assert.deepStrictEqual(keys(snapshot.by("age").range()), keys(byAge))
  assert.deepStrictEqual(
    keys(snapshot.by("age").range({ gte: 10, lt: 20 }, { reverse: true })),
    keys(byAge.filter(({ value }) => value.age >= 10 && value.age < 20).reverse())
  )
  assert.deepStrictEqual(
    keys(snapshot.range({ gte: "key-01" })),
    keys([...rows].sort(inOrder).filter(({ key }) => key >= "key-01"))
  )
  assert.deepStrictEqual(
    keys(snapshot.query({ city: "Rome", tag: "dev", age: { lt: 30 } }, { orderBy: "age", limit: 5 })),
    keys(byAge.filter(({ value }) => value.city === "Rome" && value.age < 30).slice(0, 5))
  )
  const addresses = new Set(rows.map(({ value }) => value.email))
  assert.lengthOf(snapshot.by("email").conflicts(), rows.length - addresses.size)
  for (const email of addresses) {
    const [winner] = rows
      .filter(({ value }) => value.email === email)
      .sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset)
    assert.strictEqual(Option.getOrThrow(snapshot.by("email").get(email)).key, winner.key)
  }
}

export const indexing = (test: Suite): void => {
  test("indexes, ranges of keys and queries have what was written, right after it was waited for", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      yield* kafka.append(
        topic,
        numbers(200).map((i) => record(i))
      )
      const table = yield* open(kafka, topic)
      check(table)
      for (const round of numbers(5)) {
        const written = yield* kafka.append(
          topic,
          numbers(40, round * 30).map((i) => record(i, i % 5 === 0 ? null : userOf(i * 7 + round)))
        )
        if (round % 2 === 0) yield* table.awaitPosition(written)
        else yield* table.barrier()
        check(table)
      }
      assert.deepStrictEqual(keys(yield* table.prefix("key-00", { limit: 2 })), ["key-001", "key-002"])
      const first = yield* table.page({}, { limit: 100 })
      const rest = yield* table.page({}, { limit: 1_000, after: Option.getOrThrow(first.next) })
      assert.strictEqual(first.entries.length + rest.entries.length, yield* table.size)
    }))

  test("a table that is acquired later has the same indexes, also of a log that was compacted", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const running = yield* open(kafka, topic)
      for (const round of numbers(4)) {
        yield* kafka.append(
          topic,
          numbers(100).map((i) => record(i, (i + round) % 9 === 0 ? null : userOf(i * 3 + round)))
        )
      }
      yield* running.barrier()
      yield* kafka.clean(topic, { dropTombstones: true })
      const fresh = yield* open(kafka, topic)
      for (const table of [running, fresh]) check(table)
      const losers = (table: Table) => keys(table.unsafeSnapshot().by("email").conflicts()).sort()
      assert.deepStrictEqual(losers(fresh), losers(running))
      assert.strictEqual((yield* fresh.by("email").stats).conflicts, (yield* running.by("email").stats).conflicts)
    }))

  test("an index keeps what its row had before a record that cannot be decoded", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(
        topic,
        numbers(10).map((i) => record(i))
      )
      const table = yield* open(kafka, topic)
      yield* table.awaitPosition(
        yield* kafka.append(topic, [record(1, "{broken"), record(2, { ...userOf(2), age: 99 })])
      )
      assert.strictEqual((yield* table.stats).valueErrors, 1)
      check(table)
      assert.deepStrictEqual(keys(yield* table.by("age").get(99)), ["key-002"])
      assert.deepStrictEqual(keys(yield* table.by("age").get(1)), ["key-001"])
    }))

  test("partitions that are added are in the indexes, with the keys that move there", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 1 })
      yield* kafka.append(
        topic,
        numbers(50).map((i) => record(i))
      )
      const table = yield* open(kafka, topic, { metadataMaxAge: "200 millis" })
      yield* kafka.addPartitions(topic, 3)
      yield* sooner(table.stats, ({ partitions }) => partitions.length === 3)
      yield* table.awaitPosition(
        yield* kafka.append(
          topic,
          numbers(50).map((i) => record(i, userOf(i + 1)))
        )
      )
      check(table)
      yield* table.awaitPosition(yield* kafka.append(topic, [record(3, null), record(4, null)]))
      check(table)
    }))

  test("indexes of somebody else's table are attached while it is written to, and end with their scope", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(
        topic,
        numbers(500).map((i) => ({ key: `key-${i}`, value: `${i % 10}` }))
      )
      const table = yield* kafka.table(topic)
      const writing = yield* Effect.forkScoped(
        Effect.forEach(numbers(20), (n) => kafka.append(topic, [{ key: `key-${n}`, value: "new" }]))
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const indexed = yield* TableIndex.attach(table, (index) => ({ value: index.hash((value) => value) }))
          yield* Fiber.join(writing)
          yield* table.barrier()
          const snapshot = yield* indexed.snapshot
          assert.strictEqual(snapshot.by("value").count("new"), 20)
          for (const value of ["0", "9", "new"]) {
            const right = [...snapshot.entries()].filter((entry) => entry.value === value)
            assert.deepStrictEqual(keys(snapshot.by("value").get(value)), keys(right))
          }
        })
      )
    }))
}

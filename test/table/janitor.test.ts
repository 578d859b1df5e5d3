/** The janitor: tombstones for what has expired, and for nothing else. */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { Codec, GroupedKafkaTable, GroupedKafkaTableWriter, KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { failureOf } from "../support/exits.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { it, ManualClock } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { advance, capturing, inNoTime, on, open, settle, topic, withTopic } from "./support.ts"

const openWriter = (cluster: FakeCluster, settings: Partial<KafkaTableWriter.WriterSettings> = {}, name = topic) =>
  KafkaTableWriter.make<string, string>({ topic: name, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(
    on(cluster)
  )

const at = (key: string, timestamp: number) => ({ key, value: "x", timestamp })

/** How many tombstones the log has. */
const tombstones = (cluster: FakeCluster) =>
  Effect.scoped(Effect.flatMap(open(cluster), ({ stats }) => Effect.map(stats, ({ tombstones }) => tombstones)))

const begin = (cluster: FakeCluster, options?: KafkaTable.JanitorOptions) =>
  Effect.gen(function* () {
    const table = yield* open(cluster, { expireAfter: "10 seconds" })
    const writer = yield* openWriter(cluster)
    const fiber = yield* Effect.forkScoped(KafkaTable.janitor(table, writer, options))
    yield* settle
    return { table, fiber, writer }
  })

describe("janitor", () => {
  it.effect("writes a tombstone when the grace after the expiry is over, of what had expired before as well", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      yield* advance(20_000)
      cluster.append(topic, [at("old", 0), at("new", 15_000)])
      yield* begin(cluster, { grace: "3 seconds" })
      assert.strictEqual(yield* tombstones(cluster), 0)
      yield* advance(2_999)
      assert.strictEqual(yield* tombstones(cluster), 0)
      yield* advance(1)
      assert.strictEqual(yield* tombstones(cluster), 1)
      yield* advance(4_999)
      assert.strictEqual(yield* tombstones(cluster), 1)
      yield* advance(1)
      assert.strictEqual(yield* tombstones(cluster), 2)
      // and no more of them, of what is gone
      yield* advance(100_000)
      const { endOffset } = cluster.log(topic)
      assert.strictEqual(endOffset, 4)
    })
  )

  it.effect("leaves what has come back, and what is back when it looks", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { table } = yield* begin(cluster)
      cluster.append(topic, [at("a", 0), at("b", 0)])
      yield* advance(11_000)
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      cluster.append(topic, [at("a", 30_000)])
      yield* advance(5_000)
      // a comes back for ten seconds, and its grace of a minute begins again
      yield* advance(55_000)
      assert.strictEqual(cluster.log(topic).endOffset, 4)
      assert.isFalse(table.unsafeSnapshot().has("a"))
      yield* advance(28_999)
      assert.strictEqual(cluster.log(topic).endOffset, 4)
      yield* advance(1)
      assert.strictEqual(cluster.log(topic).endOffset, 5)
    })
  )

  it.effect("reads what others have written by then, before it writes", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { table } = yield* begin(cluster, { grace: "5 seconds" })
      cluster.append(topic, [at("a", 0)])
      yield* advance(10_000)
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      // the table is held up, and does not see that the key is back before the janitor looks
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      yield* advance(2_000)
      cluster.append(topic, [at("a", 12_000)])
      yield* advance(3_000)
      cluster.before = () => undefined
      yield* advance(3_000)
      assert.strictEqual(cluster.log(topic).endOffset, 2)
    })
  )

  it.effect("what cannot be written is told, and tried again", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const cluster = withTopic()
      yield* Effect.gen(function* () {
        const table = yield* open(cluster, { expireAfter: "10 seconds" })
        const writer = yield* openWriter(cluster, { deliveryTimeout: "2 seconds" })
        yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "5 seconds" }))
        cluster.append(topic, [at("a", 0)])
        cluster.before = (request) => (request === "Produce" ? Effect.fail(connectionError("Closed")) : undefined)
        yield* advance(18_000)
        cluster.before = () => undefined
        yield* advance(10_000)
      }).pipe(capturing(lines))
      assert.strictEqual(yield* tombstones(cluster), 1)
      const told = lines.filter((line) => line.startsWith("tombstones of expired keys were not written"))
      assert.lengthOf(told, 1)
      assert.include(told[0], "tried again after 5000 ms")
    })
  )

  it.effect("also of a record that is past already when it comes", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      yield* advance(100_000)
      const { table } = yield* begin(cluster, { grace: "3 seconds" })
      cluster.append(topic, [at("late", 1_000)])
      yield* advance(2_999)
      assert.isFalse(table.unsafeSnapshot().has("late"))
      assert.strictEqual(yield* tombstones(cluster), 0)
      yield* advance(501)
      assert.strictEqual(yield* tombstones(cluster), 1)
      yield* advance(10_000)
      assert.strictEqual(cluster.log(topic).endOffset, 2)
    })
  )

  it.effect("writes none where another one, or the owner, has deleted the key since it has expired", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { table, writer } = yield* begin(cluster, { grace: "3 seconds" })
      yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "6 seconds" }))
      cluster.append(topic, [at("a", 0), at("b", 0)])
      yield* advance(11_000)
      yield* writer.delete("b")
      yield* advance(20_000)
      // two values, the owner's tombstone, and that of the janitor that was first
      assert.strictEqual(cluster.log(topic).endOffset, 4)
    })
  )

  it.effect("waits for what its own writer has under way, which may be the key", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { table, writer } = yield* begin(cluster, { grace: "3 seconds" })
      cluster.append(topic, [at("a", 0)])
      yield* advance(11_000)
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      cluster.before = (request) => (request === "Produce" ? Effect.fail(connectionError("Closed")) : undefined)
      const write = yield* Effect.forkChild(writer.set("a", "alive"))
      yield* advance(4_000)
      cluster.before = () => undefined
      yield* advance(2_000)
      assert.isTrue(hasEnded(write))
      assert.deepStrictEqual(Object.fromEntries(table.unsafeSnapshot()), { a: "alive" })
      assert.strictEqual(cluster.log(topic).endOffset, 2)
    })
  )

  it.effect("of very many, looks again before each portion", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { table } = yield* begin(cluster, { grace: "3 seconds" })
      const count = 2_000
      cluster.append(
        topic,
        Array.from({ length: count }, (_, i) => at(`${i}`, 0))
      )
      let isBack = false
      cluster.before = (request) => {
        if (request === "Produce" && !isBack) {
          isBack = true
          cluster.append(topic, [at(`${count - 1}`, 12_000)])
        }
        return undefined
      }
      yield* advance(20_000)
      yield* inNoTime(() => cluster.log(topic).endOffset >= 2 * count)
      assert.isTrue(isBack)
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], [`${count - 1}`])
      assert.strictEqual(cluster.log(topic).endOffset, 2 * count)
    })
  )

  describe("a tombstone that cannot be", () => {
    const key = Codec.make<string>({
      decode: (bytes) => Buffer.from(bytes).toString(),
      encode: (text) => {
        if (text.startsWith("bad")) throw new Error(text)
        return Buffer.from(text.toUpperCase())
      }
    })

    it.effect("as its key is no key of its codec any more is told once, and holds up no other", () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const cluster = withTopic()
        const options = { topic, key, value: Codec.utf8, ensureTopic: false } as const
        // bytes that make no key, and such that are others when they are made of it again
        cluster.append(topic, [at("A", 0), at("bad", 0), at("c", 0), at("D", 0)])
        yield* Effect.gen(function* () {
          const table = yield* KafkaTable.make<string, string>({ ...options, expireAfter: "10 seconds" }).pipe(
            on(cluster)
          )
          const writer = yield* KafkaTableWriter.make<string, string>(options).pipe(on(cluster))
          yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "3 seconds" }))
          yield* advance(100_000)
        }).pipe(capturing(lines))
        assert.strictEqual(cluster.log(topic).endOffset, 6)
        assert.deepStrictEqual(
          lines.filter((line) => line.includes("expired keys")),
          ["expired keys stay in the log, as their codec makes other bytes of them"]
        )
      })
    )

    it.effect("as its writer refuses it is tried again, and all others are written once", () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const cluster = withTopic()
        yield* Effect.gen(function* () {
          const table = yield* open(cluster, { expireAfter: "10 seconds" })
          const writer = yield* openWriter(cluster, { maxRecordBytes: 200 })
          yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "20 seconds" }))
          const large = "x".repeat(300)
          cluster.append(
            topic,
            Array.from({ length: 20 }, (_, i) => at(i === 7 ? large : `${i}`, 0))
          )
          yield* advance(60_000)
        }).pipe(capturing(lines))
        assert.strictEqual(cluster.log(topic).endOffset, 39)
        const told = lines.filter((line) => line.startsWith("tombstones of expired keys were not written"))
        assert.lengthOf(told, 2)
        assert.include(told[0], "TooLarge")
      })
    )
  })

  it.effect("waits for the grace, and no longer, also where the clock is set back", () => {
    const clock = new ManualClock(100_000)
    return Effect.gen(function* () {
      const cluster = withTopic()
      const { table } = yield* begin(cluster, { grace: "3 seconds" })
      const pass = (millis: number) => Effect.andThen(clock.adjust(millis), settle)
      cluster.append(topic, [at("a", 91_000)])
      yield* pass(1_500)
      assert.strictEqual(table.unsafeSnapshot().size, 0)
      clock.unsafeSet(50_000)
      cluster.append(topic, [at("b", 30_000)])
      yield* pass(1_000)
      assert.strictEqual(yield* tombstones(cluster), 0)
      yield* pass(3_000)
      assert.strictEqual(yield* tombstones(cluster), 2)
    }).pipe(withClock(clock))
  })

  it.effect("finds all that had expired before, while the table goes on", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const count = 20_000
      cluster.append(
        topic,
        Array.from({ length: count }, (_, i) => at(`${i}`, 0))
      )
      // as many others, so that those that went keep their places
      cluster.append(
        topic,
        Array.from({ length: count }, (_, i) => at(`stays ${i}`, 1_000_000))
      )
      const table = yield* open(cluster, { expireAfter: "10 seconds" })
      const writer = yield* openWriter(cluster)
      yield* advance(20_000)
      yield* inNoTime(() => table.unsafeSnapshot().size === count)
      yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "3 seconds" }))
      cluster.append(topic, [at("0", 1_000_000)])
      yield* advance(30_000)
      yield* inNoTime(() => cluster.log(topic).endOffset >= 3 * count && table.unsafeSnapshot().size > count)
      yield* settle
      assert.strictEqual(cluster.log(topic).endOffset, 3 * count)
      assert.strictEqual(table.unsafeSnapshot().size, count + 1)
    })
  )

  it.effect("ends with its table, in the middle of a sweep, and when it is interrupted", () =>
    Effect.gen(function* () {
      for (const how of ["table", "interruption"]) {
        const cluster = withTopic()
        const [ofTable, ofWriter] = [yield* Scope.make(), yield* Scope.make()]
        const table = yield* Scope.provide(open(cluster, { expireAfter: "10 seconds" }), ofTable)
        const writer = yield* Scope.provide(openWriter(cluster), ofWriter)
        const fiber = yield* Effect.forkChild(Effect.exit(KafkaTable.janitor(table, writer, { grace: "3 seconds" })))
        cluster.append(topic, [at("a", 0)])
        cluster.before = (request) => (request === "Produce" ? Effect.never : undefined)
        yield* advance(15_000)
        assert.isFalse(hasEnded(fiber))
        if (how === "table") {
          yield* Scope.close(ofTable, Exit.void)
          yield* settle
          assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
        } else {
          yield* Fiber.interrupt(fiber)
          yield* Scope.close(ofTable, Exit.void)
        }
        const closing = yield* Effect.forkChild(Scope.close(ofWriter, Exit.void))
        yield* advance(6_000)
        assert.isTrue(hasEnded(closing))
      }
    })
  )

  it.effect("fails with its table", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { expireAfter: "10 seconds", metadataMaxAge: "1 second" })
      const writer = yield* openWriter(cluster)
      const fiber = yield* Effect.forkChild(Effect.exit(KafkaTable.janitor(table, writer)))
      yield* settle
      cluster.deleteTopic(topic)
      yield* advance(30_000)
      assert.deepInclude(failureOf(yield* Fiber.join(fiber)), { _tag: "KafkaTopicError", reason: "Deleted" })
    })
  )

  it.effect("ends with its table, and fails with its writer", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const scope = yield* Scope.make()
      const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
        Effect.provideService(effect, Scope.Scope, scope)
      const table = yield* inScope(open(cluster, { expireAfter: "10 seconds" }))
      const closed = yield* Scope.make()
      const writer = yield* Effect.provideService(openWriter(cluster), Scope.Scope, closed)
      yield* Scope.close(closed, Exit.void)
      const failing = yield* Effect.forkChild(Effect.exit(KafkaTable.janitor(table, writer, { grace: 1 })))
      const idle = yield* Effect.forkChild(Effect.exit(KafkaTable.janitor(table, writer, { grace: "1 hour" })))
      cluster.append(topic, [at("a", 0)])
      yield* advance(10_001)
      yield* advance(1)
      assert.isTrue(hasEnded(failing))
      const error = failureOf(yield* Fiber.join(failing))
      assert.strictEqual((error as { readonly reason?: string }).reason, "Closed")
      assert.isFalse(hasEnded(idle))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(idle)))
    })
  )

  it.effect("what is no table, and what is no writer, is told at once, whatever types were left out", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { expireAfter: "10 seconds" })
      const writer = yield* openWriter(cluster)
      const grouped = yield* GroupedKafkaTable.make<string, string, string>({
        topic,
        value: Codec.utf8,
        ensureTopic: false,
        expireAfter: "10 seconds"
      }).pipe(on(cluster))
      const groupedWriter = yield* GroupedKafkaTableWriter.make<string, string, string>({
        topic,
        value: Codec.utf8,
        ensureTopic: false
      }).pipe(on(cluster))
      type Janitor = (table: never, writer: never, options?: never) => ReturnType<typeof KafkaTable.janitor>
      const problem = (janitor: Janitor, table: unknown, writer: unknown, options?: unknown) =>
        Effect.map(Effect.flip(janitor(table as never, writer as never, options as never)), (error) => {
          assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
          return error.message
        })
      const [plain, ofGroups] = [KafkaTable.janitor, GroupedKafkaTable.janitor]
      for (const none of [undefined, null, 5, {}, { topic }, writer, grouped]) {
        assert.include(yield* problem(plain, none, writer), "table: must be a KafkaTable of this library")
      }
      for (const none of [undefined, null, 5, {}, { topic }, groupedWriter, table]) {
        assert.include(
          yield* problem(ofGroups, none, groupedWriter),
          "GroupedKafkaTable.janitor: invalid options. table: must be a GroupedKafkaTable of this library"
        )
      }
      for (const none of [undefined, null, 5, {}, { topic }, { topic, deleteMany: () => Effect.void }, table]) {
        assert.include(yield* problem(plain, table, none), "writer: must be a KafkaTableWriter")
        assert.include(yield* problem(ofGroups, grouped, none), "writer: must be a GroupedKafkaTableWriter")
      }
      assert.include(
        yield* problem(plain, table, groupedWriter),
        "writer: is a GroupedKafkaTableWriter: GroupedKafkaTable.janitor takes it"
      )
      assert.include(
        yield* problem(ofGroups, grouped, writer),
        "writer: is a KafkaTableWriter: KafkaTable.janitor takes it"
      )
      for (const options of [null, 5, "1 minute"]) {
        assert.include(yield* problem(plain, table, writer, options), "options: must be an object; known are grace")
      }
      assert.include(yield* problem(plain, table, writer, { grase: 5 }), `grase: unknown; did you mean "grace"?`)
    })
  )

  it.effect("of a grouped table, with its writer", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const options = { topic, value: Codec.utf8, ensureTopic: false } as const
      const nodes = yield* GroupedKafkaTable.make<string, string, string>({
        ...options,
        expireAfter: "10 seconds"
      }).pipe(on(cluster))
      const writer = yield* GroupedKafkaTableWriter.make<string, string, string>(options).pipe(on(cluster))
      yield* Effect.forkScoped(GroupedKafkaTable.janitor(nodes, writer, { grace: "3 seconds" }))
      cluster.append(topic, [at("7:billingb1", 0), at("7:billingb2", 20_000)])
      yield* advance(12_000)
      assert.deepStrictEqual(yield* nodes.group("billing"), new Map([["b2", "x"]]))
      yield* advance(10_000)
      const all = yield* open(cluster)
      assert.deepStrictEqual([...all.unsafeSnapshot().keys()], ["7:billingb2"])
      assert.strictEqual(cluster.log(topic).endOffset, 3)
    })
  )

  it.effect("what cannot work is told at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.createTopic("other")
      const table = yield* open(cluster)
      const writer = yield* openWriter(cluster, {}, "other")
      const error = yield* Effect.flip(KafkaTable.janitor(table, writer, { grace: 0 }))
      for (const problem of [
        "table: its rows do not expire: give it expireAfter or expireAt",
        `writer: is of topic "other"`,
        "grace: must be a duration above zero"
      ]) {
        assert.include(error.message, problem)
      }
    })
  )
})

describe("a janitor, of writes and faults at random", () => {
  const LIFE = 5_000

  for (let seed = 1; seed <= ofRounds(5, 100); seed++) {
    it.effect(`asks for tombstones of what is past alone, and leaves nothing of that (${seed})`, () =>
      Effect.gen(function* () {
        const random = randomOf(seed)
        const below = (n: number) => Math.floor(random() * n)
        const cluster = withTopic()
        /** The last record of each key, as the log has it. */
        const last = new Map<string, { readonly timestamp: number; readonly isDeleted: boolean }>()
        const append = (key: string, timestamp: number, value: string | null) => {
          cluster.append(topic, [{ key, value, timestamp }])
          last.set(key, { timestamp, isDeleted: value === null })
        }
        const isPast = (key: string, now: number) => {
          const record = last.get(key)!
          return record.isDeleted || record.timestamp + LIFE <= now
        }
        yield* advance(60_000)
        for (let i = 0; i < 20; i++) append(`k${i}`, 50_000 + below(12_000), "x")
        const table = yield* open(cluster, { expireAfter: LIFE })
        const writer = yield* openWriter(cluster, { deliveryTimeout: "3 seconds" })
        const wrong: Array<string> = []
        const deleteMany = (keys: Iterable<string>) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            const all = [...keys]
            for (const key of all) if (!isPast(key, now)) wrong.push(`${key} at ${now}`)
            return Effect.tap(writer.deleteMany(all), () =>
              Effect.sync(() => {
                for (const key of all) last.set(key, { timestamp: now, isDeleted: true })
              })
            )
          })
        const watched = { topic, flush: writer.flush, deleteMany }
        yield* Effect.forkScoped(KafkaTable.janitor(table, watched, { grace: 1 + below(4_000) }))
        for (let step = 0; step < 60; step++) {
          const now = yield* Clock.currentTimeMillis
          const what = random()
          const key = `k${below(25)}`
          if (what < 0.35) append(key, now - below(LIFE + 2_000), "x")
          else if (what < 0.45) append(key, now, null)
          else if (what < 0.5) {
            cluster.before = (request) => (request === "Produce" ? Effect.fail(connectionError("Closed")) : undefined)
          } else if (what < 0.55) {
            cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
          } else if (what < 0.75) cluster.before = () => undefined
          yield* advance(below(2_000))
        }
        cluster.before = () => undefined
        yield* advance(60_000)
        assert.deepStrictEqual(wrong, [])
        const all = yield* open(cluster)
        assert.deepStrictEqual([...all.unsafeSnapshot().keys()], [])
      }).pipe(withoutLogs)
    )
  }
})

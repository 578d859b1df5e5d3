/** The janitor: tombstones for what has expired, and for nothing else. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { Codec, KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { failureOf } from "../support/exits.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { advance, capturing, on, open, settle, topic, withTopic } from "./support.ts"

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

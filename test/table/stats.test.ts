/** The numbers of a table: what it has read, how far it is, and how fresh that is. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { failureOf } from "../support/exits.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, type KafkaProtocol } from "../../src/index.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it, ManualClock } from "../support/ManualClock.ts"
import { acquiring, advance, on, open, topic, until, withTopic } from "./support.ts"

describe("stats", () => {
  it.effect("count records as they are read, and keep the number of those of the replay", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "1" },
        { key: "a", value: null }
      ])
      // The leader of the other partition is silent: the table cannot catch up, and is acquired as it is.
      cluster.before = (request, node) => (node === 1 && request === "Fetch" ? Effect.never : undefined)
      cluster.append(topic, [{ key: "c", value: "1" }], 1)
      const settings = { catchUpTimeout: 2_000 } as const
      const exit = yield* acquiring(open(cluster, settings), 3_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const table = exit.value
      assert.deepInclude(yield* table.stats, { applied: 2, tombstones: 1, replayed: 3, entries: 1, subscribers: 0 })
      assert.isUndefined((yield* table.stats).catchUpMillis)
      assert.deepStrictEqual((yield* table.stats).partitions, [
        { partition: 0, position: 3, highWatermark: 3, lag: 0, leader: 0, connected: true },
        { partition: 1, position: 0, highWatermark: 1, lag: 1, leader: 1, connected: true }
      ])
      assert.deepInclude(yield* table.freshness, { lag: 1 })
      cluster.moveLeader(topic, 0, 1)
      yield* until(() => table.unsafeSnapshot().has("c"))
      yield* advance(1_000)
      const { catchUpMillis } = yield* table.stats
      assert.isAtLeast(catchUpMillis!, 2_000)
      cluster.append(topic, [{ key: "d", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("d"))
      assert.deepInclude(yield* table.stats, { applied: 4, tombstones: 1, replayed: 4, entries: 3, catchUpMillis })
    })
  )

  it.effect("tell of progress by all records, those that delete something too", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
      cluster.append(topic, [...keys.map((key) => ({ key, value: "1" })), ...keys.map((key) => ({ key, value: null }))])
      cluster.append(topic, [{ key: "late", value: "1" }], 1)
      cluster.before = (request, node) => (node === 1 && request === "Fetch" ? Effect.never : undefined)
      // the table is not as old as its clock
      yield* advance(5_000)
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: 2_000 }), 3_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const status = yield* SubscriptionRef.get(exit.value.status)
      if (status._tag !== "Degraded") return assert.fail(status._tag)
      assert.deepStrictEqual(status.progress, { done: 20, total: 21, percent: 95, recordsPerSecond: 10 })
    })
  )

  it.effect("tell of progress from where logs begin to where they ended at the start, whatever came since", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      for (const key of ["gone", "a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
      cluster.truncateHead(topic, 1)
      cluster.append(topic, [{ key: "late", value: "1" }], 1)
      cluster.before = (request, node) => (node === 1 && request === "Fetch" ? Effect.never : undefined)
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: 2_000 }), 3_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const table = exit.value
      const progress = Effect.map(SubscriptionRef.get(table.status), (status) =>
        status._tag === "Degraded" ? status.progress : assert.fail(status._tag)
      )
      assert.deepInclude(yield* progress, { done: 3, total: 4, percent: 75 })
      cluster.append(topic, [{ key: "d", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("d"))
      assert.deepInclude(yield* progress, { done: 3, total: 4, percent: 75 })
    })
  )

  it.effect("tell of no progress before anything is known", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = () => Effect.fail(connectionError("Closed"))
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: 1_000 }), 2_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const status = yield* SubscriptionRef.get(exit.value.status)
      if (status._tag !== "Degraded") return assert.fail(status._tag)
      assert.deepStrictEqual(status.progress, { done: 0, total: 0, percent: 0, recordsPerSecond: 0 })
    })
  )

  it.effect("tell of no rate below zero after a clock was set back during the start", () => {
    const clock = new ManualClock(10_000_000)
    return Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      for (let i = 0; i < 60; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }], i === 0 ? 1 : 0)
      cluster.before = (request, node) => (node === 1 && request === "Fetch" ? Effect.never : undefined)
      const acquiring = yield* Effect.forkChild(open(cluster, { catchUpTimeout: 2_000 }))
      yield* clock.adjust(1_000)
      clock.unsafeSet(clock.millis() - 5_000)
      yield* clock.adjust(2_000)
      const status = yield* SubscriptionRef.get((yield* Fiber.join(acquiring)).status)
      if (status._tag !== "Degraded") return assert.fail(status._tag)
      assert.deepInclude(status.progress, { done: 59, recordsPerSecond: 0 })
    }).pipe(withClock(clock))
  })

  it.effect("know neither position nor lag of a partition that was never opened", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      cluster.before = (_, node) => (node === 1 ? Effect.never : undefined)
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: 2_000 }), 3_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const { partitions } = yield* exit.value.stats
      assert.deepInclude(partitions[1], {
        position: 0,
        highWatermark: -1,
        lag: undefined,
        leader: 1,
        connected: false
      })
      const status = yield* SubscriptionRef.get(exit.value.status)
      if (status._tag !== "Degraded") return assert.fail(status._tag)
      assert.deepInclude(status.progress, { done: 0, total: 0, percent: 0 })
      const freshness = yield* exit.value.freshness
      assert.deepInclude(freshness, {
        connected: false,
        lag: undefined,
        lastFetchAt: undefined,
        staleMillis: undefined
      })
    })
  )
})

describe("freshness", () => {
  it.effect("is as old as the partition that was fetched first", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const table = yield* open(cluster)
      yield* advance(2_000)
      const before = yield* table.freshness
      assert.isAtMost(before.staleMillis!, 1_000)
      cluster.before = (request, node) => (node === 1 && request === "Fetch" ? Effect.never : undefined)
      yield* advance(10_000)
      const after = yield* table.freshness
      assert.isAtLeast(after.staleMillis!, 9_000)
      assert.isAtMost(after.lastFetchAt!, before.lastFetchAt! + 1_000)
    })
  )

  it.effect("of two brokers that tell this client to wait: until the last of them is over", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3, 3)
      cluster.moveLeader(topic, 1, 1)
      cluster.moveLeader(topic, 2, 2)
      const table = yield* open(cluster)
      yield* advance(1_000)
      const millis = [20_000, 60_000, 40_000]
      cluster.before = (request, node) =>
        request === "Fetch"
          ? Effect.succeed<KafkaProtocol.FetchResponse>({ errorCode: 0, throttleMillis: millis[node], partitions: [] })
          : undefined
      yield* advance(1_000)
      const { throttledUntil } = yield* table.freshness
      assert.isAtLeast(throttledUntil!, 60_000)
      assert.isAtMost(throttledUntil!, 63_000)
      // The first of them asks again meanwhile, and is told once more.
      yield* advance(25_000)
      assert.strictEqual((yield* table.freshness).throttledUntil, throttledUntil)
    })
  )
})

describe("options that show only when the first record comes", () => {
  it.effect("a codec of keys that needs an Effect to decode", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const key = Codec.makeEffect<string, never, never>({
        decode: (bytes) => Effect.delay(Effect.succeed(Buffer.from(bytes).toString()), 1),
        encode: (value) => Effect.succeed(Buffer.from(value))
      })
      const make = KafkaTable.make<string, string>({ topic, key, value: Codec.utf8, ensureTopic: false })
      const error = failureOf(yield* acquiring(on(cluster)(make), 5_000))
      if (error._tag !== "KafkaInvalidOptionsError") return assert.fail(`it is a ${error._tag}: ${error.message}`)
      assert.strictEqual(error.module, "KafkaTable")
      assert.deepStrictEqual(
        error.problems.map(({ option }) => option),
        ["key"]
      )
      assert.match(error.message, /Effect/)
    })
  )
})

describe("a barrier", () => {
  it.effect("of a topic whose leaders tell no epochs asks who leads now", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      for (const p of cluster.topic(topic).partitions) p.leaderEpoch = -1
      const table = yield* open(cluster)
      yield* advance(1_000)
      cluster.moveLeader(topic, 1)
      for (const p of cluster.topic(topic).partitions) p.leaderEpoch = -1
      // Who led before does not know it yet, and has not got what was written since.
      const asked: Array<number> = []
      cluster.before = (request, node) => {
        if (request !== "ListOffsets") return undefined
        asked.push(node)
        const answer: KafkaProtocol.ListOffsetsResponse = {
          partitions: [
            { topic: { name: topic, id: undefined }, partition: 0, errorCode: 0, offset: 0, leaderEpoch: -1 }
          ]
        }
        return node === 0 ? Effect.succeed(answer) : undefined
      }
      cluster.append(topic, [{ key: "a", value: "1" }])
      const barrier = yield* Effect.forkChild(table.barrier())
      yield* until(() => hasEnded(barrier))
      yield* Fiber.join(barrier)
      assert.isTrue(table.unsafeSnapshot().has("a"))
      assert.strictEqual(asked.at(-1), 1)
    })
  )

  for (const what of ["tell no epochs", "tell their epochs"]) {
    it.effect(`takes the answer of who leads still, without asking twice: leaders that ${what}`, () =>
      Effect.gen(function* () {
        const cluster = withTopic(1, 2)
        if (what === "tell no epochs") for (const p of cluster.topic(topic).partitions) p.leaderEpoch = -1
        const table = yield* open(cluster)
        yield* advance(1_000)
        const asked: Array<string> = []
        cluster.listener = (request, node) => {
          if (request === "ListOffsets") asked.push(`${request} ${node}`)
          if (request === "Metadata") asked.push(request)
        }
        cluster.append(topic, [{ key: "a", value: "1" }])
        const barrier = yield* Effect.forkChild(table.barrier())
        yield* until(() => hasEnded(barrier))
        yield* Fiber.join(barrier)
        assert.sameMembers(asked, ["Metadata", "ListOffsets 0"])
      })
    )
  }
})

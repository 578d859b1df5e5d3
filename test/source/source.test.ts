/** What a source tells as a whole: denials of several places, its own end, what is asked of it. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { defectsOf } from "../support/effect/v4/causes.ts"
import { census } from "../support/effect/v4/fibers.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { MetadataResponse } from "../../src/KafkaProtocol.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { described, fetched, fetchOf, settle, topic, topicRefused, withTopic } from "../support/answers.ts"
import { BACKOFF, BEGIN, DENIED_RETRY, it, MAX_BACKOFF, MAX_WAIT, pass, shown, watch } from "./support.ts"

const TOPIC_AUTHORIZATION_FAILED = 29

describe("denials", () => {
  it.effect("in several places are one: told by the first, and over with the last", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const denying = new Set([0, 1])
      cluster.before = (request, node) =>
        request === "Fetch" && denying.has(node) ? Effect.fail(connectionError("Authentication")) : undefined
      const watched = yield* watch(cluster)
      const denied = () => shown(watched.events).filter((one) => one.startsWith("Denied") || one === "Granted")
      assert.deepStrictEqual(denied(), ["Denied KafkaConnectionError Authentication"])
      denying.delete(0)
      yield* pass(DENIED_RETRY + MAX_WAIT)
      assert.strictEqual(watched.partition(0).connected, true)
      assert.deepStrictEqual(denied(), ["Denied KafkaConnectionError Authentication"])
      assert.strictEqual(watched.source.lastFailure()?.reason, "Authentication")
      denying.delete(1)
      yield* pass(DENIED_RETRY + MAX_WAIT)
      assert.deepStrictEqual(denied(), ["Denied KafkaConnectionError Authentication", "Granted"])
      assert.isUndefined(watched.source.lastFailure())
      // and once more
      denying.add(0)
      yield* pass(MAX_WAIT * 2)
      assert.strictEqual(denied().at(-1), "Denied KafkaConnectionError Authentication")
      assert.lengthOf(denied(), 3)
    })
  )

  it.effect("are not over by a success elsewhere", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(fetched(detail, { errorCode: TOPIC_AUTHORIZATION_FAILED }), 1) : undefined
      const watched = yield* watch(cluster)
      yield* pass(1)
      watched.forget()
      watched.source.refresh()
      yield* pass(100)
      assert.lengthOf(watched.requests("Metadata"), 1)
      assert.deepStrictEqual(watched.events, [])
    })
  )
})

describe("a failure", () => {
  it.effect("that came last is the one that is told, of those that stand", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) =>
        request === "Fetch"
          ? Effect.fail(connectionError("Closed"))
          : request === "Metadata"
            ? topicRefused(cluster, TOPIC_AUTHORIZATION_FAILED)
            : undefined
      yield* pass(MAX_WAIT)
      yield* pass(100)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Unauthorized")
      cluster.before = (request) =>
        request === "Metadata" ? topicRefused(cluster, TOPIC_AUTHORIZATION_FAILED) : undefined
      yield* pass(100)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Unauthorized")
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* pass(DENIED_RETRY)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Closed")
    })
  )
})

describe("a defect", () => {
  it.effect("in any of its fibers is that of the source", () =>
    Effect.gen(function* () {
      for (const where of ["Metadata", "ListOffsets", "Fetch"] as const) {
        const cluster = withTopic()
        cluster.before = (request) => (request === where ? Effect.die(`a bug in ${where}`) : undefined)
        const watched = yield* watch(cluster)
        const exit = yield* Effect.exit(watched.source.broken)
        if (!Exit.isFailure(exit)) return assert.fail(where)
        assert.deepStrictEqual(defectsOf(exit.cause), [`a bug in ${where}`])
      }
    })
  )

  it.effect("is none when it is closed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const scope = yield* Scope.make()
      const watched = yield* Scope.provide(watch(cluster), scope)
      const broken = yield* Effect.forkChild(watched.source.broken)
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.isFalse(hasEnded(broken))
      assert.strictEqual(cluster.open, 0)
      watched.forget()
      yield* pass(MAX_WAIT * 2)
      assert.deepStrictEqual(watched.asked, [])
      yield* Fiber.interrupt(broken)
    })
  )
})

describe("what is asked of it", () => {
  it.effect("a partition begins anew from where its log begins then, at once, whatever it waited for", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 4; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      const watched = yield* watch(cluster)
      const waiting = watched.partition() as { retryAt: number }
      waiting.retryAt = 10_000_000 + DENIED_RETRY
      cluster.truncateHead(topic, 2)
      watched.forget()
      watched.source.reopen(0)
      yield* settle
      assert.deepStrictEqual(shown(watched.events), ["Opened 0: 2 to 4"])
      assert.strictEqual(watched.events[0]._tag === "Opened" && watched.events[0].generation, 3)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events), ["Opened 0: 2 to 4", "Fetched 0"])
      assert.strictEqual(watched.fetches().at(-1)?.partitions[0].fetchOffset, 4)
    })
  )

  it.effect("a partition that begins anew again and again waits before each time but the first, twice as long", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      // Nothing is settled in between, so each moment is seen as it was set.
      const due = [1, 2, 3, 4].map(() => {
        watched.source.reopen(0)
        return watched.partition().retryAt
      })
      assert.deepStrictEqual(due, [0, BEGIN + BACKOFF, BEGIN + 2 * BACKOFF, BEGIN + 4 * BACKOFF])
      yield* pass(4 * BACKOFF)
      assert.strictEqual(watched.partition().phase, "fetching")
    })
  )

  it.effect("a partition that was held is read on from where it is said to be", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 4; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      let first = true
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch" || !first) return undefined
        first = false
        return fetched(detail, { highWatermark: 4, lastStableOffset: 4, records: Buffer.alloc(70, 0xff) })
      }
      const watched = yield* watch(cluster)
      assert.strictEqual(watched.partition().phase, "held")
      watched.forget()
      watched.source.refetch(0, 3)
      assert.strictEqual(watched.partition().generation, 2)
      yield* settle
      assert.deepStrictEqual(
        watched.fetches().map(({ partitions }) => partitions[0].fetchOffset),
        [3, 4]
      )
      const [event] = watched.events
      if (event._tag !== "Fetched") return assert.fail(event._tag)
      assert.strictEqual(event.partitions[0].generation, 2)
      const last = cluster.log(topic).batches[3].bytes
      assert.isTrue(event.partitions[0].records.equals(last))
    })
  )

  it.effect("of what it does not read changes nothing", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      watched.forget()
      const before = { ...watched.partition() }
      yield* watched.all.remove("another")
      yield* watched.all.remove(topic, [1])
      for (const [name, partition] of [
        ["another", 0],
        [topic, 1]
      ] as const) {
        watched.all.refetch(name, partition, 5)
        watched.all.reopen(name, partition)
      }
      yield* settle
      assert.deepStrictEqual(watched.partition(), before)
      assert.deepStrictEqual([watched.all.cursors("another").size, watched.all.cursors(topic).size], [0, 1])
      assert.deepStrictEqual([watched.asked, watched.events], [[], []])
    })
  )

  it.effect("one fetcher and one opener are enough for a leader, however often it is described", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      watched.forget()
      for (let i = 0; i < 5; i++) {
        watched.source.refresh()
        yield* pass(BACKOFF)
      }
      assert.lengthOf(watched.requests("Metadata"), 5)
      yield* pass(MAX_WAIT)
      assert.isAtMost(watched.requests("Fetch").length, 1)
      assert.lengthOf(watched.requests("connect"), 0)
      assert.isAtLeast(fetchOf(watched.requests("Fetch")[0].detail).partitions.length, 1)
    })
  )

  it.effect("a leader that is described for the first time gets its own", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const watched = yield* watch(cluster)
      cluster.before = (request) =>
        request === "Metadata" ? described(cluster, { leader: 1, leaderEpoch: 1 }) : undefined
      cluster.moveLeader(topic, 1)
      watched.forget()
      watched.source.refresh()
      yield* pass(MAX_WAIT)
      assert.include(
        watched.requests("Fetch").map(({ node }) => node),
        1
      )
    })
  )
})

describe("a cluster of many brokers", () => {
  /** Each of so many partitions is led by a broker of its own, the first of which has this number. */
  const ledByMany = (fake: FakeCluster, count: number, first: number) =>
    Effect.sync((): MetadataResponse => ({
      brokers: [
        fake.cluster.brokerOf(0),
        ...Array.from({ length: count }, (_, i) => ({ nodeId: first + i, host: `kafka-${first + i}`, port: 9092 }))
      ],
      controllerId: 0,
      topics: [
        {
          errorCode: 0,
          name: topic,
          id: fake.topic(topic).id,
          partitions: Array.from({ length: count }, (_, partition) => ({
            errorCode: 0,
            partition,
            leader: first + partition,
            leaderEpoch: first
          }))
        }
      ]
    }))

  it.effect("each of which leads a partition, and none of which can be reached: no work for each of the others", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? ledByMany(cluster, 1_000, 1) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(2 * BACKOFF)
      assert.strictEqual(watched.source.partitions.size, 1_000)
      assert.isAtLeast(watched.requests("connect").length, 1)
      assert.strictEqual(watched.partition(999).leader, 1_000)
    })
  )

  it.effect("most of which lead nothing that is read: no fibers for these", () =>
    Effect.gen(function* () {
      const fibers = yield* census
      const count = (nodes: number) =>
        Effect.gen(function* () {
          const cluster = withTopic(1, nodes)
          const before = yield* fibers.count
          const watched = yield* fibers.of(watch(cluster))
          // once by a description, and once by a cursor that is added
          yield* fibers.of(watched.all.add(topic, new Map([[0, 0]])))
          watched.source.refresh()
          yield* pass(MAX_WAIT)
          return (yield* fibers.count) - before
        })
      assert.isBelow(yield* count(50), 2 * (yield* count(1)))
    })
  )

  it.effect("that leave it leave no fiber behind", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const fibers = yield* census
      let life = 0
      cluster.before = (request) => (request === "Metadata" ? ledByMany(cluster, 20, 1 + 20 * life) : undefined)
      const watched = yield* fibers.of(watch(cluster))
      yield* pass(2 * MAX_BACKOFF)
      const before = yield* fibers.count
      for (life = 1; life <= 10; life++) {
        watched.source.refresh()
        yield* pass(MAX_BACKOFF)
      }
      assert.strictEqual(watched.partition(19).leader, 220)
      yield* pass(2 * MAX_BACKOFF)
      assert.isAtMost(yield* fibers.count, 2 * before)
    })
  )
})

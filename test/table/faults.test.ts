/** What brokers do wrong, one by one: what a table shows meanwhile, and how it goes on. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { failureOf } from "../support/exits.ts"
import { clockOf, withClock } from "../support/effect/v4/clock.ts"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, Position, type KafkaProtocol, type KafkaError } from "../../src/index.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import {
  acquiring,
  advance,
  capturing,
  described,
  fetched,
  fetchOf,
  nothingNew,
  on,
  open,
  refused,
  settle,
  statusesOf,
  topic,
  topicMissing,
  topicRefused,
  until,
  withTopic
} from "./support.ts"

const OFFSET_OUT_OF_RANGE = 1
const REPLICA_NOT_AVAILABLE = 9
const INVALID_TOPIC = 17
const TOPIC_AUTHORIZATION_FAILED = 29
const UNKNOWN_SERVER_ERROR = -1

/** Loses what is behind the first `batches` batches, as an election of a replica that lagged behind does. */
const truncateTail = (cluster: FakeCluster, batches: number): void =>
  cluster.truncateTail(topic, cluster.log(topic).batches[batches].baseOffset)

const moveLeader = (cluster: FakeCluster, leader: number, partition = 0): void =>
  cluster.moveLeader(topic, leader, partition)

/** Connections to this broker are neither accepted nor refused. */
const frozen = (node: number): FakeCluster["before"] => {
  return (request, at) =>
    request === "connect" && at === node ? Effect.delay(Effect.fail(connectionError("Timeout")), 10_000) : undefined
}

const at = (partition: number, offset: number) => Position.make({ topic, partition, offset })

const statusOf = <K, V>(table: KafkaTable.KafkaTable<K, V>) => SubscriptionRef.get(table.status)

/** Seconds, of the test's time, until it holds. */
const secondsUntil = (what: () => boolean, limit: number) =>
  Effect.gen(function* () {
    let seconds = 0
    for (; seconds < limit && !what(); seconds++) yield* advance(1_000)
    return seconds
  })

describe("leaders", () => {
  it.effect("an answer of the old leader that comes after the new one's is no corruption", () => {
    const logs: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const table = yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* settle
      const late = yield* Deferred.make<KafkaProtocol.FetchedPartition["records"]>()
      cluster.before = (request, node, detail) =>
        request === "Fetch" && node === 0
          ? Effect.flatMap(Deferred.await(late), (records) =>
              fetched(detail, { highWatermark: 1, lastStableOffset: 1, logStartOffset: 0, records })
            )
          : undefined
      yield* advance(600)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const first = cluster.log(topic).batches[0].bytes
      cluster.append(topic, [{ key: "b", value: "1" }])
      moveLeader(cluster, 1)
      yield* advance(1_200)
      assert.isTrue(table.unsafeSnapshot().has("b"))
      yield* Deferred.succeed(late, first)
      yield* advance(600)
      cluster.append(topic, [{ key: "c", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("c"))
      assert.strictEqual((yield* table.stats).applied, 3)
      assert.deepStrictEqual(
        logs.filter((line) => line.includes("corrupt")),
        []
      )
    }).pipe(capturing(logs))
  })

  it.effect("a broker that is cut off from the others and still thinks that it leads is not believed for ever", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { metadataMaxAge: "5 seconds" })
      yield* settle
      cluster.before = (request, node, detail) => {
        if (node !== 0) return undefined
        if (request === "Metadata") return described(cluster, { leader: 0, leaderEpoch: 0 })
        return request === "Fetch" ? Effect.delay(nothingNew(detail, 1), 500) : undefined
      }
      moveLeader(cluster, 1)
      cluster.append(topic, [{ key: "b", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("b"))
    })
  )

  it.effect("a barrier does not believe a leader that another broker knows to be deposed", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      yield* settle
      // still thinks that it leads, and has not heard of what the next leader acknowledged
      cluster.before = (request, node, detail) => {
        if (node !== 0) return undefined
        if (request === "Metadata") return Effect.fail(connectionError("Closed"))
        if (request === "ListOffsets") {
          return Effect.succeed({ partitions: [{ partition: 0, errorCode: 0, offset: 1, leaderEpoch: 0 }] })
        }
        return request === "Fetch" ? Effect.delay(nothingNew(detail, 1), 500) : undefined
      }
      moveLeader(cluster, 1)
      cluster.append(topic, [{ key: "b", value: "1" }])
      const barrier = yield* Effect.forkChild(Effect.map(table.barrier(), () => table.unsafeSnapshot().has("b")))
      yield* until(() => hasEnded(barrier))
      assert.isTrue(yield* Fiber.join(barrier))
    })
  )

  it.effect("a frozen broker does not hold up the start of the others' partitions", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      moveLeader(cluster, 1, 1)
      cluster.before = frozen(1)
      const fiber = yield* Effect.forkChild(Effect.scoped(open(cluster)))
      assert.isBelow(yield* secondsUntil(() => cluster.requests.some((r) => r.request === "Fetch"), 30), 5)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("a frozen broker does not hold up the rebuild of another one's partition", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      yield* settle
      cluster.addPartition(topic, 1)
      cluster.before = frozen(1)
      yield* secondsUntil(() => false, 35)
      truncateTail(cluster, 0)
      assert.isBelow(yield* secondsUntil(() => !table.unsafeSnapshot().has("a"), 60), 3)
    })
  )

  it.effect("a barrier beside a partition without a leader times out and names it", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* open(cluster)
      moveLeader(cluster, -1, 1)
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: "5 seconds" })))
      yield* advance(5_000)
      const error = failureOf(yield* Fiber.join(barrier))
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      if (error._tag !== "KafkaWaitTimeoutError") return
      assert.deepStrictEqual(
        error.behind.map((b) => b.partition),
        [1]
      )
    })
  )

  it.effect("the start's timeout says why the one partition is missing", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      moveLeader(cluster, 1, 1)
      cluster.before = (request, node) =>
        request === "connect" && node === 1 ? Effect.fail(connectionError("Unreachable")) : undefined
      const opening = Effect.scoped(open(cluster, { catchUpTimeout: "5 seconds", onCatchUpTimeout: "fail" }))
      const error = failureOf(yield* acquiring(opening, 6_000))
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      assert.include(error.message, "Unreachable")
    })
  )
})

describe("another life of the topic", () => {
  it.effect("waits are not satisfied by offsets of the old one while the restart is pending", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 5; i++) cluster.append(topic, [{ key: `old${i}`, value: "1" }])
      const table = yield* open(cluster, { restart: Schedule.spaced("10 seconds") })
      const statuses = yield* statusesOf(table)
      cluster.createTopic(topic)
      cluster.append(topic, [{ key: "new", value: "1" }])
      yield* until(() => statuses.at(-1) === "Failed")
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: "2 seconds" })))
      const position = yield* Effect.forkChild(Effect.exit(table.awaitPosition(at(0, 0), { timeout: "2 seconds" })))
      yield* advance(2_000)
      assert.strictEqual(failureOf(yield* Fiber.join(barrier))._tag, "KafkaWaitTimeoutError")
      assert.strictEqual(failureOf(yield* Fiber.join(position))._tag, "KafkaWaitTimeoutError")
      yield* until(() => statuses.at(-1) === "CaughtUp")
      yield* table.awaitPosition(at(0, 0))
      assert.deepStrictEqual(yield* table.keys, ["new"])
    })
  )

  it.effect("who is slow still sees each status, in their order", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "old", value: "1" }])
      const table = yield* open(cluster, { restart: Schedule.spaced("10 seconds") })
      const all = yield* statusesOf(table)
      const seen: Array<string> = []
      const goOn = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Stream.runForEach(SubscriptionRef.changes(table.status), ({ _tag }) =>
          Effect.andThen(
            Effect.sync(() => seen.push(_tag)),
            Deferred.await(goOn)
          )
        )
      )
      yield* settle
      cluster.createTopic(topic)
      cluster.append(topic, [{ key: "new", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("new"))
      yield* settle
      assert.deepStrictEqual(seen, ["CaughtUp"])
      yield* Deferred.succeed(goOn, void 0)
      yield* settle
      assert.include(all, "Failed")
      assert.deepStrictEqual<ReadonlyArray<string>>(
        seen.filter((tag, i) => tag !== seen[i - 1]),
        all
      )
    })
  )

  it.effect("a barrier is not satisfied by offsets of the old one before the reader knows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 5; i++) cluster.append(topic, [{ key: `old${i}`, value: "1" }])
      const table = yield* open(cluster)
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      yield* advance(600)
      cluster.createTopic(topic)
      cluster.append(topic, [{ key: "new", value: "1" }])
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: "10 seconds" })))
      for (let i = 0; i < 100; i++) yield* advance(100)
      const error = failureOf(yield* Fiber.join(barrier))
      assert.strictEqual(error.reason, "Recreated")
    })
  )

  it.effect("rights that are granted while it is replayed do not make it caught up", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const first = cluster.topic(topic).id
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second"), deniedRetryInterval: "2 seconds" })
      const statuses = yield* statusesOf(table)
      cluster.createTopic(topic, 2)
      cluster.append(topic, [{ key: "x", value: "1" }])
      cluster.append(topic, [{ key: "y", value: "1" }], 1)
      let fetches = 0
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch" || fetchOf(detail).partitions[0].topic.id === first) return undefined
        fetches++
        if (fetches === 1) return refused(detail, TOPIC_AUTHORIZATION_FAILED)
        return fetches === 2 ? nothingNew(detail, 1) : Effect.never
      }
      yield* until(() => fetches === 3)
      yield* advance(1_000)
      assert.deepStrictEqual(statuses, ["CaughtUp", "Failed", "Loading"])
      assert.deepStrictEqual(yield* table.keys, ["a"])
    })
  )

  it.effect("an older id from a broker that lags behind is none", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const first = cluster.topic(topic).id
      cluster.createTopic(topic)
      const table = yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* settle
      let answers = 0
      cluster.before = (request) =>
        request === "Metadata" && answers++ === 0 ? described(cluster, { id: first }) : undefined
      const statuses = yield* statusesOf(table)
      yield* secondsUntil(() => false, 10)
      assert.isAbove(answers, 1)
      assert.deepStrictEqual(statuses, ["CaughtUp"])
    })
  )

  it.effect("another id counts once it has stayed for three seconds", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* settle
      cluster.before = (request) => (request === "Metadata" ? described(cluster, { id: "another" }) : undefined)
      const statuses = yield* statusesOf(table)
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: "1 minute" })))
      for (let i = 0; i < 25; i++) yield* advance(100)
      assert.deepStrictEqual(statuses, ["CaughtUp"])
      for (let i = 0; i < 10; i++) yield* advance(100)
      assert.deepStrictEqual(statuses, ["CaughtUp", "Failed"])
      assert.strictEqual(failureOf(yield* Fiber.join(barrier)).reason, "Recreated")
    })
  )
})

describe("a topic that is missing for a moment", () => {
  it.effect("was not deleted: an outage between two such answers says nothing", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const statuses = yield* statusesOf(table)
      let isUp = true
      let answers = 0
      cluster.before = (request) => {
        if (!isUp) return Effect.fail(connectionError("Unreachable"))
        if (request === "Fetch") return Effect.fail(connectionError("Closed"))
        if (request !== "Metadata") return undefined
        answers++
        isUp = false
        return topicMissing(cluster)
      }
      yield* advance(1_000)
      assert.strictEqual(answers, 1)
      yield* advance(10_000)
      isUp = true
      yield* advance(2_000)
      assert.strictEqual(answers, 2)
      assert.deepStrictEqual(statuses, ["CaughtUp"])
    })
  )

  it.effect("does not fail a barrier", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* settle
      let answers = 0
      cluster.before = (request) => (request === "Metadata" && answers++ === 0 ? topicMissing(cluster) : undefined)
      const barrier = yield* Effect.forkChild(table.barrier())
      yield* advance(5_000)
      yield* Fiber.join(barrier)
      assert.isAbove(answers, 1)
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
    })
  )
})

describe("data loss", () => {
  it.effect("barrier and awaitPosition wait for the rebuild: offsets are given out once more", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 10; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      const table = yield* open(cluster)
      yield* settle
      const cut = yield* Deferred.make<never, KafkaError.ConnectionError>()
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetchOf(detail).partitions[0].fetchOffset < 10 ? Deferred.await(cut) : undefined
      truncateTail(cluster, 4)
      yield* advance(1_000)
      assert.strictEqual((yield* table.stats).rebuilds, 1)
      const offset = cluster.append(topic, [{ key: "acknowledged", value: "1" }])
      assert.strictEqual(offset, 4)
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: "5 seconds" })))
      const position = yield* Effect.forkChild(
        Effect.exit(table.awaitPosition(at(0, offset), { timeout: "5 seconds" }))
      )
      yield* advance(5_000)
      assert.strictEqual(failureOf(yield* Fiber.join(barrier))._tag, "KafkaWaitTimeoutError")
      assert.strictEqual(failureOf(yield* Fiber.join(position))._tag, "KafkaWaitTimeoutError")
      assert.isFalse(table.unsafeSnapshot().has("acknowledged"))
      cluster.before = () => undefined
      yield* Deferred.fail(cut, connectionError("Closed"))
      const later = yield* Effect.forkChild(table.barrier())
      yield* until(() => hasEnded(later))
      yield* Fiber.join(later)
      assert.isTrue(table.unsafeSnapshot().has("acknowledged"))
    })
  )

  it.effect("is published at once: nobody sees a rebuild that is half done", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 20; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      const table = yield* open(cluster, { fetch: { maxPartitionBytes: 1 } })
      const sizes: Array<number> = []
      yield* Effect.forkChild(
        SubscriptionRef.changes(table.ref).pipe(Stream.runForEach((s) => Effect.sync(() => sizes.push(s.size))))
      )
      yield* settle
      const { version } = table.unsafeSnapshot()
      truncateTail(cluster, 15)
      yield* until(() => table.unsafeSnapshot().size === 15)
      yield* settle
      assert.deepStrictEqual(sizes, [20, 15])
      assert.strictEqual(table.unsafeSnapshot().version, version + 1)
    })
  )

  it.effect("the tombstones' retention is learned although the first attempt to ask failed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.alterConfigs(topic, { "delete.retention.ms": "5000" })
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "b", value: "1" }])
      cluster.before = () => Effect.fail(connectionError("Unreachable"))
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: "2 seconds" }), 3_000)
      const table = Exit.isSuccess(exit) ? exit.value : assert.fail("a table without a broker is a degraded one")
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().size === 2)
      yield* advance(1_000)
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(1_000)
      // deleted, and compacted away with its tombstone
      cluster.append(topic, [{ key: "a", value: null }])
      cluster.append(topic, [{ key: "c", value: "1" }])
      cluster.clean(topic, 0)
      yield* advance(10_000)
      cluster.clean(topic, 10_000)
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("c") && !table.unsafeSnapshot().has("a"))
      assert.sameMembers([...(yield* table.keys)], ["b", "c"])
    })
  )
})

describe("answers that do not help", () => {
  /** Counts fetches. There is an end to them, so that a loop without a pause fails instead of hanging. */
  const counting = (cluster: FakeCluster, answer: (detail: unknown) => Effect.Effect<KafkaProtocol.FetchResponse>) => {
    const counted = { fetches: 0 }
    cluster.before = (request, _, detail) => {
      if (request !== "Fetch") return undefined
      counted.fetches++
      return counted.fetches > 5_000 ? Effect.never : answer(detail)
    }
    return counted
  }

  it.effect("out of range, though the log's ends say otherwise: asked again with pauses", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      const counted = counting(cluster, (detail) => refused(detail, OFFSET_OUT_OF_RANGE))
      yield* advance(600)
      yield* settle
      assert.isAtLeast(counted.fetches, 1)
      assert.isBelow(counted.fetches, 50)
      // and it heals, at its own position
      cluster.append(topic, [{ key: "b", value: "2" }])
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("b"))
      assert.deepStrictEqual(
        [...table.unsafeSnapshot()],
        [
          ["a", "1"],
          ["b", "2"]
        ]
      )
      assert.deepInclude(yield* table.stats, { applied: 2, rebuilds: 0 })
    })
  )

  it.effect("without the partition that was asked for: asked again with pauses", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const counted = counting(cluster, () => Effect.succeed({ errorCode: 0, throttleMillis: 0, partitions: [] }))
      yield* advance(600)
      assert.isAtLeast(counted.fetches, 1)
      assert.isBelow(counted.fetches, 50)
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("a"))
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
    })
  )

  it.effect("an unknown server error is asked again", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const statuses = yield* statusesOf(table)
      let fetches = 0
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetches++ === 0 ? refused(detail, UNKNOWN_SERVER_ERROR) : undefined
      yield* advance(5_000)
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("a"))
      assert.deepStrictEqual(statuses, ["CaughtUp"])
    })
  )

  it.effect("a refusal of the topic that does not pass fails the acquisition at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? topicRefused(cluster, INVALID_TOPIC) : undefined)
      const error = failureOf(yield* acquiring(open(cluster), 1_000))
      assert.strictEqual(error._tag, "KafkaBrokerError")
      assert.include(error.message, "INVALID_TOPIC")
      assert.isFalse(error.retriable)
      assert.strictEqual(cluster.requests.filter((r) => r.request === "Metadata").length, 1)
    })
  )

  it.effect("a clock that is set back does not prolong the pause", () =>
    Effect.gen(function* () {
      const testClock = yield* currentClock
      let ahead = 0
      const now = () => millisOf(testClock) + ahead
      // wall time jumps, timers do not
      const clock = clockOf({
        millis: now,
        sleep: (duration) => testClock.sleep(duration),
        adjust: (duration) => withClock(testClock)(TestClock.adjust(duration))
      })
      yield* Effect.gen(function* () {
        const cluster = withTopic()
        ahead = 3_600_000
        const table = yield* open(cluster)
        yield* settle
        let fetches = 0
        cluster.before = (request, _, detail) =>
          request === "Fetch" && fetches++ === 0 ? refused(detail, REPLICA_NOT_AVAILABLE) : undefined
        yield* advance(500)
        assert.strictEqual(fetches, 1)
        ahead = 0
        cluster.append(topic, [{ key: "a", value: "1" }])
        yield* advance(2_000)
        assert.isTrue(table.unsafeSnapshot().has("a"))
      }).pipe(withClock(clock))
    })
  )
})

describe("rights", () => {
  it.effect("credentials that one broker refuses: failed, as long as its partitions are not read", () => {
    const logs: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      moveLeader(cluster, 1, 1)
      const table = yield* open(cluster, { deniedRetryInterval: "10 seconds" })
      const statuses = yield* statusesOf(table)
      cluster.before = (request, node) => {
        if (node !== 1) return undefined
        if (request === "connect") return Effect.fail(connectionError("Authentication"))
        return request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined
      }
      yield* secondsUntil(() => false, 50)
      assert.deepStrictEqual(statuses, ["CaughtUp", "Failed"])
      const status = yield* statusOf(table)
      assert.isTrue(status._tag === "Failed" && status.healing && status.error.reason === "Authentication")
      assert.isFalse((yield* table.freshness).connected)
      assert.deepStrictEqual(
        logs.filter((line) => line.includes("allowed to read again")),
        []
      )
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      yield* until(() => table.unsafeSnapshot().has("a"))
      assert.deepStrictEqual(statuses, ["CaughtUp", "Failed", "CaughtUp"])
    }).pipe(capturing(logs))
  })

  it.effect("that are missing to make the topic, once brokers answer at last: failed, tried again, and caught up", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.before = () => Effect.fail(connectionError("Unreachable"))
      const settings = { ensureTopic: true, catchUpTimeout: 2_000, deniedRetryInterval: "10 seconds" } as const
      const exit = yield* acquiring(open(cluster, settings), 3_000)
      if (!Exit.isSuccess(exit)) return assert.fail(String(failureOf(exit)))
      const seen = yield* statusesOf(exit.value)
      let denials = 0
      cluster.before = (request) => {
        if (request === "Metadata") denials++
        return request === "Metadata" ? topicRefused(cluster, TOPIC_AUTHORIZATION_FAILED) : undefined
      }
      yield* secondsUntil(() => denials > 0, 30)
      yield* advance(100)
      const status = yield* statusOf(exit.value)
      if (status._tag !== "Failed") return assert.fail(status._tag)
      assert.isTrue(status.healing)
      assert.strictEqual(status.error.reason, "Unauthorized")
      assert.deepStrictEqual((yield* exit.value.freshness).lastFailure, status.error)
      const before = denials
      yield* advance(8_000)
      assert.strictEqual(denials, before, "not before its time")
      yield* advance(3_000)
      assert.isAbove(denials, before)
      cluster.before = () => undefined
      yield* until(() => exit.value.unsafeSnapshot().has("a"))
      assert.deepStrictEqual(seen, ["Degraded", "Failed", "CaughtUp"])
    })
  )
})

describe("a reader that has ended", () => {
  it.effect("by a deletion: not connected", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const statuses = yield* statusesOf(table)
      cluster.deleteTopic(topic)
      yield* until(() => statuses.at(-1) === "Failed")
      cluster.createTopic(topic)
      assert.isFalse((yield* table.freshness).connected)
    })
  )

  it.effect("by poison: not connected, and its content is as old as it is", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* KafkaTable.make<string, { readonly on: boolean }>({
        topic,
        value: Codec.json(Schema.Struct({ on: Schema.Boolean })),
        ensureTopic: false,
        onPoison: "fail"
      }).pipe(on(cluster))
      cluster.append(topic, [{ key: "a", value: "{" }])
      yield* settle
      yield* advance(60_000)
      const freshness = yield* table.freshness
      assert.isFalse(freshness.connected)
      assert.isAtLeast(freshness.staleMillis!, 60_000)
    })
  )

  for (const request of ["Metadata", "ListOffsets", "Fetch"] as const) {
    /** The driver throws once, at this request. */
    const throwOnce = (cluster: FakeCluster) => {
      let thrown = 0
      cluster.before = (r) => (r === request && thrown++ === 0 ? Effect.die(new Error("boom")) : undefined)
    }

    it.effect(`by a defect of the driver (${request}): failed, and everybody who waits gets a typed error`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        cluster.append(topic, [{ key: "a", value: "1" }])
        cluster.append(topic, [{ key: "b", value: "1" }])
        const table = yield* open(cluster, { metadataMaxAge: "1 second" })
        const failure = yield* Effect.forkChild(Effect.flip(table.failure))
        const waiting = yield* Effect.forkChild(Effect.flip(table.awaitPosition(at(0, 99), { timeout: "1 hour" })))
        const statuses = yield* statusesOf(table)
        throwOnce(cluster)
        // the log's ends are asked for anew
        truncateTail(cluster, 1)
        yield* until(() => statuses.at(-1) === "Failed")
        const status = yield* statusOf(table)
        assert.isTrue(status._tag === "Failed" && !status.healing && status.error.reason === "Defect")
        const error = yield* Fiber.join(failure)
        assert.strictEqual(error._tag, "KafkaDefectError")
        assert.include(error.message, "boom")
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "KafkaDefectError")
        assert.isTrue(yield* table.has("a"))
      })
    )

    it.effect(`by a defect of the driver (${request}): goes on with a restart policy`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        cluster.append(topic, [{ key: "a", value: "1" }])
        const table = yield* open(cluster, { metadataMaxAge: "1 second", restart: Schedule.spaced("1 second") })
        const statuses = yield* statusesOf(table)
        throwOnce(cluster)
        truncateTail(cluster, 0)
        yield* until(() => statuses.includes("Failed"))
        cluster.append(topic, [{ key: "b", value: "1" }])
        yield* until(() => statuses.at(-1) === "CaughtUp")
        assert.deepStrictEqual(yield* table.keys, ["b"])
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(table.failure, 0)))
      })
    )
  }
})

describe("a new partition", () => {
  it.effect("that a position is of is asked for at once, whatever the age of the metadata", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* settle
      cluster.addPartition(topic)
      const offset = cluster.append(topic, [{ key: "a", value: "1" }], 1)
      const waiting = yield* Effect.forkChild(table.awaitPosition(at(1, offset), { timeout: "10 seconds" }))
      yield* advance(10_000)
      yield* Fiber.join(waiting)
      assert.isTrue(table.unsafeSnapshot().has("a"))
    })
  )
})

describe("status", () => {
  it.effect("nothing has caught up while the replay of a restarted reader is under way", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "old", value: "1" }])
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second"), deniedRetryInterval: 500 })
      const statuses = yield* statusesOf(table)
      cluster.deleteTopic(topic)
      yield* until(() => statuses.at(-1) === "Failed")
      cluster.createTopic(topic, 2)
      cluster.append(topic, [{ key: "a", value: "1" }], 0)
      cluster.append(topic, [{ key: "b", value: "1" }], 1)
      // one partition is read, the other one is denied first, and granted, and then brings nothing
      let denials = 1
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch" || fetchOf(detail).partitions.every((p) => p.partition === 0)) return undefined
        return denials-- > 0 ? refused(detail, TOPIC_AUTHORIZATION_FAILED) : Effect.delay(nothingNew(detail, 1), 500)
      }
      const waiting = yield* Effect.forkChild(table.awaitCaughtUp({ timeout: "1 hour" }))
      yield* advance(10_000)
      // granted again, it says that it reads, and no more
      assert.deepStrictEqual(statuses, ["CaughtUp", "Failed", "Loading"])
      assert.isFalse(hasEnded(waiting))
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["old", "1"]])
      cluster.before = () => undefined
      yield* until(() => hasEnded(waiting))
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["a", "b"])
      assert.strictEqual(statuses.at(-1), "CaughtUp")
    })
  )

  it.effect("degraded, denied, and granted again: degraded as before, then caught up", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const lost = Effect.delay(Effect.fail(connectionError("Closed")), 100)
      cluster.before = (request) => (request === "Fetch" ? lost : undefined)
      const exit = yield* acquiring(open(cluster, { catchUpTimeout: 2_000, deniedRetryInterval: 2_000 }), 3_000)
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isFailure(exit)) return
      const seen = yield* statusesOf(exit.value)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? refused(detail, TOPIC_AUTHORIZATION_FAILED) : undefined
      yield* advance(3_000)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(nothingNew(detail, 1), 500) : undefined
      yield* advance(3_000)
      assert.deepStrictEqual(seen, ["Degraded", "Failed", "Degraded"])
      cluster.before = () => undefined
      yield* until(() => exit.value.unsafeSnapshot().has("a"))
      assert.deepStrictEqual(seen, ["Degraded", "Failed", "Degraded", "CaughtUp"])
    })
  )
})

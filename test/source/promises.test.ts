/** What a source promises to who reads it, whatever brokers answer, and whenever. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { currentClock } from "../../src/internal/effect/v4/clock.ts"
import type { KafkaProtocol } from "../../src/index.ts"
import type { SourceOptions } from "../../src/internal/source/context.ts"
import { Failures } from "../../src/internal/source/failures.ts"
import type { SourceEvent } from "../../src/internal/source/cursor.ts"
import { makeSource, type Source } from "../../src/internal/source/source.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { advance, described, fetchOf, nothingNew, open, settle, topic, until, withTopic } from "../table/support.ts"

const sourceOf = (cluster: FakeCluster, options: Partial<SourceOptions> = {}) =>
  Effect.flatMap(cluster.client, (client) =>
    makeSource({
      client,
      isolation: "read_committed",
      fetch: { maxWaitMillis: 500, minBytes: 1, maxBytes: 1_000, maxPartitionBytes: 1_000, maxBatchBytes: 1_000 },
      metadataMaxAgeMillis: 1_000,
      deniedRetryMillis: 1_000,
      missingGraceMillis: 3_000,
      onWaiting: () => Effect.void,
      failures: new Failures(),
      onConnection: () => Effect.void,
      onThrottled: () => Effect.void,
      ...options
    }).pipe(Effect.tap((source) => source.follow(topic)))
  )

/** Takes all that comes, from now on. */
const events = (source: Source) =>
  Effect.gen(function* () {
    const seen: Array<SourceEvent> = []
    yield* Effect.forkScoped(Effect.forever(Effect.map(source.take, (event) => seen.push(event))))
    yield* settle
    return seen
  })

const short = (event: SourceEvent): unknown =>
  event._tag === "Opened"
    ? `${event._tag} ${event.partition}`
    : event._tag === "Fetched"
      ? `${event._tag} ${event.partitions.map(({ partition }) => partition).join()}`
      : event._tag

describe("an absence longer than tombstones last", () => {
  const RETENTION = 5_000

  const twoKeys = (): FakeCluster => {
    const cluster = withTopic()
    cluster.alterConfigs(topic, { "delete.retention.ms": String(RETENTION) })
    for (const key of ["a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
    return cluster
  }

  /** The key is deleted, and compacted away with its tombstone. */
  const deleted = (cluster: FakeCluster, key: string) =>
    Effect.gen(function* () {
      const now = yield* Effect.flatMap(currentClock, (clock) => clock.currentTimeMillis)
      cluster.append(topic, [{ key, value: null }])
      cluster.append(topic, [{ key: `after ${key}`, value: "1" }])
      cluster.clean(topic, now)
      yield* advance(2 * RETENTION)
      cluster.clean(topic, now + 2 * RETENTION)
    })

  it.effect("is noticed the second time as it was the first", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster)
      for (const [i, key] of ["a", "b"].entries()) {
        yield* advance(3_000)
        cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
        yield* advance(1_000)
        yield* deleted(cluster, key)
        cluster.before = () => undefined
        yield* until(() => table.unsafeSnapshot().has(`after ${key}`))
        yield* advance(1_000)
        assert.isFalse(table.unsafeSnapshot().has(key))
        assert.strictEqual((yield* table.stats).rebuilds, i + 1)
      }
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["c", "after a", "after b"])
    })
  )

  it.effect("is noticed where it was the answer that took so long", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster)
      yield* advance(2_000)
      // it had nothing to tell when it was sent
      let held = false
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch" || held) return undefined
        held = true
        return Effect.delay(nothingNew(detail, 3), 2 * RETENTION + 1_000)
      }
      yield* advance(600)
      assert.isTrue(held)
      yield* deleted(cluster, "a")
      yield* until(() => table.unsafeSnapshot().has("after a"))
      yield* advance(1_000)
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["b", "c", "after a"])
      assert.strictEqual((yield* table.stats).rebuilds, 1)
    })
  )
})

describe("a partition", () => {
  it.effect("that is to begin anew while its `Opened` still waits is opened once more, and read by that one", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      const source = yield* sourceOf(cluster)
      assert.deepStrictEqual(yield* Effect.andThen(settle, source.take), { _tag: "PartitionCount", topic, count: 2 })
      // one is in the only place that there is, and the other one waits
      yield* settle
      const waits = source.cursors(topic).get(1)!.generation
      source.reopen(topic, 1)
      const seen = yield* events(source)
      // and the long poll that was under way is over
      yield* advance(1_000)
      const opened = seen.flatMap((event) => (event._tag === "Opened" && event.partition === 1 ? [event] : []))
      assert.deepStrictEqual(
        opened.map(({ generation }) => generation > waits),
        [true]
      )
      const fetched = seen.flatMap((event) => (event._tag === "Fetched" ? event.partitions : []))
      assert.deepStrictEqual(
        fetched.map(({ generation, partition }) => [partition, generation]),
        [[1, opened[0].generation]]
      )
      assert.deepStrictEqual(seen.map(short), ["Opened 0", "Opened 1", "Fetched 1"])
    })
  )

  it.effect("that is behind gets its turn, however much another one has", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "behind", value: "1" }], 1)
      cluster.append(topic, [{ key: "k", value: "1" }], 0)
      let fetches = 0
      cluster.before = (request) => {
        // with each answer there is more of it
        if (request === "Fetch" && fetches++ < 500) cluster.append(topic, [{ key: "k", value: `${fetches}` }], 0)
        return undefined
      }
      const table = yield* open(cluster, { fetch: { maxBytes: 1, maxPartitionBytes: 1 } })
      assert.isTrue(table.unsafeSnapshot().has("behind"))
      assert.isBelow(fetches, 10)
    })
  )
})

describe("descriptions of the topic", () => {
  const answering = (cluster: FakeCluster, answer: Effect.Effect<KafkaProtocol.MetadataResponse>): void => {
    cluster.before = (request, _, detail) =>
      request === "Metadata"
        ? answer
        : request === "Fetch"
          ? Effect.delay(nothingNew(detail, 0), fetchOf(detail).maxWaitMillis)
          : undefined
  }

  const leaders = (source: Source) =>
    [...source.cursors(topic).values()].map(({ leader, leaderEpoch }) => [leader, leaderEpoch])

  it.effect("of an older leader epoch do not win; of a newer one, and of one that has none, they do", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.moveLeader(topic, 1)
      const { leaderEpoch } = cluster.partition(topic)
      const source = yield* sourceOf(cluster)
      yield* events(source)
      assert.deepStrictEqual(leaders(source), [[1, leaderEpoch]])
      for (const [leader, epoch, expected] of [
        [0, leaderEpoch - 1, [1, leaderEpoch]],
        [0, leaderEpoch + 1, [0, leaderEpoch + 1]],
        [1, leaderEpoch, [0, leaderEpoch + 1]],
        [1, -1, [1, -1]]
      ] as const) {
        answering(cluster, described(cluster, { leader, leaderEpoch: epoch }))
        yield* advance(3_000)
        assert.deepStrictEqual(leaders(source), [[...expected]], `leader ${leader} of epoch ${epoch}`)
      }
    })
  )

  it.effect("with fewer partitions than are known are ignored as a whole", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      const source = yield* sourceOf(cluster)
      yield* events(source)
      const known = leaders(source)
      const before = source.description(topic)!
      answering(
        cluster,
        Effect.map(described(cluster, { leader: 1, leaderEpoch: 7 }), (answer) => ({
          ...answer,
          topics: answer.topics.map((found) => ({ ...found, partitions: found.partitions.slice(0, 1) }))
        }))
      )
      yield* advance(3_000)
      assert.deepStrictEqual(leaders(source), known)
      assert.strictEqual(source.description(topic), before)
      answering(cluster, described(cluster, { leader: 1, leaderEpoch: 7 }))
      yield* advance(3_000)
      assert.deepStrictEqual(leaders(source), [
        [1, 7],
        [1, 7]
      ])
    })
  )
})

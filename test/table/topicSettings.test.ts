/** A topic's settings change while a table lives: what it promises by them goes by what they are, not by what they were. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { currentClock } from "../../src/internal/effect/v4/clock.ts"
import type { KafkaProtocol, KafkaTable } from "../../src/index.ts"
import { TopicSettings } from "../../src/internal/table/reading/topicSettings.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { advance, capturing, open, settle, topic, until, withTopic } from "./support.ts"

type Table = KafkaTable.KafkaTable<string, string>

const RETENTION = "delete.retention.ms"
const TOPIC_AUTHORIZATION_FAILED = 29
const DAY = 24 * 60 * 60 * 1000

const answering = (errorCode: number, configs: Readonly<Record<string, string>> = {}) => ({
  errorCode,
  errorMessage: undefined,
  configs: Object.entries(configs).map(([name, value]) => ({ name, value, explicit: true }))
})

const refuses = (answer: KafkaProtocol.DescribeConfigsResponse): FakeCluster["before"] => {
  return (request) => (request === "DescribeConfigs" ? Effect.succeed(answer) : undefined)
}

const asked = (cluster: FakeCluster): number =>
  cluster.requests.filter(({ request }) => request === "DescribeConfigs").length

/** The keys "a" and "b", with tombstones that last for long. */
const twoKeys = (retentionMillis = DAY): FakeCluster => {
  const cluster = withTopic()
  cluster.alterConfigs(topic, { [RETENTION]: String(retentionMillis) })
  cluster.append(topic, [{ key: "a", value: "1" }])
  cluster.append(topic, [{ key: "b", value: "1" }])
  return cluster
}

/**
 * For 12 seconds nothing can be fetched, and `a` is deleted, and compacted away with its tombstone, which lasted for
 * `lasts`. Then the answers are as `after` has them.
 */
const outage = (cluster: FakeCluster, lasts: number, after: FakeCluster["before"] = () => undefined) =>
  Effect.gen(function* () {
    const before = cluster.before
    const now = yield* currentClock.pipe(Effect.flatMap((clock) => clock.currentTimeMillis))
    cluster.before = (request, node, detail) =>
      request === "Fetch" ? Effect.fail(connectionError("Closed")) : before(request, node, detail)
    yield* advance(1_000)
    cluster.append(topic, [{ key: "a", value: null }])
    cluster.append(topic, [{ key: "c", value: "1" }])
    const kept = cluster.topic(topic).configs[RETENTION]
    cluster.alterConfigs(topic, { [RETENTION]: String(lasts) })
    cluster.clean(topic, now)
    if (kept !== undefined) cluster.alterConfigs(topic, { [RETENTION]: kept })
    yield* advance(11_000)
    cluster.clean(topic, now + 11_000)
    assert.deepStrictEqual(
      cluster.log(topic).batches.map(({ baseOffset }) => baseOffset),
      [1, 3],
      "the log does not tell of the deletion any more"
    )
    cluster.before = after
  })

const endsWith = (table: Table, keys: ReadonlyArray<string>, rebuilds: number) =>
  Effect.gen(function* () {
    yield* until(() => table.unsafeSnapshot().has("c"))
    yield* advance(2_000)
    assert.sameMembers([...table.unsafeSnapshot().keys()], [...keys])
    assert.strictEqual((yield* table.stats).rebuilds, rebuilds)
  })

describe("how long tombstones last", () => {
  it.effect("is asked for again before an outage counts as short", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster, { metadataMaxAge: "1 hour" })
      yield* advance(2_000)
      cluster.alterConfigs(topic, { [RETENTION]: "5000" })
      yield* outage(cluster, 5_000)
      yield* endsWith(table, ["b", "c"], 1)
    })
  )

  it.effect("was short for a while only: what is asked for in each age of the metadata counts, too", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* advance(2_000)
      yield* outage(cluster, 5_000)
      assert.isTrue(table.unsafeSnapshot().has("a"))
      // meanwhile, and only to be seen meanwhile
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      cluster.alterConfigs(topic, { [RETENTION]: "5000" })
      yield* advance(1_500)
      cluster.alterConfigs(topic, { [RETENTION]: String(DAY) })
      cluster.before = () => undefined
      yield* endsWith(table, ["b", "c"], 1)
    })
  )

  it.effect("is long as it always was: nothing is replayed, however often it was asked for", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster, { metadataMaxAge: "1 hour" })
      yield* advance(2_000)
      const before = asked(cluster)
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(3_000)
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "c", value: "1" }])
      yield* endsWith(table, ["a", "b", "c"], 0)
      assert.strictEqual(asked(cluster) - before, 1, "once, for the one outage")
      // who was never away needs none of it
      for (let i = 0; i < 5; i++) {
        cluster.append(topic, [{ key: "c", value: `${i}` }])
        yield* advance(3_000)
      }
      assert.strictEqual(asked(cluster) - before, 1)
    })
  )

  it.effect("cannot be asked for: taken for too short, and said so", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster, { metadataMaxAge: "1 hour" })
      yield* advance(2_000)
      yield* outage(cluster, 5_000, (request) =>
        request === "DescribeConfigs" ? Effect.fail(connectionError("Closed")) : undefined
      )
      yield* endsWith(table, ["b", "c"], 1)
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("Behind for")),
        [
          "Behind for 12 s, and nobody says how long the topic keeps tombstones (delete.retention.ms). Deletions may have" +
            " left no trace, so partition 0 is replayed."
        ]
      )
    }).pipe(capturing(lines))
  })

  it.effect("is not known to a broker that has just started: the same", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      const table = yield* open(cluster, { metadataMaxAge: "1 hour" })
      yield* advance(2_000)
      yield* outage(cluster, 5_000, refuses(answering(3)))
      yield* endsWith(table, ["b", "c"], 1)
    })
  )

  const unreadable = [
    ["may not be read", refuses(answering(TOPIC_AUTHORIZATION_FAILED))],
    ["is none of this broker's settings", refuses(answering(0, { "cleanup.policy": "compact" }))],
    [
      "is nothing that this broker can be asked for",
      (request) => (request === "DescribeConfigs" ? Effect.fail(connectionError("UnsupportedVersion")) : undefined)
    ]
  ] satisfies ReadonlyArray<readonly [string, FakeCluster["before"]]>
  for (const [what, before] of unreadable) {
    it.effect(`${what}: Kafka's default stands, which is told once at most`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const cluster = twoKeys()
        cluster.before = before
        const table = yield* open(cluster, { metadataMaxAge: "1 second" })
        yield* advance(5_000)
        yield* outage(cluster, 5_000, before)
        // as the docs say
        yield* endsWith(table, ["a", "b", "c"], 0)
        assert.strictEqual(
          lines.filter((line) => line.startsWith("the topic's delete.retention.ms may not be read")).length,
          what.startsWith("is nothing") ? 0 : 1
        )
      }).pipe(capturing(lines))
    })
  }

  it.effect(
    "is asked of the leader that lost the partition meanwhile: the next one's records are not mixed with its",
    () =>
      Effect.gen(function* () {
        const cluster = withTopic(1, 2)
        cluster.append(topic, [{ key: "a", value: "1" }])
        const table = yield* open(cluster, { metadataMaxAge: "1 second" })
        yield* advance(2_000)
        const gate = yield* Deferred.make<void>()
        cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
        yield* advance(3_000)
        cluster.append(topic, [{ key: "b", value: "1" }])
        let held = false
        cluster.before = (request, node) => {
          if (request !== "DescribeConfigs" || node !== 0 || held) return undefined
          held = true
          return Effect.andThen(Deferred.await(gate), Effect.succeed(answering(0, { [RETENTION]: String(DAY) })))
        }
        yield* advance(1_000)
        assert.isTrue(held, "it waits for the settings")
        assert.isFalse(table.unsafeSnapshot().has("b"))
        cluster.moveLeader(topic, 1)
        cluster.append(topic, [{ key: "c", value: "1" }])
        yield* until(() => table.unsafeSnapshot().has("c"))
        yield* Deferred.succeed(gate, undefined)
        yield* advance(2_000)
        assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["a", "b", "c"])
        assert.deepInclude(yield* table.stats, { applied: 3, rebuilds: 0 })
      })
  )

  it.effect("is asked for once in each age of the metadata, and at the start", () =>
    Effect.gen(function* () {
      const cluster = twoKeys()
      yield* open(cluster, { metadataMaxAge: "10 seconds" })
      yield* settle
      assert.strictEqual(asked(cluster), 1)
      yield* advance(9_000)
      assert.strictEqual(asked(cluster), 1)
      yield* advance(2_000)
      assert.strictEqual(asked(cluster), 2)
      yield* advance(10_000)
      assert.strictEqual(asked(cluster), 3)
    })
  )
})

describe("a policy that changes", () => {
  it.effect("is told when it does not compact any more, and when it does again, once each", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = twoKeys()
      yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* advance(3_000)
      const told = () => lines.filter((line) => line.startsWith("cleanup.policy"))
      assert.deepStrictEqual(told(), [])
      cluster.alterConfigs(topic, { "cleanup.policy": "compact,delete" })
      yield* advance(3_000)
      assert.deepStrictEqual(told(), [])
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      yield* advance(5_000)
      const gone =
        'cleanup.policy is not compacting any more, but "delete": keys will be EVICTED by retention. Set it to compact'
      assert.deepStrictEqual(told(), [gone])
      cluster.alterConfigs(topic, { "cleanup.policy": "compact" })
      yield* advance(5_000)
      assert.deepStrictEqual(told(), [gone, 'cleanup.policy is compacting again: "compact"'])
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      yield* advance(2_000)
      assert.strictEqual(told().length, 3)
    }).pipe(capturing(lines))
  })

  it.effect("was none from the beginning: no change to tell of", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = twoKeys()
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* advance(5_000)
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("cleanup.policy")),
        []
      )
    }).pipe(capturing(lines))
  })
})

describe("TopicSettings", () => {
  it.effect("goes by the least that was in force since a time, and by Kafka's default where nothing is known", () =>
    Effect.gen(function* () {
      const settings = new TopicSettings(topic)
      assert.strictEqual(settings.lowestRetentionSince(0), DAY)
      const say = (millis: number) =>
        Effect.andThen(settings.learned(answering(0, { [RETENTION]: String(millis) })), advance(1_000))
      for (const millis of [5_000, 5_000, 9_000, 2_000, 7_000]) yield* say(millis)
      // in force from 0, 2, 3, 4 s on
      assert.deepStrictEqual(
        [-1, 0, 1_999, 2_000, 2_500, 3_000, 3_999, 4_000, 50_000].map((time) => settings.lowestRetentionSince(time)),
        [2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 7_000, 7_000]
      )
      yield* say(8_000)
      assert.deepStrictEqual(
        [4_500, 5_000].map((time) => settings.lowestRetentionSince(time)),
        [7_000, 8_000]
      )
      const { askedAt } = settings
      yield* advance(1_000)
      // an answer that says nothing does not count, one that says that they may not be read does
      yield* settings.learned(answering(3))
      assert.strictEqual(settings.askedAt, askedAt)
      yield* settings.learned(answering(TOPIC_AUTHORIZATION_FAILED))
      assert.strictEqual(settings.askedAt, askedAt + 2_000)
      yield* advance(1_000)
      yield* settings.untold
      assert.strictEqual(settings.askedAt, askedAt + 3_000)
      assert.strictEqual(settings.lowestRetentionSince(50_000), 8_000)
    })
  )

  it.effect("forgets no low value, however often it is changed", () =>
    Effect.gen(function* () {
      const settings = new TopicSettings(topic)
      yield* settings.learned(answering(0, { [RETENTION]: "10" }))
      for (let i = 0; i < 500; i++) {
        yield* TestClock.adjust(1)
        yield* settings.learned(answering(0, { [RETENTION]: String(1_000 + i) }))
      }
      assert.strictEqual(settings.lowestRetentionSince(0), 10)
      assert.strictEqual(settings.lowestRetentionSince(1_000_000), 1_499)
    })
  )
})

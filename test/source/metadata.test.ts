/** What a source makes of the descriptions of its topic that brokers give. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TopicError } from "../../src/KafkaError.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { described, fetchOf, settle, topic, topicMissing, topicRefused, withTopic } from "../support/answers.ts"
import { BACKOFF, DENIED_RETRY, GRACE, it, MAX_WAIT, METADATA_AGE, pass, shown, watch } from "./support.ts"

const INVALID_TOPIC = 17
const LEADER_NOT_AVAILABLE = 5
const TOPIC_AUTHORIZATION_FAILED = 29
const UNKNOWN_SERVER_ERROR = -1
const UNKNOWN_TOPIC_ID = 100

/** When the metadata was asked for, in milliseconds since the test began. */
const times = (watched: { requests: (kind: "Metadata") => ReadonlyArray<{ readonly at: number }> }) =>
  watched.requests("Metadata").map(({ at }) => at)

describe("when it asks", () => {
  it.effect("at the start, and whenever the last answer is as old as it may be", () =>
    Effect.gen(function* () {
      const watched = yield* watch(withTopic())
      assert.deepStrictEqual(times(watched), [0])
      yield* pass(METADATA_AGE)
      assert.deepStrictEqual(times(watched), [0])
      yield* pass(BACKOFF)
      assert.deepStrictEqual(times(watched), [0, METADATA_AGE + BACKOFF])
      yield* pass(METADATA_AGE + BACKOFF - 1)
      assert.lengthOf(times(watched), 2)
      yield* pass(1)
      yield* pass(BACKOFF)
      assert.lengthOf(times(watched), 3)
    })
  )

  it.effect("at once when somebody wants to know, and once for all who do within a backoff after it", () =>
    Effect.gen(function* () {
      const watched = yield* watch(withTopic())
      yield* pass(1_000)
      watched.forget()
      for (let i = 0; i < 5; i++) {
        watched.source.refresh()
        yield* settle
      }
      assert.deepStrictEqual(times(watched), [1_000])
      yield* pass(BACKOFF)
      assert.deepStrictEqual(times(watched), [1_000, 1_000 + BACKOFF])
      yield* pass(100)
      assert.lengthOf(times(watched), 2)
    })
  )

  it.effect("once more, if somebody wants to know while an answer is on its way", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? Effect.delay(described(cluster, {}), 300) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(200)
      watched.source.refresh()
      yield* pass(100 + BACKOFF)
      assert.deepStrictEqual(times(watched), [0, 300 + BACKOFF])
      yield* pass(1_000)
      assert.lengthOf(times(watched), 2)
    })
  )

  it.effect("with longer and longer waits between attempts that fail, and short ones again after a success", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? Effect.fail(connectionError("Timeout")) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(370)
      const attempts = [0, 10, 30, 70, 150, 250, 350]
      assert.deepStrictEqual(times(watched), attempts)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Timeout")
      cluster.before = () => undefined
      yield* pass(80)
      assert.deepStrictEqual(times(watched), [...attempts, 450])
      assert.isUndefined(watched.source.lastFailure())
      cluster.before = (request) => (request === "Metadata" ? Effect.fail(connectionError("Timeout")) : undefined)
      watched.forget()
      watched.source.refresh()
      yield* pass(40)
      assert.deepStrictEqual(times(watched), [460, 470, 490])
    })
  )

  it.effect("again and again while a partition has no leader, less and less often", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.moveLeader(topic, -1, 1)
      const watched = yield* watch(cluster)
      yield* pass(160)
      assert.deepStrictEqual(times(watched), [0, 10, 30, 70, 150])
      assert.strictEqual(watched.partition(1).leader, -1)
      cluster.moveLeader(topic, 0, 1)
      yield* pass(2_000)
      assert.deepStrictEqual(times(watched), [0, 10, 30, 70, 150, 250])
      assert.strictEqual(watched.partition(1).phase, "fetching")
    })
  )
})

describe("what is told while nothing is known of the topic", () => {
  it.effect("why, each time, but not that it is missing, which may be its deletion", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? Effect.fail(connectionError("Unreachable")) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(BACKOFF)
      assert.deepStrictEqual(watched.waits, ["Unreachable", "Unreachable"])
      cluster.before = (request) => (request === "Metadata" ? topicMissing(cluster) : undefined)
      yield* pass(100)
      assert.lengthOf(watched.waits, 2)
      cluster.before = () => undefined
      yield* pass(200)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
    })
  )

  it.effect("nothing any more, once it was described", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) => (request === "Metadata" ? Effect.fail(connectionError("Unreachable")) : undefined)
      watched.source.refresh()
      yield* pass(100)
      assert.deepStrictEqual(watched.waits, [])
      assert.strictEqual(watched.source.lastFailure()?.reason, "Unreachable")
    })
  )
})

describe("partitions", () => {
  it.effect("of which nothing is known but their leader", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request) => (request === "ListOffsets" ? Effect.never : undefined)
      const watched = yield* watch(cluster, { fetch: { maxPartitionBytes: 777 } })
      const { topic: of, ...known } = watched.partition(1)
      assert.deepInclude({ ...of, cursors: of.cursors.size }, { name: topic, isFollowed: true, cursors: 2 })
      assert.deepStrictEqual<object>(known, {
        partition: 1,
        isFull: false,
        from: undefined,
        since: 1,
        leader: 0,
        leaderEpoch: cluster.partition(topic, 1).leaderEpoch,
        phase: "opening",
        unsureSince: 0,
        generation: 1,
        fetchOffset: 0,
        lastEpoch: -1,
        end: 0,
        doubt: undefined,
        maxBytes: 777,
        retryAt: 0,
        attempts: 0,
        highWatermark: -1,
        lastStableOffset: -1,
        logStart: 0,
        lastFetchAt: undefined,
        headAt: 0,
        reachedHead: false,
        wasAway: false,
        restarts: 0,
        connected: false,
        throttledUntil: undefined
      })
    })
  )

  it.effect("that were added are told by their number, and opened from their beginning", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 1", "Fetched 0"])
      watched.forget()
      cluster.addPartition(topic, 1)
      cluster.append(topic, [{ key: "b", value: "1" }], 1)
      watched.source.refresh()
      yield* pass(BACKOFF)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 2", "Opened 1: 0 to 1", "Fetched 1"])
      watched.forget()
      watched.source.refresh()
      yield* pass(100)
      assert.deepStrictEqual(watched.events, [])
    })
  )

  it.effect("do not become fewer by the answer of a broker that lags behind", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const watched = yield* watch(cluster)
      const before = watched.source.description()
      cluster.before = (request) =>
        request === "Metadata"
          ? Effect.map(described(cluster, { leader: 7, leaderEpoch: 99 }), (answer) => ({
              ...answer,
              topics: answer.topics.map((one) => ({ ...one, partitions: one.partitions.slice(0, 1) }))
            }))
          : undefined
      watched.forget()
      watched.source.refresh()
      yield* pass(100)
      assert.isAtLeast(times(watched).length, 1)
      assert.strictEqual(watched.source.description(), before)
      assert.strictEqual(watched.source.partitions.size, 2)
      assert.deepInclude(watched.partition(0), { leader: 0, leaderEpoch: 0 })
    })
  )
})

describe("leaders", () => {
  /** What is believed of partition 0 after brokers said this. */
  const told = (...answers: ReadonlyArray<{ readonly leader: number; readonly leaderEpoch: number }>) =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 3)
      const watched = yield* watch(cluster)
      for (const answer of answers) {
        cluster.before = (request) =>
          request === "Metadata"
            ? described(cluster, answer)
            : request === "Fetch" || request === "ListOffsets"
              ? Effect.never
              : undefined
        watched.source.refresh()
        yield* pass(BACKOFF * 2)
      }
      const { leader, leaderEpoch } = watched.partition()
      return { leader, leaderEpoch }
    })

  it.effect("of a newer epoch are believed, of an older one never", () =>
    Effect.gen(function* () {
      const newer = { leader: 1, leaderEpoch: 4 }
      assert.deepStrictEqual(yield* told(newer), newer)
      assert.deepStrictEqual(yield* told(newer, { leader: 2, leaderEpoch: 3 }), newer)
      assert.deepStrictEqual(yield* told(newer, { leader: 2, leaderEpoch: 0 }), newer)
    })
  )

  it.effect("of the same epoch are believed, and so are those of brokers that know of no epochs", () =>
    Effect.gen(function* () {
      const known = { leader: 1, leaderEpoch: 4 }
      for (const next of [
        { leader: 2, leaderEpoch: 4 },
        { leader: -1, leaderEpoch: 4 },
        { leader: 2, leaderEpoch: -1 }
      ]) {
        assert.deepStrictEqual(yield* told(known, next), next)
      }
    })
  )

  it.effect("that are new are asked at once, whatever the old one's refusal had to wait for", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const watched = yield* watch(cluster)
      cluster.before = (request, node, detail) =>
        request === "Fetch" && node === 0
          ? Effect.succeed({
              errorCode: 0,
              throttleMillis: 0,
              partitions: fetchOf(detail).partitions.map(({ partition, topic }) => ({
                topic,
                partition,
                errorCode: TOPIC_AUTHORIZATION_FAILED,
                highWatermark: -1,
                lastStableOffset: -1,
                logStartOffset: -1,
                abortedTransactions: [],
                diverging: undefined,
                records: Buffer.alloc(0)
              }))
            })
          : undefined
      yield* pass(MAX_WAIT)
      assert.strictEqual(watched.partition().retryAt - 10_000_000, MAX_WAIT + DENIED_RETRY)
      cluster.moveLeader(topic, 1)
      watched.forget()
      watched.source.refresh()
      yield* pass(BACKOFF * 2)
      assert.deepStrictEqual(
        watched.requests("Fetch").map(({ node }) => node),
        [1]
      )
      assert.strictEqual(watched.partition().retryAt, 0)
    })
  )

  it.effect("that are new end a partition's wait by their number or by their epoch", () =>
    Effect.gen(function* () {
      for (const news of [
        { leader: 1, leaderEpoch: 0 },
        { leader: 0, leaderEpoch: 1 }
      ]) {
        const cluster = withTopic(1, 2)
        const watched = yield* watch(cluster)
        cluster.before = (request) =>
          request === "Metadata" ? described(cluster, news) : request === "Fetch" ? Effect.never : undefined
        Object.assign(watched.partition(), { retryAt: 123, throttledUntil: 456 })
        watched.source.refresh()
        yield* pass(BACKOFF * 2)
        assert.deepInclude(watched.partition(), {
          ...news,
          retryAt: 0,
          throttledUntil: news.leader === 0 ? 456 : undefined
        })
      }
    })
  )

  it.effect("that are the same as before do not end its wait", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      const waiting = watched.partition() as { retryAt: number }
      waiting.retryAt = 123
      watched.source.refresh()
      yield* pass(BACKOFF * 2)
      assert.strictEqual(watched.partition().retryAt, 123)
    })
  )
})

describe("a topic that is missing", () => {
  const missing = (cluster: ReturnType<typeof withTopic>): void => {
    cluster.before = (request) => (request === "Metadata" ? topicMissing(cluster) : undefined)
  }

  it.effect("is gone when it is missing for as long as it may be, and the error says what is gone", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { id } = cluster.topic(topic)
      const watched = yield* watch(cluster)
      missing(cluster)
      watched.forget()
      watched.source.refresh()
      // Attempts after 10, 20, 40, … milliseconds, from the first of them on.
      yield* pass(BACKOFF + GRACE - 100)
      assert.deepStrictEqual(watched.events, [])
      assert.strictEqual(watched.source.lastFailure()?.reason, "NotFound")
      yield* pass(200)
      assert.deepStrictEqual(shown(watched.events), ["Fatal KafkaTopicError Deleted"])
      const [event] = watched.events
      if (event._tag !== "Fatal" || !(event.error instanceof TopicError)) return assert.fail(event._tag)
      assert.deepInclude(event.error, {
        topic,
        expected: id,
        broker: `${cluster.cluster.brokerOf(0).host}:${cluster.cluster.brokerOf(0).port}`
      })
      watched.forget()
      yield* pass(GRACE * 2)
      assert.deepStrictEqual(times(watched), [])
    })
  )

  it.effect("from the start is not found, after the same time", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      missing(cluster)
      const watched = yield* watch(cluster)
      yield* pass(GRACE - 100)
      assert.deepStrictEqual(watched.events, [])
      yield* pass(200)
      assert.deepStrictEqual(shown(watched.events), ["Fatal KafkaTopicError NotFound"])
    })
  )

  it.effect("is missing anew after it was there, and after an answer that says nothing of it", () =>
    Effect.gen(function* () {
      for (const between of ["there", "unknown"] as const) {
        const cluster = withTopic()
        const watched = yield* watch(cluster)
        for (let times = 0; times < 3; times++) {
          missing(cluster)
          watched.source.refresh()
          yield* pass(GRACE - 200)
          cluster.before = (request) =>
            request === "Metadata" && between === "unknown" ? Effect.fail(connectionError("Timeout")) : undefined
          yield* pass(200)
        }
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"], between)
      }
    })
  )
})

describe("how long that may be", () => {
  it.effect("is so long, and no longer: an attempt that comes just then decides", () =>
    Effect.gen(function* () {
      // Attempts come 10, 30, 70 and 150 milliseconds after the first one.
      for (const [other, event] of [
        [false, "Fatal KafkaTopicError Deleted"],
        [true, "Fatal KafkaTopicError Recreated"]
      ] as const) {
        const cluster = withTopic()
        const watched = yield* watch(cluster, { missingGraceMillis: 150 })
        cluster.before = (request) =>
          request === "Metadata" ? (other ? described(cluster, { id: "another" }) : topicMissing(cluster)) : undefined
        watched.forget()
        watched.source.refresh()
        yield* pass(BACKOFF + 149)
        assert.deepStrictEqual(watched.events, [])
        yield* pass(1)
        assert.deepStrictEqual(shown(watched.events), [event])
      }
    })
  )
})

describe("a topic that was created again", () => {
  it.effect("is another one when it is so for as long as that may be, and the error has both ids", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { id: old } = cluster.topic(topic)
      const watched = yield* watch(cluster)
      const before = watched.source.description()
      cluster.before = (request) => (request === "Fetch" || request === "ListOffsets" ? Effect.never : undefined)
      const { id } = cluster.createTopic(topic, 2)
      watched.forget()
      watched.source.refresh()
      yield* pass(BACKOFF + GRACE - 100)
      assert.deepStrictEqual(watched.events, [])
      assert.strictEqual(watched.source.description(), before)
      yield* pass(200)
      assert.deepStrictEqual(shown(watched.events), ["Fatal KafkaTopicError Recreated"])
      const [event] = watched.events
      if (event._tag !== "Fatal" || !(event.error instanceof TopicError)) return assert.fail(event._tag)
      assert.deepInclude(event.error, { topic, expected: old, actual: id })
      assert.strictEqual(watched.source.partitions.size, 1)
    })
  )

  it.effect("is asked for with longer and longer waits until that is certain", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) => (request === "Metadata" ? described(cluster, { id: "another" }) : undefined)
      watched.forget()
      watched.source.refresh()
      yield* pass(170)
      assert.deepStrictEqual(times(watched), [10, 20, 40, 80, 160])
    })
  )

  it.effect("is the same one after all, if brokers say so again", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      for (let times = 0; times < 3; times++) {
        cluster.before = (request) => (request === "Metadata" ? described(cluster, { id: "another" }) : undefined)
        watched.source.refresh()
        yield* pass(GRACE - 200)
        cluster.before = () => undefined
        yield* pass(200)
      }
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
    })
  )

  it.effect("cannot be told by a broker that has no ids, among others that have", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) =>
        request === "Metadata"
          ? Effect.map(described(cluster, {}), (answer) => ({
              ...answer,
              topics: answer.topics.map((one) => ({ ...one, id: undefined }))
            }))
          : request === "Fetch"
            ? Effect.never
            : undefined
      watched.source.refresh()
      yield* pass(GRACE * 2)
      assert.isUndefined(watched.source.description()?.topic.id)
      assert.isUndefined(watched.source.lastFailure())
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
    })
  )

  it.effect("cannot be told by a broker that has no ids", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) =>
        request === "Metadata"
          ? Effect.map(described(cluster, {}), (answer) => ({
              ...answer,
              topics: answer.topics.map((one) => ({ ...one, id: undefined }))
            }))
          : request === "Fetch"
            ? Effect.never
            : undefined
      const watched = yield* watch(cluster)
      assert.isUndefined(watched.source.description()?.topic.id)
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      watched.source.refresh()
      yield* pass(100)
      assert.strictEqual(watched.source.description()?.topic.id, cluster.topic(topic).id)
      yield* pass(GRACE * 2)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
    })
  )
})

describe("errors about the topic", () => {
  it.effect("rights that are missing are told once, tried again slowly, and told when they are there", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) =>
        request === "Metadata" ? topicRefused(cluster, TOPIC_AUTHORIZATION_FAILED) : undefined
      const watched = yield* watch(cluster)
      yield* pass(DENIED_RETRY * 2 + 100)
      assert.deepStrictEqual(times(watched), [0, DENIED_RETRY, DENIED_RETRY * 2])
      assert.deepStrictEqual(shown(watched.events), ["Denied KafkaTopicError Unauthorized"])
      assert.deepStrictEqual(watched.waits, [])
      cluster.before = () => undefined
      yield* pass(DENIED_RETRY)
      assert.deepStrictEqual(shown(watched.events), [
        "Denied KafkaTopicError Unauthorized",
        "Granted",
        "PartitionCount 1",
        "Opened 0: 0 to 0"
      ])
    })
  )

  it.effect("what passes is tried again, and so is an error that the broker does not know itself", () =>
    Effect.gen(function* () {
      for (const code of [LEADER_NOT_AVAILABLE, UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_ID]) {
        const cluster = withTopic()
        cluster.before = (request) => (request === "Metadata" ? topicRefused(cluster, code) : undefined)
        const watched = yield* watch(cluster)
        yield* pass(60)
        assert.deepStrictEqual(watched.events, [])
        assert.lengthOf(watched.waits, 3)
        cluster.before = () => undefined
        yield* pass(100)
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
      }
    })
  )

  it.effect("what does not pass ends it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? topicRefused(cluster, INVALID_TOPIC) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(1_000)
      assert.deepStrictEqual(times(watched), [0])
      assert.lengthOf(watched.events, 1)
      assert.strictEqual(watched.events[0]._tag, "Fatal")
      assert.deepStrictEqual(watched.waits, [])
    })
  )
})

describe("a partition without a leader", () => {
  it.effect("is a failure until it has one, which says that there is none", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const watched = yield* watch(cluster)
      cluster.moveLeader(topic, -1, 1)
      watched.source.refresh()
      yield* pass(BACKOFF)
      const failure = watched.source.lastFailure()
      assert.include(failure?.message, "LEADER_NOT_AVAILABLE on Metadata")
      assert.deepInclude(failure, { topic, partition: 1, reason: "Unavailable" })
      assert.deepInclude(watched.partition(1), { leader: -1, connected: false })
      assert.isTrue(watched.partition(0).connected)
      cluster.moveLeader(topic, 0, 1)
      yield* pass(MAX_WAIT * 3)
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("is connected to none from then on, even if the last one that it had says nothing of that", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      assert.isTrue(watched.partition().connected)
      cluster.before = (request) =>
        request === "Metadata"
          ? described(cluster, { leader: -1, leaderEpoch: 1 })
          : request === "Fetch"
            ? Effect.never
            : undefined
      // the answer to what was asked before has not come, and does not come
      watched.source.refresh()
      yield* pass(BACKOFF)
      assert.deepInclude(watched.partition(), { leader: -1, connected: false })
    })
  )

  it.effect("or with one whose address nobody knows, from the start on", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Metadata" ? described(cluster, { leader: 9 }) : undefined)
      const watched = yield* watch(cluster)
      assert.include(watched.source.lastFailure()?.message, "LEADER_NOT_AVAILABLE")
      cluster.before = () => undefined
      yield* pass(1_000)
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("keeps the code that the broker gave for it", () =>
    Effect.gen(function* () {
      const KAFKA_STORAGE_ERROR = 56
      const cluster = withTopic()
      cluster.before = (request) =>
        request === "Metadata"
          ? Effect.map(described(cluster, { leader: -1 }), (answer) => ({
              ...answer,
              topics: answer.topics.map((one) => ({
                ...one,
                partitions: one.partitions.map((p) => ({ ...p, errorCode: KAFKA_STORAGE_ERROR }))
              }))
            }))
          : undefined
      const watched = yield* watch(cluster)
      assert.include(watched.source.lastFailure()?.message, "KAFKA_STORAGE_ERROR")
    })
  )
})

describe("another topic under the name, before that is certain", () => {
  it.effect("is a failure that stands", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      cluster.before = (request) => (request === "Metadata" ? described(cluster, { id: "another" }) : undefined)
      watched.source.refresh()
      yield* pass(BACKOFF)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Recreated")
      cluster.before = () => undefined
      yield* pass(1_000)
      assert.isUndefined(watched.source.lastFailure())
    })
  )
})

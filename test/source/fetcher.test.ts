/** The fetch loop of a leader: what it asks for, and what it makes of each answer. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import type { FetchedPartition } from "../../src/KafkaProtocol.ts"
import { CorruptBatchError } from "../../src/KafkaError.ts"
import type { SourceOptions } from "../../src/internal/source/context.ts"
import type { Cursor } from "../../src/internal/source/cursor.ts"
import { batch, record } from "../recordBatch/support.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { ManualClock } from "../support/ManualClock.ts"
import { described, fetched, fetchOf, isRunning, nothingNew, settle, topic, withTopic } from "../support/answers.ts"
import {
  BACKOFF,
  BEGIN,
  DENIED_RETRY,
  GRACE,
  it,
  MAX_BACKOFF,
  MAX_WAIT,
  METADATA_AGE,
  pass,
  shown,
  watch,
  type Watched
} from "./support.ts"

const CORRUPT_MESSAGE = 2
const UNKNOWN_TOPIC_OR_PARTITION = 3
const NOT_LEADER_OR_FOLLOWER = 6
const INVALID_TOPIC = 17
const TOPIC_AUTHORIZATION_FAILED = 29
const UNKNOWN_SERVER_ERROR = -1
const KAFKA_STORAGE_ERROR = 56

const addressOf = (cluster: FakeCluster, node: number): string => {
  const { host, port } = cluster.cluster.brokerOf(node)
  return `${host}:${port}`
}

const append = (cluster: FakeCluster, count: number, partition = 0): void => {
  for (let i = 0; i < count; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }], partition)
}

/** Each partition of the request is answered in its own way; those for which there is nothing are left out. */
const answered = (
  detail: unknown,
  of: (partition: number) => Partial<FetchedPartition> | undefined,
  rest: { readonly throttleMillis?: number } = {}
) =>
  Effect.map(fetched(detail, {}), (answer) => ({
    ...answer,
    ...rest,
    partitions: answer.partitions.flatMap((one) => {
      const own = of(one.partition)
      return own === undefined ? [] : [{ ...one, ...own }]
    })
  }))

const empty = (end: number): Partial<FetchedPartition> => ({ highWatermark: end, lastStableOffset: end })

/** The partitions that each fetch asked for, in its order. */
const asked = (watched: Watched): ReadonlyArray<ReadonlyArray<number>> =>
  watched.fetches().map(({ partitions }) => partitions.map((p) => p.partition))

const timesOf = (watched: Watched): ReadonlyArray<number> => watched.requests("Fetch").map(({ at }) => at)

/** The head of a partition was reached last so long before the last request. */
const absent = (watched: Watched, millis: number, partition = 0): void => {
  Object.assign(watched.partition(partition), { headAt: BEGIN + watched.asked.at(-1)!.at - millis })
}

// ---------------------------------------------------------------------------------------------------------------------

describe("what a fetch asks for", () => {
  it.effect("the topic by its id, as much as the options say, each partition from its position", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      append(cluster, 3)
      cluster.moveLeader(topic, 0, 1)
      const { leaderEpoch } = cluster.partition(topic, 1)
      assert.notStrictEqual(leaderEpoch, 0)
      const watched = yield* watch(cluster, { fetch: { minBytes: 7, maxBytes: 12_345, maxPartitionBytes: 678 } })
      const ref = { name: topic, id: cluster.topic(topic).id }
      const [first, second] = watched.fetches()
      const ordered = { ...first, partitions: first.partitions.toSorted((a, b) => a.partition - b.partition) }
      assert.deepStrictEqual(ordered, {
        isolation: "read_committed",
        maxWaitMillis: MAX_WAIT,
        minBytes: 7,
        maxBytes: 12_345,
        partitions: [
          { topic: ref, partition: 0, leaderEpoch: 0, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 678 },
          { topic: ref, partition: 1, leaderEpoch, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 678 }
        ]
      })
      assert.deepInclude(
        second.partitions.find((p) => p.partition === 0),
        { fetchOffset: 3, lastFetchedEpoch: 0 }
      )
    })
  )

  it.effect("each partition in its turn first", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(nothingNew(detail, 0), 100) : undefined
      const watched = yield* watch(cluster)
      watched.forget()
      yield* pass(400)
      const orders = asked(watched)
      assert.lengthOf(orders, 4)
      assert.deepStrictEqual(orders[0].toSorted(), [0, 1, 2])
      for (const [i, order] of orders.entries()) {
        const next = orders.at(i + 1)
        if (next !== undefined) assert.deepStrictEqual(next, [...order.slice(1), order[0]])
      }
    })
  )

  it.effect("only what is due: a partition that was refused waits for its time, and no long poll outlasts that", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      let refusals = 1
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const refuses = refusals-- > 0
        return Effect.delay(
          answered(detail, (p) => (p === 1 && refuses ? { errorCode: KAFKA_STORAGE_ERROR } : empty(0))),
          fetchOf(detail).maxWaitMillis
        )
      }
      const watched = yield* watch(cluster)
      const sorted = () => asked(watched).map((one) => one.toSorted())
      assert.deepStrictEqual(sorted(), [[0, 1]])
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(sorted(), [[0, 1], [0]])
      assert.strictEqual(watched.fetches()[1].maxWaitMillis, BACKOFF)
      yield* pass(BACKOFF)
      assert.deepStrictEqual(sorted().at(-1), [0, 1])
      assert.strictEqual(watched.fetches().at(-1)!.maxWaitMillis, MAX_WAIT)
      assert.deepStrictEqual(timesOf(watched), [0, MAX_WAIT, MAX_WAIT + BACKOFF])
    })
  )

  it.effect("nothing, until the first of those that wait for their time may be asked", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) => {
        if (request === "Metadata") return Effect.never
        return request === "Fetch"
          ? answered(detail, (p) => ({ errorCode: p === 0 ? TOPIC_AUTHORIZATION_FAILED : KAFKA_STORAGE_ERROR }))
          : undefined
      }
      const before = cluster.before
      cluster.before = (request, node, detail) => (request === "Metadata" ? undefined : before(request, node, detail))
      const watched = yield* watch(cluster)
      cluster.before = before
      yield* pass(30)
      const later = watched.fetches().slice(1)
      assert.deepStrictEqual(timesOf(watched).slice(1), [10, 30])
      for (const { partitions } of later) {
        assert.deepStrictEqual(
          partitions.map((p) => p.partition),
          [1]
        )
      }
    })
  )

  it.effect("nothing, and looks for no time, while all of its partitions are opened", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "ListOffsets" ? Effect.never : undefined)
      const watched = yield* watch(cluster)
      yield* pass(BACKOFF)
      assert.deepInclude(watched.partition(), { phase: "opening", retryAt: 0 })
      // only the topic's description has an age
      const clock = yield* currentClock
      if (!(clock instanceof ManualClock)) return assert.fail()
      assert.isAtLeast(clock.next, BEGIN + METADATA_AGE)
    })
  )

  it.effect("with a short wait while another partition of this leader is held or not open yet", () =>
    Effect.gen(function* () {
      for (const why of ["opening", "held"] as const) {
        const cluster = withTopic(2)
        cluster.before = (request, _, detail) =>
          request === "ListOffsets" && why === "opening"
            ? Effect.map(Effect.succeed(detail as { partitions: ReadonlyArray<{ partition: number }> }), (d) => ({
                partitions: d.partitions.map(({ partition }) => ({
                  partition,
                  errorCode: partition === 1 ? TOPIC_AUTHORIZATION_FAILED : 0,
                  offset: 0,
                  leaderEpoch: 0
                }))
              }))
            : request === "Fetch"
              ? answered(detail, (p) => (p === 1 ? { ...empty(1), records: Buffer.alloc(70, 0xff) } : empty(0))).pipe(
                  Effect.delay(50)
                )
              : undefined
        const watched = yield* watch(cluster)
        yield* pass(100)
        assert.strictEqual(watched.partition(1).phase, why)
        const last = watched.fetches().at(-1)!
        assert.deepStrictEqual(
          last.partitions.map((p) => p.partition),
          [0]
        )
        assert.strictEqual(last.maxWaitMillis, BACKOFF)
      }
    })
  )

  it.effect("with the whole wait whatever another leader's partitions do", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.before = (request, node) => (request === "ListOffsets" && node === 1 ? Effect.never : undefined)
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(asked(watched), [[0]])
      assert.strictEqual(watched.fetches()[0].maxWaitMillis, MAX_WAIT)
    })
  )

  it.effect("a partition whose time was set before the clock went back, at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(nothingNew(detail, 0), 100) : undefined
      const watched = yield* watch(cluster)
      const waiting = watched.partition() as { retryAt: number }
      waiting.retryAt = BEGIN + DENIED_RETRY
      watched.forget()
      yield* pass(1_000)
      assert.deepStrictEqual(timesOf(watched), [])
      waiting.retryAt = BEGIN + 1_000 + DENIED_RETRY * 3
      watched.source.refresh()
      yield* pass(BACKOFF)
      assert.deepStrictEqual(timesOf(watched), [1_000])
    })
  )
})

describe("a broker that answers at once, and has nothing", () => {
  it.effect("is asked after longer and longer pauses, none of which is longer than it was to wait", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      let isHasty = true
      cluster.before = (request, _, detail) =>
        request === "Fetch" && isHasty ? Effect.delay(nothingNew(detail, 0), 1) : undefined
      const watched = yield* watch(cluster)
      watched.forget()
      yield* pass(60_000)
      const times = watched.requests("Fetch").map(({ at }) => at)
      // ten at once, then pauses of the backoff, which grow up to its longest
      assert.isBelow(times.length, 60_000 / MAX_BACKOFF + 30)
      assert.isAbove(times.length, 60_000 / (MAX_BACKOFF + 1) - 30)
      assert.strictEqual(times.at(-1)! - times.at(-2)!, MAX_BACKOFF + 1)
      // and what there is comes as soon as it answers as it should
      isHasty = false
      append(cluster, 1)
      watched.forget()
      yield* pass(MAX_BACKOFF + 1)
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
      yield* pass(3 * MAX_WAIT)
      assert.isAtMost(watched.requests("Fetch").length, 6)
    })
  )

  it.effect("is asked eleven times before the first of these pauses", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(nothingNew(detail, 0), 1) : undefined
      const watched = yield* watch(cluster)
      yield* pass(200)
      const atOnce = Array.from({ length: 11 }, (_, i) => i)
      assert.deepStrictEqual(timesOf(watched), [...atOnce, 11 + 20, 32 + 40, 73 + 80])
    })
  )

  it.effect("is not taken for one by answers that have something, at least for one of the partitions", () =>
    Effect.gen(function* () {
      for (const something of [
        { throttleMillis: 1 },
        { errorCode: TOPIC_AUTHORIZATION_FAILED },
        { diverging: { epoch: 0, endOffset: 0 } },
        { records: batch(0, [record("k", "1")]) }
      ]) {
        const start = yield* Effect.map(currentClock, (clock) => millisOf(clock) - BEGIN)
        const { throttleMillis = 0, ...ofOne } = { throttleMillis: 0, ...something }
        const cluster = withTopic(14)
        let answers = 0
        cluster.before = (request, _, detail) => {
          if (request !== "Fetch") return undefined
          if (answers === 13) return Effect.never
          const turn = answers++
          return answered(detail, (p) => (p === turn ? { ...empty(1), ...ofOne } : empty(0)), { throttleMillis })
        }
        const watched = yield* watch(cluster)
        yield* pass(13 * throttleMillis)
        assert.deepStrictEqual(
          timesOf(watched).map((at) => at - start),
          Array.from({ length: 14 }, (_, i) => i * throttleMillis),
          Object.keys(something).join()
        )
      }
    })
  )

  it.effect("is not taken for one by answers that it held back for half of the time that it was to wait", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const half = MAX_WAIT / 2
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(nothingNew(detail, 0), half) : undefined
      const watched = yield* watch(cluster)
      yield* pass(20 * half)
      assert.deepStrictEqual(
        timesOf(watched),
        Array.from({ length: 21 }, (_, i) => i * half)
      )
    })
  )

  it.effect("is not taken for one by an answer that had to come soon, as something else is due then", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      // one partition is refused again and again, and the long poll of the other one ends when that is to be asked again
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const refusal = { ...empty(0), errorCode: UNKNOWN_SERVER_ERROR }
        const { maxWaitMillis, partitions } = fetchOf(detail)
        return Effect.delay(
          answered(detail, (p) => (p === 0 ? refusal : empty(0))),
          partitions.some(({ partition }) => partition === 0) ? 0 : maxWaitMillis
        )
      }
      const watched = yield* watch(cluster)
      yield* pass(2_000)
      watched.forget()
      yield* pass(10 * MAX_BACKOFF)
      assert.isAtLeast(asked(watched).filter((partitions) => partitions.includes(0)).length, 9)
    })
  )
})

describe("records", () => {
  it.effect("are handed over as they came, and the next fetch goes out behind them before they are taken", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 2)
      const watched = yield* watch(cluster, {}, false)
      const { take } = watched.source
      assert.deepStrictEqual(shown([yield* take, yield* take]), ["PartitionCount 1", "Opened 0: 0 to 2"])
      yield* settle
      assert.strictEqual(watched.fetches().at(-1)!.partitions[0].fetchOffset, 2)
      const event = yield* take
      if (event._tag !== "Fetched") return assert.fail(event._tag)
      const sent = Buffer.concat(cluster.log(topic).batches.map(({ bytes }) => bytes))
      assert.lengthOf(event.partitions, 1)
      assert.deepInclude(event.partitions[0], { partition: 0, generation: 1, aborted: [] })
      assert.isTrue(event.partitions[0].records.equals(sent))
    })
  )

  it.effect("come with the list of aborted transactions that the broker gave", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.appendOpen(topic, [{ key: "a", value: "1" }])("abort")
      const watched = yield* watch(cluster)
      const event = watched.events.find(({ _tag }) => _tag === "Fetched")
      if (event?._tag !== "Fetched") return assert.fail("nothing was fetched")
      assert.lengthOf(event.partitions[0].aborted, 1)
      assert.strictEqual(event.partitions[0].aborted[0].firstOffset, 0)
    })
  )

  it.effect("of all partitions of an answer are one event, without those that have none", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3)
      append(cluster, 1, 0)
      append(cluster, 1, 2)
      const watched = yield* watch(cluster)
      // whose turn it is to be first, goes round
      assert.match(shown(watched.events).at(-1) ?? "", /^Fetched (?:0 and 2|2 and 0)$/)
      assert.strictEqual(watched.partition(1).reachedHead, true)
    })
  )

  it.effect("that make no sense are handed over to whoever says what is wrong, and their partition is held", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      append(cluster, 1)
      const bytes = Buffer.alloc(70, 0xff)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.delay(
              answered(detail, (p) => (p === 0 ? { ...empty(1), records: bytes } : empty(0))),
              10
            )
          : undefined
      const watched = yield* watch(cluster)
      yield* pass(10)
      const event = watched.events.at(-1)
      if (event?._tag !== "Fetched") return assert.fail(event?._tag)
      assert.strictEqual(event.partitions[0].records, bytes)
      assert.deepInclude(watched.partition(), { phase: "held", fetchOffset: 0, reachedHead: false, generation: 2 })
      yield* pass(200)
      assert.deepStrictEqual(new Set(asked(watched).slice(1).map(String)), new Set(["1"]))
    })
  )

  it.effect("that make no sense hold their partition, even if the log seems to have lost what it had", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? fetched(detail, { ...empty(0), records: Buffer.alloc(70, 0xff) }) : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events).slice(1), ["Opened 0: 0 to 1", "Fetched 0"])
      assert.deepInclude(watched.partition(), { phase: "held", doubt: undefined, generation: 1 })
    })
  )

  it.effect("move its position to the last of them, and its epoch to theirs", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      cluster.moveLeader(topic, 0)
      cluster.moveLeader(topic, 0)
      append(cluster, 1)
      const watched = yield* watch(cluster)
      const { leaderEpoch } = cluster.partition(topic)
      assert.isAbove(leaderEpoch, 0)
      assert.deepInclude(watched.partition(), { fetchOffset: 2, lastEpoch: leaderEpoch })
    })
  )

  it.effect("say how far the log is committed; where a broker does not say it, all of it is", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      let answer: Partial<FetchedPartition> = { highWatermark: 9, lastStableOffset: 4 }
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? Effect.delay(fetched(detail, answer), 10) : undefined
      const watched = yield* watch(cluster)
      yield* pass(10)
      assert.deepInclude(watched.partition(), { highWatermark: 9, lastStableOffset: 4 })
      answer = { highWatermark: 12, lastStableOffset: -1 }
      yield* pass(20)
      assert.deepInclude(watched.partition(), { highWatermark: 12, lastStableOffset: 12 })
    })
  )

  it.effect("say whether all is read that the log had when it was opened, and all that it has", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 2)
      const { batches } = cluster.log(topic)
      // one record with each answer, and a third one comes after the opening
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        if (batches.length < 3) append(cluster, 1)
        const { fetchOffset } = fetchOf(detail).partitions[0]
        if (fetchOffset === 3) return Effect.delay(nothingNew(detail, 3), MAX_WAIT)
        return fetched(detail, { ...empty(3), records: batches[fetchOffset].bytes })
      }
      const watched = yield* watch(cluster)
      const told = () =>
        watched.events.flatMap((event) =>
          event._tag === "Fetched"
            ? event.partitions.map(({ headAt, isAtHead, isComplete }) => [isComplete, isAtHead, headAt] as const)
            : []
        )
      assert.deepStrictEqual(told(), [
        [false, false, BEGIN],
        [true, false, BEGIN],
        [true, true, BEGIN]
      ])
      // what was complete once is so wherever it is read on
      watched.forget()
      watched.source.refetch(0, 0)
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        if (fetchOf(detail).partitions[0].fetchOffset > 0) return Effect.never
        return fetched(detail, { ...empty(3), records: batches[0].bytes })
      }
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(told(), [[true, false, BEGIN]])
    })
  )
})

describe("an answer about another place", () => {
  const late = (change: (watched: Watched, cluster: FakeCluster) => void) =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const arrives = yield* Deferred.make<void>()
      const watched = yield* watch(cluster)
      const records = batch(0, [record("late", "1")])
      let first = true
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch" || !first) return request === "Fetch" ? Effect.never : undefined
        first = false
        return Effect.andThen(Deferred.await(arrives), fetched(detail, { ...empty(1), records }))
      }
      yield* pass(MAX_WAIT)
      watched.forget()
      change(watched, cluster)
      yield* Deferred.succeed(arrives, undefined)
      yield* settle
      return watched
    })

  it.effect("counts as it is, if nothing changed meanwhile", () =>
    Effect.gen(function* () {
      const watched = yield* late(() => {})
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
      assert.strictEqual(watched.partition().fetchOffset, 1)
    })
  )

  it.effect("is dropped after a jump to another position, or to the same", () =>
    Effect.gen(function* () {
      for (const offset of [0, 5]) {
        const watched = yield* late(({ source }) => {
          source.refetch(0, offset)
        })
        assert.deepStrictEqual(shown(watched.events), [])
        assert.deepInclude(watched.partition(), { fetchOffset: offset, generation: 2, lastEpoch: -1 })
      }
    })
  )

  it.effect("is dropped while it begins anew, when it is held, and when another broker leads it", () =>
    Effect.gen(function* () {
      const reopened = yield* late(({ source }) => source.reopen(0))
      assert.deepStrictEqual(
        shown(reopened.events).filter((one) => one.startsWith("Fetched")),
        []
      )
      for (const other of [{ phase: "held" }, { leader: 1 }, { fetchOffset: 3 }] as const) {
        const watched = yield* late((watched) => void Object.assign(watched.partition(), other))
        assert.deepStrictEqual(shown(watched.events), [], JSON.stringify(other))
      }
    })
  )
})

describe("a partition that is missing from an answer", () => {
  it.effect("is asked for again after a wait, longer each time, and has made no progress", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.delay(
              answered(detail, (p) => (p === 0 ? empty(0) : undefined)),
              fetchOf(detail).maxWaitMillis
            )
          : undefined
      const watched = yield* watch(cluster)
      yield* pass(MAX_WAIT + 1)
      assert.deepInclude(watched.partition(1), { reachedHead: false, phase: "fetching", attempts: 1 })
      assert.strictEqual(watched.partition(1).retryAt, BEGIN + MAX_WAIT + BACKOFF)
      yield* pass(BACKOFF + 1)
      assert.strictEqual(watched.partition(1).attempts, 1)
      yield* pass(MAX_WAIT)
      assert.deepInclude(watched.partition(1), { attempts: 2 })
      assert.strictEqual(watched.partition(1).retryAt, BEGIN + MAX_WAIT + BACKOFF + MAX_WAIT + BACKOFF * 2)
    })
  )

  it.effect("waits as long as the broker says, if that holds answers back", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? answered(detail, () => undefined, { throttleMillis: 700 }) : undefined
      const watched = yield* watch(cluster)
      yield* pass(1_500)
      assert.deepStrictEqual(timesOf(watched), [0, 700, 1_400])
      assert.deepInclude(watched.partition(), { retryAt: 0, attempts: 0 })
    })
  )
})

describe("a batch that is larger than what was asked for", () => {
  const large = batch(0, [record("k", Buffer.alloc(3_500))])

  /** Gives as many bytes as it is asked for. */
  const generous = (detail: unknown, bytes = large) =>
    answered(detail, (p) => ({
      ...empty(1),
      records: bytes.subarray(0, fetchOf(detail).partitions.find((one) => one.partition === p)!.maxBytes)
    }))

  const sizes = (watched: Watched) => watched.fetches().map(({ partitions }) => partitions[0].maxBytes)

  it.effect("is asked for with the size that it needs, and the next one with the usual size", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetchOf(detail).partitions[0].fetchOffset === 0 ? generous(detail) : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(sizes(watched), [1_000, large.length, 1_000])
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 1", "Fetched 0"])
    })
  )

  it.effect("is asked for with twice the size, as long as the broker gives too little to know it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? fetchOf(detail).partitions[0].maxBytes < 4_000
            ? fetched(detail, { ...empty(1), records: large.subarray(0, 11) })
            : Effect.never
          : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(sizes(watched), [1_000, 2_000, 4_000])
    })
  )

  it.effect("is the end, when the cap was asked for in vain: with what it is about", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? fetched(detail, { ...empty(1), records: large.subarray(0, 11) }) : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(sizes(watched), [1_000, 2_000, 4_000, 5_000])
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Fatal KafkaCorruptBatchError TooLarge"])
      const event = watched.events.at(-1)!
      if (event._tag !== "Fatal" || !(event.error instanceof CorruptBatchError)) return assert.fail(event._tag)
      assert.deepInclude(event.error, { topic, partition: 0, baseOffset: 0 })
    })
  )

  it.effect("is the end at once, if it says itself that it is larger than the cap, and is none exactly at it", () =>
    Effect.gen(function* () {
      for (const [size, fatal] of [
        [5_001, true],
        [5_000, false]
      ] as const) {
        const cluster = withTopic()
        append(cluster, 1)
        const bytes = Buffer.alloc(1_000)
        bytes.writeInt32BE(size - 12, 8)
        bytes[16] = 2
        let answers = 0
        cluster.before = (request, _, detail) =>
          request === "Fetch"
            ? answers++ > 0
              ? Effect.never
              : fetched(detail, { ...empty(1), records: bytes })
            : undefined
        const watched = yield* watch(cluster)
        assert.deepStrictEqual(sizes(watched), fatal ? [1_000] : [1_000, 5_000])
        assert.strictEqual(watched.events.at(-1)?._tag, fatal ? "Fatal" : "Opened")
      }
    })
  )
})

describe("a partition that its leader refuses", () => {
  const refusing = (code: number, times = Infinity) =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      let left = times
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? fetchOf(detail).partitions.some((p) => p.partition === 1) && left-- > 0
            ? answered(detail, (p) => (p === 1 ? { errorCode: code } : empty(0)))
            : Effect.delay(
                answered(detail, () => empty(0)),
                fetchOf(detail).maxWaitMillis
              )
          : undefined
      const watched = yield* watch(cluster)
      return { cluster, watched }
    })

  const refusals = (watched: Watched): ReadonlyArray<number> =>
    watched
      .requests("Fetch")
      .filter(({ detail }) => fetchOf(detail).partitions.some((p) => p.partition === 1))
      .map(({ at }) => at)

  it.effect("for what passes is asked again after longer and longer waits, with fresh metadata; others go on", () =>
    Effect.gen(function* () {
      for (const code of [NOT_LEADER_OR_FOLLOWER, UNKNOWN_SERVER_ERROR, KAFKA_STORAGE_ERROR]) {
        const before = yield* Effect.map(currentClock, (clock) => millisOf(clock) - BEGIN)
        const { cluster, watched } = yield* refusing(code, 4)
        yield* pass(100)
        assert.deepStrictEqual(
          refusals(watched).map((at) => at - before),
          // for another leader it waits for a description first, which is not asked for twice within a backoff
          code === NOT_LEADER_OR_FOLLOWER ? [0, 20, 40, 80] : [0, 10, 30, 70]
        )
        assert.deepInclude(watched.partition(1), { connected: false, reachedHead: false })
        const failure = watched.source.lastFailure()
        assert.include(failure?.message, "on Fetch")
        assert.deepInclude(failure, { code, topic, partition: 1, broker: addressOf(cluster, 0) })
        assert.isAbove(watched.requests("Metadata").length, 1)
        const others = asked(watched).filter((one) => !one.includes(1))
        assert.deepStrictEqual(
          others,
          Array.from({ length: code === NOT_LEADER_OR_FOLLOWER ? 5 : 4 }, () => [0])
        )
        yield* pass(60 + MAX_WAIT)
        assert.deepInclude(watched.partition(1), { connected: true, reachedHead: true, attempts: 0 })
        assert.isUndefined(watched.source.lastFailure())
        assert.notInclude(
          watched.events.map(({ _tag }) => _tag),
          "Fatal"
        )
      }
    })
  )

  for (const code of [UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER]) {
    it.effect(`with error code ${code} is asked again once a later description says that it is the same topic`, () =>
      Effect.gen(function* () {
        for (const isSame of [true, false]) {
          const { cluster, watched } = yield* refusing(code, 1)
          const answer = cluster.before
          let hasDescription = false
          cluster.before = (request, ...rest) =>
            request === "Metadata"
              ? hasDescription
                ? described(cluster, isSame ? {} : { id: "another" })
                : Effect.fail(connectionError("Timeout"))
              : answer(request, ...rest)
          yield* pass(1_000)
          assert.lengthOf(refusals(watched), 1)
          assert.strictEqual(watched.partition(1).phase, "unsure")
          hasDescription = true
          yield* pass(200 + GRACE + MAX_WAIT)
          assert.strictEqual(refusals(watched).length > 1, isSame)
          assert.strictEqual(shown(watched.events).at(-1), isSame ? "Fetched 1" : "Fatal KafkaTopicError Recreated")
        }
      })
    )
  }

  it.effect("for a corrupt log, five times in a row, is asked again, and then it is the end", () =>
    Effect.gen(function* () {
      const { watched } = yield* refusing(CORRUPT_MESSAGE, 5)
      yield* pass(1_000 + MAX_WAIT)
      assert.notInclude(
        watched.events.map(({ _tag }) => _tag),
        "Fatal"
      )
      assert.deepInclude(watched.partition(1), { attempts: 0, connected: true })
      const { watched: other } = yield* refusing(CORRUPT_MESSAGE, 6)
      yield* pass(1_000)
      assert.strictEqual(other.events.at(-1)?._tag, "Fatal")
      assert.lengthOf(refusals(other), 6)
    })
  )

  it.effect("for something else than a corrupt log may be so for as long as it takes", () =>
    Effect.gen(function* () {
      const { watched } = yield* refusing(KAFKA_STORAGE_ERROR, 12)
      yield* pass(1_500 + MAX_WAIT)
      assert.notInclude(
        watched.events.map(({ _tag }) => _tag),
        "Fatal"
      )
      assert.deepInclude(watched.partition(1), { attempts: 0, connected: true })
    })
  )

  it.effect("for want of rights is told, asked again slowly, and told when there is an answer", () =>
    Effect.gen(function* () {
      const { cluster, watched } = yield* refusing(TOPIC_AUTHORIZATION_FAILED, 2)
      assert.deepStrictEqual(shown(watched.events).at(-1), "Denied KafkaBrokerError Unauthorized")
      assert.strictEqual(watched.partition(1).retryAt, BEGIN + DENIED_RETRY)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.delay(
              answered(detail, () => empty(0)),
              fetchOf(detail).maxWaitMillis
            )
          : undefined
      const told = watched.events.length
      yield* pass(DENIED_RETRY - 1)
      assert.lengthOf(watched.events, told)
      yield* pass(1 + MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events).slice(told), ["Granted", "Fetched 1"])
      assert.lengthOf(watched.requests("Metadata"), 1)
    })
  )

  it.effect("for what does not pass is the end", () =>
    Effect.gen(function* () {
      const { watched } = yield* refusing(INVALID_TOPIC)
      yield* pass(200)
      assert.strictEqual(watched.events.at(-1)?._tag, "Fatal")
      assert.lengthOf(refusals(watched), 1)
    })
  )
})

describe("a log that parted from what was read", () => {
  it.effect("is told with where both agree, and the partition is held", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 5)
      const watched = yield* watch(cluster)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? fetched(detail, { ...empty(4), diverging: { epoch: 0, endOffset: 3 } }) : undefined
      watched.forget()
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events), ["Truncated 0: Tail from 5 to 3"])
      assert.deepInclude(watched.partition(), { phase: "held", generation: 2 })
    })
  )
})

describe("a connection", () => {
  const failing = (cluster: FakeCluster, reason: Parameters<typeof connectionError>[0], request = "Fetch"): void => {
    cluster.before = (asked) => (asked === request ? Effect.fail(connectionError(reason)) : undefined)
  }

  it.effect("that is lost is told once, opened anew with longer and longer waits, and told when it is back", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const watched = yield* watch(cluster)
      failing(cluster, "Closed")
      yield* pass(MAX_WAIT)
      watched.forget()
      yield* pass(150)
      const address = addressOf(cluster, 0)
      assert.deepStrictEqual(
        timesOf(watched),
        [10, 30, 70, 150].map((at) => at + MAX_WAIT)
      )
      assert.deepInclude(watched.partition(0), { connected: false, phase: "fetching" })
      assert.deepInclude(watched.partition(1), { connected: false })
      assert.strictEqual(watched.source.lastFailure()?.reason, "Closed")
      assert.isAbove(watched.requests("Metadata").length, 0)
      assert.deepStrictEqual(watched.connections, [])
      cluster.before = () => undefined
      yield* pass(100 + MAX_WAIT * 3)
      assert.deepStrictEqual(watched.connections, [["back", address, undefined]])
      assert.deepInclude(watched.partition(0), { connected: true })
      assert.isUndefined(watched.source.lastFailure())
      assert.deepStrictEqual(watched.events, [])
      // and the same again, from short waits on
      failing(cluster, "Closed")
      yield* pass(MAX_WAIT)
      watched.forget()
      yield* pass(70)
      assert.lengthOf(timesOf(watched), 3)
    })
  )

  it.effect("that is lost is told with its broker and its reason", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.before = (request, node) =>
        request === "connect" && node === 1 ? Effect.fail(connectionError("Unreachable")) : undefined
      const watched = yield* watch(cluster)
      yield* pass(500)
      assert.deepStrictEqual(watched.connections, [])
      cluster.before = (request, node) =>
        request === "Fetch" && node === 1 ? Effect.fail(connectionError("Timeout")) : undefined
      yield* pass(1_000)
      assert.deepStrictEqual(watched.connections, [["lost", addressOf(cluster, 1), "Timeout"]])
      assert.strictEqual(watched.partition(0).connected, true)
      assert.strictEqual(watched.partition(1).connected, false)
    })
  )

  it.effect("whose broker answers with an error is as one that is lost", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      let answers = 2
      cluster.before = (request, _, detail) =>
        request === "Fetch" && answers-- > 0
          ? Effect.map(fetched(detail, empty(0)), (answer) => ({ ...answer, errorCode: KAFKA_STORAGE_ERROR }))
          : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(timesOf(watched), [0])
      assert.strictEqual(watched.partition().reachedHead, false)
      assert.lengthOf(watched.connections, 1)
      assert.include(watched.source.lastFailure()?.message, "KAFKA_STORAGE_ERROR on Fetch")
      yield* pass(30)
      assert.deepStrictEqual(timesOf(watched), [0, 10, 30])
    })
  )

  it.effect("that is denied is told, opened anew slowly, and told when it is granted", () =>
    Effect.gen(function* () {
      for (const reason of ["Authentication", "Tls"] as const) {
        const start = yield* Effect.map(currentClock, (clock) => millisOf(clock) - BEGIN)
        const cluster = withTopic()
        failing(cluster, reason)
        const watched = yield* watch(cluster)
        yield* pass(DENIED_RETRY)
        assert.deepStrictEqual(
          timesOf(watched).map((at) => at - start),
          [0, DENIED_RETRY]
        )
        assert.deepStrictEqual(shown(watched.events).slice(2), [`Denied KafkaConnectionError ${reason}`])
        assert.lengthOf(watched.requests("Metadata"), 1)
        cluster.before = () => undefined
        yield* pass(DENIED_RETRY + MAX_WAIT)
        assert.deepStrictEqual(shown(watched.events).slice(3), ["Granted", "Fetched 0"])
      }
    })
  )

  it.effect("to a broker that is too old is the end", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      failing(cluster, "UnsupportedVersion")
      const watched = yield* watch(cluster)
      yield* pass(1_000)
      assert.deepStrictEqual(timesOf(watched), [0])
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Fatal KafkaConnectionError UnsupportedVersion"])
    })
  )

  it.effect("is one for all fetches, and a fresh one for what is to be read again", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 3)
      const watched = yield* watch(cluster)
      watched.forget()
      yield* pass(MAX_WAIT * 3)
      assert.lengthOf(watched.requests("connect"), 0)
      assert.isAtLeast(watched.requests("Fetch").length, 3)
      const { open } = cluster
      watched.forget()
      watched.source.refetch(0, 1)
      assert.strictEqual(watched.partition().generation, 2)
      yield* pass(MAX_WAIT)
      assert.lengthOf(watched.requests("connect"), 1)
      assert.strictEqual(cluster.open, open)
      assert.deepInclude(watched.fetches()[0].partitions[0], { fetchOffset: 1, lastFetchedEpoch: -1 })
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
      const [event] = watched.events
      assert.strictEqual(event._tag === "Fetched" && event.partitions[0].generation, 2)
      assert.deepStrictEqual(watched.connections, [])
    })
  )

  it.effect("is not opened to a leader of which nothing can be read yet", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "ListOffsets" ? Effect.never : undefined)
      const watched = yield* watch(cluster)
      yield* pass(1_000)
      assert.deepStrictEqual(timesOf(watched), [])
      // the one that metadata and offsets are asked on
      assert.lengthOf(watched.requests("connect"), 1)
    })
  )
})

describe("a leader", () => {
  /** What the cluster says as it is, and without the address of this broker. */
  const leaving = (cluster: FakeCluster, node: number) => {
    const real: FakeCluster["before"] = () => undefined
    const without: FakeCluster["before"] = (request) =>
      request === "Metadata"
        ? Effect.map(described(cluster, {}), (answer) => ({
            ...answer,
            brokers: answer.brokers.filter(({ nodeId }) => nodeId !== node)
          }))
        : undefined
    return { real, without }
  }

  it.effect("that leads nothing any more is asked for nothing, and again when it leads", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const watched = yield* watch(cluster)
      const moveTo = (leader: number) =>
        Effect.gen(function* () {
          cluster.moveLeader(topic, leader)
          watched.source.refresh()
          yield* pass(MAX_WAIT)
          // with a connection of its own, as the one before was closed
          assert.include(
            watched.requests("connect").map(({ node }) => node),
            leader
          )
          watched.forget()
          yield* pass(MAX_WAIT * 2)
          return new Set(watched.requests("Fetch").map(({ node }) => node))
        })
      assert.deepStrictEqual(yield* moveTo(1), new Set([1]))
      assert.deepStrictEqual(yield* moveTo(0), new Set([0]))
    })
  )

  it.effect("whose failure stands is forgiven when it leads nothing any more", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.before = (request, node) =>
        request === "Fetch" && node === 0 ? Effect.fail(connectionError("Authentication")) : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Denied KafkaConnectionError Authentication"])
      cluster.moveLeader(topic, 1)
      watched.source.refresh()
      yield* pass(DENIED_RETRY)
      assert.deepStrictEqual(shown(watched.events).slice(3), ["Granted"])
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("that was lost is told as back when it leads again what is read, whatever was between", () =>
    Effect.gen(function* () {
      for (const isForgotten of [false, true]) {
        const cluster = withTopic(1, 2)
        const { real, without } = leaving(cluster, 1)
        cluster.moveLeader(topic, 1)
        const watched = yield* watch(cluster)
        const told = (before: typeof real) => {
          cluster.before = before
          watched.source.refresh()
          return pass(2 * MAX_WAIT)
        }
        const lost: typeof real = (request, node) =>
          request === "Fetch" && node === 1 ? Effect.fail(connectionError("Closed")) : undefined
        yield* told(lost)
        assert.deepStrictEqual(watched.connections, [["lost", addressOf(cluster, 1), "Closed"]])
        cluster.moveLeader(topic, 0)
        yield* told(lost)
        assert.isUndefined(watched.source.lastFailure())
        cluster.moveLeader(topic, 1)
        // of a leader whose address is not known nothing can be read, and it has not left
        if (isForgotten) yield* told(without)
        assert.lengthOf(watched.connections, 1)
        yield* told(real)
        assert.deepStrictEqual(watched.connections.slice(1), [["back", addressOf(cluster, 1), undefined]])
      }
    })
  )

  it.effect("that was lost, and has left the cluster, stands in nobody's way", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const { without } = leaving(cluster, 1)
      cluster.moveLeader(topic, 1)
      const lost: typeof without = (request, node) =>
        request === "Fetch" && node === 1 ? Effect.fail(connectionError("Closed")) : undefined
      cluster.before = lost
      const watched = yield* watch(cluster)
      assert.strictEqual(watched.source.lastFailure()?.reason, "Closed")
      cluster.moveLeader(topic, 0)
      cluster.before = (...asked) => lost(...asked) ?? without(...asked)
      watched.source.refresh()
      yield* pass(2 * MAX_WAIT)
      assert.strictEqual(watched.partition().leader, 0)
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("that is lost, and whose address nobody knows any more, is asked when that is known again", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const { real, without } = leaving(cluster, 1)
      cluster.moveLeader(topic, 1)
      const watched = yield* watch(cluster)
      const broken = yield* Effect.forkChild(watched.source.broken)
      cluster.before = (request, node, detail) =>
        request === "Fetch" ? Effect.fail(connectionError("Closed")) : without(request, node, detail)
      yield* pass(MAX_WAIT + MAX_BACKOFF)
      watched.forget()
      yield* pass(MAX_WAIT)
      assert.lengthOf(watched.requests("Fetch"), 0)
      assert.isAbove(watched.requests("Metadata").length, 1)
      assert.isTrue(yield* isRunning(broken))
      append(cluster, 1)
      cluster.before = real
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("whose address nobody knows is asked for, until it is known", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.moveLeader(topic, 1)
      const real = cluster.before
      cluster.before = (request) =>
        request === "Metadata"
          ? Effect.sync(() => ({
              brokers: [cluster.cluster.brokerOf(0)],
              controllerId: 0,
              topics: [
                {
                  errorCode: 0,
                  name: topic,
                  id: cluster.topic(topic).id,
                  partitions: [{ errorCode: 0, partition: 0, leader: 1, leaderEpoch: 1 }]
                }
              ]
            }))
          : undefined
      const watched = yield* watch(cluster)
      yield* pass(200)
      assert.isAtLeast(watched.requests("Metadata").length, 2)
      assert.deepStrictEqual(timesOf(watched), [])
      assert.strictEqual(watched.partition().leader, 1)
      cluster.before = real
      yield* pass(2_000)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 0"])
      assert.strictEqual(watched.requests("Fetch")[0]?.node, 1)
    })
  )
})

describe("the head", () => {
  it.effect("was reached when it was asked, if the answer took longer than a broker may hold it back", () =>
    Effect.gen(function* () {
      for (const [late, fromAsking] of [
        [MAX_WAIT + 1_000, false],
        [MAX_WAIT + 1_001, true]
      ] as const) {
        const cluster = withTopic()
        const watched = yield* watch(cluster)
        let first = true
        cluster.before = (request, _, detail) => {
          if (request !== "Fetch") return undefined
          if (!first) return Effect.never
          first = false
          return Effect.delay(nothingNew(detail, 0), late)
        }
        yield* pass(MAX_WAIT)
        const askedAt = yield* Effect.map(currentClock, (clock) => millisOf(clock))
        yield* pass(late)
        assert.strictEqual(watched.partition().headAt, fromAsking ? askedAt : askedAt + late)
        assert.strictEqual(watched.partition().lastFetchAt, askedAt + late)
      }
    })
  )

  it.effect("is where all is read that may be: up to the last stable offset, or to the high watermark", () =>
    Effect.gen(function* () {
      for (const [isolation, head] of [
        ["read_committed", true],
        ["read_uncommitted", false]
      ] as const) {
        const cluster = withTopic()
        cluster.before = (request, _, detail) =>
          request === "Fetch" ? Effect.delay(fetched(detail, { highWatermark: 5, lastStableOffset: 0 }), 10) : undefined
        const watched = yield* watch(cluster, { isolation })
        yield* pass(10)
        assert.strictEqual(watched.partition().reachedHead, head)
      }
    })
  )

  it.effect("is told when it is reached after more than a second, and once more when it is reached in time again", () =>
    Effect.gen(function* () {
      for (const [away, told] of [
        [1_000, []],
        [1_001, ["Fetched 0", "Fetched 0"]]
      ] as const) {
        const cluster = withTopic()
        const watched = yield* watch(cluster)
        let first = true
        cluster.before = (request, _, detail) => {
          if (request !== "Fetch") return undefined
          if (first) absent(watched, away)
          first = false
          return Effect.delay(nothingNew(detail, 0), 100)
        }
        yield* pass(MAX_WAIT + 1_000)
        assert.isFalse(first)
        assert.deepStrictEqual(shown(watched.events).slice(2), [...told], `${away} ms`)
      }
    })
  )

  it.effect("is told once more even if there was something else to be read in between", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const watched = yield* watch(cluster)
      // the high watermark of a broker that becomes the leader may be behind for a while
      const ends = [0, 5, 0, 0]
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        if (ends.length === 4) absent(watched, 5_000)
        const end = ends.shift()
        return end === undefined ? Effect.never : nothingNew(detail, end)
      }
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(ends, [])
      const heads = watched.events.flatMap((event) =>
        event._tag === "Fetched" ? event.partitions.map(({ headAt, isAtHead }) => [isAtHead, headAt]) : []
      )
      assert.deepStrictEqual(heads, [
        [true, BEGIN + MAX_WAIT - 5_000],
        [true, BEGIN + MAX_WAIT]
      ])
    })
  )
})

describe("an answer that ends an absence", () => {
  /** A source that has `found` done before such an answer is handed on, and what it was told of these answers. */
  const preparing = (cluster: FakeCluster, found: Effect.Effect<void> | undefined) =>
    Effect.gen(function* () {
      const prepared: Array<Parameters<NonNullable<SourceOptions["prepare"]>>> = []
      const prepare: SourceOptions["prepare"] = (...told) => {
        prepared.push(told)
        return found
      }
      return { prepared, watched: yield* watch(cluster, { prepare }) }
    })

  /** Each node's next fetch is answered so, and finds its partitions so, away for five seconds if nothing else is given. */
  const answerNext = (
    cluster: FakeCluster,
    watched: Watched,
    answer: (partition: number) => Partial<FetchedPartition> | undefined,
    cursor: (partition: number) => Partial<Cursor> & { readonly away?: number } = () => ({}),
    rest?: Parameters<typeof answered>[2]
  ): void => {
    const answering = new Set<number>()
    cluster.before = (request, node, detail) => {
      if (request !== "Fetch") return undefined
      if (answering.has(node)) return Effect.never
      answering.add(node)
      for (const { partition } of fetchOf(detail).partitions) {
        const { away = 5_000, ...other } = cursor(partition)
        absent(watched, away, partition)
        Object.assign(watched.partition(partition), other)
      }
      return answered(detail, answer, rest)
    }
  }

  it.effect("has its consumer find out first what has to be known, of the broker that gave it", () =>
    Effect.gen(function* () {
      const cluster = withTopic(4, 2)
      cluster.moveLeader(topic, 1, 3)
      const found = yield* Deferred.make<void>()
      const { prepared, watched } = yield* preparing(cluster, Deferred.await(found))
      const records = batch(0, [record("k", "1")])
      const away = [1_001, 5_000, 1_000, 500]
      answerNext(
        cluster,
        watched,
        (partition) => (partition === 0 ? { ...empty(9), records } : empty(9)),
        (partition) => ({ away: away[partition], end: 1, reachedHead: false })
      )
      watched.forget()
      yield* pass(MAX_WAIT)
      const now = BEGIN + MAX_WAIT
      assert.lengthOf(prepared, 1)
      const [arrivals, askedAt, connection] = prepared[0]
      assert.sameDeepMembers(
        [...arrivals],
        [
          { topic, partition: 0, isComplete: true, headAt: now - 1_001 },
          { topic, partition: 1, isComplete: false, headAt: now - 5_000 }
        ]
      )
      assert.strictEqual(askedAt, now)
      assert.strictEqual(connection.address, addressOf(cluster, 0))
      // meanwhile nothing of it is handed on, and that broker is asked for no more, while the other one is
      const fetchesOf = (node: number) =>
        watched.requests("Fetch").filter((one) => one.node === node && one.at === MAX_WAIT)
      assert.deepStrictEqual(watched.events, [])
      assert.strictEqual(watched.partition(0).fetchOffset, 0)
      assert.deepStrictEqual([fetchesOf(0).length, fetchesOf(1).length], [1, 2])
      yield* Deferred.succeed(found, undefined)
      yield* settle
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
      assert.lengthOf(fetchesOf(0), 2)
    })
  )

  it.effect("completes what reached its head before, or has come now to where its log ended at its opening", () =>
    Effect.gen(function* () {
      for (const [reachedHead, end, isComplete] of [
        [true, 5, true],
        [false, 0, true],
        [false, 1, false]
      ] as const) {
        const cluster = withTopic()
        const { prepared, watched } = yield* preparing(cluster, Effect.never)
        answerNext(
          cluster,
          watched,
          () => empty(9),
          () => ({ reachedHead, end })
        )
        yield* pass(MAX_WAIT)
        assert.deepStrictEqual(
          prepared.map(([arrivals]) => arrivals.map((one) => one.isComplete)),
          [[isComplete]]
        )
      }
    })
  )

  it.effect("has nothing found out of a partition that it leaves out, nor of one that begins anew", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const { prepared, watched } = yield* preparing(cluster, Effect.never)
      answerNext(cluster, watched, (partition) => {
        if (partition === 0) return undefined
        watched.source.reopen(1)
        return empty(0)
      })
      yield* pass(MAX_WAIT)
      assert.strictEqual(watched.partition(0).attempts, 1)
      assert.strictEqual(watched.events.filter(({ _tag }) => _tag === "Opened").length, 3)
      assert.deepStrictEqual(prepared, [])
    })
  )

  it.effect("is handed on at once if nothing has to be known", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { prepared, watched } = yield* preparing(cluster, undefined)
      watched.forget()
      answerNext(cluster, watched, () => empty(0))
      yield* pass(MAX_WAIT)
      assert.lengthOf(prepared, 1)
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
    })
  )

  it.effect("of a broker that tells to wait has it found out after that, as such a broker answers nothing before", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      let isFound = false
      const { prepared, watched } = yield* preparing(
        cluster,
        Effect.sync(() => {
          isFound = true
        })
      )
      watched.forget()
      answerNext(cluster, watched, () => empty(0), undefined, { throttleMillis: 700 })
      yield* pass(MAX_WAIT + 699)
      assert.lengthOf(prepared, 1)
      assert.isFalse(isFound)
      assert.deepStrictEqual(watched.events, [])
      yield* pass(1)
      assert.isTrue(isFound)
      assert.deepStrictEqual(shown(watched.events), ["Fetched 0"])
    })
  )
})

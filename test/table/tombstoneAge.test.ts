/** What a table makes of partitions that were away for longer than their logs keep tombstones. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import type { FetchedRecords } from "../../src/internal/source/cursor.ts"
import { makePartitionState, type PartitionState } from "../../src/internal/table/reading/partition.ts"
import { askForRetention, foundStale, type Stale } from "../../src/internal/table/reading/tombstoneAge.ts"
import { TopicSettings } from "../../src/internal/table/reading/topicSettings.ts"
import { fetched, fetchOf, topic, withTopic } from "../support/answers.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { BACKOFF, it, MAX_WAIT, pass, watch, type OptionsOfTest, type Watched } from "../source/support.ts"

const LAST = 60_000

/** What a consumer of the source was told, and made of it. */
type Seen = Stale | { readonly applied: FetchedRecords }

interface Reading {
  readonly watched: Watched
  readonly p: PartitionState<string, string>
  readonly seen: Array<Seen>
  /** Requests for the topic's settings. */
  readonly asked: () => number
}

/** Reads as a table does, of a topic that keeps tombstones for so long. */
const read = (cluster: FakeCluster, lasts = LAST, options: OptionsOfTest = {}) =>
  Effect.gen(function* () {
    const settings = new TopicSettings(topic)
    const p = makePartitionState<string, string>(0)
    cluster.alterConfigs(topic, { "delete.retention.ms": String(lasts) })
    const watched = yield* watch(
      cluster,
      {
        ...options,
        prepare: (arrivals, askedAt, connection) => askForRetention(arrivals, askedAt, connection, { settings, topic })
      },
      false
    )
    const seen: Array<Seen> = []
    const take = Effect.map(watched.source.take, (event) => {
      watched.events.push(event)
      if (event._tag !== "Fetched") return
      for (const records of event.partitions) {
        const stale = foundStale(p, records, event, settings)
        seen.push(stale ?? { applied: records })
        if (stale !== undefined) watched.source.reopen(0)
      }
    })
    yield* Effect.forkScoped(Effect.forever(take))
    yield* pass(0)
    const reading: Reading = { watched, p, seen, asked: () => watched.requests("DescribeConfigs").length }
    return reading
  })

/** What was made of the answers; those that had nothing to apply, as a rule, are of no matter. */
const summary = (all: ReadonlyArray<Seen>): ReadonlyArray<string> => {
  const seen = all.filter((one) => !("applied" in one) || one.applied.records.length > 0)
  return seen.map((one) => ("applied" in one ? "applied" : `stale ${one.behindMillis}`))
}

const append = (cluster: FakeCluster, count: number): void => {
  for (let i = 0; i < count; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
}

/** Reads to the head; then there is no answer for so long, and the next attempt comes a backoff later. */
const away = (
  cluster: FakeCluster,
  { seen, watched }: Reading,
  millis: number,
  { meanwhile = () => {}, then = () => undefined }: { meanwhile?: () => void; then?: FakeCluster["before"] } = {}
) =>
  Effect.gen(function* () {
    let first = true
    watched.forget()
    seen.length = 0
    cluster.before = (request, node, detail) => {
      if (request !== "Fetch" || !first) return then(request, node, detail)
      first = false
      return Effect.delay(Effect.fail(connectionError("Timeout")), millis)
    }
    yield* pass(MAX_WAIT)
    meanwhile()
    // the answer may be held back for a long poll, and so may the one after it
    yield* pass(millis + BACKOFF + 2 * MAX_WAIT)
    return summary(seen)
  })

describe("a partition that was away for longer than tombstones last", () => {
  it.effect("is replayed, and how long it was away is told, before anything of it is applied", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      const reading = yield* read(cluster)
      assert.deepStrictEqual(summary(reading.seen), ["applied"])
      const seen = yield* away(cluster, reading, LAST, { meanwhile: () => append(cluster, 1) })
      assert.deepStrictEqual(seen, [`stale ${LAST + BACKOFF}`, "applied"])
      assert.deepStrictEqual(reading.seen[0], { behindMillis: LAST + BACKOFF, retentionMillis: LAST })
      const again = reading.seen[1]
      assert.isTrue("applied" in again && again.applied.isComplete && again.applied.generation > 1)
      assert.lengthOf(
        reading.watched.events.filter(({ _tag }) => _tag === "Opened"),
        1
      )
    })
  )

  it.effect("is not, if it was away for no longer than they last", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const reading = yield* read(cluster)
      assert.deepStrictEqual(yield* away(cluster, reading, LAST - BACKOFF), [])
      assert.strictEqual(reading.asked(), 1)
      assert.deepInclude(reading.watched.partition(), { phase: "fetching", reachedHead: true })
    })
  )

  it.effect("is not within a second, whatever the topic says", () =>
    Effect.gen(function* () {
      for (const [millis, stale] of [
        [800, false],
        [990, false],
        [991, true],
        [1_600, true]
      ] as const) {
        const cluster = withTopic()
        const reading = yield* read(cluster, 0, { fetch: { maxWaitMillis: 100 } })
        const seen = yield* away(cluster, reading, millis)
        assert.deepStrictEqual(seen, stale ? [`stale ${millis + BACKOFF}`] : [], String(millis))
      }
    })
  )

  it.effect("is replayed once more when it is away again, after it has come to the head in time", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 1)
      const reading = yield* read(cluster)
      for (let i = 0; i < 3; i++) {
        const seen = yield* away(cluster, reading, LAST + 5_000)
        assert.deepStrictEqual(seen, [`stale ${LAST + 5_000 + BACKOFF}`, "applied"], String(i))
        assert.deepInclude(reading.watched.partition(), { phase: "fetching", reachedHead: true })
      }
    })
  )

  it.effect("and whose replay takes longer than that is read on: another one would not help", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 2)
      const reading = yield* read(cluster)
      const slow = cluster.log(topic).batches.map(({ bytes }) => bytes)
      yield* away(cluster, reading, LAST + 5_000, {
        then: (request, _, detail) => {
          if (request !== "Fetch") return undefined
          const { fetchOffset } = fetchOf(detail).partitions[0]
          if (fetchOffset > 1) return undefined
          return Effect.delay(
            fetched(detail, { highWatermark: 2, lastStableOffset: 2, records: slow[fetchOffset] }),
            LAST + 1
          )
        }
      })
      assert.deepStrictEqual(summary(reading.seen), [`stale ${LAST + 5_000 + BACKOFF}`])
      assert.isTrue(reading.p.isReplayedForAge)
      yield* pass(LAST * 3)
      assert.deepStrictEqual(summary(reading.seen).slice(1), ["applied", "applied"])
      assert.deepInclude(reading.watched.partition(), { phase: "fetching", fetchOffset: 2, reachedHead: true })
      // and the next absence is one again
      cluster.before = () => undefined
      assert.deepStrictEqual(yield* away(cluster, reading, LAST), [`stale ${LAST + BACKOFF}`, "applied"])
    })
  )

  it.effect("at its first replay, with records or without, has not reached the head by that", () =>
    Effect.gen(function* () {
      for (const count of [1, 0]) {
        const cluster = withTopic()
        append(cluster, count)
        let first = true
        cluster.before = (request) => {
          if (request !== "Fetch" || !first) return undefined
          first = false
          return Effect.delay(Effect.fail(connectionError("Timeout")), LAST)
        }
        const reading = yield* read(cluster)
        yield* pass(LAST + BACKOFF + MAX_WAIT)
        const replayed = count === 0 ? [] : ["applied"]
        assert.deepStrictEqual(summary(reading.seen), [`stale ${LAST + BACKOFF}`, ...replayed])
      }
    })
  )
})

describe("an answer without records that comes long after the last one", () => {
  it.effect("shows an absence at the head only: that the log begins later now says nothing of what is to be read", () =>
    Effect.gen(function* () {
      const settings = new TopicSettings(topic)
      const now = yield* Effect.map(currentClock, millisOf)
      for (const isAtHead of [false, true]) {
        const p = makePartitionState<string, string>(0)
        const records: FetchedRecords = {
          topic,
          partition: 0,
          generation: 1,
          records: Buffer.alloc(0),
          aborted: [],
          logStart: 5,
          isComplete: true,
          isAtHead,
          headAt: now - 5_000
        }
        const found = foundStale(
          p,
          records,
          { _tag: "Fetched", askedAt: now, answeredAt: now, partitions: [] },
          settings
        )
        assert.deepStrictEqual(found, isAtHead ? { behindMillis: 5_000, retentionMillis: undefined } : undefined)
        assert.strictEqual(p.isReplayedForAge, isAtHead)
      }
    })
  )
})

describe("how long tombstones last", () => {
  it.effect("is asked of who answers after an absence, before anything is made of it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const reading = yield* read(cluster)
      yield* pass(5 * MAX_WAIT)
      assert.strictEqual(reading.asked(), 0)
      yield* away(cluster, reading, LAST)
      assert.strictEqual(reading.asked(), 1)
      assert.deepStrictEqual(reading.watched.requests("DescribeConfigs")[0].detail, { topic })
    })
  )

  it.effect("is the least that was said since the head was reached last", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const reading = yield* read(cluster, 10_000)
      // it was so short when the absence began, and is longer when that ends
      yield* away(cluster, reading, 2_000)
      const seen = yield* away(cluster, reading, 12_000, {
        meanwhile: () => cluster.alterConfigs(topic, { "delete.retention.ms": String(LAST) })
      })
      assert.deepStrictEqual(seen, [`stale ${12_000 + BACKOFF}`])
      assert.deepStrictEqual(
        reading.seen.filter((one) => !("applied" in one)),
        [{ behindMillis: 12_000 + BACKOFF, retentionMillis: 10_000 }]
      )
      assert.deepStrictEqual(yield* away(cluster, reading, 12_000), [])
    })
  )

  it.effect("that was asked in vain is not known and may be short, unless the broker has no such request", () =>
    Effect.gen(function* () {
      for (const [reason, stale] of [
        ["Closed", true],
        ["UnsupportedVersion", false]
      ] as const) {
        const cluster = withTopic()
        const reading = yield* read(cluster)
        yield* away(cluster, reading, 3_000, {
          then: (request) => (request === "DescribeConfigs" ? Effect.fail(connectionError(reason)) : undefined)
        })
        assert.deepStrictEqual(
          reading.seen.filter((one) => !("applied" in one)),
          stale ? [{ behindMillis: 3_000 + BACKOFF, retentionMillis: undefined }] : [],
          reason
        )
      }
    })
  )

  it.effect("is not asked in the middle of a replay, and is when an answer comes to its end", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, 3)
      const batches = cluster.log(topic).batches.map(({ bytes }) => bytes)
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const { fetchOffset } = fetchOf(detail).partitions[0]
        if (fetchOffset > 2) return Effect.never
        return Effect.delay(
          fetched(detail, { highWatermark: 3, lastStableOffset: 3, records: batches[fetchOffset] }),
          1_500
        )
      }
      const reading = yield* read(cluster)
      yield* pass(3_000)
      assert.strictEqual(reading.watched.partition().fetchOffset, 2)
      assert.strictEqual(reading.asked(), 0)
      yield* pass(1_500)
      assert.strictEqual(reading.watched.partition().fetchOffset, 3)
      assert.strictEqual(reading.asked(), 1)
    })
  )

  it.effect("is asked when the broker reads from the connection again, if it told to wait", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const reading = yield* read(cluster)
      let told = false
      yield* away(cluster, reading, LAST, {
        then: (request, _, detail) => {
          if (request !== "Fetch" || told) return undefined
          told = true
          return Effect.map(fetched(detail, { highWatermark: 0, lastStableOffset: 0 }), (answer) => ({
            ...answer,
            throttleMillis: 5_000
          }))
        }
      })
      assert.strictEqual(reading.asked(), 0)
      assert.deepStrictEqual(summary(reading.seen), [])
      yield* pass(5_000)
      assert.isAtLeast(reading.asked(), 1)
      assert.deepStrictEqual(summary(reading.seen), [`stale ${LAST + BACKOFF}`])
    })
  )
})

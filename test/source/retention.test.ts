/** What a source asks of the topic's settings before it relies on them, and how far the log has been cut off. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { SourceOptions } from "../../src/internal/source/context.ts"
import { fetched, fetchOf, topic, withTopic } from "../support/answers.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { BACKOFF, BEGIN, it, MAX_WAIT, pass, shown, watch, type Watched } from "./support.ts"

const LAST = 60_000

/** Says that it is so, writes down what it was asked. */
const retention = (isKnown = true) => {
  const since: Array<number> = []
  let learned = 0
  const value: SourceOptions["retention"] = {
    learned: () =>
      Effect.sync(() => {
        learned++
        return isKnown
      }),
    lowestRetentionSince: (time) => {
      since.push(time - BEGIN)
      return LAST
    }
  }
  return { value, since, learned: () => learned }
}

/** Reads to the head; then there is no answer for so long, and the next attempt comes a backoff later. */
const away = (cluster: FakeCluster, watched: Watched, millis: number, then: FakeCluster["before"] = () => undefined) =>
  Effect.gen(function* () {
    let first = true
    cluster.before = (request, node, detail) => {
      if (request !== "Fetch" || !first) return then(request, node, detail)
      first = false
      return Effect.delay(Effect.fail(connectionError("Timeout")), millis)
    }
    yield* pass(MAX_WAIT)
    watched.forget()
    yield* pass(millis + BACKOFF + MAX_WAIT)
    return shown(watched.events)
  })

describe("how long tombstones last", () => {
  it.scoped("is asked of who answers after an absence, before anything is made of it", () =>
    Effect.gen(function* () {
      const told = retention()
      const cluster = withTopic()
      const watched = yield* watch(cluster, { retention: told.value })
      assert.strictEqual(told.learned(), 0)
      assert.lengthOf(watched.requests("DescribeConfigs"), 0)
      yield* away(cluster, watched, LAST)
      assert.lengthOf(watched.requests("DescribeConfigs"), 1)
      assert.deepStrictEqual(watched.requests("DescribeConfigs")[0].detail, { topic })
      assert.strictEqual(told.learned(), 1)
      assert.deepStrictEqual(new Set(told.since), new Set([MAX_WAIT]))
      const [event] = watched.events
      assert.deepInclude(event, { _tag: "Stale", behindMillis: LAST + BACKOFF, retentionMillis: LAST })
    })
  )

  it.scoped("is not asked while long polls end in time, and not after an absence of a second", () =>
    Effect.gen(function* () {
      const told = retention()
      const cluster = withTopic()
      const watched = yield* watch(cluster, { retention: told.value, fetch: { maxWaitMillis: 900 } })
      yield* pass(5_000)
      assert.strictEqual(told.learned(), 0)
      const { headAt } = watched.partition()
      Object.assign(watched.partition(), { headAt: headAt - 900 + 1 })
      yield* pass(900)
      assert.strictEqual(told.learned(), 0)
    })
  )

  it.scoped("that is not known may be short: what was away is read anew, and that it is not known is told", () =>
    Effect.gen(function* () {
      const told = retention(false)
      const cluster = withTopic()
      const watched = yield* watch(cluster, { retention: told.value })
      const events = yield* away(cluster, watched, 3_000)
      assert.deepStrictEqual(events, [`Stale 0: ${3_000 + BACKOFF}`])
      assert.deepInclude(watched.events[0], { retentionMillis: undefined })
    })
  )

  it.scoped("that was asked in vain is not known, unless the broker has no such request", () =>
    Effect.gen(function* () {
      for (const [reason, stale] of [
        ["Closed", true],
        ["UnsupportedVersion", false]
      ] as const) {
        const told = retention()
        const cluster = withTopic()
        const watched = yield* watch(cluster, { retention: told.value })
        const events = yield* away(cluster, watched, 3_000, (request) =>
          request === "DescribeConfigs" ? Effect.fail(connectionError(reason)) : undefined
        )
        assert.deepStrictEqual(events, stale ? [`Stale 0: ${3_000 + BACKOFF}`] : [], reason)
        assert.strictEqual(told.learned(), 0)
      }
    })
  )

  it.scoped("that is longer than the absence leaves all as it is", () =>
    Effect.gen(function* () {
      const told = retention()
      const cluster = withTopic()
      const watched = yield* watch(cluster, { retention: told.value })
      assert.deepStrictEqual(yield* away(cluster, watched, LAST - BACKOFF), [])
      assert.strictEqual(told.learned(), 1)
      assert.deepInclude(watched.partition(), { phase: "fetching", reachedHead: true })
    })
  )

  it.scoped("is not asked in the middle of a replay, and is when an answer comes to its end", () =>
    Effect.gen(function* () {
      const told = retention()
      const cluster = withTopic()
      for (const key of ["a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
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
      const watched = yield* watch(cluster, { retention: told.value })
      yield* pass(3_000)
      assert.strictEqual(watched.partition().fetchOffset, 2)
      assert.strictEqual(told.learned(), 0)
      yield* pass(1_500)
      assert.strictEqual(watched.partition().fetchOffset, 3)
      assert.strictEqual(told.learned(), 1)
    })
  )
})

describe("where the log begins", () => {
  const starts = (watched: Watched): ReadonlyArray<readonly [number, number]> =>
    watched.events.flatMap((event) =>
      event._tag === "Fetched"
        ? event.partitions.map(({ logStart, records }) => [logStart, records.length] as const)
        : []
    )

  it.scoped("is told with the records, and by itself when it has moved, and never goes back", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (const key of ["a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
      cluster.truncateHead(topic, 1)
      const watched = yield* watch(cluster)
      assert.strictEqual(watched.partition().logStart, 1)
      assert.deepStrictEqual(
        starts(watched).map(([start]) => start),
        [1]
      )
      watched.forget()
      cluster.truncateHead(topic, 2)
      yield* pass(MAX_WAIT * 2)
      assert.deepStrictEqual(starts(watched), [[2, 0]])
      assert.strictEqual(watched.partition().logStart, 2)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.delay(fetched(detail, { highWatermark: 3, lastStableOffset: 3, logStartOffset: 1 }), 100)
          : undefined
      yield* pass(MAX_WAIT * 2)
      assert.strictEqual(watched.partition().logStart, 2)
      assert.lengthOf(starts(watched), 1)
    })
  )
})

/** How a source finds out where partitions begin and end, and what it makes of a position that is doubted. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import type { ListOffsetsResponse } from "../../src/KafkaProtocol.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { fetched, refused, settle, topic, withTopic } from "../support/answers.ts"
import { BACKOFF, BEGIN, DENIED_RETRY, it, listOf, MAX_WAIT, pass, shown, watch } from "./support.ts"

const OFFSET_OUT_OF_RANGE = 1
const NOT_LEADER_OR_FOLLOWER = 6
const INVALID_TOPIC = 17
const TOPIC_AUTHORIZATION_FAILED = 29

/** The same answer for every partition that is asked about. */
const listed = (detail: unknown, answer: { readonly errorCode?: number; readonly offset?: number }) =>
  Effect.sync((): ListOffsetsResponse => ({
    partitions: listOf(detail).partitions.map(({ partition, topic }) => ({
      topic,
      partition,
      errorCode: 0,
      offset: -1,
      leaderEpoch: 0,
      ...answer
    }))
  }))

const asksFor = (detail: unknown): "earliest" | "latest" =>
  listOf(detail).partitions[0].timestamp === -2 ? "earliest" : "latest"

const withRecords = (count: number, partitions = 1, nodes = 1): FakeCluster => {
  const cluster = withTopic(partitions, nodes)
  for (let i = 0; i < count; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
  return cluster
}

describe("a partition is opened", () => {
  it.effect("where its log begins and ends, and read from there", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      cluster.truncateHead(topic, 2)
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 2 to 5", "Fetched 0"])
      assert.deepInclude(watched.partition(), {
        phase: "fetching",
        generation: 1,
        fetchOffset: 5,
        end: 5,
        highWatermark: 5,
        lastStableOffset: 5,
        connected: true,
        reachedHead: true
      })
      assert.strictEqual(watched.events[1]._tag === "Opened" && watched.events[1].generation, 1)
    })
  )

  it.effect("before anything is fetched it has the position, the time and the end that it was opened with", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      cluster.truncateHead(topic, 2)
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      const watched = yield* watch(cluster)
      assert.deepInclude(watched.partition(), {
        fetchOffset: 2,
        end: 5,
        lastEpoch: -1,
        lastStableOffset: 5,
        highWatermark: 5,
        headAt: BEGIN,
        lastFetchAt: BEGIN,
        reachedHead: false,
        connected: true,
        attempts: 0
      })
    })
  )

  it.effect("up to the end that its isolation may see", () =>
    Effect.gen(function* () {
      for (const [isolation, end] of [
        ["read_committed", 3],
        ["read_uncommitted", 4]
      ] as const) {
        const cluster = withRecords(3)
        cluster.appendOpen(topic, [{ key: "open", value: "1" }])
        const watched = yield* watch(cluster, { isolation })
        assert.deepInclude(shown(watched.events), `Opened 0: 0 to ${end}`)
        for (const { detail } of watched.requests("ListOffsets"))
          assert.strictEqual(listOf(detail).isolation, isolation)
        assert.strictEqual(watched.fetches()[0].isolation, isolation)
      }
    })
  )

  it.effect("together with the others of its leader: one request for where they begin, one for where they end", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3, 2)
      cluster.moveLeader(topic, 1, 1)
      const watched = yield* watch(cluster)
      const requests = watched
        .requests("ListOffsets")
        .map(({ detail, node }) => [node, asksFor(detail), listOf(detail).partitions.map((p) => p.partition)] as const)
      assert.deepStrictEqual(
        [...requests].sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1)),
        [
          [0, "earliest", [0, 2]],
          [0, "latest", [0, 2]],
          [1, "earliest", [1]],
          [1, "latest", [1]]
        ]
      )
    })
  )

  it.effect("whatever a frozen broker does about others", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.before = (request, node) => (request === "ListOffsets" && node === 1 ? Effect.never : undefined)
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 2", "Opened 0: 0 to 0"])
      cluster.addPartition(topic, 0)
      watched.source.refresh()
      // a second more, if the frozen one is asked for the metadata first
      yield* pass(BACKOFF + 1_000)
      assert.deepStrictEqual(shown(watched.events).slice(2), ["PartitionCount 3", "Opened 2: 0 to 0"])
    })
  )

  it.effect("once: what is open is not asked for again", () =>
    Effect.gen(function* () {
      const watched = yield* watch(withTopic())
      watched.forget()
      yield* pass(MAX_WAIT * 3)
      watched.source.refresh()
      yield* pass(100)
      assert.deepStrictEqual(watched.requests("ListOffsets"), [])
      assert.deepStrictEqual(watched.events, [])
    })
  )
})

describe("a partition that could not be opened", () => {
  /** When its beginning was asked for, in milliseconds since the test began. */
  const attempts = (watched: { requests: (kind: "ListOffsets") => ReadonlyArray<{ at: number; detail: unknown }> }) =>
    watched
      .requests("ListOffsets")
      .filter(({ detail }) => asksFor(detail) === "earliest")
      .map(({ at }) => at)

  it.effect("is tried again with longer and longer waits, with fresh metadata, whichever of the two failed", () =>
    Effect.gen(function* () {
      for (const which of ["earliest", "latest"] as const) {
        const start = yield* Effect.map(currentClock, (clock) => millisOf(clock) - BEGIN)
        const cluster = withRecords(1)
        cluster.before = (request, _, detail) =>
          request === "ListOffsets" && asksFor(detail) === which
            ? listed(detail, { errorCode: NOT_LEADER_OR_FOLLOWER })
            : undefined
        const watched = yield* watch(cluster)
        yield* pass(160)
        assert.deepStrictEqual(
          attempts(watched).map((at) => at - start),
          [0, 10, 30, 70, 150],
          which
        )
        assert.isAbove(watched.requests("Metadata").length, 2)
        assert.strictEqual(watched.source.lastFailure()?.reason, "Unavailable")
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1"])
        cluster.before = () => undefined
        yield* pass(100)
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 1", "Fetched 0"])
        assert.isUndefined(watched.source.lastFailure())
        assert.strictEqual(watched.partition().attempts, 0)
      }
    })
  )

  it.effect("is tried again after an answer without it", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) =>
        request === "ListOffsets" && asksFor(detail) === "latest"
          ? Effect.map(listed(detail, { offset: 0 }), ({ partitions }) => ({ partitions: partitions.slice(0, 1) }))
          : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 2", "Opened 0: 0 to 0"])
      cluster.before = () => undefined
      yield* pass(BACKOFF)
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Opened 1: 0 to 0"])
    })
  )

  it.effect("is tried again after an answer that knows no offset", () =>
    Effect.gen(function* () {
      for (const unknown of ["earliest", "latest"]) {
        const cluster = withRecords(2)
        cluster.before = (request, _, detail) =>
          request === "ListOffsets" && asksFor(detail) === unknown ? listed(detail, { offset: -1 }) : undefined
        const watched = yield* watch(cluster)
        yield* pass(BACKOFF)
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1"])
        assert.include(watched.source.lastFailure()?.message, "OFFSET_NOT_AVAILABLE")
        cluster.before = () => undefined
        yield* pass(4 * BACKOFF)
        assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 2", "Fetched 0"])
      }
    })
  )

  it.effect("where it begins, if the log is said to end before that", () =>
    Effect.gen(function* () {
      const cluster = withRecords(1)
      cluster.before = (request, _, detail) =>
        request === "ListOffsets"
          ? listed(detail, { offset: asksFor(detail) === "earliest" ? 100 : 10 })
          : request === "Fetch"
            ? Effect.never
            : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 100 to 100"])
    })
  )

  it.effect("waits for its own attempt only: others are opened meanwhile", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) =>
        request === "ListOffsets"
          ? Effect.map(listed(detail, { offset: 0 }), ({ partitions }) => ({
              partitions: partitions.map((one) =>
                one.partition === 1 ? { ...one, errorCode: TOPIC_AUTHORIZATION_FAILED, offset: -1 } : one
              )
            }))
          : undefined
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(shown(watched.events), [
        "PartitionCount 2",
        "Opened 0: 0 to 0",
        "Denied KafkaBrokerError Unauthorized"
      ])
      watched.forget()
      yield* pass(100)
      watched.source.reopen(0)
      yield* settle
      assert.deepStrictEqual(
        watched.requests("ListOffsets").map(({ detail }) => listOf(detail).partitions.map((p) => p.partition)),
        [[0], [0]]
      )
    })
  )

  it.effect("is tried again when its own time has come, before another one's", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) =>
        request === "ListOffsets"
          ? Effect.map(listed(detail, { offset: 0 }), ({ partitions }) => ({
              partitions: partitions.map((one) => ({
                ...one,
                offset: -1,
                errorCode: one.partition === 0 ? TOPIC_AUTHORIZATION_FAILED : NOT_LEADER_OR_FOLLOWER
              }))
            }))
          : undefined
      const watched = yield* watch(cluster)
      watched.forget()
      // no news of the metadata wakes anybody
      const answer = cluster.before
      cluster.before = (request, node, detail) =>
        request === "Metadata" ? Effect.fail(connectionError("Timeout")) : answer(request, node, detail)
      yield* pass(30)
      assert.deepStrictEqual(
        watched
          .requests("ListOffsets")
          .filter(({ detail }) => asksFor(detail) === "earliest")
          .map(({ at, detail }) => [at, listOf(detail).partitions.map((p) => p.partition)]),
        [
          [10, [1]],
          [30, [1]]
        ]
      )
    })
  )

  it.effect("for want of rights is told once, tried again slowly, and told when it is open", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "ListOffsets" ? listed(detail, { errorCode: TOPIC_AUTHORIZATION_FAILED }) : undefined
      const watched = yield* watch(cluster)
      yield* pass(DENIED_RETRY * 2)
      assert.deepStrictEqual(attempts(watched), [0, DENIED_RETRY, DENIED_RETRY * 2])
      assert.deepStrictEqual(watched.requests("Metadata").length, 1)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Denied KafkaBrokerError Unauthorized"])
      cluster.before = () => undefined
      yield* pass(DENIED_RETRY)
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Granted", "Opened 0: 0 to 0"])
    })
  )

  it.effect("for a reason that does not pass ends it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "ListOffsets" ? listed(detail, { errorCode: INVALID_TOPIC }) : undefined
      const watched = yield* watch(cluster)
      yield* pass(1_000)
      assert.deepStrictEqual(attempts(watched), [0])
      assert.deepStrictEqual(
        watched.events.map(({ _tag }) => _tag),
        ["PartitionCount", "Fatal"]
      )
    })
  )

  it.effect("since the clock was set back is not left waiting for the old time to come", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) =>
        request === "ListOffsets" ? listed(detail, { errorCode: NOT_LEADER_OR_FOLLOWER }) : undefined
      const watched = yield* watch(cluster)
      const longest = DENIED_RETRY
      const waiting = watched.partition() as { retryAt: number }
      cluster.before = () => undefined
      // as far as a wait may be it is waited for, and not any longer
      waiting.retryAt = BEGIN + longest
      watched.source.refresh()
      yield* pass(BACKOFF * 3)
      assert.strictEqual(watched.partition().phase, "opening")
      waiting.retryAt = BEGIN + longest * 3
      watched.source.refresh()
      yield* pass(BACKOFF * 3)
      assert.strictEqual(watched.partition().phase, "fetching")
    })
  )
})

describe("an answer about where a partition begins", () => {
  it.effect("that was asked for before it was to begin anew counts no more", () =>
    Effect.gen(function* () {
      const cluster = withRecords(2)
      const late = yield* Deferred.make<void>()
      let first = true
      cluster.before = (request, _, detail) => {
        if (request !== "ListOffsets" || asksFor(detail) !== "latest" || !first) return undefined
        first = false
        return Effect.andThen(Deferred.await(late), listed(detail, { offset: 99 }))
      }
      const watched = yield* watch(cluster)
      watched.source.reopen(0)
      yield* Deferred.succeed(late, undefined)
      yield* settle
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 2", "Fetched 0"])
    })
  )

  it.effect("is not read on while whoever is told of it has decided otherwise meanwhile", () =>
    Effect.gen(function* () {
      const cluster = withRecords(2)
      const watched = yield* watch(cluster, {}, false)
      // the number of partitions waits in the hand-off, and so does that the partition is open
      assert.strictEqual(watched.partition().generation, 1)
      watched.source.reopen(0)
      yield* settle
      assert.deepStrictEqual(watched.fetches(), [])
      assert.deepStrictEqual(shown([yield* watched.source.take]), ["PartitionCount 1"])
      // the outdated news has its place now, and those that follow wait behind it
      yield* settle
      assert.deepStrictEqual(watched.fetches(), [])
      assert.deepInclude(watched.partition(), { phase: "opening", generation: 3 })
      assert.deepInclude(yield* watched.source.take, { _tag: "Opened", generation: 3 })
      yield* settle
      assert.strictEqual(watched.partition().phase, "fetching")
      assert.strictEqual(watched.fetches()[0].partitions[0].fetchOffset, 0)
    })
  )
})

describe("a position that its leader says is out of range", () => {
  it.effect("below the log's start: its head was truncated, from where to where is told, and it is held", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const watched = yield* watch(cluster)
      watched.forget()
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? refused(detail, OFFSET_OUT_OF_RANGE)
          : request === "ListOffsets"
            ? listed(detail, { offset: asksFor(detail) === "earliest" ? 7 : 9 })
            : undefined
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events), ["Truncated 0: Head from 5 to 7"])
      assert.deepInclude(watched.partition(), { phase: "held", generation: 2, doubt: undefined })
      assert.strictEqual(watched.events[0]._tag === "Truncated" && watched.events[0].generation, 2)
      yield* pass(MAX_WAIT * 3)
      assert.lengthOf(watched.events, 1)
    })
  )

  it.effect("above the log's end: its tail was lost", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const watched = yield* watch(cluster)
      watched.forget()
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? refused(detail, OFFSET_OUT_OF_RANGE)
          : request === "ListOffsets"
            ? listed(detail, { offset: asksFor(detail) === "earliest" ? 0 : 4 })
            : undefined
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(shown(watched.events), ["Truncated 0: Tail from 5 to 4"])
      assert.deepInclude(watched.partition(), { phase: "held", generation: 2 })
    })
  )

  it.effect("within the log after all: read on, after a wait, and without the epoch that may be unknown now", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const watched = yield* watch(cluster)
      watched.forget()
      let refusals = 1
      cluster.before = (request, _, detail) =>
        request === "Fetch" && refusals-- > 0 ? refused(detail, OFFSET_OUT_OF_RANGE) : undefined
      yield* pass(MAX_WAIT)
      const refusedAt = watched.requests("Fetch").findIndex(({ at }) => at === MAX_WAIT)
      assert.isAtLeast(refusedAt, 0)
      assert.deepInclude(watched.partition(), { phase: "fetching", doubt: undefined, generation: 1 })
      yield* pass(BACKOFF - 1)
      assert.lengthOf(watched.requests("Fetch"), refusedAt + 1)
      yield* pass(1)
      const again = watched.fetches().at(-1)!
      assert.lengthOf(watched.requests("Fetch"), refusedAt + 2)
      assert.deepInclude(again.partitions[0], { fetchOffset: 5, lastFetchedEpoch: -1 })
      assert.deepStrictEqual(watched.events, [])
    })
  )

  it.effect("asked about at its last leader and at the next one: the first answer counts, and no later one", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5, 1, 2)
      const late = yield* Deferred.make<void>()
      const watched = yield* watch(cluster)
      watched.forget()
      cluster.before = (request, node, detail) => {
        if (node === 1) return request === "Fetch" ? Effect.never : undefined
        if (request === "Fetch") return refused(detail, OFFSET_OUT_OF_RANGE)
        return request === "ListOffsets"
          ? Effect.andThen(Deferred.await(late), listed(detail, { offset: 9 }))
          : undefined
      }
      yield* pass(MAX_WAIT)
      assert.deepInclude(watched.partition(), { phase: "opening", doubt: "range" })
      cluster.moveLeader(topic, 1)
      watched.source.refresh()
      yield* pass(BACKOFF * 2)
      assert.deepInclude(watched.partition(), { leader: 1, phase: "fetching", doubt: undefined })
      yield* Deferred.succeed(late, undefined)
      yield* pass(BACKOFF)
      assert.deepInclude(watched.partition(), { phase: "fetching", fetchOffset: 5, generation: 1 })
      assert.deepStrictEqual(watched.events, [])
    })
  )

  it.effect("again and again: with longer and longer waits", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const watched = yield* watch(cluster)
      watched.forget()
      cluster.before = (request, _, detail) => (request === "Fetch" ? refused(detail, OFFSET_OUT_OF_RANGE) : undefined)
      yield* pass(MAX_WAIT + 200)
      const times = watched.requests("Fetch").map(({ at }) => at - MAX_WAIT)
      assert.deepStrictEqual(times, [0, 10, 30, 70, 150])
      assert.deepStrictEqual(watched.events, [])
    })
  )

  it.effect("asked about before it begins anew: from where it begins, without doubts", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const watched = yield* watch(cluster)
      watched.forget()
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? refused(detail, OFFSET_OUT_OF_RANGE)
          : request === "ListOffsets"
            ? Effect.fail(connectionError("Timeout"))
            : undefined
      yield* pass(MAX_WAIT)
      assert.deepInclude(watched.partition(), { phase: "opening", doubt: "range" })
      watched.source.reopen(0)
      assert.deepInclude(watched.partition(), { phase: "opening", doubt: undefined, retryAt: 0, generation: 2 })
      cluster.before = () => undefined
      yield* pass(100)
      assert.deepStrictEqual(shown(watched.events), ["Opened 0: 0 to 5", "Fetched 0"])
    })
  )
})

describe("a log that ends before what it had", () => {
  it.effect("is asked for its end, keeps the epoch, and is read on if it has all of it", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      let answers = 1
      cluster.before = (request, _, detail) =>
        request === "Fetch" && answers-- > 0
          ? fetched(detail, { highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 })
          : undefined
      const watched = yield* watch(cluster)
      assert.lengthOf(watched.requests("ListOffsets"), 4)
      assert.deepStrictEqual(shown(watched.events), ["PartitionCount 1", "Opened 0: 0 to 5"])
      assert.strictEqual(watched.partition().reachedHead, false)
      yield* pass(BACKOFF)
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Fetched 0"])
    })
  )

  it.effect("is read on with the epoch of what was read", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      const [{ bytes }] = cluster.log(topic).batches
      let answers = 1
      cluster.before = (request, _, detail) =>
        request === "Fetch" && answers-- > 0
          ? fetched(detail, { highWatermark: 1, lastStableOffset: 1, logStartOffset: 0, records: bytes })
          : undefined
      const watched = yield* watch(cluster)
      yield* pass(BACKOFF)
      assert.deepInclude(watched.fetches()[1].partitions[0], { fetchOffset: 1, lastFetchedEpoch: 0 })
      assert.deepStrictEqual(shown(watched.events).slice(2), ["Fetched 0", "Fetched 0"])
      const atHead = watched.events.flatMap((event) =>
        event._tag === "Fetched" ? event.partitions.map(({ isAtHead }) => isAtHead) : []
      )
      assert.deepStrictEqual(atHead, [false, true])
    })
  )

  it.effect("has lost it, if it says so itself", () =>
    Effect.gen(function* () {
      const cluster = withRecords(5)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? fetched(detail, { highWatermark: 3, lastStableOffset: 0, logStartOffset: 0 }) : undefined
      let asked = 0
      const before = cluster.before
      cluster.before = (request, node, detail) =>
        request === "ListOffsets" && asked++ >= 2
          ? listed(detail, { offset: asksFor(detail) === "earliest" ? 0 : 3 })
          : before(request, node, detail)
      const watched = yield* watch(cluster)
      yield* pass(BACKOFF)
      assert.deepStrictEqual(shown(watched.events), [
        "PartitionCount 1",
        "Opened 0: 0 to 5",
        "Truncated 0: Tail from 5 to 3"
      ])
    })
  )
})

/** What a table tells while something holds it up: the reason is the reason, and an outage is not told once only. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schedule } from "effect"
import * as TestClock from "effect/testing/TestClock"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { failureOf } from "../support/exits.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { KafkaProtocol } from "../../src/index.ts"
import { Codec, KafkaClient, KafkaTable, LiveTable, Position, type KafkaError } from "../../src/index.ts"
import { Failures } from "../../src/internal/source/failures.ts"
import { tellOfOutages } from "../../src/internal/table/reading/outages.ts"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import {
  acquiring,
  advance,
  capturing,
  fetched,
  fetchOf,
  on,
  open,
  refused,
  settle,
  settleBriefly,
  topic,
  until,
  withTopic
} from "./support.ts"

const TOPIC_AUTHORIZATION_FAILED = 29

const at = (partition: number, offset: number) => Position.make({ topic, partition, offset })

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

const utf8 = (decode: (value: string) => Effect.Effect<string>) =>
  Codec.makeEffect<string, never, never>({
    decode: (bytes) => decode(text(bytes)),
    encode: (value) => Effect.succeed(Buffer.from(value))
  })

/** The timeout of a wait, in the test's own time. */
const timeoutOf = (wait: Effect.Effect<void, LiveTable.WaitError>, millis: number) =>
  Effect.gen(function* () {
    const waiting = yield* Effect.forkChild(Effect.exit(wait))
    yield* advance(millis)
    const error = failureOf(yield* Fiber.join(waiting))
    if (error._tag !== "KafkaWaitTimeoutError") return assert.fail(`it is a ${error._tag}: ${error.message}`)
    return error
  })

const barrier = <K, V>(table: KafkaTable.KafkaTable<K, V>) => timeoutOf(table.barrier({ timeout: 2_000 }), 2_000)

const awaiting = <K, V>(table: KafkaTable.KafkaTable<K, V>, partition: number, offset: number) =>
  timeoutOf(table.awaitPosition(at(partition, offset), { timeout: 2_000 }), 2_000)

/** The same reason in all places: the wait's fields, its message, and what the table says by itself. */
const assertHeldUp = <K, V>(
  table: KafkaTable.KafkaTable<K, V>,
  error: KafkaError.WaitTimeoutError,
  heldUpBy: ReadonlyArray<KafkaError.HeldUp>,
  says: RegExp
) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(error.heldUpBy, heldUpBy)
    assert.match(error.message, says)
    assert.deepStrictEqual((yield* table.freshness).heldUpBy, heldUpBy)
  })

describe("a wait that times out says what held it up", () => {
  it.effect("a subscriber that does not take", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* open(cluster)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
          for (let i = 0; i < 8; i++) {
            cluster.append(topic, [{ key: `k${i}`, value: "1" }])
            yield* advance(100)
          }
          const error = yield* barrier(table)
          assert.notInclude(error.message, "transaction")
          const heldUpBy = [{ reason: "Subscriber", partitions: [0] }] as const
          assert.deepStrictEqual(error.heldUpBy, heldUpBy)
          assert.match(error.message, /subscriber.*partition 0/)
          // all of the reader waits: of this partition, too
          const other = yield* awaiting(table, 1, 0)
          assert.deepStrictEqual(other.heldUpBy, [{ reason: "Subscriber", partitions: [1] }])
          assert.deepStrictEqual((yield* table.freshness).heldUpBy, [{ reason: "Subscriber", partitions: [0, 1] }])
        })
      )
      yield* until(() => table.unsafeSnapshot().size === 8)
      assert.deepStrictEqual((yield* table.freshness).heldUpBy, [])
    })
  )

  it.effect("an open transaction, of its partition", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* open(cluster)
      const end = cluster.appendOpen(topic, [{ key: "a", value: "open" }], 1)
      cluster.append(topic, [{ key: "b", value: "1" }], 1)
      yield* assertHeldUp(
        table,
        yield* barrier(table),
        [{ reason: "Transaction", partitions: [1] }],
        /open transaction.*\(partition 1\)/
      )
      end("abort")
      yield* until(() => table.unsafeSnapshot().has("b"))
      assert.deepStrictEqual((yield* table.freshness).heldUpBy, [])
    })
  )

  it.effect("no transaction, where the table reads what is not committed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { isolation: "read_uncommitted" })
      cluster.appendOpen(topic, [{ key: "a", value: "open" }])
      yield* until(() => table.unsafeSnapshot().has("a"))
      const error = yield* awaiting(table, 0, 99)
      assert.deepStrictEqual(error.heldUpBy, [{ reason: "EndOfLog", partitions: [0] }])
      assert.notInclude(error.message, "transaction")
    })
  )

  it.effect("nothing was written there yet, and no such partition", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* advance(1_000)
      const early = yield* awaiting(table, 0, 5)
      assert.deepStrictEqual(early.heldUpBy, [{ reason: "EndOfLog", partitions: [0] }])
      const none = yield* awaiting(table, 7, 0)
      assert.deepStrictEqual(none.heldUpBy, [{ reason: "NoPartition", partitions: [7] }])
      assert.deepStrictEqual((yield* table.freshness).heldUpBy, [])
    })
  )

  it.effect("no leader: the one partition, everywhere, and it is over when there is one", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const table = yield* open(cluster)
      yield* advance(1_000)
      cluster.cluster.stopNode(1, 0)
      yield* advance(5_000)
      const error = yield* barrier(table)
      yield* assertHeldUp(
        table,
        error,
        [{ reason: "NoLeader", partitions: [1] }],
        /no leader \(partition 1\).*LEADER_NOT_AVAILABLE.*partition 1/
      )
      const { connected, lastFailure } = yield* table.freshness
      assert.isFalse(connected)
      if (lastFailure?._tag !== "KafkaBrokerError") return assert.fail(`it is ${String(lastFailure)}`)
      assert.deepInclude(
        { ...lastFailure },
        { reason: "Unavailable", codeName: "LEADER_NOT_AVAILABLE", request: "Metadata", topic, partition: 1 }
      )
      assert.match(lastFailure.message, /has no leader/)
      assert.deepStrictEqual(
        (yield* table.stats).partitions.map(({ connected, leader }) => [leader, connected]),
        [
          [0, true],
          [-1, false]
        ]
      )
      const other = yield* awaiting(table, 0, 9)
      assert.deepStrictEqual([other.heldUpBy, other.cause], [[{ reason: "EndOfLog", partitions: [0] }], undefined])
      cluster.cluster.startNode(1, 0)
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      yield* until(() => table.unsafeSnapshot().has("a"))
      yield* advance(1_000)
      assert.deepInclude(yield* table.freshness, { connected: true, lastFailure: undefined, heldUpBy: [] })
    }).pipe(capturing(lines))
  })

  it.effect("a leader that cannot be reached, with the failure", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const table = yield* open(cluster)
      yield* advance(1_000)
      cluster.before = (request, node) =>
        node === 1 && (request === "Fetch" || request === "connect")
          ? Effect.fail(connectionError("Timeout"))
          : undefined
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      yield* advance(1_000)
      const error = yield* awaiting(table, 1, 9)
      yield* assertHeldUp(table, error, [{ reason: "Unreachable", partitions: [1] }], /cannot be reached.*Timeout/)
      assert.strictEqual(error.cause?.reason, "Timeout")
    })
  )

  it.effect("a right that is missing", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? refused(detail, TOPIC_AUTHORIZATION_FAILED) : undefined
      yield* advance(1_000)
      const heldUpBy = [{ reason: "Denied", partitions: [0] }] as const
      yield* assertHeldUp(
        table,
        yield* awaiting(table, 0, 0),
        heldUpBy,
        /right to read is missing.*TOPIC_AUTHORIZATION_FAILED/
      )
      // it has read all there was: nothing is behind, and yet it has not caught up in that sense
      const error = yield* timeoutOf(table.awaitCaughtUp({ timeout: 1_000 }), 1_000)
      assert.deepStrictEqual(error.heldUpBy, [{ reason: "Denied", partitions: [] }])
    })
  )

  it.effect("a codec's Effect that does not end", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const goOn = yield* Deferred.make<string>()
      const value = utf8(() => Deferred.await(goOn))
      const table = yield* KafkaTable.make<string, string>({ topic, value, ensureTopic: false }).pipe(on(cluster))
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* assertHeldUp(table, yield* barrier(table), [{ reason: "Codec", partitions: [0] }], /value's codec/)
      yield* Deferred.succeed(goOn, "x")
      yield* until(() => table.unsafeSnapshot().has("a"))
      assert.deepStrictEqual((yield* table.freshness).heldUpBy, [])
    })
  )

  it.effect("a rebuild that is under way", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 10; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      const table = yield* open(cluster)
      yield* settle
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetchOf(detail).partitions[0].fetchOffset < 10 ? Effect.never : undefined
      cluster.truncateTail(topic, 4)
      yield* advance(1_000)
      cluster.append(topic, [{ key: "new", value: "1" }])
      yield* assertHeldUp(table, yield* barrier(table), [{ reason: "Rebuild", partitions: [0] }], /replayed/)
    })
  )

  it.effect("a restart policy that waits, with what it was asked about", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { restart: Schedule.spaced("1 hour") })
      cluster.deleteTopic(topic)
      yield* advance(10_000)
      const error = yield* awaiting(table, 0, 9)
      yield* assertHeldUp(table, error, [{ reason: "Restart", partitions: [0] }], /restart policy decides.*Deleted/)
      const caughtUp = yield* timeoutOf(table.awaitCaughtUp({ timeout: 1_000 }), 1_000)
      assert.deepStrictEqual(caughtUp.heldUpBy, [{ reason: "Restart", partitions: [0] }])
      assert.strictEqual(caughtUp.cause?.reason, "Deleted")
      cluster.createTopic(topic)
      yield* advance(3_600_000)
      yield* until(() => cluster.open > 0)
      yield* advance(2_000)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      assert.deepStrictEqual((yield* table.freshness).heldUpBy, [])
    })
  )

  it.effect("records that are still read, at the start", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 10; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      let fetches = 0
      cluster.before = (request) => {
        if (request !== "Fetch") return undefined
        return fetches++ < 3 ? undefined : Effect.never
      }
      const error = failureOf(
        yield* acquiring(
          open(cluster, { catchUpTimeout: 2_000, onCatchUpTimeout: "fail", fetch: { maxPartitionBytes: 1 } }),
          3_000
        )
      )
      if (error._tag !== "KafkaWaitTimeoutError") return assert.fail(error.message)
      assert.deepStrictEqual(error.heldUpBy, [{ reason: "Records", partitions: [0] }])
      assert.match(error.message, /more time is needed/)
    })
  )
})

describe("a topic that was created again with fewer partitions", () => {
  const isRecreated = (error: LiveTable.TableFailure | LiveTable.WaitError) => {
    if (error._tag !== "KafkaTopicError") return assert.fail(`it is a ${error._tag}: ${error.message}`)
    assert.strictEqual(error.reason, "Recreated")
    return error
  }

  it.effect("waits for partitions that are gone are told so, at once, and the others are not", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3)
      const before = cluster.topic(topic).id
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second") })
      const waitFor = (partition: number, offset: number) =>
        Effect.forkChild(Effect.exit(table.awaitPosition(at(partition, offset), { timeout: "1 hour" })))
      const [kept, gone] = [yield* waitFor(0, 1), yield* waitFor(2, 1)]
      const both = yield* Effect.forkChild(
        Effect.exit(table.awaitPosition([at(0, 0), at(1, 1)], { timeout: "1 hour" }))
      )
      yield* settle
      cluster.createTopic(topic, 1)
      yield* until(() => hasEnded(gone))
      const error = isRecreated(failureOf(yield* Fiber.join(gone)))
      assert.deepInclude({ ...error }, { expected: before, actual: cluster.topic(topic).id, topic })
      assert.match(error.message, /1 partition\(s\) now, and had 3/)
      assert.strictEqual(isRecreated(failureOf(yield* Fiber.join(both))).message, error.message)
      assert.isFalse(hasEnded(kept))
      assert.strictEqual(
        isRecreated(failureOf(yield* Effect.exit(table.awaitPosition(at(2, 0))))).message,
        error.message
      )
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      // what the topic never had is another matter
      assert.deepStrictEqual((yield* awaiting(table, 7, 0)).heldUpBy, [{ reason: "NoPartition", partitions: [7] }])
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "b", value: "1" }])
      yield* until(() => hasEnded(kept))
      yield* Fiber.join(kept)
      // one that is there again can be waited for again
      cluster.addPartition(topic)
      cluster.append(topic, [{ key: "c", value: "1" }], 1)
      yield* until(() => table.unsafeSnapshot().has("c"))
      yield* table.awaitPosition(at(1, 0))
      isRecreated(failureOf(yield* Effect.exit(table.awaitPosition(at(2, 0)))))
    })
  )

  it.effect("without a restart policy, all waits are told so; and one that times out before that, too", () =>
    Effect.gen(function* () {
      const cluster = withTopic(3)
      const table = yield* open(cluster, { metadataMaxAge: "500 millis" })
      const waiting = yield* Effect.forkChild(Effect.exit(table.awaitPosition(at(2, 1), { timeout: "1 hour" })))
      yield* settle
      cluster.createTopic(topic, 1)
      yield* advance(1_000)
      const early = yield* timeoutOf(table.awaitPosition(at(2, 1), { timeout: 500 }), 500)
      assert.match(early.message, /Recreated|UNKNOWN_TOPIC_ID/)
      yield* until(() => hasEnded(waiting))
      isRecreated(failureOf(yield* Fiber.join(waiting)))
    })
  )
})

describe("records without a key", () => {
  it.effect("are told with the place of the first one, at a rate, and counted in the next line", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      yield* open(cluster)
      yield* settle
      const told = () => lines.filter((line) => line.includes("without a key"))
      const keyless = { key: null, value: "no key" }
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      cluster.append(topic, [{ key: "b", value: "1" }, keyless, keyless], 1)
      yield* advance(1_000)
      assert.lengthOf(told(), 1)
      assert.match(told()[0], /^2 record\(s\) without a key were skipped, the first one in partition 1 at offset 2: /)
      cluster.append(topic, [keyless], 0)
      yield* advance(9_000)
      assert.lengthOf(told(), 1)
      yield* advance(5_000)
      cluster.append(topic, [{ key: "c", value: "1" }], 1)
      yield* advance(1_000)
      assert.lengthOf(told(), 2)
      assert.match(told()[1], /^1 record\(s\) .* partition 0 at offset 0: /)
      // as many again do not wait for that
      cluster.append(topic, [{ key: "e", value: "1" }, keyless, keyless, keyless], 0)
      yield* advance(1_000)
      assert.lengthOf(told(), 3)
      assert.match(told()[2], /^3 record\(s\) .* partition 0 at offset 2: /)
      yield* advance(15_000)
      cluster.append(topic, [{ key: "d", value: "1" }], 1)
      yield* advance(1_000)
      assert.lengthOf(told(), 3)
    }).pipe(capturing(lines))
  })
})

describe("a leader that goes on saying that its log is another one", () => {
  const diverging = (detail: unknown) =>
    fetched(detail, { highWatermark: 3, lastStableOffset: 3, logStartOffset: 0, diverging: { epoch: 0, endOffset: 0 } })
  const outOfRange = (detail: unknown) => refused(detail, 1)
  for (const [name, answer, start] of [
    ["that it diverged", diverging, false],
    ["that it begins later each time", outOfRange, true]
  ] as const) {
    it.effect(`${name}: asked with longer and longer waits, and told at a rate`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const cluster = withTopic()
        cluster.append(topic, [{ key: "a", value: "1" }])
        const table = yield* open(cluster)
        let offset = 0
        cluster.before = (request, _, detail) =>
          request === "Fetch"
            ? answer(detail)
            : request === "ListOffsets" && start
              ? Effect.sync((): KafkaProtocol.ListOffsetsResponse => ({
                  partitions: [
                    {
                      topic: { name: topic, id: undefined },
                      partition: 0,
                      errorCode: 0,
                      offset: ++offset,
                      leaderEpoch: 0
                    }
                  ]
                }))
              : undefined
        cluster.append(topic, [{ key: "b", value: "1" }])
        const before = cluster.requests.length
        for (let i = 0; i < 90; i++) yield* advance(100)
        // a wait of 100 ms at most each, as this client has it
        assert.isAtMost(cluster.requests.length - before, 5 * 100)
        assert.strictEqual(lines.filter((line) => line.startsWith("Log truncated")).length, 1)
        for (let i = 0; i < 20; i++) yield* advance(100)
        const told = lines.filter((line) => line.startsWith("Log truncated"))
        assert.lengthOf(told, 2)
        assert.match(told[1], / \(and [1-9]\d* times more since that was told\)$/)
        assert.isTrue(yield* table.has("a"))
      }).pipe(capturing(lines))
    })
  }
})

describe("a broker that tells this client to wait", () => {
  /** All fetches are answered with nothing, and so many milliseconds. */
  const throttling = (millis: number) => (request: string) =>
    request === "Fetch"
      ? Effect.succeed<KafkaProtocol.FetchResponse>({ errorCode: 0, throttleMillis: millis, partitions: [] })
      : undefined

  it.effect("long: not connected, until when, told once an episode, and over with the next answer", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* advance(1_000)
      cluster.before = throttling(20_000)
      yield* advance(1_000)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const first = yield* table.freshness
      assert.deepInclude(first, { connected: false, heldUpBy: [{ reason: "Throttled", partitions: [0] }] })
      assert.isAtLeast(first.throttledUntil!, 20_000)
      assert.isAtMost(first.throttledUntil!, 22_000)
      assert.include(first.lastFailure?.message, "THROTTLING_QUOTA_EXCEEDED")
      const error = yield* awaiting(table, 0, 0)
      assert.deepStrictEqual(error.heldUpBy, [{ reason: "Throttled", partitions: [0] }])
      assert.match(error.message, /told this client to wait.*20000 ms/)
      yield* advance(40_000)
      const throttled = () => lines.filter((line) => line.startsWith("throttled: "))
      assert.lengthOf(throttled(), 1)
      assert.match(throttled()[0], /wait for 20000 ms/)
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("a"))
      yield* advance(1_000)
      assert.deepInclude(yield* table.freshness, {
        connected: true,
        throttledUntil: undefined,
        lastFailure: undefined,
        heldUpBy: []
      })
      // another episode
      cluster.before = throttling(5_000)
      yield* advance(3_000)
      assert.lengthOf(throttled(), 2)
    }).pipe(capturing(lines))
  })

  it.effect("short: nothing to tell", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* advance(1_000)
      const before = lines.length
      cluster.before = throttling(999)
      yield* advance(5_000)
      assert.deepInclude(yield* table.freshness, { connected: true, throttledUntil: undefined, lastFailure: undefined })
      assert.lengthOf(lines, before)
    }).pipe(capturing(lines))
  })

  it.effect("at the start: that is what its timeout says", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.before = throttling(3_600_000)
      const settings = { catchUpTimeout: 2_000, onCatchUpTimeout: "fail" } as const
      const error = failureOf(yield* acquiring(open(cluster, settings), 3_000))
      if (error._tag !== "KafkaWaitTimeoutError") return assert.fail(error.message)
      assert.deepStrictEqual(error.heldUpBy, [{ reason: "Throttled", partitions: [0] }])
      assert.include(error.message, "told to wait for 3600000 ms")
    })
  )

  it.effect("and loses its partitions meanwhile: they are read elsewhere, and it is over", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const table = yield* open(cluster, { metadataMaxAge: "1 second" })
      yield* advance(1_000)
      cluster.before = (request, node) => (node === 0 ? throttling(3_600_000)(request) : undefined)
      yield* advance(1_000)
      assert.isFalse((yield* table.freshness).connected)
      cluster.moveLeader(topic, 1)
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("a"))
      yield* advance(1_000)
      assert.deepInclude(yield* table.freshness, {
        connected: true,
        throttledUntil: undefined,
        lastFailure: undefined,
        heldUpBy: []
      })
    })
  )
})

describe("an outage that goes on", () => {
  const minute = 60_000
  const told = (lines: ReadonlyArray<string>, what: string) => lines.filter((line) => line.startsWith(what))

  /** A table whose requests are few, as an hour of the test's time has many. */
  const openPatiently = (cluster: FakeCluster, settings: KafkaTable.TableSettings = {}) =>
    Effect.flatMap(cluster.client, (client) =>
      Effect.provideService(
        KafkaTable.make<string, string>({
          topic,
          value: Codec.utf8,
          ensureTopic: false,
          fetch: { maxWait: "20 seconds" },
          ...settings
        }),
        KafkaClient.KafkaClient,
        { ...client, backoff: { initialMillis: 5_000, maxMillis: 20_000 } }
      )
    )

  it.effect("is told after 1, 2, 4 and 8 minutes, then every five; and once that it is over", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const failures = new Failures()
      yield* Effect.forkScoped(tellOfOutages(topic, failures))
      const minutes = (count: number) =>
        Effect.gen(function* () {
          const toldAt: Array<number> = []
          for (let passed = 1; passed <= count; passed++) {
            const before = lines.length
            yield* TestClock.adjust(minute)
            yield* settleBriefly
            if (lines.length > before) toldAt.push(passed)
          }
          return toldAt
        })
      assert.deepStrictEqual(yield* minutes(3), [])
      failures.set("a", connectionError("Closed"))
      yield* settleBriefly
      assert.deepStrictEqual(yield* minutes(24), [1, 2, 4, 8, 13, 18, 23])
      assert.match(lines[0], /^outage goes on, 60 s by now, .*Closed/)
      assert.match(lines[2], /^outage goes on, 240 s by now, .*Closed/)
      // another failure of the same outage: what stands now is told
      failures.set("b", connectionError("Timeout"))
      failures.delete("a")
      assert.deepStrictEqual(yield* minutes(5), [4])
      assert.match(lines[7], /Timeout/)
      failures.delete("b")
      yield* settleBriefly
      assert.deepStrictEqual(lines.slice(8), ["outage is over, it lasted 1740 s"])
      assert.deepStrictEqual(yield* minutes(20), [])
      // the next one begins anew
      failures.set("a", connectionError("Authentication"))
      yield* settleBriefly
      assert.deepStrictEqual(yield* minutes(3), [1, 2])
      assert.match(lines[9], /^still not allowed to read, 60 s by now: .*Authentication/)
    }).pipe(capturing(lines))
  })

  it.effect("of a table: told again, and over when it is read again; status and freshness stay right", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* openPatiently(cluster)
      yield* advance(600)
      cluster.before = () => Effect.fail(connectionError("Closed"))
      for (let i = 0; i < 5; i++) yield* advance(minute)
      assert.lengthOf(told(lines, "outage goes on"), 3)
      assert.lengthOf(told(lines, "lost broker"), 1)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      const { connected, lastFailure, staleMillis } = yield* table.freshness
      assert.deepStrictEqual([connected, lastFailure?.reason], [false, "Closed"])
      assert.isAtLeast(staleMillis!, 4 * minute)
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* until(() => told(lines, "outage is over").length > 0)
      yield* advance(5 * minute)
      assert.lengthOf(told(lines, "outage goes on"), 3)
      assert.isTrue(table.unsafeSnapshot().has("a"))
    }).pipe(capturing(lines))
  })

  it.effect("a short one is told by its own lines only", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      yield* openPatiently(cluster)
      yield* advance(600)
      for (let i = 0; i < 3; i++) {
        cluster.before = () => Effect.fail(connectionError("Closed"))
        yield* advance(30_000)
        cluster.before = () => undefined
        yield* advance(20_000)
        yield* advance(20_000)
      }
      assert.deepStrictEqual(told(lines, "outage"), [])
      assert.lengthOf(told(lines, "lost broker"), 3)
    }).pipe(capturing(lines))
  })

  it.effect("a broker that takes each connection and closes it is told of at a rate, with a count", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      let fetches = 0
      cluster.before = (request) =>
        request === "Fetch" && fetches++ % 2 === 0 ? Effect.fail(connectionError("Closed")) : undefined
      for (let i = 0; i < 150; i++) {
        cluster.append(topic, [{ key: "a", value: String(i) }])
        yield* advance(200)
      }
      const { reconnects } = yield* table.stats
      assert.isAtLeast(reconnects, 20)
      for (const kind of ["lost broker", "reading on"]) {
        const told = lines.filter((line) => line.includes(kind))
        assert.isAtLeast(told.length, 2)
        assert.isAtMost(told.length, 4)
        const counted = told.reduce((sum, line) => sum + 1 + Number(/\(and (\d+) times more/.exec(line)?.[1] ?? 0), 0)
        assert.isAbove(counted, told.length)
        assert.isAtMost(counted, reconnects + 1)
      }
    }).pipe(capturing(lines))
  })

  it.effect("rights that stay missing: told again, as an error", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* openPatiently(cluster)
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? refused(detail, TOPIC_AUTHORIZATION_FAILED) : undefined
      yield* advance(21_000)
      assert.lengthOf(told(lines, "not allowed to read"), 1)
      for (let i = 0; i < 5; i++) yield* advance(minute)
      const again = told(lines, "still not allowed to read")
      assert.lengthOf(again, 3)
      for (const line of again) assert.include(line, "TOPIC_AUTHORIZATION_FAILED")
      const status = yield* SubscriptionRef.get(table.status)
      assert.isTrue(status._tag === "Failed" && status.healing)
    }).pipe(capturing(lines))
  })

  for (const ensureTopic of [true, false]) {
    it.effect(`no broker since the start, ensureTopic ${ensureTopic}: told again after the degradation`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const cluster = withTopic()
        cluster.before = () => Effect.fail(connectionError("Unreachable"))
        const exit = yield* acquiring(openPatiently(cluster, { ensureTopic, catchUpTimeout: "5 seconds" }), 6_000)
        assert.isTrue(Exit.isSuccess(exit))
        for (let i = 0; i < 5; i++) yield* advance(minute)
        assert.lengthOf(told(lines, "outage goes on"), 3)
        for (const line of told(lines, "outage goes on")) assert.include(line, "Unreachable")
      }).pipe(capturing(lines))
    })
  }

  it.effect("a partition without a leader: told again, though its brokers answer", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      yield* openPatiently(cluster)
      yield* advance(1_000)
      cluster.cluster.stopNode(1, 0)
      for (let i = 0; i < 3; i++) yield* advance(minute)
      const again = told(lines, "outage goes on")
      assert.lengthOf(again, 2)
      for (const line of again) assert.match(line, /partition 1.*no leader/)
    }).pipe(capturing(lines))
  })
})

import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Schedule, Schema, Scope, Stream, SubscriptionRef } from "effect"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { failureOf } from "../support/exits.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, Position, type KafkaError, type KafkaProtocol } from "../../src/index.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { connectionError, FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { stopwatch } from "../support/ownTime.ts"
import { acquiring, advance, capturing, on, open, refused, settle, topic, until, withTopic } from "./support.ts"

describe("acquiring", () => {
  it.effect("replays the topic: last write wins, tombstones delete, empty values are data", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      // a compacted topic takes no record without a key
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      cluster.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "1" }
      ])
      cluster.append(topic, [
        { key: "a", value: "2" },
        { key: "b", value: null },
        { key: "c", value: "" },
        { key: null, value: "no key" },
        { key: "d", value: null }
      ])
      const table = yield* open(cluster)
      assert.deepStrictEqual(
        [...(yield* table.snapshot)],
        [
          ["a", "2"],
          ["c", ""]
        ]
      )
      assert.deepStrictEqual([yield* table.keys, yield* table.values, yield* table.size], [["a", "c"], ["2", ""], 2])
      assert.deepStrictEqual(
        (yield* table.entries).map(({ key, offset, value }) => [key, offset, value]),
        [
          ["a", 2, "2"],
          ["c", 4, ""]
        ]
      )
      const stats = yield* table.stats
      assert.strictEqual(stats.applied, 4)
      assert.strictEqual(stats.tombstones, 2)
      assert.strictEqual(stats.keyless, 1)
      assert.strictEqual(stats.replayed, 6)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      assert.deepStrictEqual(yield* table.get("b"), Option.none())
      assert.isTrue(yield* table.has("c"))
      const entry = Option.getOrThrow(yield* table.entry("a"))
      assert.deepStrictEqual([entry.partition, entry.offset, entry.value], [0, 2, "2"])
    })
  )

  it.effect("a topic of twenty thousand partitions costs each of them once, not once for each of the others", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const { id } = cluster.topic(topic)
      cluster.before = (request, _, detail) => {
        if (request === "Metadata") {
          return Effect.sync((): KafkaProtocol.MetadataResponse => ({
            brokers: [cluster.cluster.brokerOf(0)],
            controllerId: 0,
            topics: [
              {
                errorCode: 0,
                name: topic,
                id,
                partitions: Array.from({ length: 20_000 }, (_, partition) => ({
                  errorCode: 0,
                  partition,
                  leader: 0,
                  leaderEpoch: 0
                }))
              }
            ]
          }))
        }
        if (request !== "ListOffsets") return request === "Fetch" ? Effect.never : undefined
        const { partitions } = detail as KafkaProtocol.ListOffsetsRequest
        return Effect.sync((): KafkaProtocol.ListOffsetsResponse => ({
          partitions: partitions.map(({ partition, topic }) => ({
            topic,
            partition,
            errorCode: 0,
            offset: 0,
            leaderEpoch: 0
          }))
        }))
      }
      const elapsed = stopwatch()
      const table = yield* open(cluster)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      assert.lengthOf((yield* table.stats).partitions, 20_000)
      assert.isBelow(elapsed(), 10_000)
    })
  )

  it.effect("a tombstone of a key that is not there takes a row only where another partition may have the key", () =>
    Effect.gen(function* () {
      const rows = (partitions: number) =>
        Effect.gen(function* () {
          const cluster = withTopic(partitions)
          cluster.append(topic, [
            { key: "a", value: "1" },
            { key: "b", value: null }
          ])
          return publicationOf(yield* open(cluster)).newest.length
        })
      assert.deepStrictEqual([yield* rows(1), yield* rows(2)], [1, 2])
    })
  )

  it.effect("an empty topic is caught up at once", () =>
    Effect.gen(function* () {
      const table = yield* open(withTopic(3))
      assert.strictEqual(yield* table.size, 0)
    })
  )

  it.effect("names every invalid option at once, and sends nothing", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const exit = yield* Effect.exit(
        KafkaTable.make<string, string>({
          topic: " ",
          value: Codec.utf8,
          catchUpTimeout: 0,
          waitTimeout: -5,
          fetch: { maxBytes: 0 }
        }).pipe(on(cluster))
      )
      const error = failureOf(exit)
      assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
      assert.sameMembers(
        (error as KafkaError.InvalidOptionsError).problems.map((p) => p.option),
        ["topic", "catchUpTimeout", "waitTimeout", "fetch.maxBytes"]
      )
      assert.strictEqual(cluster.requests.length, 0)
    })
  )

  it.effect("a topic that does not exist is an error that names it and hints at the rights", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      const error = failureOf(yield* acquiring(open(cluster), 10_000))
      assert.strictEqual(error._tag, "KafkaTopicError")
      assert.strictEqual(error.reason, "NotFound")
      assert.include(error.message, topic)
      assert.include(error.message, "ACL")
    })
  )

  it.effect("no broker: said at once, degraded at the timeout, and caught up once there is one", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.before = (request) => (request === "connect" ? Effect.fail(connectionError("Unreachable")) : undefined)
      const exit = yield* acquiring(open(cluster, { ensureTopic: true, catchUpTimeout: "5 seconds" }), 6_000)
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isFailure(exit)) return
      const table = exit.value
      const status = yield* SubscriptionRef.get(table.status)
      assert.strictEqual(status._tag, "Degraded")
      if (status._tag === "Degraded") assert.include(status.cause.message, "Unreachable")
      assert.strictEqual(yield* table.size, 0)
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().size === 1)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      const [first, second] = lines
      assert.match(first, /^cannot begin yet, tried again for 5000 ms: .*Unreachable/)
      assert.match(second, /^DEGRADED/)
    }).pipe(capturing(lines))
  })

  it.effect("no broker, onCatchUpTimeout fail: a typed error, on time, and nothing left open", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request) => (request === "Fetch" ? Effect.never : undefined)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const error = failureOf(
        yield* acquiring(Effect.scoped(open(cluster, { catchUpTimeout: 2_000, onCatchUpTimeout: "fail" })), 3_000)
      )
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.deepStrictEqual(error.behind, [{ partition: 0, position: 0, target: 1 }])
      }
      yield* settle
      assert.strictEqual(cluster.open, 0)
    })
  )

  for (const reason of ["Authentication", "Tls", "UnsupportedVersion"] as const) {
    it.effect(`${reason} fails the acquisition at once, without a retry storm`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        cluster.before = (request) => (request === "connect" ? Effect.fail(connectionError(reason)) : undefined)
        const error = failureOf(yield* acquiring(open(cluster), 1_000))
        assert.strictEqual(error.reason, reason)
        assert.isAtMost(cluster.requests.length, 2)
      })
    )
  }

  it.effect("a hanging transaction hangs nobody's start, and shows after its end", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const end = cluster.appendOpen(topic, [{ key: "b", value: "open" }])
      const table = yield* open(cluster)
      assert.deepStrictEqual(yield* table.keys, ["a"])
      const barrier = yield* Effect.forkChild(Effect.exit(table.barrier({ timeout: 1_000 })))
      yield* advance(1_000)
      const error = failureOf(yield* Fiber.join(barrier))
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      assert.include(error.message, "open transaction")
      end("commit")
      yield* until(() => table.unsafeSnapshot().has("b"))
    })
  )
})

describe("following", () => {
  it.effect("changes are delivered with previous values, snapshots stay what they were", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      const before = yield* table.snapshot
      const { changes, snapshot } = yield* table.subscribe()
      assert.strictEqual(snapshot, before)
      const seen = yield* Effect.forkChild(changes.pipe(Stream.take(3), Stream.runCollect))
      cluster.append(topic, [{ key: "a", value: "2" }])
      yield* settle
      cluster.append(topic, [
        { key: "b", value: "1" },
        { key: "a", value: null }
      ])
      const list = Array.from(yield* Fiber.join(seen))
      assert.deepStrictEqual(
        list.map((c) => [c._tag, c.key, c._tag === "Upsert" ? c.value : undefined, c.previous, c.offset, c.replayed]),
        [
          ["Upsert", "a", "2", Option.some("1"), 1, false],
          ["Upsert", "b", "1", Option.none(), 2, false],
          ["Delete", "a", undefined, Option.some("2"), 3, false]
        ]
      )
      assert.deepStrictEqual([...before], [["a", "1"]])
    })
  )

  it.effect("watch: the value now, then each change of that key", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      const seen: Array<Option.Option<string>> = []
      const watching = yield* Effect.forkChild(
        table.watch("a").pipe(
          Stream.take(3),
          Stream.runForEach((v) => Effect.sync(() => seen.push(v)))
        )
      )
      yield* settle
      cluster.append(topic, [{ key: "b", value: "x" }])
      yield* settle
      cluster.append(topic, [{ key: "a", value: null }])
      yield* settle
      cluster.append(topic, [{ key: "a", value: "2" }])
      yield* Fiber.join(watching)
      assert.deepStrictEqual(seen, [Option.some("1"), Option.none(), Option.some("2")])
    })
  )

  it.effect("ref: one publication a batch; setting it does not reach the table", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const sizes: Array<number> = []
      yield* Effect.forkChild(
        SubscriptionRef.changes(table.ref).pipe(Stream.runForEach((s) => Effect.sync(() => sizes.push(s.size))))
      )
      yield* settle
      cluster.append(
        topic,
        Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: "v" }))
      )
      yield* until(() => sizes.at(-1) === 100)
      assert.deepStrictEqual(sizes, [0, 100])
      const empty = sizes.length
      const old = yield* SubscriptionRef.get(table.ref)
      cluster.append(topic, [{ key: "k0", value: null }])
      yield* until(() => sizes.length > empty)
      yield* SubscriptionRef.set(table.ref, old)
      assert.strictEqual(yield* table.size, 99)
      cluster.append(topic, [{ key: "k1", value: null }])
      yield* until(() => table.unsafeSnapshot().size === 98)
      assert.strictEqual((yield* SubscriptionRef.get(table.ref)).size, 98)
    })
  )

  it.effect("awaitPosition and barrier see writes, wake at once, and refuse a position of another topic", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* open(cluster)
      const offset = cluster.append(topic, [{ key: "a", value: "1" }], 1)
      yield* table.awaitPosition(Position.make({ topic, partition: 1, offset }))
      assert.isTrue(table.unsafeSnapshot().has("a"))
      cluster.append(topic, [{ key: "b", value: "1" }], 0)
      yield* table.barrier()
      assert.isTrue(table.unsafeSnapshot().has("b"))
      const error = yield* Effect.flip(table.awaitPosition(Position.make({ topic: "other", partition: 0, offset: 0 })))
      assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
    })
  )

  it.effect("partitions that are added are read from their beginning, and barrier includes them at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1)
      const table = yield* open(cluster)
      cluster.addPartition(topic)
      cluster.append(topic, [{ key: "new", value: "1" }], 1)
      const barrier = yield* Effect.forkChild(table.barrier())
      yield* until(() => table.unsafeSnapshot().has("new"))
      yield* Fiber.join(barrier)
    })
  )

  it.effect("a key in two partitions: the newest by timestamp wins, in whatever order they are read", () =>
    Effect.gen(function* () {
      for (const [first, second] of [
        [0, 1],
        [1, 0]
      ]) {
        const cluster = withTopic(2)
        cluster.append(topic, [{ key: "k", value: `p${first}`, timestamp: first === 0 ? 10 : 20 }], first)
        cluster.append(topic, [{ key: "k", value: `p${second}`, timestamp: second === 0 ? 10 : 20 }], second)
        cluster.append(topic, [{ key: "gone", value: "old", timestamp: 5 }], first)
        cluster.append(topic, [{ key: "gone", value: null, timestamp: 6 }], second)
        const table = yield* open(cluster)
        assert.deepStrictEqual([...(yield* table.snapshot)], [["k", "p1"]])
        assert.strictEqual((yield* table.stats).contestedKeys, 2)
      }
    })
  )
})

describe("poison", () => {
  const Flag = Schema.Struct({ on: Schema.Boolean })

  it.effect("is skipped, counted and reported with its ParseError; the key keeps its prior value", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: `{"on":true}` }])
      const table = yield* KafkaTable.make<string, typeof Flag.Type>({
        topic,
        value: Codec.json(Flag),
        ensureTopic: false
      }).pipe(on(cluster))
      const poison = yield* Effect.forkChild(table.poison.pipe(Stream.take(2), Stream.runCollect))
      yield* settle
      cluster.append(topic, [
        { key: "a", value: "not json" },
        { key: "b", value: `{"on":"yes"}` },
        { key: "c", value: `{"on":false}` }
      ])
      const [first, second] = Array.from(yield* Fiber.join(poison))
      assert.deepStrictEqual(
        [first.offset, first.reason, Buffer.from(first.value!).toString()],
        [1, "Value", "not json"]
      )
      assert.isTrue(isSchemaError(second.cause))
      yield* settle
      assert.deepStrictEqual(
        [...(yield* table.snapshot)],
        [
          ["a", { on: true }],
          ["c", { on: false }]
        ]
      )
      assert.strictEqual((yield* table.stats).valueErrors, 2)
    })
  )

  it.effect("with onPoison fail the reader ends, the content stays, failure and waiters fail", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: `{"on":true}` }])
      const table = yield* KafkaTable.make<string, typeof Flag.Type>({
        topic,
        value: Codec.json(Flag),
        ensureTopic: false,
        onPoison: "fail"
      }).pipe(on(cluster))
      const waiting = yield* Effect.forkChild(
        Effect.flip(table.awaitPosition(Position.make({ topic, partition: 0, offset: 99 })))
      )
      yield* settle
      cluster.append(topic, [{ key: "a", value: "{" }])
      const failure = yield* Effect.flip(table.failure)
      assert.strictEqual(failure._tag, "KafkaPoisonRecordError")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "KafkaPoisonRecordError")
      assert.strictEqual(yield* table.size, 1)
      const status = yield* SubscriptionRef.get(table.status)
      assert.isTrue(status._tag === "Failed" && !status.healing)
    })
  )
})

describe("faults", () => {
  it.effect("a lost connection: content stays, freshness says so, reading resumes at the position", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      yield* advance(600)
      assert.isTrue((yield* table.freshness).connected)
      const cut = yield* Deferred.make<void>()
      cluster.before = () => Effect.andThen(Deferred.succeed(cut, void 0), Effect.fail(connectionError("Closed")))
      cluster.append(topic, [{ key: "b", value: "1" }])
      yield* advance(600)
      cluster.append(topic, [{ key: "c", value: "1" }])
      yield* advance(5_000)
      const freshness = yield* table.freshness
      assert.isFalse(freshness.connected)
      assert.isAbove(freshness.staleMillis!, 4_000)
      assert.strictEqual(freshness.lastFailure?.reason, "Closed")
      assert.isTrue(table.unsafeSnapshot().has("a"))
      // it is lost, and not back
      assert.strictEqual((yield* table.stats).reconnects, 0)
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("c"))
      assert.strictEqual((yield* table.stats).applied, 3)
      assert.strictEqual((yield* table.stats).reconnects, 1)
    })
  )

  it.effect("a leader that moves is followed", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      const table = yield* open(cluster)
      cluster.moveLeader(topic, 1)
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("a"))
    })
  )

  it.effect(
    "retention past the position: rebuilt beside the live content, reported, keys without a record disappear",
    () =>
      Effect.gen(function* () {
        const cluster = withTopic(2)
        cluster.append(topic, [{ key: "old", value: "1" }])
        cluster.append(topic, [{ key: "kept", value: "1" }])
        cluster.append(topic, [{ key: "other", value: "1" }], 1)
        const table = yield* open(cluster)
        const { changes } = yield* table.subscribe()
        const truncation = yield* Effect.forkChild(table.truncations.pipe(Stream.runHead))
        cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
        yield* advance(600)
        cluster.append(topic, [{ key: "lost", value: "1" }])
        cluster.append(topic, [{ key: "kept", value: "2" }])
        cluster.truncateHead(topic, 3)
        cluster.before = () => undefined
        yield* until(() => table.unsafeSnapshot().getOrUndefined("kept") === "2")
        assert.sameMembers([...(yield* table.keys)], ["kept", "other"])
        const error = Option.getOrThrow(yield* Fiber.join(truncation))
        assert.deepStrictEqual([error.reason, error.partition, error.from, error.to], ["Head", 0, 2, 3])
        const seen = Array.from(yield* changes.pipe(Stream.take(2), Stream.runCollect))
        assert.sameDeepMembers(
          seen.map((c) => [c._tag, c.key]),
          [
            ["Delete", "old"],
            ["Upsert", "kept"]
          ]
        )
        yield* table.barrier()
        assert.strictEqual((yield* table.stats).rebuilds, 1)
      })
  )

  it.effect("a log shorter than the position is data loss: reported and rebuilt", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "b", value: "1" }])
      const table = yield* open(cluster)
      const truncation = yield* Effect.forkChild(table.truncations.pipe(Stream.runHead))
      yield* settle
      cluster.truncateTail(topic, 1)
      yield* until(() => !table.unsafeSnapshot().has("b"))
      assert.strictEqual(Option.getOrThrow(yield* Fiber.join(truncation)).reason, "Tail")
      assert.deepStrictEqual(yield* table.keys, ["a"])
      yield* table.barrier()
    })
  )

  it.effect("a log that gets shorter than the target of the start: reported, and the target is taken anew", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (const key of ["a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
      let broken = true
      cluster.before = (request) => (request === "Fetch" && broken ? Effect.fail(connectionError("Closed")) : undefined)
      const opening = yield* Effect.forkChild(open(cluster, { catchUpTimeout: "1 second" }))
      yield* advance(2_000)
      const table = yield* Fiber.join(opening)
      const status = SubscriptionRef.get(table.status)
      assert.strictEqual((yield* status)._tag, "Degraded")
      const truncation = yield* Effect.forkChild(table.truncations.pipe(Stream.runHead))
      yield* settle
      cluster.truncateTail(topic, 2)
      broken = false
      for (let i = 0; i < 30 && (yield* status)._tag !== "CaughtUp"; i++) yield* advance(1_000)
      assert.strictEqual((yield* status)._tag, "CaughtUp")
      assert.deepInclude(Option.getOrThrow(yield* Fiber.join(truncation)), { reason: "Tail", from: 3, to: 2 })
      assert.deepStrictEqual(yield* table.keys, ["a", "b"])
    })
  )

  it.effect("a corrupt batch is fetched once more; then the reader fails typed, and nothing of it was shown", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      cluster.append(topic, [{ key: "b", value: "good" }])
      cluster.append(topic, [{ key: "c", value: "will be broken" }])
      const bytes = cluster.log(topic).batches[2].bytes
      bytes[bytes.length - 3] ^= 1
      const error = yield* Effect.race(
        Effect.flip(table.failure),
        Effect.andThen(
          until(() => false),
          Effect.never
        )
      )
      assert.strictEqual(error._tag, "KafkaCorruptBatchError")
      assert.strictEqual(error.reason, "Checksum")
      assert.isFalse(table.unsafeSnapshot().has("c"))
      assert.isTrue(table.unsafeSnapshot().has("b"))
      // What was read stays read: only another life of the topic gives these offsets out once more.
      assert.strictEqual((yield* table.stats).partitions[0].position, 2)
    })
  )

  it.effect("bytes that were corrupt once are read at the second attempt", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const { bytes } = cluster.log(topic).batches[0]
      // a byte of the value: nothing but the checksum tells
      bytes[bytes.length - 2] ^= 1
      cluster.before = (request) => {
        // a fresh connection is asked for
        if (request === "connect") bytes[bytes.length - 2] ^= 1
        return undefined
      }
      const seen: Array<string | undefined> = []
      yield* Effect.forkChild(
        Stream.runForEach(table.changes, (change) =>
          Effect.sync(() => seen.push(change._tag === "Upsert" ? change.value : undefined))
        )
      )
      yield* until(() => table.unsafeSnapshot().has("a"))
      yield* settle
      assert.deepStrictEqual(seen, ["1"])
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "1")
    })
  )

  it.effect("topic deleted: typed, frozen, never created again", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      cluster.deleteTopic(topic)
      const failing = yield* Effect.forkChild(Effect.flip(table.failure))
      yield* until(() => hasEnded(failing))
      const error = yield* Fiber.join(failing)
      assert.strictEqual(error.reason, "Deleted")
      assert.strictEqual(yield* table.size, 1)
      assert.isFalse(cluster.topics.has(topic))
      const status = yield* SubscriptionRef.get(table.status)
      assert.strictEqual(status._tag, "Failed")
      // offsets of what is gone are no positions
      const [partition] = (yield* table.stats).partitions
      assert.deepInclude(partition, { partition: 0, position: 0, lag: undefined, connected: false })
    })
  )

  it.effect("topic re-created: typed with both ids, rows of two lives are never mixed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const first = cluster.topic(topic).id
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster)
      const second = cluster.createTopic(topic).id
      cluster.append(topic, [
        { key: "x", value: "second life" },
        { key: "y", value: "second life" }
      ])
      const failing = yield* Effect.forkChild(Effect.flip(table.failure))
      yield* until(() => hasEnded(failing))
      const error = yield* Fiber.join(failing)
      assert.strictEqual(error._tag, "KafkaTopicError")
      if (error._tag === "KafkaTopicError") {
        assert.deepStrictEqual([error.reason, error.expected, error.actual], ["Recreated", first, second])
      }
      assert.deepStrictEqual(yield* table.keys, ["a"])
    })
  )

  it.effect("with a restart policy the new life replaces the old one at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "b", value: "1" }], 1)
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second") })
      const seen: Array<ReadonlyArray<string>> = []
      yield* Effect.forkChild(
        SubscriptionRef.changes(table.ref).pipe(
          Stream.runForEach((s) => Effect.sync(() => seen.push([...s.keys()].sort())))
        )
      )
      yield* settle
      cluster.createTopic(topic, 1)
      cluster.append(topic, [{ key: "b", value: "2" }])
      cluster.append(topic, [{ key: "c", value: "2" }])
      yield* until(() => table.unsafeSnapshot().has("c"))
      assert.deepStrictEqual(seen, [
        ["a", "b"],
        ["b", "c"]
      ])
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      yield* table.barrier()
    })
  )

  it.effect("rights that are revoked: failed and healing, content readable, live again after the grant", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { deniedRetryInterval: "10 seconds" })
      let refusals = 0
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.suspend(() => {
              refusals++
              return refused(detail, 29)
            })
          : undefined
      yield* until(() => refusals > 0)
      const status = yield* SubscriptionRef.get(table.status)
      assert.isTrue(status._tag === "Failed" && status.healing && status.error.reason === "Unauthorized")
      assert.strictEqual(yield* table.size, 1)
      yield* advance(25_000)
      assert.isAtMost(refusals, 5)
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "b", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("b"))
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
    })
  )

  it.effect("an outage longer than tombstones last: replayed in full, deleted keys do not stay", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.alterConfigs(topic, { "delete.retention.ms": "5000" })
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.append(topic, [{ key: "b", value: "1" }])
      const table = yield* open(cluster)
      const contents: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) =>
          Effect.sync(() => contents.push([...snapshot.keys()].sort().join("")))
        )
      )
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
      // as it was, and as it is: not what came later without the deletion that came before
      assert.deepStrictEqual(contents, ["ab", "bc"])
      assert.sameMembers([...(yield* table.keys)], ["b", "c"])
      assert.strictEqual((yield* table.stats).rebuilds, 1)
    })
  )

  it.effect("a first replay longer than tombstones last: replayed once more before it counts as caught up", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.alterConfigs(topic, { "delete.retention.ms": "5000" })
      for (const [key, value] of [
        ["a", "1"],
        ["b", "1"],
        ["a", null],
        ["c", "1"]
      ] as const) {
        cluster.append(topic, [{ key, value }])
      }
      let fetches = 0
      cluster.before = (request) =>
        request === "Fetch" && fetches++ > 0 ? Effect.fail(connectionError("Closed")) : undefined
      // one batch an answer
      const opening = yield* Effect.forkChild(
        Effect.map(open(cluster, { fetch: { maxBytes: 1, maxPartitionBytes: 1 } }), (table) => ({
          table,
          keys: [...table.unsafeSnapshot().keys()]
        }))
      )
      yield* advance(1_000)
      cluster.clean(topic, 0)
      yield* advance(10_000)
      cluster.clean(topic, 10_000)
      cluster.before = () => undefined
      yield* until(() => hasEnded(opening))
      const { keys, table } = yield* Fiber.join(opening)
      assert.sameMembers(keys, ["b", "c"])
      assert.strictEqual((yield* table.stats).rebuilds, 1)
    })
  )
})

describe("closing", () => {
  it.effect("closes every connection, fails who waits, ends the streams; the content stays readable", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(open(cluster), scope)
      const waiting = yield* Effect.forkChild(
        Effect.flip(table.awaitPosition(Position.make({ topic, partition: 0, offset: 9 })))
      )
      const changes = yield* Effect.forkChild(Stream.runCollect(table.changes))
      const poison = yield* Effect.forkChild(Stream.runCollect(table.poison))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "KafkaTableClosedError")
      assert.strictEqual((yield* Fiber.join(changes)).length, 0)
      assert.strictEqual((yield* Fiber.join(poison)).length, 0)
      assert.strictEqual(cluster.open, 0)
      assert.strictEqual(yield* table.size, 1)
      assert.strictEqual((yield* Effect.flip(table.barrier()))._tag, "KafkaTableClosedError")
    })
  )

  for (const request of ["connect", "Metadata", "ListOffsets", "Fetch"] as const) {
    it.effect(`while ${request} hangs`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        cluster.append(topic, [{ key: "a", value: "1" }])
        cluster.before = (r) => (r === request ? Effect.never : undefined)
        const fiber = yield* Effect.forkChild(Effect.scoped(open(cluster)))
        yield* settle
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(cluster.open, 0)
      })
    )
  }
})

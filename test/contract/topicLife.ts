import * as Exit from "effect/Exit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { whileInput } from "../support/effect/v4/schedules.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { LiveTable, Partitioner, Position } from "../../src/index.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { facts, collect, differences, eventually, fold, numbers, statusOf, sooner } from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { held } from "./clients.ts"
import { newName, openers, tableOn, type Kafka, type Suite } from "./suite.ts"

/** Other clients' producers create again what they wrote to once, where brokers let them, whenever they look around. */
const write = (kafka: Kafka, topic: string, ...keys: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flatMap(kafka.writer(topic), (writer) => writer.setMany(keys.map((key) => [key, "1"] as const))))

/** Runs a stream beside the test: what it gives, and how it ends. */
const followed = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const fiber = yield* Effect.forkScoped(Stream.runForEach(stream, (one) => Effect.sync(() => seen.push(one))))
    // it is subscribed once it ran
    yield* Effect.yieldNow
    return { seen: seen, fiber }
  })

const text = ({ key, value }: ReadRecord): string => `${key?.toString()}=${value?.toString()}`

export const topicLife = (test: Suite): void => {
  test("not there, and not to be created: a typed error with its name, and it stays missing", (kafka) =>
    Effect.forEach(
      openers(kafka),
      (open) =>
        Effect.gen(function* () {
          const missing = newName()
          const error = yield* Effect.flip(open(missing, { ensureTopic: false }))
          assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "NotFound" })
          assert.include(error.message, missing)
          assert.include(error.message, "ACL")
          assert.isUndefined(yield* kafka.describeTopic(missing))
        }),
      { concurrency: "unbounded" }
    ))

  test("deleted: typed, content frozen and readable, who waits wakes at once, never created again", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const id = yield* kafka.idOf(topic)
      yield* write(kafka, topic, "a")
      const table = yield* kafka.table(topic)
      const failure = yield* Effect.forkScoped(Effect.exit(table.failure))
      const never = Position.make({ topic, partition: 0, offset: 1_000 })
      const waiting = yield* Effect.forkScoped(Effect.exit(table.awaitPosition(never, { timeout: PATIENCE_MILLIS })))
      yield* kafka.deleteTopic(topic)
      const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
      const error = failureOf(yield* Fiber.join(failure))
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "Deleted", topic })
      if (!("topic ids" in kafka.lacks)) assert.deepInclude(facts(error), { expected: id })
      assert.isTrue(status._tag === "Failed" && status.error === error && !status.healing)
      for (const waited of [yield* Fiber.join(waiting), yield* Effect.exit(table.barrier())]) {
        assert.isTrue(failureOf(waited) === error)
      }
      assert.isTrue(failureOf(yield* Effect.exit(table.awaitCaughtUp())) === error)
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      assert.isUndefined(yield* kafka.describeTopic(topic))
    }))

  test("deleted under streams: each fails with the reader's error, after what came before; late ones at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* write(kafka, topic, "a")
      const table = yield* kafka.table(topic)
      const subscription = yield* table.subscribe({ strategy: LiveTable.backPressure(10) })
      // nobody takes from this one before the end
      const untaken = yield* table.subscribe()
      const all: ReadonlyArray<readonly [name: string, stream: Stream.Stream<string, LiveTable.TableFailure>]> = [
        ["changes", Stream.map(table.changes, ({ key }) => key)],
        ["changesWith", Stream.map(table.changesWith(LiveTable.sliding(5)), ({ key }) => key)],
        ["subscribe", Stream.map(subscription.changes, ({ key }) => key)],
        [
          "watch",
          Stream.map(
            table.watch("b"),
            Option.getOrElse(() => "none")
          )
        ],
        ["poison", Stream.map(table.poison, ({ message }) => message)],
        ["truncations", Stream.map(table.truncations, ({ message }) => message)]
      ]
      const running = yield* Effect.forEach(all, ([, stream]) => followed(stream))
      const [snapshots, statuses] = [
        yield* followed(Stream.map(SubscriptionRef.changes(table.ref), ({ size }) => size)),
        yield* followed(Stream.map(SubscriptionRef.changes(table.status), ({ _tag }) => _tag))
      ]
      yield* write(kafka, topic, "b")
      yield* eventually(table.size, (size) => size === 2)
      yield* kafka.deleteTopic(topic)
      const error = yield* Effect.flip(table.failure)
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "Deleted" })
      const seen = yield* Effect.forEach(running, ({ fiber, seen }) =>
        Effect.map(Fiber.await(fiber), (exit) => ({ seen, isToldWhy: failureOf(exit) === error }))
      )
      assert.deepStrictEqual(
        seen.map(({ isToldWhy, seen }, i) => [all[i][0], isToldWhy, seen]),
        [
          ["changes", true, ["b"]],
          ["changesWith", true, ["b"]],
          ["subscribe", true, ["b"]],
          ["watch", true, ["none", "1"]],
          ["poison", true, []],
          ["truncations", true, []]
        ]
      )
      yield* Fiber.join(snapshots.fiber)
      assert.deepStrictEqual(snapshots.seen, [1, 2])
      yield* Fiber.join(statuses.fiber)
      assert.strictEqual(statuses.seen.at(-1), "Failed")

      const late = yield* table.subscribe()
      assert.deepStrictEqual([...late.snapshot.keys()], ["a", "b"])
      for (const [stream, before] of [
        [Stream.map(untaken.changes, ({ key }) => key), ["b"]],
        [Stream.map(late.changes, ({ key }) => key), []],
        ...all.map(([name, stream]) => [stream, name === "watch" ? ["1"] : []] as const)
      ] as const) {
        const { fiber, seen } = yield* followed(stream)
        assert.isTrue(failureOf(yield* Fiber.await(fiber)) === error)
        assert.deepStrictEqual(seen, before)
      }
      assert.strictEqual((yield* table.stats).subscribers, 0)
      assert.deepStrictEqual([...(yield* Stream.runCollect(SubscriptionRef.changes(table.ref)))].length, 1)
    }))

  test("deleted under streams, with a restart policy: they go on, and fail when it gives up", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* write(kafka, topic, "a")
      let givesUp = false
      const table = yield* kafka.table(topic, {
        restart: whileInput(Schedule.spaced("200 millis"), () => !givesUp)
      })
      const changes = yield* followed(
        Stream.map(table.changes, ({ _tag, key }) => `${_tag === "Delete" ? "-" : "+"}${key}`)
      )
      const watched = yield* followed(Stream.map(table.watch("b"), Option.isSome))
      yield* kafka.deleteTopic(topic)
      yield* eventually(statusOf(table), (one) => one._tag === "Failed")
      assert.isFalse(hasEnded(changes.fiber))
      yield* kafka.createTopic(topic)
      yield* write(kafka, topic, "b")
      yield* eventually(
        Effect.sync(() => [...changes.seen]),
        (seen) => seen.includes("-a") && seen.includes("+b")
      )
      yield* eventually(statusOf(table), (one) => one._tag === "CaughtUp")
      assert.sameMembers([...changes.seen], ["-a", "+b"])
      assert.deepStrictEqual([hasEnded(changes.fiber), hasEnded(watched.fiber)], [false, false])
      givesUp = true
      yield* kafka.deleteTopic(topic)
      const error = yield* Effect.flip(table.failure)
      assert.strictEqual(error.reason, "Deleted")
      for (const { fiber } of [changes, watched]) assert.isTrue(failureOf(yield* Fiber.await(fiber)) === error)
      assert.deepStrictEqual(watched.seen, [false, true])
    }))

  test("re-created: typed with both ids; with a restart policy the new content replaces the old at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const before = yield* kafka.idOf(topic)
      yield* write(kafka, topic, ...numbers(50).map((i) => `old-${i}`))
      // they are not told of the topic before there is all of it: one that is missing for long counts as deleted
      const later = yield* held(yield* kafka.client, ["describeTopic"])
      yield* later.release
      const frozen = yield* tableOn(later.client, topic)
      const restarting = yield* tableOn(later.client, topic, {
        restart: Schedule.spaced("100 millis"),
        fetch: { maxPartitionBytes: 2_000, maxBytes: 2_000 }
      })
      const contents = yield* collect(
        Stream.map(SubscriptionRef.changes(restarting.ref), (snapshot) => {
          const old = [...snapshot.keys()].filter((key) => key.startsWith("old-")).length
          return `${old} + ${snapshot.size - old}`
        })
      )
      yield* later.hold
      yield* kafka.deleteTopic(topic)
      const after = yield* kafka.createTopic(topic)
      assert.notStrictEqual(after, before)
      // the old positions are inside of the new log
      yield* kafka.appendInBatches(
        topic,
        numbers(300).map((i) => ({ key: `new-${i}`, value: "x".repeat(50) })),
        10
      )
      yield* later.release
      const status = yield* eventually(statusOf(frozen), (one) => one._tag === "Failed")
      if (status._tag !== "Failed") return assert.fail(status._tag)
      assert.deepInclude(facts(status.error), {
        _tag: "KafkaTopicError",
        reason: "Recreated",
        expected: before,
        actual: after
      })
      assert.strictEqual(frozen.unsafeSnapshot().size, 50)
      assert.isTrue([...frozen.unsafeSnapshot().keys()].every((key) => key.startsWith("old-")))

      yield* eventually(restarting.size, (size) => size === 300)
      yield* eventually(statusOf(restarting), (one) => one._tag === "CaughtUp")
      yield* restarting.barrier()
      assert.deepStrictEqual(differences(restarting.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      yield* eventually(
        Effect.sync(() => contents.at(-1)),
        (last) => last === "0 + 300"
      )
      // none of the new ones or all of them, although they came in many answers
      assert.deepStrictEqual([...new Set(contents)], ["50 + 0", "0 + 300"])
    }))

  test("deleted, with a restart policy: the content stays until somebody creates the topic again", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* write(kafka, topic, "old")
      const client = yield* kafka.client
      let asked = 0
      const counting: typeof client = {
        ...client,
        describeTopic: (name) =>
          Effect.andThen(
            Effect.sync(() => asked++),
            client.describeTopic(name)
          )
      }
      const table = yield* tableOn(counting, topic, { restart: Schedule.spaced("200 millis") })
      yield* kafka.deleteTopic(topic)
      const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
      assert.isTrue(status._tag === "Failed" && status.healing)
      // it has started again, and looks for the topic
      const before = asked
      yield* eventually(
        Effect.sync(() => asked),
        (count) => count >= before + 3
      )
      assert.isUndefined(yield* kafka.describeTopic(topic))
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["old", "1"]])
      yield* kafka.createTopic(topic)
      yield* write(kafka, topic, "new")
      yield* eventually(table.keys, (keys) => keys.length === 1 && keys[0] === "new")
      yield* eventually(statusOf(table), (one) => one._tag === "CaughtUp")
      yield* table.barrier()
    }))

  test("deleted under a writer: typed, in time, and not created again", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const writer = yield* kafka.writer(topic)
      yield* writer.set("a", "1")
      yield* kafka.deleteTopic(topic)
      const passed = stopwatch()
      const error = yield* Effect.flip(writer.set("a", "2"))
      assert.deepInclude(facts(error), { _tag: "KafkaWriteError", reason: "TopicNotFound", topic })
      assert.isBelow(passed(), 6_000)
      assert.isUndefined(yield* kafka.describeTopic(topic))
    }))

  for (const [before, after] of [
    [3, 1],
    [2, 2],
    [1, 3]
  ]) {
    test(`re-created under a writer, with ${after} partitions instead of ${before}: it goes on, and says what is gone`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic({ partitions: before })
        const writer = yield* kafka.writer(topic, { metadataMaxAge: "500 millis" })
        const keys = numbers(30).map((i) => `k${i}`)
        // sequences of all partitions are above 0
        for (const value of ["1", "2"]) yield* writer.setMany(keys.map((key) => [key, value] as const))
        yield* kafka.deleteTopic(topic)
        yield* kafka.createTopic(topic, { partitions: after })
        // the writer knows nothing of it yet: what is under way to a partition that is gone may be told so, nothing is lost
        const exits = yield* Effect.forEach(keys, (key) => Effect.exit(writer.set(key, "3")), {
          concurrency: "unbounded"
        })
        const log = yield* kafka.log(topic)
        const expectedLog: Array<string> = []
        for (const [i, exit] of exits.entries()) {
          if (Exit.isFailure(exit)) {
            const { cause, partition, reason } = failureOf(exit)
            assert.deepInclude(facts(cause as object), { _tag: "KafkaTopicError", reason: "Recreated" })
            assert.deepStrictEqual([reason, (partition ?? 0) >= after], ["InvalidPartition", true])
          } else {
            const { offset, partition } = exit.value
            const found = log.filter((record) => record.partition === partition && record.offset === offset)
            assert.deepStrictEqual(found.map(text), [`${keys[i]}=3`])
            expectedLog.push(`${keys[i]}=3`)
          }
        }
        assert.deepStrictEqual(log.map(text).sort(), expectedLog.sort())
        assert.isAtLeast(expectedLog.length, after >= before ? keys.length : 1)
        const gone = Array.from({ length: Math.max(0, before - after) }, (_, i) => after + i)
        for (const partition of gone) {
          const error = yield* Effect.flip(writer.set("k0", "4", { partition }))
          assert.strictEqual(error.reason, "InvalidPartition")
          assert.deepInclude(facts(error.cause as object), { _tag: "KafkaTopicError", reason: "Recreated", topic })
          assert.include(error.message, `${partition}, of ${after} partitions`)
        }
        const expected = keys.map((key) => Partitioner.murmur2(Buffer.from(key), after))
        yield* sooner(writer.setMany(keys.map((key) => [key, "5"] as const)), (found) =>
          found.every(({ partition }, i) => partition === expected[i])
        )
      }))
  }
}

/** What a consumer tells of itself while something is wrong: at once, and until it is over. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { KafkaConsumer, KafkaError } from "../../src/index.ts"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { collect, numbers, recordLogs } from "../support/live.ts"
import { adjust, append, cluster, during, it, open, protocols, quiet, tagsOf, topic } from "./onEmbedded.ts"

for (const protocol of protocols) {
  describe(`heartbeats that fail: ${protocol}`, () => {
    it.effect("the first one shows in the health, and the first one that succeeds, too", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ groups: { heartbeatInterval: "3 seconds" } })
        const member = yield* open(kafka, "first", { protocol })
        yield* adjust("30 seconds")
        assert.deepInclude(yield* member.health, { _tag: "Steady" })
        const beats = { request: ["Heartbeat", "ConsumerGroupHeartbeat"], clientId: "first" } as const
        const over = yield* during(kafka.inject({ _tag: "Disconnect" }, beats))
        // The next one is due within its interval.
        yield* adjust("3 seconds")
        const health = yield* member.health
        assert.strictEqual(health._tag, "Unavailable")
        yield* over
        yield* adjust("4 seconds")
        assert.deepInclude(yield* member.health, { _tag: "Steady" })
        assert.deepStrictEqual(tagsOf(member), ["CoordinatorLost", "CoordinatorFound"])
      })
    )

    it.effect("for missing rights: told, tried again, and nothing ends while the session does not", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ groups: { heartbeatInterval: "3 seconds" } })
        const member = yield* open(kafka, "first", { protocol, deniedRetryInterval: 5_000 })
        yield* adjust("30 seconds")
        const beats = { request: ["Heartbeat", "ConsumerGroupHeartbeat"], clientId: "first" } as const
        const over = yield* during(kafka.inject({ _tag: "ErrorCode", code: 30 }, beats))
        yield* adjust("10 seconds")
        assert.strictEqual((yield* member.health)._tag, "Unavailable")
        yield* over
        yield* adjust("10 seconds")
        assert.deepInclude(yield* member.health, { _tag: "Steady" })
        assert.notInclude(tagsOf(member), "Lost")
      })
    )
  })
}

for (const protocol of protocols) {
  describe(`rights that are missing while heartbeats succeed: ${protocol}`, () => {
    it.effect("to commit: shows in the health until a commit succeeds", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const member = yield* open(kafka, "first", { protocol })
        yield* append(kafka, numbers(5))
        const over = yield* during(kafka.inject({ _tag: "ErrorCode", code: 29 }, { request: "OffsetCommit" }))
        const seen = yield* collect(Stream.map(SubscriptionRef.changes(member.consumer.health), ({ _tag }) => _tag))
        yield* adjust("1 minute")
        assert.deepStrictEqual(seen, ["Steady", "Unavailable"])
        yield* over
        yield* adjust("10 seconds")
        assert.deepStrictEqual(seen, ["Steady", "Unavailable", "Steady"])
      })
    )
  })
}

describe("a partition that has records, none of which come", () => {
  it.effect("is told as stalled after half a minute, is read anew, and all is done", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const kafka = yield* cluster()
      const member = yield* open(kafka, "first", { fetch: { maxWait: 1_000 } })
      yield* adjust("10 seconds")
      let opened = 0
      yield* kafka.intercept("ListOffsets", (_, answer) =>
        Effect.andThen(
          Effect.sync(() => void opened++),
          answer
        )
      )
      // The leader says that there is more, and gives nothing.
      const over = yield* during(
        kafka.intercept("Fetch", (_, answer) =>
          Effect.map(answer, (whole) => ({
            ...whole,
            partitions: whole.partitions.map((one) => ({ ...one, records: Buffer.alloc(0) }))
          }))
        )
      )
      // What was asked for before is answered as it was.
      yield* adjust("4 seconds")
      yield* append(kafka, numbers(5))
      yield* adjust("25 seconds")
      assert.deepInclude(yield* member.health, { _tag: "Steady" })
      assert.strictEqual(opened, 0)
      yield* adjust("15 seconds")
      assert.isAbove(opened, 0, "its log is opened anew")
      assert.deepStrictEqual(yield* member.health, { _tag: "Stalled", partitions: [{ topic, partition: 0 }] })
      assert.deepInclude(member.events, { _tag: "Stalled", topic, partition: 0 })
      assert.isTrue(
        lines.some((line) => line.includes("no record in 30000 ms from offset 0 on, and the log ends at 5"))
      )
      const stalled = (yield* allSeries).filter(
        ({ labels, name }) => name === "kafka_consumer_stalled_total" && labels.get("test") === "stalled"
      )
      assert.deepStrictEqual(
        stalled.map(({ labels, value }) => [labels.get("topic"), value]),
        [[topic, 1]]
      )
      yield* over
      yield* adjust("10 seconds")
      assert.deepStrictEqual(member.done, numbers(5).map(String))
      assert.deepInclude(yield* member.health, { _tag: "Steady" })
    }).pipe(recordLogs(lines), withLabel("test", "stalled"))
  })

  it.effect("is not, if that is as it should be: it is paused, or its records are all done", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const member = yield* open(kafka, "first")
      yield* append(kafka, numbers(5))
      yield* adjust("1 minute")
      yield* member.consumer.pause([{ topic, partition: 0 }])
      yield* append(kafka, numbers(5))
      yield* adjust("5 minutes")
      yield* quiet
      assert.deepStrictEqual(member.done.length, 5)
      assert.deepInclude(yield* member.health, { _tag: "Steady" })
      assert.deepStrictEqual(tagsOf(member), [])
    })
  )
})

describe("a topic that is deleted", () => {
  for (const protocol of protocols) {
    it.effect(`is told of, and is not created again; the others go on: ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: {}, other: {} } })
        const member = yield* open(kafka, "first", { protocol, subscribe: [topic, "other"] })
        yield* adjust("5 seconds")
        yield* kafka.deleteTopic(topic)
        yield* adjust("1 minute")
        assert.deepStrictEqual(tagsOf(member), ["TopicGone", "Revoked"])
        const [gone] = member.events.flatMap((one) => (one._tag === "TopicGone" ? [one.error] : []))
        assert.deepInclude({ reason: gone.reason, topic: gone.topic }, { reason: "Deleted", topic })
        assert.isFalse((yield* kafka.topics).has(topic))
        yield* append(kafka, ["a"], 0, "other")
        yield* adjust("1 second")
        assert.deepStrictEqual(member.done, ["a"])
        assert.deepInclude(yield* member.health, { _tag: "Steady" })
      })
    )
  }
})

describe("probes", () => {
  const error = new KafkaError.GroupError({ reason: "Fenced", group: "g" })
  for (const [health, isReady, isLive] of [
    [{ _tag: "Joining" }, false, true],
    [{ _tag: "Steady" }, true, true],
    [{ _tag: "Rebalancing" }, true, true],
    [{ _tag: "Unavailable", since: 0, error }, false, true],
    [{ _tag: "Stalled", partitions: [] }, false, true],
    [{ _tag: "Blocked", topic, partition: 0, offset: 0, since: 0 }, true, true],
    [{ _tag: "Stopping" }, false, true],
    [{ _tag: "Failed", error }, false, false]
  ] as ReadonlyArray<readonly [KafkaConsumer.Health, boolean, boolean]>) {
    it.effect(`${health._tag}: ${isReady ? "ready" : "not ready"}, ${isLive ? "live" : "not live"}`, () =>
      Effect.sync(() => {
        assert.strictEqual(KafkaConsumer.isReady(health), isReady)
        assert.strictEqual(KafkaConsumer.isLive(health), isLive)
      })
    )
  }
})

/** What a consumer tells of itself while something is wrong: at once, and until it is over. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { collect, numbers, recordLogs } from "../support/live.ts"
import { adjust, append, cluster, it, open, protocols, quiet, tagsOf, topic } from "./onEmbedded.ts"

/** Something that goes on until it is closed. */
const during = <A>(begin: Effect.Effect<A, never, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(begin, scope)
    return Scope.close(scope, Exit.void)
  })

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
      yield* adjust("2 seconds")
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

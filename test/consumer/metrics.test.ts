/** What the metrics of consumers tell, and that they tell nothing of who is not there any more. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { numbers } from "../support/live.ts"
import { adjust, append, cluster, group, it, open, protocols, topic } from "./onEmbedded.ts"

for (const protocol of protocols) {
  describe(`metrics of a consumer: ${protocol}`, () => {
    const label = `metrics, ${protocol}`

    const valuesOf = (name: string) =>
      Effect.map(allSeries, (all) =>
        all
          .filter((one) => one.name === name && one.labels.get("test") === label)
          .map(({ labels, value }) => [labels.get("topic") ?? labels.get("outcome") ?? labels.get("reason"), value])
      )

    it.effect("follow what it does", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({
          topics: { [topic]: { partitions: 2, configs: { "cleanup.policy": "delete" } } }
        })
        let commits = 0
        yield* kafka.intercept("OffsetCommit", (_, answer) =>
          Effect.andThen(
            Effect.sync(() => void commits++),
            answer
          )
        )
        const go = yield* Deferred.make<void>()
        for (const partition of [0, 1]) yield* append(kafka, numbers(5), partition)
        const work = ({ offset }: { readonly offset: number }) => (offset === 5 ? Deferred.await(go) : Effect.void)
        const member = yield* open(kafka, "first", { protocol }, { work, concurrency: 2 })
        yield* adjust("11 seconds")
        assert.isAbove(commits, 0)
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_records_total"), [[topic, 10]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_commits_total"), [["acknowledged", commits]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_partitions"), [[undefined, 2]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lag"), [[topic, 0]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_unfinished_millis"), [[undefined, 0]])

        for (const partition of [0, 1]) yield* append(kafka, numbers(3), partition)
        yield* adjust("21 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lag"), [[topic, 6]])
        const [[, millis]] = yield* valuesOf("kafka_consumer_unfinished_millis")
        assert.isAtLeast(Number(millis), 15_000)
        yield* Deferred.succeed(go, undefined)

        const refusing = yield* Scope.make()
        yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code: 29 }, { request: "OffsetCommit" }), refusing)
        yield* adjust("6 seconds")
        yield* Scope.close(refusing, Exit.void)
        const [, [outcome, refused]] = yield* valuesOf("kafka_consumer_commits_total")
        assert.strictEqual(outcome, "refused")
        assert.isAtLeast(Number(refused), 1)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lag"), [[topic, 0]])

        const other = yield* kafka.member(group, { topics: [topic], protocol })
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_partitions"), [[undefined, 1]])
        const [[, rebalances]] = yield* valuesOf("kafka_consumer_rebalances_total")
        assert.isAtLeast(Number(rebalances), 1)
        const [[, steady]] = yield* valuesOf("kafka_consumer_rebalance_millis")
        assert.isAtLeast(Number(steady), 1)
        yield* other.leave
        yield* adjust("20 seconds")
        // To be given more is a rebalance, too.
        const [[, after]] = yield* valuesOf("kafka_consumer_rebalances_total")
        assert.isAbove(Number(after), Number(rebalances))

        const [{ memberId }] = (yield* kafka.groups).get(group)!.members
        yield* kafka.kick(group, memberId)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lost_total"), [["Forgotten", 1]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_partitions"), [[undefined, 2]])

        // Another one in the same process, with the same labels: they add up.
        const hangs = yield* Deferred.make<void>()
        const hanging = yield* open(kafka, "second", { protocol }, { work: () => Deferred.await(hangs) })
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_partitions"), [[undefined, 2]])
        for (const partition of [0, 1]) yield* append(kafka, numbers(1), partition)
        yield* adjust("30 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lag"), [[topic, 1]])
        // The longest of all members, whoever has told last.
        for (let i = 0; i < 4; i++) {
          yield* adjust("2500 millis")
          const [[, unfinished]] = yield* valuesOf("kafka_consumer_unfinished_millis")
          assert.isAtLeast(Number(unfinished), 20_000)
        }
        yield* Deferred.succeed(hangs, undefined)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_unfinished_millis"), [[undefined, 0]])
        yield* hanging.close
        yield* member.close
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_partitions"), [[undefined, 0]])
        assert.deepStrictEqual(yield* valuesOf("kafka_consumer_lag"), [[topic, 0]])
      }).pipe(withLabel("test", label))
    )
  })
}

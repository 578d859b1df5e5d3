/** Topics that are deleted, created again, and grow. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { Partitioner } from "../../src/index.ts"
import { topicName } from "../kafka/realKafka.ts"
import { eventually, numbers } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { differences, lastWriteWins } from "./oracle.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"
import { watch, watchable } from "./views/watched.ts"
import { contentOf } from "./Witness.ts"

const MAX_AGE_MILLIS = 1_000

export const scenarios: ReadonlyArray<Scenario> = [
  Trial.alone("the topic is deleted", bothSides("deleted"), (lab) =>
    Effect.gen(function* () {
      const { java } = lab
      const topic = topicName()
      const id = yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      const table = yield* openTable(lab, "reader", topic, watchable)
      const views = yield* watch(lab, table)
      const writer = yield* openWriter(lab, "writer", topic)
      yield* table.awaitPosition(yield* writer.setMany(numbers(50).map((i) => [`k${i}`, "1"] as const)))
      const before = contentOf(table)
      const failed = yield* Effect.forkChild(Effect.exit(table.failure))
      yield* java.deleteTopic(topic)
      const [millis, unwritten] = yield* timed(Effect.flip(writer.set("k1", "2")))
      assert.strictEqual(unwritten.reason, "TopicNotFound")
      assert.isBelow(millis, 10_000)
      const error = failureOf(yield* Fiber.join(failed))
      assert.strictEqual(error._tag, "KafkaTopicError")
      if (error._tag === "KafkaTopicError") assert.deepStrictEqual([error.reason, error.expected], ["Deleted", id])
      assert.deepStrictEqual(contentOf(table), before)
      yield* views.haveEndedWith(error)
      // the broker would create it for whoever asks with permission to do so
      assert.notInclude(yield* java.listTopics, topic)
    })
  ),

  Trial.alone("the topic is deleted and created again", [["recreated", "table"]], (lab) =>
    Effect.gen(function* () {
      const { java } = lab
      const topic = topicName()
      const put = (life: string, count: number) =>
        java.produce(
          topic,
          numbers(count).map((i) => ({ key: `${life}-${i}`, value: "x".repeat(50) })),
          // many small batches
          { config: { "batch.size": "500", "client.id": life } }
        )
      const before = yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      yield* put("old", 200)
      const frozen = yield* openTable(lab, "frozen", topic)
      const restarting = yield* openTable(lab, "restarting", topic, {
        ...watchable,
        restart: Schedule.spaced("100 millis"),
        fetch: { maxPartitionBytes: 1_000, maxBytes: 2_000 }
      })
      const views = yield* watch(lab, restarting)
      const mixed: Array<string> = []
      const look = Effect.sync(() => {
        const keys = [...restarting.unsafeSnapshot().keys()]
        const old = keys.filter((key) => key.startsWith("old")).length
        if (old !== 0 && (old !== 200 || keys.length > old)) mixed.push(`${old} of ${keys.length}`)
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(2))))
      yield* java.deleteTopic(topic)
      const after = yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      // beyond the old positions
      yield* put("new", 1_000)

      const error = failureOf(yield* Effect.exit(frozen.failure))
      assert.strictEqual(error._tag, "KafkaTopicError")
      if (error._tag === "KafkaTopicError") {
        assert.deepStrictEqual([error.reason, error.expected, error.actual], ["Recreated", before, after])
      }
      assert.strictEqual(frozen.unsafeSnapshot().size, 200)
      yield* eventually(restarting.size, (size) => size === 1_000)
      yield* restarting.barrier()
      const right = lastWriteWins(yield* java.dump(topic, { committed: true }))
      assert.deepStrictEqual(differences(contentOf(restarting), right), [])
      assert.deepStrictEqual(mixed, [])
      yield* views.areRight
    })
  ),

  Trial.underLoad("partitions are added", bothSides("grown"), ({ java }) => ({
    table: { metadataMaxAge: MAX_AGE_MILLIS },
    writer: { metadataMaxAge: MAX_AGE_MILLIS },
    fault: ({ beside, busy, load, table, topic, writers }) =>
      Effect.gen(function* () {
        yield* java.createPartitions(topic, 7)
        for (const one of [beside.groups, beside.catalog]) yield* java.createPartitions(one, 3)
        yield* eventually(java.describeTopic(topic), ({ partitions }) => partitions.length === 7)
        const before = load.operations.length
        const isKnownTo = (name: string) =>
          load.operations
            .slice(before)
            .some(({ outcome, writer }) => writer === name && outcome?._tag === "Acknowledged" && outcome.partition > 3)
        const known = Effect.all([
          eventually(table.stats, ({ partitions }) => partitions.length === 7),
          eventually(
            Effect.sync(() => [...writers.keys()].filter((name) => !isKnownTo(name))),
            (others) => others.length === 0
          )
        ])
        const [millis] = yield* timed(known)
        // found by age, and not by luck; the machine may be busy
        assert.isBelow(millis, MAX_AGE_MILLIS + 5_000)
        const from = load.operations.length
        yield* busy()
        for (const { key, outcome } of load.operations.slice(from)) {
          if (outcome?._tag !== "Acknowledged") continue
          assert.strictEqual(outcome.partition, Partitioner.murmur2(Buffer.from(key), 7), key)
        }
      }),
    then: ({ table }) =>
      Effect.map(table.stats, ({ contestedKeys }) => {
        assert.isAbove(contestedKeys, 0)
      })
  }))
]

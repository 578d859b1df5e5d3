/**
 * Offsets that brokers forget after a minute, the shortest that they have, so that this is for long runs; the rest of the
 * promise is kept on the embedded Kafka, in test/consumer/offsets.test.ts.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { assert, describe } from "vitest"
import { Codec, KafkaConsumer } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, failOnProcessWarnings, leaveOut, recordLogs, shared, test } from "../support/live.ts"
import { isLongRun } from "../support/rounds.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const RETENTION_MILLIS = 60_000

/** How long after that brokers have certainly looked for what is too old. */
const LATER_MILLIS = 15_000

realKafka("offsets that are kept for a minute", { java: true }, () => {
  const name = "are there for as long as a group was in use within it, and gone after that, which is told"
  if (!isLongRun) return leaveOut(name, "it takes three minutes")

  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* KafkaCluster.make({
        config: { "offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "2000" }
      })
      return { brokers, java: yield* JavaClient.make(adminBrokers) }
    })
  )

  const inProtocol = (protocol: "classic" | "consumer") =>
    test(
      `${name}: ${protocol}`,
      () =>
        Effect.gen(function* () {
          const { brokers, java } = yield* kafka
          const [topic, group] = [topicName(), topicName("group")]
          yield* java.createTopic(topic, { partitions: 1 })
          const write = (value: string) => java.produce(topic, [{ key: "k", value, partition: 0 }])

          /** A member that lives until it has done so many records, and no less than a second. */
          const life = (count: number, lines: Array<string> = []) =>
            Effect.gen(function* () {
              const scope = yield* Scope.make()
              yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
              const done: Array<string> = []
              const consumer = yield* KafkaConsumer.make<string>({
                group,
                subscribe: topic,
                value: Codec.utf8,
                protocol
              }).pipe(withClient({ brokers }), Scope.provide(scope))
              yield* Effect.forkScoped(consumer.runForEach(({ value }) => Effect.sync(() => void done.push(value))))
              yield* Effect.sleep("1 second")
              yield* eventually(
                Effect.sync(() => done.length),
                (length) => length >= count
              )
              yield* Scope.close(scope, Exit.void)
              return done
            }).pipe(Effect.scoped, recordLogs(lines))

          yield* write("a")
          assert.deepStrictEqual(yield* life(1), ["a"])
          yield* Effect.sleep(RETENTION_MILLIS * 0.7)
          assert.deepStrictEqual(yield* life(0), [])
          // The last commit of a record is too old by now, and the group was in use since.
          yield* Effect.sleep(RETENTION_MILLIS * 0.3 + LATER_MILLIS)
          yield* write("b")
          assert.deepStrictEqual(yield* life(1), ["b"])
          yield* eventually(java.groupOffsets(group), (all) => all.length === 0, RETENTION_MILLIS + 2 * LATER_MILLIS)
          const lines: Array<string> = []
          assert.deepStrictEqual(yield* life(2, lines), ["a", "b"])
          assert.isTrue(lines.some((line) => line.includes("the group has no offset of 1 partitions")))
        }),
      400_000
    )

  describe.concurrent("in both protocols at once, as they wait for most of the time", () => {
    inProtocol("classic")
    inProtocol("consumer")
  })
})

/** Work on records that were lost, or are given up for too long, and that cannot be interrupted, or takes its time to end. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { adjust, group, it, quiet, topic } from "./onEmbedded.ts"

const SESSION = 6_000
const BEAT = 1_000

/** A cluster with records, and a consumer that works on them by `work`. */
const working = (
  partitions: number,
  concurrency: number,
  work: (record: KafkaConsumer.Committable<string, string>) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const kafka = yield* EmbeddedKafka.make({ topics: { [topic]: { partitions } } })
    for (let partition = 0; partition < partitions; partition++) {
      const records = Array.from({ length: 5 }, (_, i) => ({ key: `p${partition}`, value: `${i}` }))
      yield* kafka.append(topic, records, { partition })
    }
    const client = yield* kafka.client({ clientId: "ours" })
    const consumer = yield* KafkaConsumer.make<string>({
      group,
      subscribe: topic,
      value: Codec.utf8,
      assignor: "range",
      sessionTimeout: SESSION,
      heartbeatInterval: BEAT,
      revokeTimeout: 2_000
    }).pipe(Effect.provideService(KafkaClient.KafkaClient, client))
    yield* Effect.forkScoped(consumer.runForEach(work, { concurrency, by: ({ partition }) => partition }))
    yield* quiet
    return kafka
  })

/** Nothing that this consumer asks is answered. */
const cutOff = (kafka: EmbeddedKafka.EmbeddedKafka) => kafka.inject({ _tag: "Hang" }, { clientId: "ours" })

describe("work that is to end", () => {
  it.effect("ends at once in one lane, however long it takes in another", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const kafka = yield* working(2, 2, ({ offset, partition }) => {
        const wait = Effect.sleep("1 minute")
        return Effect.ensuring(
          partition === 0 ? Effect.uninterruptible(wait) : wait,
          Effect.sync(() => ended.push(`${partition}@${offset}`))
        )
      })
      yield* cutOff(kafka)
      yield* adjust(SESSION + BEAT)
      const endedAtOnce = [...ended]
      yield* adjust(60_000)
      assert.deepStrictEqual(endedAtOnce, ["1@0"])
    })
  )

  it.effect("and is to end for a second reason meanwhile: its lane goes on once, one record at a time", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      let [running, most] = [0, 0]
      const kafka = yield* working(1, 1, ({ offset }) =>
        Effect.suspend(() => {
          begun.push(offset)
          most = Math.max(most, ++running)
          const wait = Effect.sleep(offset === 0 && begun.length === 1 ? "30 seconds" : "1 second")
          return Effect.ensuring(
            Effect.uninterruptible(wait),
            Effect.sync(() => void running--)
          )
        })
      )
      const other = yield* kafka.member(group, { topics: [topic], assignor: "range" })
      yield* adjust(5_000)
      const cut = yield* Scope.make()
      yield* Scope.provide(cutOff(kafka), cut)
      yield* adjust(10_000)
      assert.deepStrictEqual(begun, [0], "it is given up, and then lost, and its work goes on")
      yield* Scope.close(cut, Exit.void)
      yield* other.leave
      yield* adjust(60_000)
      assert.deepStrictEqual(begun, [0, 0, 1, 2, 3, 4])
      assert.strictEqual(most, 1)
    })
  )
})

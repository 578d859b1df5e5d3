/** What throws or is interrupted in a fiber of a consumer: it ends the consumer, and never leaves it half alive. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer, type KafkaProtocol } from "../../src/index.ts"
import { facts } from "../support/live.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { it } from "../support/ManualClock.ts"
import { turns } from "../support/turns.ts"

const topic = "t"
const group = "g"

const quiet = turns(40)

const broken = { die: Effect.die(new Error("the driver broke")), interruption: Effect.interrupt } as const

/** A consumer of a client whose coordinator requests of one name end without an answer or an error. */
const consumerOf = (
  name: KafkaProtocol.ApiName,
  how: keyof typeof broken,
  protocol: "classic" | "consumer" = "classic"
) =>
  Effect.gen(function* () {
    const kafka = yield* EmbeddedKafka.make({ topics: { [topic]: {} } })
    yield* kafka.append(topic, [{ key: "k", value: "v" }])
    const client = yield* kafka.client()
    const driven: KafkaClient.KafkaClient = {
      ...client,
      coordinator: (key, type) =>
        Effect.map(client.coordinator(key, type), (coordinator) => ({
          ...coordinator,
          request: (asked, request) => (asked === name ? broken[how] : coordinator.request(asked, request))
        }))
    }
    return yield* KafkaConsumer.make<string>({ group, subscribe: topic, value: Codec.utf8, protocol }).pipe(
      Effect.provideService(KafkaClient.KafkaClient, driven)
    )
  })

describe("a consumer ends by itself", () => {
  for (const [name, how] of [
    ["Heartbeat", "die"],
    ["Heartbeat", "interruption"],
    ["OffsetCommit", "die"],
    ["OffsetFetch", "interruption"]
  ] as const) {
    it.effect(`${name}: ${how}`, () =>
      Effect.gen(function* () {
        const [made] = yield* Effect.all(
          [Effect.exit(consumerOf(name, how)), Effect.andThen(quiet, TestClock.adjust("31 seconds"))],
          { concurrency: "unbounded" }
        )
        // What is asked for before the consumer is acquired fails its acquisition.
        const error =
          made._tag === "Failure"
            ? yield* Effect.flip(made)
            : yield* Effect.flip(
                Effect.andThen(
                  Effect.forkChild(TestClock.adjust("31 seconds")),
                  made.value.runForEach(() => Effect.void)
                )
              )
        assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: "Defect", group })
        assert.include(error.message, how === "die" ? "the driver broke" : "interrupted")
        if (made._tag === "Success") {
          assert.strictEqual((yield* SubscriptionRef.get(made.value.health))._tag, "Failed")
        }
      }).pipe(Effect.scoped, withoutLogs)
    )
  }

  it.effect.each(["JoinGroup", "ConsumerGroupHeartbeat"] as const)("before it is a member: %s", (name) =>
    Effect.gen(function* () {
      const protocol = name === "JoinGroup" ? "classic" : "consumer"
      const error = yield* Effect.flip(consumerOf(name, "die", protocol))
      assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: "Defect" })
    }).pipe(Effect.scoped, withoutLogs)
  )
})

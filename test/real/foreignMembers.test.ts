/** Our members of real groups beside those of other clients: Java's KafkaConsumer, librdkafka, aiokafka. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaConsumer } from "../../src/index.ts"
import * as ForeignMembers from "../kafka/ForeignMembers.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, failOnProcessWarnings, numbers, shared, test } from "../support/live.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const PARTITIONS = 4
const RECORDS = 40

/** A member of a group, of whatever client. */
interface Member {
  readonly owned: Effect.Effect<ReadonlyArray<number> | undefined, unknown>
  readonly consumed: ReadonlyArray<string>
  readonly close: Effect.Effect<void, unknown>
}

type Begin = Effect.Effect<Member, unknown, Scope.Scope>

realKafka("groups with members of other clients", { java: true, python: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      const [java, ofJava, ofLibrdkafka, ofAiokafka] = yield* Effect.all(
        [
          JavaClient.make(adminBrokers),
          ForeignMembers.make("java", brokers),
          ForeignMembers.make("librdkafka", brokers),
          ForeignMembers.make("aiokafka", brokers)
        ],
        { concurrency: "unbounded" }
      )
      return { brokers, java, java_: ofJava, clients: { java: ofJava, librdkafka: ofLibrdkafka, aiokafka: ofAiokafka } }
    })
  )

  /** A member of ours. */
  const ours = (options: Partial<KafkaConsumer.ConsumerOptions<string, string>> & { readonly subscribe: string; readonly group: string }): Begin =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const consumed: Array<string> = []
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      yield* Effect.addFinalizer(() => close)
      const settings =
        options.protocol === "consumer" ? {} : { sessionTimeout: 6_000, heartbeatInterval: 200 }
      const consumer = yield* KafkaConsumer.make<string>({ value: Codec.utf8, ...settings, ...options }).pipe(
        withClient({ brokers }),
        Scope.provide(scope)
      )
      yield* Effect.forkIn(
        consumer.runForEach(({ value }) => Effect.sync(() => void consumed.push(value))),
        scope
      )
      return {
        owned: Effect.map(SubscriptionRef.get(consumer.assignment), (all) => all.map(({ partition }) => partition)),
        consumed,
        close
      }
    })
})

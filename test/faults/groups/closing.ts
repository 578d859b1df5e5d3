/** A member is closed, or interrupted while it joins, in every state of the network. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaConsumer } from "../../../src/index.ts"
import { topicName } from "../../kafka/realKafka.ts"
import { leftovers } from "../../support/leftovers.ts"
import { eventually, numbers } from "../../support/live.ts"
import { states } from "../closing.ts"
import { client, type Lab } from "../lab.ts"
import { CLOSE_LIMIT_MILLIS } from "../oracle.ts"
import type { Scenario } from "../rows.ts"
import { isWhole } from "../settings.ts"
import type { Protocol } from "./trial.ts"

/** Partitions of the topic. */
const PARTITIONS = 2

/** Both close in the same way, but for what is sent. */
const protocols: ReadonlyArray<Protocol> = isWhole ? ["classic", "consumer"] : ["classic"]

const nothing = { connections: 0, fibers: 0, timers: 0 }

const open = (lab: Lab, clientId: string, topic: string, protocol: Protocol) =>
  Effect.flatMap(client(lab, clientId), (own) =>
    KafkaConsumer.make<string>({
      group: topicName("group"),
      subscribe: topic,
      value: Codec.utf8,
      from: "earliest",
      protocol,
      stopTimeout: "2 seconds"
    }).pipe(Effect.provideService(KafkaClient.KafkaClient, own))
  )

export const scenario: Scenario = {
  name: "members are closed and interrupted, whatever the network does",
  covers: [["closed", "member"]],
  run: (lab) =>
    Effect.gen(function* () {
      const { java, proxies } = lab
      const connections = Effect.sync(() => proxies[0].open())
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: PARTITIONS })
      const records = numbers(400).map((i) => ({ key: `k${i}`, value: `${i}`, partition: i % PARTITIONS }))
      yield* java.produce(topic, records)
      for (const protocol of protocols) {
        for (const [state, begin] of Object.entries(states)) {
          const what = `${state}, ${protocol}`
          const outer = yield* Effect.scope
          const network = yield* Scope.fork(outer, outer.strategy)
          const closed = yield* leftovers(
            Effect.gen(function* () {
              const consumer = yield* open(lab, "member", topic, protocol)
              let done = 0
              const work = Effect.andThen(
                Effect.sleep(10),
                Effect.sync(() => void done++)
              )
              const working = yield* Effect.forkDetach(Effect.exit(consumer.runForEach(() => work)))
              yield* eventually(
                Effect.sync(() => done),
                (count) => count > 5
              )
              yield* Scope.provide(begin(proxies[0]), network)
              const committing = yield* Effect.forkDetach(Effect.exit(consumer.commit()))
              return yield* Effect.as(Effect.sleep("200 millis"), { committing, working })
            }),
            { connections }
          )
          if (Exit.isFailure(closed.exit)) return yield* Effect.failCause(closed.exit.cause)
          const { millisToClose, ...left } = closed.left
          assert.deepStrictEqual(left, nothing, `${what}, ${closed.told}`)
          assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS, what)
          const { committing, working } = closed.exit.value
          assert.deepStrictEqual(yield* Effect.flatten(Fiber.await(working)), Exit.void, what)
          // Whatever became of it, nobody waits for it any more.
          yield* Fiber.await(committing)

          const early = yield* leftovers(Effect.asVoid(open(lab, "early", topic, protocol)), {
            connections,
            interruptAfter: "150 millis"
          })
          const { millisToClose: millis, ...rest } = early.left
          assert.deepStrictEqual(rest, nothing, `${what}, joining, ${early.told}`)
          assert.isBelow(millis, CLOSE_LIMIT_MILLIS, `${what}, joining`)
          yield* Scope.close(network, Exit.void)
        }
      }
    })
}

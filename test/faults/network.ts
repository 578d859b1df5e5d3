/** The broker dies, freezes or is not there; the network in front of it does what it wants. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { topicName } from "../kafka/realKafka.ts"
import { eventually, statusOf } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"
import { saysThatItIsLost, staysCaughtUp } from "./expectations.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { Api } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  Trial.underLoad("the broker is killed, and started again", bothSides("crash"), ({ nodes: [node] }) => ({
    fault: (world) => node.kill.pipe(Effect.andThen(saysThatItIsLost(world)), Effect.andThen(node.start)),
    then: staysCaughtUp
  })),

  Trial.underLoad("the broker is restarted in good order", bothSides("crash"), ({ nodes: [node] }) => ({
    fault: () => node.restart,
    then: staysCaughtUp
  })),

  Trial.underLoad("connections are reset, again and again", bothSides("crash"), ({ proxies: [proxy] }) => ({
    fault: ({ random }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 12; i++) {
          yield* i % 3 === 0 ? proxy.cut() : proxy.reset()
          yield* Effect.sleep(random() * 300)
        }
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad("answers break off at some byte", bothSides("crash"), ({ proxies: [proxy] }) => ({
    fault: ({ random }) =>
      Effect.gen(function* () {
        for (const api of [Api.Fetch, Api.Produce, Api.Metadata, Api.Fetch, Api.Produce]) {
          const bytes = (length: number) => Math.floor(random() * length)
          const armed = yield* proxy.rule({ api, fate: { _tag: "Truncate", bytes }, times: 2 })
          // metadata is asked for when something has failed
          const failing =
            api === Api.Metadata ? Effect.andThen(proxy.reset(), Effect.sleep("200 millis")) : Effect.never
          yield* Effect.raceFirst(armed.happened, Effect.forever(failing))
          yield* Effect.sleep(random() * 200)
        }
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad(
    "the answer to a write is lost after the broker has appended it",
    [["crash", "writer"]],
    ({ proxies: [proxy] }) => ({
      fault: ({ busy }) =>
        Effect.gen(function* () {
          const swallowed = yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Swallow" }, clientId: "patient" })
          const cut = yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Cut" }, times: 6 })
          yield* swallowed.happened
          yield* eventually(Effect.sync(cut.hits), (hits) => hits === 6)
          yield* busy(50)
        }),
      // each was sent again, and told apart by its sequence
      then: ({ load }) =>
        Effect.sync(() => {
          const ends = load.operations.filter(({ writer }) => writer === "patient").map(({ outcome }) => outcome?._tag)
          assert.notInclude(ends, "Unknown")
          assert.notInclude(ends, "Failed")
        })
    })
  ),

  Trial.underLoad("the broker is frozen, and goes on", bothSides("frozen"), ({ nodes: [node] }) => ({
    fault: (world) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(node.stop, () => Effect.orDie(node.continue))
        const [millis] = yield* timed(saysThatItIsLost(world))
        assert.isBelow(millis, 8_000)
        yield* Effect.sleep("1500 millis")
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad("connections are half-open", bothSides("frozen"), ({ proxies: [proxy] }) => ({
    fault: (world) => Effect.andThen(proxy.halfOpen(), saysThatItIsLost(world)),
    then: staysCaughtUp
  })),

  Trial.alone("the network is slow: an answer takes longer than the timeout", [["throttled", "table"]], (lab) =>
    Effect.gen(function* () {
      const { java, proxies } = lab
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      yield* java.seed(topic, { count: 10_000, valueBytes: 200 })
      yield* proxies[0].throttle(500_000)
      // 2.4 MB, at once if they could
      const begin = performance.now()
      const table = yield* openTable(lab, "reader", topic, { onCatchUpTimeout: "fail" })
      assert.isAbove(performance.now() - begin, 4_000)
      assert.strictEqual(yield* table.size, 10_000)
      assert.strictEqual((yield* table.stats).reconnects, 0)
    })
  ),

  Trial.underLoad(
    "the network holds everything back, and delivers it late, old writes included",
    bothSides("frozen"),
    ({ proxies: [proxy] }) => ({
      fault: (world) =>
        Effect.gen(function* () {
          yield* proxy.stall()
          yield* saysThatItIsLost(world)
          // until the hasty writer has given up what it had sent, and new writes are on their way behind
          const isUnknown = () => world.load.operations.some(({ outcome }) => outcome?._tag === "Unknown")
          yield* eventually(Effect.sync(isUnknown), (unknown) => unknown)
          yield* Effect.sleep("500 millis")
        }),
      then: staysCaughtUp
    })
  ),

  ...(["refused", "silent"] as const).map((how): Scenario =>
    Trial.underLoad(`no broker at the start: ${how}`, bothSides("absent"), (lab) => ({
      fault: ({ open, topic }) =>
        Effect.gen(function* () {
          const [proxy] = lab.proxies
          yield* how === "refused" ? proxy.refuse : proxy.stall()
          const settings = { catchUpTimeout: "1500 millis" } as const
          const opening = Effect.all(
            [
              open("degraded", settings),
              Effect.exit(Effect.scoped(openTable(lab, "failed", topic, { ...settings, onCatchUpTimeout: "fail" }))),
              Effect.exit(Effect.scoped(openWriter(lab, "unwritten", topic, { deliveryTimeout: "1500 millis" })))
            ],
            { concurrency: "unbounded" }
          )
          const [millis, [degraded, failed, unwritten]] = yield* timed(opening)
          assert.isBelow(millis, 6_000)
          assert.strictEqual((yield* statusOf(degraded))._tag, "Degraded")
          const reason = how === "refused" ? "Unreachable" : "Timeout"
          const error = failureOf(failed)
          assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
          if (how === "refused" && error._tag === "KafkaWaitTimeoutError") {
            assert.strictEqual(error.cause?.reason, reason)
          }
          const refused = failureOf(unwritten)
          assert.deepStrictEqual([refused._tag, refused.reason], ["KafkaConnectionError", reason])
        }),
      then: (world) => staysCaughtUp(world)
    }))
  )
]

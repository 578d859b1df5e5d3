/** Closing, and interruption, at any time. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { Position } from "../../src/index.ts"
import { topicName } from "../kafka/realKafka.ts"
import { leftovers } from "../support/leftovers.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { CLOSE_LIMIT_MILLIS } from "./oracle.ts"
import type { Proxy } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"

const states: Readonly<Record<string, (proxy: Proxy) => Effect.Effect<void, never, Scope.Scope>>> = {
  up: () => Effect.void,
  slow: (proxy) => proxy.delay(100),
  silent: (proxy) => proxy.stall(),
  refused: (proxy) => proxy.refuse,
  "half-open": (proxy) => proxy.halfOpen()
}

export const scenario: Scenario = {
  name: "closed and interrupted, whatever the network does",
  covers: bothSides("closed"),
  run: (lab) =>
    Effect.gen(function* () {
      const { java, proxies } = lab
      const connections = Effect.sync(() => proxies[0].open())
      const nothing = { connections: 0, fibers: 0, timers: 0 }
      for (const [state, begin] of Object.entries(states)) {
        const topic = topicName()
        yield* java.createTopic(topic, { partitions: 2, configs: compacted })
        const outer = yield* Effect.scope
        const network = yield* Scope.fork(outer, outer.strategy)
        const closed = yield* leftovers(
          Effect.gen(function* () {
            const table = yield* openTable(lab, "reader", topic)
            const writer = yield* openWriter(lab, "writer", topic, { closeTimeout: "2 seconds" })
            yield* table.awaitPosition(yield* writer.set("a", "1"))
            yield* Scope.provide(begin(proxies[0]), network)
            const far = Position.make({ topic, partition: 0, offset: 1_000_000 })
            return yield* Effect.all({
              write: Effect.forkDetach(Effect.exit(writer.set("b", "1"))),
              wait: Effect.forkDetach(Effect.exit(table.awaitPosition(far)))
            }).pipe(Effect.tap(Effect.sleep("200 millis")))
          }),
          { connections }
        )
        if (Exit.isFailure(closed.exit)) return yield* Effect.failCause(closed.exit.cause)
        const { millisToClose, ...left } = closed.left
        assert.deepStrictEqual(left, nothing, state)
        assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS, state)
        const { wait, write } = closed.exit.value
        // not joined: that would make their scope, which is closed, the present one
        const waited = yield* Effect.flatten(Fiber.await(wait))
        assert.strictEqual(failureOf(waited)._tag, "KafkaTableClosedError", state)
        const written = yield* Effect.flatten(Fiber.await(write))
        if (state === "up" || state === "slow") assert.isTrue(Exit.isSuccess(written), state)
        // another connection may have got through in time
        else if (state !== "half-open" || Exit.isFailure(written)) {
          assert.include(["UnknownOutcome", "Closed"], failureOf(written).reason, state)
        }

        // and before it is there at all
        for (const open of [openTable, openWriter]) {
          const { left } = yield* leftovers(Effect.asVoid<unknown, unknown, Scope.Scope>(open(lab, "early", topic)), {
            connections,
            interruptAfter: "150 millis"
          })
          const { millisToClose, ...rest } = left
          assert.deepStrictEqual(rest, nothing, `${state}, acquiring`)
          assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS, `${state}, acquiring`)
        }
        yield* Scope.close(network, Exit.void)

        if (Exit.isSuccess(written)) {
          const found = (yield* java.dump(topic)).map(({ key }) => key?.toString())
          assert.include(found, "b", state)
        }
      }
    })
}

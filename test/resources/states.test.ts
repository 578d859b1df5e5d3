/**
 * A scope is closed, or a fiber interrupted, in whatever state a table or a writer is, and whether its broker runs or not:
 * soon over, and nothing is left on either end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import * as Lab from "../faults/lab.ts"
import { CLOSE_LIMIT_MILLIS } from "../faults/oracle.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { leftovers, sockets } from "../support/leftovers.ts"
import { eventually, shared, test } from "../support/live.ts"
import { tableStates, writerStates, type State } from "./states.ts"

const user = "alice"
const password = "secret"

const options: Lab.ClientOptions = {
  sasl: { mechanism: "SCRAM-SHA-256", username: user, password: Redacted.make(password) }
}

type Way = "closed" | "interrupted"

/** Of a way to end in a state; `frozen`: the broker's process stands still by then. */
const ended = (lab: Lab.Lab, topic: string, state: State, way: Way, frozen: boolean) =>
  Effect.gen(function* () {
    const {
      nodes: [node],
      proxies: [proxy]
    } = lab
    // what the network and the broker do goes on until all is over
    const around = yield* Effect.scope
    const hindered = yield* state.hinder(lab)
    const { exit, left } = yield* leftovers(
      Effect.gen(function* () {
        const own = yield* Effect.scope
        const use = Effect.flatMap(state.open(lab, topic, options), Scope.extend(around))
        if (way === "closed") yield* use
        else if (state.acquired) {
          const reached = yield* Effect.makeLatch()
          const whole = Effect.scoped(Effect.zipRight(Effect.zipRight(use, reached.open), Effect.never))
          const fiber = yield* Effect.forkIn(whole, own)
          yield* Effect.raceFirst(reached.await, Fiber.join(fiber))
        } else yield* Effect.forkIn(Effect.scoped(use), own)
        yield* hindered
        if (frozen) {
          yield* Scope.extend(
            Effect.acquireRelease(node.stop, () => Effect.orDie(node.continue)),
            around
          )
        }
      }),
      // what the proxy has open is what the broker's side of it sees
      { connections: Effect.sync(proxy.open) }
    )
    if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
    const { millisToClose, ...rest } = left
    assert.deepStrictEqual(rest, { connections: 0, fibers: 0, timers: 0 })
    assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS)
  }).pipe(
    Effect.scoped,
    // the sockets of both ends, of the proxy and its way to the broker too, are of this process
    Effect.zipLeft(eventually(Effect.sync(sockets), (count) => count === 0))
  )

realKafka("what is ended in whatever state leaves nothing", { java: true }, () => {
  const made = shared(
    Effect.gen(function* () {
      const lab = yield* Lab.make({ listener: "sasl_plaintext", users: { [user]: password } })
      const topic = topicName()
      yield* lab.java.createTopic(topic, { partitions: 2, configs: { "cleanup.policy": "compact" } })
      yield* lab.java.seed(topic, { count: 20_000, valueBytes: 100 })
      return { lab, topic }
    })
  )
  for (const [what, states] of [
    ["table", tableStates],
    ["writer", writerStates]
  ] as const) {
    for (const state of states) {
      for (const frozen of [false, true]) {
        for (const way of state.acquired ? (["closed", "interrupted"] as const) : (["interrupted"] as const)) {
          test(`a ${what}, ${state.name}, ${way}${frozen ? ", the broker frozen" : ""}`, () =>
            Effect.flatMap(made, ({ lab, topic }) => ended(lab, topic, state, way, frozen)))
        }
      }
    }
  }
})

/** A table or a writer is ended in a certain state, and nothing may be left of it, on either end. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Latch from "effect/Latch"
import { assert } from "vitest"
import { CLOSE_LIMIT_MILLIS } from "../faults/oracle.ts"
import type * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { leftovers, sockets } from "../support/leftovers.ts"
import { eventually, test } from "../support/live.ts"

/** Where it happens. */
export interface World {
  readonly node: KafkaCluster.Node
  /** Connections that are open, as the broker's side sees it. */
  readonly connections: () => number
}

/** What is acquired, and what it waits for once it is. */
export type Opened = Effect.Effect<Effect.Effect<void, unknown, Scope.Scope>, unknown, Scope.Scope>

/** Where a table or a writer is when it is ended, and how it gets there. */
export interface State<W> {
  readonly name: string
  /** Whether it is acquired by then. Otherwise somebody is about to. */
  readonly acquired: boolean
  /** What the network does, until the scope ends; the result waits until that has happened. */
  readonly hinder: (world: W) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  readonly open: (world: W) => Opened
}

type Way = "closed" | "interrupted"

/** `frozen`: the broker's process stands still by then. */
const ended = <W extends World>(world: W, state: State<W>, way: Way, frozen: boolean) =>
  Effect.gen(function* () {
    // what the network and the broker do goes on until all is over
    const around = yield* Effect.scope
    const hindered = yield* state.hinder(world)
    const { exit, left, told } = yield* leftovers(
      Effect.gen(function* () {
        const own = yield* Effect.scope
        const use = Effect.flatMap(state.open(world), Scope.provide(around))
        if (way === "closed") yield* use
        else if (state.acquired) {
          const reached = yield* Latch.make()
          const whole = Effect.scoped(Effect.andThen(Effect.andThen(use, reached.open), Effect.never))
          const fiber = yield* Effect.forkIn(whole, own)
          yield* Effect.raceFirst(reached.await, Fiber.join(fiber))
        } else yield* Effect.forkIn(Effect.scoped(use), own)
        yield* hindered
        if (frozen) {
          yield* Scope.provide(
            Effect.acquireRelease(world.node.stop, () => Effect.orDie(world.node.continue)),
            around
          )
        }
      }),
      { connections: Effect.sync(world.connections) }
    )
    if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
    const { millisToClose, ...rest } = left
    assert.deepStrictEqual(rest, { connections: 0, fibers: 0, timers: 0 }, told)
    assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS)
  }).pipe(
    Effect.scoped,
    // the sockets of both ends, of the relay and its way to the broker too, are of this process
    Effect.tap(eventually(Effect.sync(sockets), (count) => count === 0))
  )

/** A test for each state and way to end, with a broker that runs and with one that is frozen. */
export const testAll = <W extends World, E>(
  what: string,
  states: ReadonlyArray<State<W>>,
  made: Effect.Effect<W, E>
): void => {
  for (const state of states) {
    for (const frozen of [false, true]) {
      for (const way of state.acquired ? (["closed", "interrupted"] as const) : (["interrupted"] as const)) {
        test(`${what}, ${state.name}, ${way}${frozen ? ", the broker frozen" : ""}`, () =>
          Effect.flatMap(made, (world) => ended(world, state, way, frozen)))
      }
    }
  }
}

import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import type { Producer } from "./producer.ts"
import { runSender } from "./sender.ts"
import { Signal } from "../signal.ts"

/** The fibers that send to the leaders, one for each of them. */
export interface Senders {
  /** Begins to send to a leader, if nobody does. */
  readonly ensure: (leader: number) => Effect.Effect<unknown>
  /** Begins to send to a leader anew, in place of the fiber that does: it gives back what it waits for. */
  readonly restart: (leader: number) => Effect.Effect<unknown>
  readonly end: (leader: number) => Effect.Effect<void>
}

/** The fibers end with the scope; each of them is `supervised`. */
export const makeSenders = (
  producer: Producer,
  supervised: (fiber: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<Senders, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { senders } = producer.brokers
    const fibers = yield* FiberMap.make<number>()
    const restart = (leader: number) =>
      Effect.suspend(() => FiberMap.run(fibers, leader, supervised(runSender(producer, leader, senders.get(leader)!))))
    return {
      ensure: (leader: number) =>
        Effect.suspend(() => {
          if (senders.has(leader)) return Effect.void
          senders.set(leader, { wake: new Signal(), busySince: undefined })
          return restart(leader)
        }),
      restart,
      end: (leader: number) =>
        Effect.suspend(() => {
          senders.delete(leader)
          return FiberMap.remove(fibers, leader)
        })
    }
  })

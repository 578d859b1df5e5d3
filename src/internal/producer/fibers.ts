/** A producer's life: the fibers around it, and its closing. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { annotateLogs } from "../log.ts"
import { deadlineLoop } from "./deadlines.ts"
import { identityLoop } from "./identities.ts"
import { forkTopics } from "./metadata.ts"
import type { Producer } from "./producer.ts"
import { makeSenders } from "./senders.ts"

/**
 * Runs a producer until the scope is closed. Then it takes no more, and waits for what was accepted; what is left when
 * the time is over is settled by its deadline. `lastWrites` come before that, and have a part of the same time.
 */
export const runProducer = (
  producer: Producer,
  closeTimeoutMillis: number,
  lastWrites: (withinMillis: number) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fibers = yield* Effect.acquireRelease(Scope.make(), (scope) =>
      Effect.gen(function* () {
        const deadline = producer.clock.now() + closeTimeoutMillis
        yield* lastWrites(closeTimeoutMillis)
        producer.close(Math.max(0, deadline - producer.clock.now()))
        yield* untilSettled(producer)
      }).pipe(Effect.ensuring(Scope.close(scope, Exit.void)), Effect.ensuring(Effect.sync(() => producer.reportAll())))
    )
    yield* Scope.provide(forkFibers(producer), fibers)
  })

/** Defects are bugs of this library, or of a driver: they end the producer rather than let it hang. */
const forkFibers = (producer: Producer): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bug, module, topic } = producer.owner

    const supervised = <A>(fiber: Effect.Effect<A>): Effect.Effect<A | void> =>
      Effect.catchDefect(fiber, (defect) =>
        Effect.sync(() => producer.abandon(bug)).pipe(
          Effect.andThen(
            Effect.logError(`${bug}: acquire it anew, and please report this with its cause`, Cause.die(defect))
          ),
          annotateLogs(module, topic === undefined ? {} : { topic })
        )
      )

    const senders = yield* makeSenders(producer, supervised)
    yield* Effect.forEach(producer.brokers.leaders, senders.ensure, { discard: true })
    yield* forkTopics(producer, senders, supervised)
    yield* Effect.forkScoped(supervised(deadlineLoop(producer)))
    if (producer.settings.idempotent) yield* Effect.forkScoped(supervised(identityLoop(producer)))
  })

/** Waits for everything that is on its way at this moment. */
export const untilSettled = (producer: Producer): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let left = 1
    const done = () => {
      if (--left === 0) resume(Effect.void)
    }
    for (const record of producer.unsettled()) {
      left++
      record.whenSettled(done)
    }
    done()
  })

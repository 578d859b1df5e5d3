/** The fibers around a writer's core: metadata, producer ids, deadlines, and one sender a leader. */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import { annotateLogs } from "../log.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { retryDelay } from "../client/backoff.ts"
import type { Core } from "./core.ts"
import { interruptionAsFailure } from "./interruption.ts"
import type { Identity } from "./lane.ts"
import { runSender } from "./sender.ts"
import { CLUSTER_AUTHORIZATION_FAILED, IDEMPOTENT_WRITE_HINT } from "./verdict.ts"
import { Wake } from "./wake.ts"

/** How long a topic may be missing from the metadata before it counts as gone: new ones take a moment to be known. */
export const MISSING_GRACE_MILLIS = 2_000

/** A request that takes longer is worth a look whether its leader is still the leader. */
const SLOW_MILLIS = 1_000

/** A timer that comes later than this tells that the process was stopped, or its event loop held up. */
const LATE_MILLIS = 1_000

/** Forks them into the scope. Defects are bugs of this library: they end the writer rather than let it hang. */
export const forkFibers = (core: Core, publish: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const senders = yield* FiberMap.make<number>()

    const supervised = (fiber: Effect.Effect<never>) =>
      Effect.catchAllDefect(fiber, (defect) =>
        Effect.sync(() => core.abandon("the writer died of a bug")).pipe(
          Effect.andThen(
            Effect.logError("the writer died of a bug: acquire it anew, and please report this with its cause", defect)
          ),
          annotateLogs("KafkaTableWriter", { topic: core.config.topic })
        )
      )

    const ensureSender = (leader: number): Effect.Effect<unknown> =>
      Effect.suspend(() => {
        if (core.senders.has(leader)) return Effect.void
        core.senders.set(leader, { wake: new Wake(), busySince: undefined })
        return startSender(leader)
      })

    /** In place of the one that runs, if one does. */
    const startSender = (leader: number) =>
      Effect.suspend(() =>
        FiberMap.run(senders, leader, supervised(runSender(core, leader, core.senders.get(leader)!, publish)))
      )

    const endSender = (leader: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        core.senders.delete(leader)
        return FiberMap.remove(senders, leader)
      })

    yield* Effect.forEach(core.leaders, ensureSender, { discard: true })
    yield* Effect.forkScoped(supervised(metadataLoop(core, ensureSender, startSender, endSender)))
    yield* Effect.forkScoped(supervised(deadlineLoop(core, publish)))
    if (core.config.idempotent) yield* Effect.forkScoped(supervised(identityLoop(core)))
  })

// ---------------------------------------------------------------------------------------------------------------------
// metadata
// ---------------------------------------------------------------------------------------------------------------------

/** Asks for metadata when it is wanted; an idle writer asks for nothing. */
const metadataLoop = (
  core: Core,
  ensureSender: (leader: number) => Effect.Effect<unknown>,
  restartSender: (leader: number) => Effect.Effect<unknown>,
  endSender: (leader: number) => Effect.Effect<void>
): Effect.Effect<never> => {
  const { client, config } = core
  let attempts = 0
  let missingSince: number | undefined
  let seen = core.metadataWanted.version

  const again = Effect.suspend(() => Effect.flatMap(retryDelay(client, attempts++), Effect.sleep))

  const onError = (error: ClientError | TopicError): Effect.Effect<void> =>
    Effect.suspend(() => {
      core.lastFailure = error
      if (error._tag === "KafkaTopicError" && error.reason === "NotFound") {
        missingSince ??= core.now()
        if (core.now() - missingSince < MISSING_GRACE_MILLIS) return again
      } else if (error.retriable) {
        // what is queued has its deadlines
        return again
      }
      core.distrust()
      core.failUnsent(error)
      seen = core.metadataWanted.version
      return again
    })

  const once = Effect.suspend(() => (core.needsMetadata ? Effect.void : core.metadataWanted.after(seen))).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        seen = core.metadataWanted.version
        return interruptionAsFailure(client.describeTopic(config.topic), {
          broker: client.bootstrap,
          request: "Metadata"
        })
      })
    ),
    Effect.flatMap((description) =>
      Effect.gen(function* () {
        missingSince = undefined
        core.describe(description)
        yield* Effect.forEach(core.leaders, ensureSender, { discard: true })
        yield* Effect.forEach(core.departed, endSender, { discard: true })
        // what was sent to them goes to the new leader, and is told apart by its sequence if they did append it
        yield* Effect.forEach(core.deposed(SLOW_MILLIS), restartSender, { discard: true })
        core.wakeSenders()
        if (!core.needsMetadata) attempts = 0
        // at most one request per backoff, however many ask for it
        yield* again
      })
    ),
    Effect.catchAll(onError)
  )
  return Effect.forever(once)
}

// ---------------------------------------------------------------------------------------------------------------------
// producer ids
// ---------------------------------------------------------------------------------------------------------------------

const COORDINATOR_NOT_AVAILABLE = 15

/** A new producer id, from epoch 0. */
export const askIdentity = (core: Core): Effect.Effect<Identity, ClientError> =>
  Effect.flatMap(core.client.initProducerId, (answer) => {
    if (answer.errorCode === 0 && answer.producerId >= 0n && answer.producerEpoch >= 0) {
      return Effect.succeed({ producerId: answer.producerId, epoch: answer.producerEpoch })
    }
    // none of these: records that have it are taken as often as they come
    if (answer.errorCode === 0)
      return Effect.fail(
        brokerError({ code: COORDINATOR_NOT_AVAILABLE, request: "InitProducerId", detail: "it gave no id" })
      )
    const detail = answer.errorCode === CLUSTER_AUTHORIZATION_FAILED ? IDEMPOTENT_WRITE_HINT : undefined
    return Effect.fail(brokerError({ code: answer.errorCode, request: "InitProducerId", detail }))
  })

/** Only needed after 32,767 unknown outcomes in one partition, or where the broker wants another id. */
const identityLoop = (core: Core): Effect.Effect<never> => {
  let attempts = 0
  const once = Effect.suspend(() => {
    const seen = core.identityWanted.version
    const isWanted = core.identity === undefined || core.lanes.some((lane) => lane.identity === undefined)
    if (!isWanted) return core.identityWanted.after(seen)
    return interruptionAsFailure(askIdentity(core), {
      broker: core.client.bootstrap,
      request: "InitProducerId"
    }).pipe(
      Effect.map((identity) => {
        attempts = 0
        core.identify(identity)
      }),
      Effect.catchAll((error) =>
        Effect.suspend(() => {
          core.lastFailure = error
          if (!error.retriable)
            core.failUnsent(
              error,
              core.lanes.filter((lane) => lane.identity === undefined)
            )
          return Effect.flatMap(retryDelay(core.client, attempts++), Effect.sleep)
        })
      )
    )
  })
  return Effect.forever(once)
}

// ---------------------------------------------------------------------------------------------------------------------
// deadlines
// ---------------------------------------------------------------------------------------------------------------------

/** While anything is queued, looks once a second, or when the next deadline is. */
const deadlineLoop = (core: Core, publish: () => void): Effect.Effect<never> => {
  const once = Effect.suspend(() => {
    const seen = core.deadlineSet.version
    const next = core.nextDeadline()
    if (next === Number.POSITIVE_INFINITY) return core.deadlineSet.after(seen)
    const begin = core.now()
    // what is left of a millisecond may be too little to move a clock
    const wait = Math.min(Math.max(0, Math.ceil(next - begin)), SLOW_MILLIS)
    return Effect.andThen(
      Effect.sleep(wait),
      Effect.suspend(() => {
        const late = core.now() - begin - wait
        if (late > LATE_MILLIS) core.paused(late)
        const now = core.now()
        for (const sender of core.senders.values()) {
          if (sender.busySince !== undefined && now - sender.busySince >= SLOW_MILLIS) core.refresh()
        }
        if (core.nextDeadline() > now) return Effect.void
        core.expire()
        publish()
        return Effect.void
      })
    )
  })
  return Effect.forever(once)
}

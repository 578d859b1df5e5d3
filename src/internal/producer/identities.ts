/** The producer ids of a producer: one for all its lanes, and the next one where that is used up. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { CLUSTER_AUTHORIZATION_FAILED, COORDINATOR_NOT_AVAILABLE } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { Signal } from "../signal.ts"
import { interruptionAsFailure } from "./interruption.ts"
import { ANONYMOUS, type Identity, type Lane } from "./lane.ts"
import type { Producer } from "./producer.ts"
import { failUnsent } from "./settling.ts"
import { IDEMPOTENT_WRITE_HINT } from "./verdict.ts"

export class Identities {
  /** The identity of new lanes; `undefined` until the first producer id is known. */
  current: Identity | undefined
  /** Wakes the fiber that asks for producer ids. */
  readonly wanted = new Signal()

  constructor(idempotent: boolean) {
    if (!idempotent) this.current = ANONYMOUS
  }

  /** Gives a lane its next identity, or has one asked for if the lane has used up its producer id. */
  renew(lane: Lane): void {
    lane.renew()
    if (lane.identity === undefined) this.wanted.notify()
  }
}

/** Asks for a new producer id, which begins with epoch 0. */
export const askIdentity = (client: KafkaClient): Effect.Effect<Identity, ClientError> =>
  Effect.flatMap(client.initProducerId, (answer) => {
    if (answer.errorCode === 0 && answer.producerId >= 0n && answer.producerEpoch >= 0) {
      return Effect.succeed({ producerId: answer.producerId, epoch: answer.producerEpoch })
    }
    // A negative id is none: records under it would be taken as often as they come.
    if (answer.errorCode === 0)
      return Effect.fail(
        brokerError({ code: COORDINATOR_NOT_AVAILABLE, request: "InitProducerId", detail: "it gave no id" })
      )
    const detail = answer.errorCode === CLUSTER_AUTHORIZATION_FAILED ? IDEMPOTENT_WRITE_HINT : undefined
    return Effect.fail(brokerError({ code: answer.errorCode, request: "InitProducerId", detail }))
  })

/**
 * Asks for producer ids when lanes want one: after 32,767 unknown outcomes in one partition, or where the broker wants
 * another id.
 */
export const identityLoop = (producer: Producer): Effect.Effect<never> => {
  const { client, identities } = producer
  let attempts = 0
  const without = () => [...producer.lanes()].filter((lane) => lane.identity === undefined)
  const once = Effect.suspend(() => {
    const seen = identities.wanted.version
    if (identities.current !== undefined && without().length === 0) return identities.wanted.after(seen)
    return interruptionAsFailure(askIdentity(client), { broker: client.bootstrap, request: "InitProducerId" }).pipe(
      Effect.map((identity) => {
        attempts = 0
        producer.identify(identity)
      }),
      Effect.catch((error) =>
        Effect.suspend(() => {
          const waiting = without()
          for (const { topic } of waiting) topic.lastFailure = error
          if (!error.retriable) {
            failUnsent(error, waiting)
            producer.queue.admit()
          }
          return Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
        })
      )
    )
  })
  return Effect.forever(once)
}

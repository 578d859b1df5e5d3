/** What a producer makes sure of before its first record. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { ConnectionError, type ClientError, type TopicError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { tellOfWaiting } from "../log.ts"
import { interruptionAsFailure } from "./interruption.ts"
import { MISSING_GRACE_MILLIS } from "./metadata.ts"
import type { Producer } from "./producer.ts"

export type StartError = ClientError | TopicError

/** Makes attempts as long as what goes wrong may pass by itself. */
export type Retrying<E> = <A>(self: Effect.Effect<A, E | ConnectionError>) => Effect.Effect<A, E | ConnectionError>

/**
 * Runs the steps of a start, each with attempts of its own, and all of them within `deliveryTimeout`: what went wrong
 * last is the error then. `request` is what is named where nothing has gone wrong, and no broker has answered.
 */
export const startWithin = <A, E extends StartError>(
  producer: Producer,
  request: string,
  steps: (retrying: Retrying<E>) => Effect.Effect<A, E | ConnectionError>
): Effect.Effect<A, E | ConnectionError> => {
  const { client, clock, owner, settings } = producer
  const millis = settings.deliveryTimeoutMillis
  let last: E | ConnectionError | undefined
  let missingSince: number | undefined
  const tell = tellOfWaiting(owner.module, owner.topic, millis)

  const isWorthATry = (error: StartError): boolean => {
    if (error._tag !== "KafkaTopicError" || error.reason !== "NotFound") return error.retriable
    missingSince ??= clock.now()
    return clock.now() - missingSince < MISSING_GRACE_MILLIS
  }

  const attempt = <B>(self: Effect.Effect<B, E | ConnectionError>, n: number): Effect.Effect<B, E | ConnectionError> =>
    Effect.catch(interruptionAsFailure(self, { broker: client.bootstrap, request: "start" }), (error) => {
      last = error
      if (!isWorthATry(error)) return Effect.fail(error)
      return tell(error).pipe(
        Effect.andThen(Effect.flatMap(retryDelay(client, n), Effect.sleep)),
        Effect.andThen(Effect.suspend(() => attempt(self, n + 1)))
      )
    })

  return Effect.timeoutOrElse(
    steps((self) => attempt(self, 0)),
    { duration: millis, orElse: () => Effect.fail(last ?? noAnswer(client, request, millis)) }
  )
}

const noAnswer = (client: KafkaClient, request: string, millis: number): ConnectionError =>
  new ConnectionError({
    reason: "Timeout",
    broker: client.bootstrap,
    request,
    detail: `no answer within ${millis} ms`
  })

/** The loop that keeps the description of one topic fresh, for whoever reads or writes it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import type { Signal } from "../signal.ts"
import { retryDelay } from "./backoff.ts"

/** How long a topic may be missing from the metadata before it counts as gone: new ones take a moment to be known. */
export const MISSING_GRACE_MILLIS = 2_000

/**
 * What comes after a failure:
 *
 * - `again`: the topic is asked for once more, after a pause that grows from one failure to the next.
 * - a number: the same after so many milliseconds.
 * - `wait`: after a pause, as after a success, until somebody wants it.
 * - `end`: nothing.
 */
export type AfterFailure = "again" | "wait" | "end" | number

/** Whose topic is followed, and what is made of what brokers say of it. */
export interface Following {
  readonly client: Pick<KafkaClient, "backoff">
  /** Asks for a description once. */
  readonly describe: Effect.Effect<TopicDescription, ClientError | TopicError>
  /** Notified when somebody wants a fresh description. */
  readonly wanted: Signal
  /** In milliseconds: when a description has become that old, it is asked for again. Infinite: never by itself. */
  readonly maxAgeMillis: number
  /** Whether the topic is described already; else it is asked for at once. */
  readonly isDescribed: boolean
  /** Takes a description over; false if there has to be another one soon, as something is missing in it. */
  readonly onDescription: (description: TopicDescription) => Effect.Effect<boolean>
  /** `missingMillis` is how long the topic has been missing by now, if that is the failure. */
  readonly onFailure: (
    error: ClientError | TopicError,
    missingMillis: number | undefined
  ) => Effect.Effect<AfterFailure>
}

/**
 * Asks for the topic when somebody wants to know, and when the last answer is too old; not twice within one backoff, however
 * many do. Ends only by the word of `onFailure`.
 */
export const followTopic = (following: Following): Effect.Effect<void> => {
  const { client, describe, isDescribed, maxAgeMillis, onDescription, onFailure, wanted } = following
  let attempts = 0
  let missingSince: number | undefined
  let isSettled = isDescribed
  let seen = wanted.version

  const missingMillis = (error: ClientError | TopicError): Effect.Effect<number | undefined> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      missingSince = error._tag === "KafkaTopicError" && error.reason === "NotFound" ? (missingSince ?? now) : undefined
      return missingSince === undefined ? undefined : now - missingSince
    })

  const afterFailure = (error: ClientError | TopicError): Effect.Effect<AfterFailure> =>
    Effect.flatMap(missingMillis(error), (millis) => onFailure(error, millis))

  const loop: Effect.Effect<void> = Effect.suspend(() =>
    isSettled ? wanted.after(seen, maxAgeMillis) : Effect.void
  ).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        seen = wanted.version
        return describe
      })
    ),
    Effect.matchEffect({
      onSuccess: (description) => {
        missingSince = undefined
        return Effect.map(onDescription(description), (is): AfterFailure => {
          isSettled = is
          return is ? "wait" : "again"
        })
      },
      onFailure: (error) =>
        Effect.map(afterFailure(error), (after) => {
          isSettled = after === "wait"
          // What was wanted until now has failed.
          if (isSettled) seen = wanted.version
          return after
        })
    }),
    Effect.flatMap((after) => {
      if (after === "end") return Effect.void
      if (after === "wait") attempts = 0
      const millis =
        typeof after === "number" ? Effect.succeed(after) : retryDelay(client, after === "again" ? attempts++ : 0)
      return Effect.andThen(Effect.flatMap(millis, Effect.sleep), loop)
    })
  )
  return loop
}

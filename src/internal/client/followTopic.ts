/** The loop that keeps the description of one topic fresh, for whoever reads or writes it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import type { Signal } from "../signal.ts"
import { retryDelay } from "./backoff.ts"

/**
 * What comes after a failure:
 *
 * - `again`: the topic is asked for once more, after a pause that grows from one failure to the next.
 * - a number: the topic is asked for once more, after this many milliseconds.
 * - `wait`: the topic is asked for when somebody wants it, as after a success.
 * - `end`: the topic is asked for no more.
 */
export type AfterFailure = "again" | "wait" | "end" | number

/** Which topic is followed, and what is made of what brokers say of it. */
export interface Following {
  readonly client: Pick<KafkaClient, "backoff">
  /** Asks for a description once. */
  readonly describe: Effect.Effect<TopicDescription, ClientError | TopicError>
  /** Notified when somebody wants a fresh description. */
  readonly wanted: Signal
  /**
   * A description that has become this old is asked for again, in milliseconds. If infinite, only when somebody wants
   * it.
   */
  readonly maxAgeMillis: number
  /** Whether the topic is described already; otherwise it is asked for at once. */
  readonly isDescribed: boolean
  /** Takes a description over. Gives false if another one has to follow soon, as something is missing in this one. */
  readonly onDescription: (description: TopicDescription) => Effect.Effect<boolean>
  /**
   * Decides what comes after a failure. `missingMillis` is how long the topic has been missing, if that is the failure.
   */
  readonly onFailure: (
    error: ClientError | TopicError,
    missingMillis: number | undefined
  ) => Effect.Effect<AfterFailure>
}

/**
 * Asks for the topic when somebody wants it, and when the last answer is too old, but never twice within one backoff,
 * however many want it. It ends only where `onFailure` says so.
 */
export const followTopic = (following: Following): Effect.Effect<void> => {
  const { client, describe, isDescribed, maxAgeMillis, onDescription, onFailure, wanted } = following
  /** Attempts in a row after which the topic has to be asked for again. */
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
          // Whoever wanted a description until now was told of the failure.
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

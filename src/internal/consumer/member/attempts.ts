/**
 * How a member asks its coordinator until it is answered: what passes is waited for, what a person has to mend is asked for
 * again more slowly, and what does neither ends the membership.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Backoff } from "../../../KafkaClient.ts"
import { type ClientError, ConnectionError, GroupError } from "../../../KafkaError.ts"
import { retryDelay } from "../../client/backoff.ts"
import type { MembershipFailure, MembershipReports } from "./member.ts"
import { groupError, isUnauthorized, passes } from "./refusals.ts"

export interface Attempts {
  /** Asks until there is an answer. */
  readonly until: <A>(ask: Effect.Effect<A, ClientError>) => Effect.Effect<A, MembershipFailure>
  /** Waits before the next attempt, as this one was refused by a code; fails if no further attempt can help. */
  readonly pauseAfter: (code: number, request: string, detail?: string) => Effect.Effect<void, MembershipFailure>
  /** Takes note of a refusal that others deal with. */
  readonly refused: (code: number, request: string) => void
  /** Takes note of a failure that others deal with. */
  readonly failed: (error: ClientError) => void
  /** Gives an answer up that takes longer than this. */
  readonly bounded: <A>(
    name: string,
    ask: Effect.Effect<A, ClientError>,
    millis: number
  ) => Effect.Effect<A, ClientError>
}

export const makeAttempts = ({
  backoff,
  deniedRetryMillis,
  group,
  instanceId,
  isAcquired,
  reports
}: {
  readonly backoff: Backoff
  readonly group: string
  readonly instanceId: string | undefined
  readonly reports: MembershipReports
  readonly deniedRetryMillis: number
  /** Whether whoever wants to be a member has it already: before, what a person has to mend is not waited for. */
  readonly isAcquired: () => boolean
}): Attempts => {
  /** Attempts in a row that have failed. */
  let attempt = 0

  const pause: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(retryDelay({ backoff }, attempt++), Effect.sleep)
  )

  const denied = (error: MembershipFailure): Effect.Effect<void, MembershipFailure> =>
    isAcquired()
      ? Effect.andThen(
          Effect.sync(() => reports.unavailable(error)),
          Effect.sleep(deniedRetryMillis)
        )
      : Effect.fail(error)

  const afterFailure = (error: ClientError): Effect.Effect<void, MembershipFailure> => {
    if (error.retriable) {
      reports.unavailable(error)
      return pause
    }
    if (error.reason === "UnsupportedVersion") {
      return Effect.fail(new GroupError({ reason: "Unsupported", group, detail: error.message, cause: error }))
    }
    return denied(error)
  }

  const until = <A>(ask: Effect.Effect<A, ClientError>): Effect.Effect<A, MembershipFailure> =>
    Effect.matchEffect(ask, {
      onFailure: (error) => Effect.flatMap(afterFailure(error), () => until(ask)),
      onSuccess: (answer) => {
        attempt = 0
        return Effect.succeed(answer)
      }
    })

  return {
    until,
    pauseAfter: (code, request, detail) => {
      const error = groupError({ group, code, request, instanceId, detail })
      if (isUnauthorized(code)) return denied(error)
      return passes(code) ? pause : Effect.fail(error)
    },
    refused: (code, request) => reports.unavailable(groupError({ group, code, request, instanceId })),
    failed: (error) => reports.unavailable(error),
    bounded: (request, ask, millis) =>
      Effect.flatMap(Effect.timeoutOption(ask, millis), (answer) => {
        if (Option.isSome(answer)) return Effect.succeed(answer.value)
        const broker = `the coordinator of ${group}`
        const detail = `no answer within ${Math.round(millis)} ms`
        return Effect.fail(new ConnectionError({ reason: "Timeout", broker, request, detail }))
      })
  }
}

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ConnectionError } from "../../KafkaError.ts"

/**
 * What a client does may end by an interruption of its own: its driver's, or that of an Effect that it was given, such as
 * one for a token. That is a failure which passes; only the closing of the producer's own scope is closing, which reaches
 * no handler.
 */
export const interruptionAsFailure = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  at: { readonly broker: string; readonly request: string }
): Effect.Effect<A, E | ConnectionError, R> =>
  Effect.catchCause(self, (cause): Effect.Effect<never, E | ConnectionError> =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.fail(new ConnectionError({ reason: "Closed", ...at, detail: "the client interrupted itself" }))
      : Effect.failCause(cause)
  )

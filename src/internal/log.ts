import * as Effect from "effect/Effect"
import type { ClientError, TopicError } from "../KafkaError.ts"

/** Marks the log lines of one module of this library, so that they can be filtered. */
export const annotateLogs =
  (module: string, fields: Readonly<Record<string, string | number>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.annotateLogs(self, { package: "effect-ktables", module, ...fields })

/** Or a start that waits for a broker would say nothing until its timeout, which is given in milliseconds. */
export const warnOfWaiting = (
  module: "KafkaTable" | "KafkaTableWriter",
  topic: string,
  timeoutMillis: number,
  error: ClientError | TopicError
): Effect.Effect<void> =>
  Effect.logWarning(`cannot begin yet, tried again for ${timeoutMillis} ms: ${error.message}`).pipe(
    annotateLogs(module, { topic })
  )

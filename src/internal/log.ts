import * as Effect from "effect/Effect"
import type { ClientError, TopicError } from "../KafkaError.ts"
import { foreignText } from "./foreignText.ts"

/**
 * Marks the log lines of one module of this library, so that they can be filtered. A logger of the user that throws
 * ends nothing but its line.
 */
export const annotateLogs =
  (module: string, fields: Readonly<Record<string, string | number>>) =>
  (line: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.annotateLogs(
      Effect.catchDefect(line, () => Effect.void),
      { package: "effect-ktables", module, ...escaped(fields) }
    )

/** Annotations such as a topic or a broker's address, made fit for a log: loggers write them as they are. */
const escaped = (fields: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, typeof field === "string" ? foreignText(field) : field])
  )

/**
 * Logs once when a start waits for a broker that cannot be reached: otherwise nothing would be said until its timeout,
 * in milliseconds. A broker that answers "not yet" is not told of, as that mostly passes within milliseconds.
 */
export const tellOfWaiting = (
  module: "KafkaTable" | "KafkaTableWriter" | "KafkaProducer",
  topic: string | undefined,
  timeoutMillis: number
) => {
  let told = false
  return (error: ClientError | TopicError): Effect.Effect<void> => {
    if (told || error._tag !== "KafkaConnectionError") return Effect.void
    told = true
    return Effect.logWarning(`cannot begin yet, tried again for ${timeoutMillis} ms: ${error.message}`).pipe(
      annotateLogs(module, topic === undefined ? {} : { topic })
    )
  }
}

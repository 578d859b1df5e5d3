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
      Effect.catchAllDefect(line, () => Effect.void),
      { package: "effect-ktables", module, ...escaped(fields) }
    )

/** A topic, a broker's address: loggers write annotations as they are. */
const escaped = (fields: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, typeof field === "string" ? foreignText(field) : field])
  )

/**
 * Tells of a start that waits for a broker, which would say nothing until its timeout otherwise, in milliseconds. Once,
 * and of no broker only: one that answers "not yet" mostly does for some milliseconds.
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

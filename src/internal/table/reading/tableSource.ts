/** The source of a table: what it asks for, and the log lines about brokers that are lost, back, or tell to wait. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { LineRate, moreOf } from "../../lineRate.ts"
import { annotateLogs } from "../../log.ts"
import { makeSource, type Source } from "../../source/source.ts"
import { tellOfStart, type TableParts } from "./parts.ts"
import { askForRetention } from "./tombstoneAge.ts"

/**
 * How long a topic may be missing from the metadata, in milliseconds: brokers that have just started may not know it
 * yet.
 */
const MISSING_GRACE_MILLIS = 3_000

/** Begins to read all of the table's topic from its beginning, until the scope closes. */
export const startSource = <K, V>(parts: TableParts<K, V>): Effect.Effect<Source, never, Scope.Scope> => {
  const { client, config } = parts
  const { topic } = config
  // The rate of lines is bounded, as a broker may take a connection and close it as often as it likes.
  const lines = new LineRate()
  const annotate = (broker: string) => annotateLogs("KafkaTable", { topic, broker })
  return makeSource({
    client,
    failures: parts.failures,
    isolation: config.isolation,
    fetch: config.fetch,
    metadataMaxAgeMillis: config.metadataMaxAgeMillis,
    deniedRetryMillis: config.deniedRetryIntervalMillis,
    missingGraceMillis: MISSING_GRACE_MILLIS,
    prepare: (arrivals, askedAt, connection) =>
      askForRetention(arrivals, askedAt, connection, { topic, settings: parts.settings }),
    onWaiting: (error) => tellOfStart(parts, error),
    onThrottled: ({ broker, millis }) =>
      Effect.logWarning(
        `throttled: broker ${broker} told this client to wait for ${millis} ms, content stays as it is until then: see its quotas`
      ).pipe(annotate(broker)),
    onConnection: ({ broker, error, state }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (state === "back") {
          parts.counters.reconnects++
          parts.metrics.reconnected()
        }
        const told = lines.take(`${state} ${broker}`, 1, now)
        if (told === undefined) return Effect.void
        const line =
          state === "lost"
            ? Effect.logWarning(
                `lost broker ${broker}, content stays as it is until it is back: ${error?.message ?? ""}${moreOf(told)}`
              )
            : Effect.logInfo(`broker ${broker} is back, reading on${moreOf(told)}`)
        return annotate(broker)(line)
      })
  }).pipe(Effect.tap((source) => source.follow(topic)))
}

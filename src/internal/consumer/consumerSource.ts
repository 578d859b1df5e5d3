/** The source of a consumer, and the log lines about brokers that are lost, back, or tell to wait. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import { annotateLogs } from "../log.ts"
import type { ConsumerConfig } from "../options/consumer.ts"
import { Failures } from "../source/failures.ts"
import { makeSource, type Source } from "../source/source.ts"
import { LineRate, moreOf } from "../lineRate.ts"
import * as Clock from "effect/Clock"

/** How long a topic may be missing from the metadata, in milliseconds, as brokers that have just started may not know it. */
const MISSING_GRACE_MILLIS = 3_000

/** How long a fetch of partitions to which nothing comes may wait, in milliseconds: each costs as much as a heartbeat. */
const IDLE_WAIT_MILLIS = 3_000

/** Makes a source that reads nothing yet, until the scope closes. */
export const startConsumerSource = <K, V>(
  client: KafkaClient,
  config: ConsumerConfig<K, V>
): Effect.Effect<{ readonly source: Source; readonly failures: Failures }, never, Scope.Scope> => {
  const failures = new Failures()
  const lines = new LineRate()
  const annotate = (broker: string) => annotateLogs("KafkaConsumer", { group: config.group, broker })
  return makeSource({
    client,
    failures,
    isolation: config.isolation,
    fetch: config.fetch,
    // Whoever wants more than one byte at a time does not want to wait longer for less.
    ...(config.fetch.minBytes === 1 ? { idleWaitMillis: Math.max(config.fetch.maxWaitMillis, IDLE_WAIT_MILLIS) } : {}),
    metadataMaxAgeMillis: config.metadataMaxAgeMillis,
    deniedRetryMillis: config.deniedRetryIntervalMillis,
    missingGraceMillis: MISSING_GRACE_MILLIS,
    onWaiting: () => Effect.void,
    onThrottled: ({ broker, millis }) =>
      Effect.logWarning(`throttled: broker ${broker} told this client to wait for ${millis} ms: see its quotas`).pipe(
        annotate(broker)
      ),
    onConnection: ({ broker, error, state }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const told = lines.take(`${state} ${broker}`, 1, now)
        if (told === undefined) return Effect.void
        const line =
          state === "lost"
            ? Effect.logWarning(`lost broker ${broker}, its partitions wait: ${error?.message ?? ""}${moreOf(told)}`)
            : Effect.logInfo(`broker ${broker} is back, reading on${moreOf(told)}`)
        return annotate(broker)(line)
      })
  }).pipe(Effect.map((source) => ({ source, failures })))
}

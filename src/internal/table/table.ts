/** Acquires a table: starts its reader, and waits until the table has caught up. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import { TableClosedError, WaitTimeoutError } from "../../KafkaError.ts"
import type { AcquireError, KafkaTable, KafkaTableOptions } from "../../KafkaTable.ts"
import type { TableFailure } from "../../LiveTable.ts"
import { retryDelay } from "../client/backoff.ts"
import * as Client from "../client/client.ts"
import { annotateLogs } from "../log.ts"
import { topicOf } from "../options/check.ts"
import { readTableOptions, type TableConfig } from "../options/table.ts"
import type { CheckedTopic } from "../options/topic.ts"
import { isDenial } from "../source/context.ts"
import { OF_START } from "../source/failures.ts"
import type { Indexes } from "../../TableIndex.ts"
import { ensureTopic } from "../topic/topic.ts"
import { indexViews, problemsOf } from "../views/indexes.ts"
import { attachAll, scopeOfViews } from "./publication/attaching.ts"
import { progressOf } from "./reading/catchUp.ts"
import { tellOfOutages } from "./reading/outages.ts"
import { endStreams, makeParts, setStatus, tellOfStart, type TableParts } from "./reading/parts.ts"
import { runReader } from "./reading/reader.ts"
import { followTopicSettings } from "./reading/topicSettings.ts"
import { serviceOf } from "./service.ts"
import { supervise } from "./supervision.ts"
import { gates, waitTimeout } from "./waiting.ts"

export { TypeId } from "./service.ts"

/** Makes a table: see `KafkaTable.make`. */
export const make = <K = string, V = never, Ix extends Indexes = {}>(
  options: KafkaTableOptions<K, V>,
  indexes?: Ix
): Effect.Effect<KafkaTable<K, V, Ix>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* readTableOptions(options)
    const problem = problemsOf({ module: "KafkaTable", topic: config.topic }, indexes ?? {})
    if (problem !== undefined) return yield* Effect.fail(problem)
    // The indexes that are added are those of the type.
    return (yield* acquire(config, indexes ?? {})) as unknown as KafkaTable<K, V, Ix>
  }).pipe(Effect.withSpan("KafkaTable.make", { attributes: topicOf(options) }))

/** Makes a table by options that were checked. */
export const acquire = <K, V>(
  config: TableConfig<K, V>,
  indexes: Indexes
): Effect.Effect<KafkaTable<K, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const views = yield* scopeOfViews
    const parts = yield* makeParts(config, yield* Client.tag)
    yield* Effect.forkScoped(supervise(parts, lifeOf(parts)))
    yield* Effect.addFinalizer(() => close(parts))
    const deadline = (yield* Clock.currentTimeMillis) + config.catchUpTimeoutMillis
    yield* awaitReady(parts)
    const adding = Effect.provideService(addIndexes(parts, indexes), Scope.Scope, views)
    yield* Object.keys(indexes).length === 0 ? Effect.void : inTime(parts, deadline, adding)
    return serviceOf(parts, views)
  })

/**
 * Waits for the indexes: no longer than for all else, where a table that takes longer is to fail. Otherwise there is no end
 * to that but their own, as its type says that it has them.
 */
const inTime = <K, V>(
  { client, config }: TableParts<K, V>,
  deadline: number,
  addingIndexes: Effect.Effect<void>
): Effect.Effect<void, WaitTimeoutError> =>
  Effect.gen(function* () {
    const { catchUpTimeoutMillis: afterMillis, onCatchUpTimeout, topic } = config
    if (onCatchUpTimeout === "degrade") return yield* addingIndexes
    const outcome = yield* Effect.timeoutOption(addingIndexes, Math.max(0, deadline - (yield* Clock.currentTimeMillis)))
    if (Option.isSome(outcome)) return
    const heldUpBy = [{ reason: "Indexes", partitions: [] }] as const
    const { bootstrap } = client
    return yield* Effect.fail(
      new WaitTimeoutError({ operation: "start", topic, afterMillis, behind: [], heldUpBy, bootstrap })
    )
  })

/** Builds the indexes, of all that was read by now, and has the snapshots hold them. */
const addIndexes = <K, V>(parts: TableParts<K, V>, indexes: Indexes): Effect.Effect<void, never, Scope.Scope> => {
  const views = indexViews(parts.publication, indexes)
  for (const [name, view] of views) parts.indexes.set(name, view)
  return attachAll(views.map(([, view]) => view))
}

/** Ends all streams and waits, before the reader is interrupted: it gives up what it is about to publish. */
const close = <K, V>(parts: TableParts<K, V>): Effect.Effect<void> =>
  Effect.sync(() => {
    endStreams(parts, undefined, new TableClosedError({ topic: parts.config.topic }))
  })

/** One run of the reader, until something ends it, with what goes on beside it. */
const lifeOf = <K, V>(parts: TableParts<K, V>): Effect.Effect<never, TableFailure> => {
  const { client, config, settings } = parts
  let prepared = false
  return Effect.suspend(() => {
    const restarted = prepared
    return Effect.scoped(
      Effect.gen(function* () {
        parts.failures.clear()
        yield* Effect.forkScoped(tellOfOutages(parts.config.topic, parts.failures))
        // This is done before the first run only: a topic that was deleted later is not for us to create again.
        if (!restarted) yield* prepare(parts)
        prepared = true
        yield* Effect.forkScoped(followTopicSettings(client, config.topic, settings, config.metadataMaxAgeMillis))
        return yield* runReader(parts, restarted)
      })
    )
  })
}

/** Makes sure of the topic, for as long as it takes: whoever acquires the table has a deadline of its own. */
const prepare = <K, V>(parts: TableParts<K, V>): Effect.Effect<void, TableFailure> => {
  const { config } = parts
  const attempt = (n: number, ensure: CheckedTopic): Effect.Effect<void, TableFailure> =>
    Effect.catch(Effect.asVoid(ensureTopic(parts.client, ensure)), (error) => {
      parts.failures.set(OF_START, error)
      const denied = isDenial(error)
      if (denied ? !parts.acquired : !error.retriable) return Effect.fail(error)
      return (denied ? setStatus(parts, { _tag: "Failed", error, healing: true }) : Effect.void).pipe(
        Effect.andThen(tellOfStart(parts, error)),
        Effect.andThen(denied ? Effect.succeed(config.deniedRetryIntervalMillis) : retryDelay(parts.client, n)),
        Effect.flatMap(Effect.sleep),
        Effect.andThen(attempt(n + 1, ensure))
      )
    })
  const { ensure } = config
  return Effect.map(ensure === undefined ? Effect.void : attempt(0, ensure), () => {
    parts.failures.delete(OF_START)
  })
}

/**
 * Waits until the table has caught up, or for `catchUpTimeout`; then the table is degraded, or its acquisition fails.
 */
const awaitReady = <K, V>(parts: TableParts<K, V>): Effect.Effect<void, AcquireError> =>
  Effect.gen(function* () {
    const { catchUpTimeoutMillis, onCatchUpTimeout, topic } = parts.config
    const outcome = yield* Effect.timeoutOption(Deferred.await(parts.ready), catchUpTimeoutMillis)
    // The wait may have ended in the same moment in which its time was up: then its outcome counts.
    if (Option.isNone(outcome) && (yield* Deferred.isDone(parts.ready))) yield* Deferred.await(parts.ready)
    else if (Option.isNone(outcome)) {
      const cause = waitTimeout(parts, "start", catchUpTimeoutMillis, gates(parts))
      if (onCatchUpTimeout === "fail") return yield* Effect.fail(cause)
      parts.degradedBy = cause
      yield* setStatus(parts, { _tag: "Degraded", progress: progressOf(parts, yield* Clock.currentTimeMillis), cause })
      yield* Effect.logWarning(`DEGRADED, the content is incomplete, reading goes on: ${cause.message}`).pipe(
        annotateLogs("KafkaTable", { topic })
      )
    }
    parts.acquired = true
  })

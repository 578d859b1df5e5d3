/** What one table consists of: its reader writes it, and what users get reads it. It lives as long as the table. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../../KafkaClient.ts"
import type {
  ClientError,
  LogTruncatedError,
  PoisonRecordError,
  TableClosedError,
  TopicError,
  WaitTimeoutError
} from "../../../KafkaError.ts"
import type { TableFailure, TableStatus } from "../../../LiveTable.ts"
import type { RecordChange } from "../../../TableChange.ts"
import type { RecordSnapshot } from "../../../TableSnapshot.ts"
import { currentLabels } from "../../effect/metric.ts"
import { tellOfWaiting } from "../../log.ts"
import { makeTableMetrics } from "../../metrics.ts"
import { Failures } from "../../source/failures.ts"
import type { Source } from "../../source/source.ts"
import { recordStoreOf } from "../content/recordStore.ts"
import { TableState } from "../content/state.ts"
import { Publication } from "../publication/publication.ts"
import { PublishedRef } from "../../effect/publishedRef.ts"
import { Reports } from "../publication/reports.ts"
import { Waiters } from "../publication/waiters.ts"
import { makeCounters, type Counters } from "./counters.ts"
import type { PartitionState } from "./partition.ts"
import { MAX_POISON } from "./recordApplier.ts"
import type { TableConfig } from "../../options/table.ts"
import { TopicSettings } from "./topicSettings.ts"

export interface TableParts<K, V> {
  readonly config: TableConfig<K, V>
  readonly client: KafkaClient
  readonly state: TableState<K, V>
  readonly counters: Counters
  readonly metrics: ReturnType<typeof makeTableMetrics>
  readonly publication: Publication<
    RecordSnapshot<K, V>,
    RecordChange<K, V>,
    TableFailure,
    TableFailure | TableClosedError
  >
  /** What stands between the table and its brokers. */
  readonly failures: Failures
  readonly poison: Reports<PoisonRecordError, TableFailure>
  readonly truncations: Reports<LogTruncatedError, TableFailure>
  readonly statuses: PublishedRef<TableStatus>
  /** Done when the table has caught up first, or cannot. */
  readonly ready: Deferred.Deferred<void, TableFailure>
  /** Done when the reader has ended for good. */
  readonly failed: Deferred.Deferred<never, TableFailure>
  status: TableStatus
  partitions: Map<number, PartitionState<K, V>>
  /** Partitions that the live content has rows of. */
  readonly live: Set<number>
  source: Source | undefined
  /** Has it ever caught up? */
  latched: boolean
  /** Does somebody have the table? Before, every failure is the acquisition's. */
  acquired: boolean
  /** The failure of the last run, from then until the replay of a next run is complete. */
  restartsAfter: TableFailure | undefined
  /** Id of the topic whose content is live, where brokers have ids. */
  topicId: string | undefined
  /** Partitions that the topic had in an earlier life, and has not in this one, and the error for who waits for them. */
  gone: { readonly partitions: Set<number>; readonly error: TopicError } | undefined
  /** What others have to do before the reader goes on. */
  waitsFor: "Subscriber" | "Codec" | undefined
  /** Why it was acquired incomplete, until it has caught up. */
  degradedBy: WaitTimeoutError | undefined
  /** Tells, while nobody has the table yet, what its start waits for. */
  readonly tellOfWaiting: (error: ClientError | TopicError) => Effect.Effect<void>
  replayed: number
  catchUpMillis: number | undefined
  startedAt: number
  readonly settings: TopicSettings
}

/** The content of a table, or of a rebuild of it, before anything was read. */
export const newState = <K, V>(config: TableConfig<K, V>): TableState<K, V> =>
  new TableState<K, V>(config.key, recordStoreOf(config.value))

export const makeParts = <K, V>(config: TableConfig<K, V>, client: KafkaClient): Effect.Effect<TableParts<K, V>> =>
  Effect.gen(function* () {
    const state = newState(config)
    const status: TableStatus = {
      _tag: "Loading",
      progress: { done: 0, total: 0, percent: 0, recordsPerSecond: 0 }
    }
    const parts: TableParts<K, V> = {
      config,
      client,
      state,
      counters: makeCounters(),
      metrics: makeTableMetrics(config.topic, yield* currentLabels),
      publication: yield* Publication.make<
        RecordSnapshot<K, V>,
        RecordChange<K, V>,
        TableFailure,
        TableFailure | TableClosedError
      >({
        snapshot: state.snapshot(0),
        waiters: new Waiters((partition) => parts.partitions.get(partition)?.visible)
      }),
      failures: new Failures(),
      poison: new Reports(MAX_POISON),
      truncations: new Reports(64),
      statuses: yield* PublishedRef.make<TableStatus>(status, { keepsAll: true }),
      ready: yield* Deferred.make<void, TableFailure>(),
      failed: yield* Deferred.make<never, TableFailure>(),
      status,
      partitions: new Map(),
      live: new Set(),
      source: undefined,
      latched: false,
      acquired: false,
      restartsAfter: undefined,
      topicId: undefined,
      gone: undefined,
      waitsFor: undefined,
      degradedBy: undefined,
      tellOfWaiting: tellOfWaiting("KafkaTable", config.topic, config.catchUpTimeoutMillis),
      replayed: 0,
      catchUpMillis: undefined,
      startedAt: yield* Clock.currentTimeMillis,
      settings: new TopicSettings(config.topic)
    }
    return parts
  })

/** Nothing more will come. Streams end, with the failure if there is one and their types know of any; who waits fails. */
export const endStreams = <K, V>(
  parts: TableParts<K, V>,
  failure: TableFailure | undefined,
  waiting: TableFailure | TableClosedError
): void => {
  parts.publication.end(failure, Cause.fail(waiting))
  for (const streams of [parts.poison, parts.truncations]) {
    if (failure === undefined) streams.close()
    else streams.fail(failure)
  }
  parts.statuses.end()
}

export const publishStatus = <K, V>(parts: TableParts<K, V>, status: TableStatus): void => {
  parts.status = status
  parts.statuses.set(status)
}

export const setStatus = <K, V>(parts: TableParts<K, V>, status: TableStatus): Effect.Effect<void> =>
  Effect.sync(() => publishStatus(parts, status))

/**
 * Tells what the start waits for, while nobody has the table yet. Who has it is told of the same by the lines about lost
 * brokers, outages and denials.
 */
export const tellOfStart = <K, V>(parts: TableParts<K, V>, error: ClientError | TopicError): Effect.Effect<void> =>
  parts.acquired ? Effect.void : parts.tellOfWaiting(error)

/**
 * The state of one table: its reader writes it, and the service that users get reads it. It lives as long as the table.
 */
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
import type { RecordEntry, RecordSnapshot } from "../../../TableSnapshot.ts"
import { currentLabels } from "../../effect/v4/metric.ts"
import { PublishedRef } from "../../effect/v4/publishedRef.ts"
import { tellOfWaiting } from "../../log.ts"
import { makeTableMetrics } from "../../metrics.ts"
import type { TableConfig } from "../../options/table.ts"
import { Failures } from "../../source/failures.ts"
import type { Source } from "../../source/source.ts"
import type { RecordSlots } from "../content/recordSlots.ts"
import { recordStoreOf } from "../content/recordStore.ts"
import { TableState } from "../content/state.ts"
import { History } from "../publication/history.ts"
import { Publication } from "../publication/publication.ts"
import { Reports } from "../publication/reports.ts"
import { Waiters } from "../publication/waiters.ts"
import { TableIndexes } from "../../views/lookups.ts"
import { faceOf } from "../../views/snapshot.ts"
import { makeCounters, type Counters } from "./counters.ts"
import { type Expiry, expiryOf } from "./expiry.ts"
import type { PartitionState } from "./partition.ts"
import { MAX_POISON } from "./recordApplier.ts"
import { TopicSettings } from "./topicSettings.ts"

/** The error reports that a slow consumer of `truncations` keeps. */
const MAX_TRUNCATIONS = 64

export interface TableParts<K, V> {
  readonly config: TableConfig<K, V>
  readonly client: KafkaClient
  /** The live content: what readers see is a snapshot of it. */
  readonly state: TableState<K, V>
  readonly counters: Counters
  /** Hides rows whose time is over; `undefined` if they live for ever. */
  readonly expiry: Expiry<K, V> | undefined
  readonly metrics: ReturnType<typeof makeTableMetrics>
  readonly publication: Publication<
    RecordSlots<K, V>,
    RecordSnapshot<K, V>,
    RecordChange<K, V>,
    TableFailure | TableClosedError
  >
  /** The last versions; `undefined` if they are not kept. */
  readonly history: History<RecordSnapshot<K, V>> | undefined
  /** The indexes of the table's tag, by name. */
  readonly indexes: TableIndexes
  /** The failures that stand between the table and its brokers. */
  readonly failures: Failures
  readonly poison: Reports<PoisonRecordError, TableFailure>
  readonly truncations: Reports<LogTruncatedError, TableFailure>
  readonly statuses: PublishedRef<TableStatus>
  /** Done when the table has caught up for the first time; fails when it cannot any more. */
  readonly ready: Deferred.Deferred<void, TableFailure>
  /** Fails when the reader has ended for good. */
  readonly failed: Deferred.Deferred<never, TableFailure>
  status: TableStatus
  /** The partitions that the running reader knows, by number. */
  partitions: Map<number, PartitionState<K, V>>
  /** The partitions whose records the live content holds. */
  readonly live: Set<number>
  /** The source of the running reader, or of the last one; `undefined` before the first one. */
  source: Source | undefined
  /** Whether the table has ever caught up. */
  latched: boolean
  /** Whether somebody has the table. Before that, the acquisition fails with every failure. */
  acquired: boolean
  /** The failure of the reader's last run, until the replay of its next run is complete. */
  restartsAfter: TableFailure | undefined
  /** Id of the topic whose content is live, where brokers have ids. */
  topicId: string | undefined
  /**
   * The partitions that only an earlier topic of this name had, and the error for whoever waits for their positions.
   */
  gone: { readonly partitions: Set<number>; readonly error: TopicError } | undefined
  /**
   * What the reader waits for: a back-pressured subscriber, or a codec's Effect; `undefined` while it waits for
   * neither.
   */
  waitsFor: "Subscriber" | "Codec" | undefined
  /** Why the table was acquired incomplete, until it has caught up. */
  degradedBy: WaitTimeoutError | undefined
  /** Logs what the start of the table waits for: once. */
  readonly tellOfWaiting: (error: ClientError | TopicError) => Effect.Effect<void>
  /** How many records were read until the table caught up for the first time. */
  replayed: number
  /** How long that took, in milliseconds; `undefined` before. */
  catchUpMillis: number | undefined
  /** When the acquisition began, in milliseconds of the Clock. */
  startedAt: number
  readonly settings: TopicSettings
}

/** Makes an empty content, for a table or for a rebuild of some of its partitions. */
export const newState = <K, V>(config: TableConfig<K, V>): TableState<K, V> =>
  new TableState<K, V>(config.key, recordStoreOf(config.value))

export const makeParts = <K, V>(config: TableConfig<K, V>, client: KafkaClient): Effect.Effect<TableParts<K, V>> =>
  Effect.gen(function* () {
    const state = newState(config)
    const status: TableStatus = {
      _tag: "Loading",
      progress: { done: 0, total: 0, percent: 0, recordsPerSecond: 0 }
    }
    const indexes = new TableIndexes(config.topic)
    const counters = makeCounters()
    const expiry = expiryOf(config, state, counters)
    const publication = yield* Publication.make<
      RecordSlots<K, V>,
      RecordSnapshot<K, V>,
      RecordChange<K, V>,
      TableFailure | TableClosedError
    >({
      topic: config.topic,
      slots: state.slots(),
      face: faceOf<K, V, RecordEntry<K, V>>(indexes),
      notesSlots: expiry !== undefined,
      waiters: new Waiters((partition) => parts.partitions.get(partition)?.visible)
    })
    const startedAt = yield* Clock.currentTimeMillis
    const parts: TableParts<K, V> = {
      config,
      client,
      state,
      counters,
      expiry,
      metrics: makeTableMetrics(config.topic, yield* currentLabels),
      indexes,
      publication,
      history: config.history === undefined ? undefined : new History(config.history, publication.snapshot, startedAt),
      failures: new Failures(),
      poison: new Reports(MAX_POISON),
      truncations: new Reports(MAX_TRUNCATIONS),
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
      startedAt,
      settings: new TopicSettings(config.topic)
    }
    return parts
  })

/**
 * Ends all streams, with the failure if there is one and their types know of any, and fails whoever waits with
 * `waiting`.
 */
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
 * Tells what the start waits for, while nobody has the table yet. Who has it is told of the same by the lines about
 * lost brokers, outages and denials.
 */
export const tellOfStart = <K, V>(parts: TableParts<K, V>, error: ClientError | TopicError): Effect.Effect<void> =>
  parts.acquired ? Effect.void : parts.tellOfWaiting(error)

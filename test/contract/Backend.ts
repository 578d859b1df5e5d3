/** What the contract runs on, and what its tests do to a cluster besides what the library does. */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaClient, KafkaError, Position } from "../../src/index.ts"
import type { Compression, ReadRecord, RecordToSend } from "../kafka/records.ts"

/** The cluster would not do it. */
export class Refused extends Data.TaggedError("Refused")<{
  /** Kafka's name for it, such as `INVALID_RECORD`. */
  readonly codeName: string
  readonly message: string
}> {}

export interface TopicOptions {
  /** Default: 1. */
  readonly partitions?: number
  /** `cleanup.policy` is `compact` unless it is named. */
  readonly configs?: Readonly<Record<string, string>>
}

export interface Transaction {
  /** Returns when all of them are in the log. */
  readonly append: (
    topic: string,
    records: ReadonlyArray<RecordToSend>
  ) => Effect.Effect<ReadonlyArray<Position.Position>, Refused>
  readonly commit: Effect.Effect<void, Refused>
  readonly abort: Effect.Effect<void, Refused>
}

export interface Described {
  readonly id: string
  readonly partitions: number
  /** At least those that were set on the topic itself. */
  readonly configs: Readonly<Record<string, string | null>>
}

/** A cluster. What it does here is done by other means than by the library's tables, writers and topics. */
export interface Backend {
  /** A client as another process has it: with connections of its own, closed with the scope. */
  readonly client: Effect.Effect<KafkaClient.KafkaClient, KafkaError.InvalidOptionsError, Scope.Scope>
  /** Of all those clients, now. */
  readonly connections: Effect.Effect<number>

  /** Returns its id. */
  readonly createTopic: (topic: string, options?: TopicOptions) => Effect.Effect<string, Refused>
  readonly deleteTopic: (topic: string) => Effect.Effect<void, Refused>
  /** `undefined`: there is none. */
  readonly describeTopic: (topic: string) => Effect.Effect<Described | undefined, Refused>
  /** Up to `count` in all. */
  readonly addPartitions: (topic: string, count: number) => Effect.Effect<void, Refused>
  /** Deletes what is below `offset`; -1: all that there is. */
  readonly deleteRecords: (topic: string, partition: number, offset: number) => Effect.Effect<void, Refused>
  /**
   * Compacts all that is in the topic now; with `dropTombstones`, tombstones go at once, too. It may change configs of the
   * topic, and append tombstones of a key that no test has.
   */
  readonly clean: (topic: string, options?: { readonly dropTombstones?: boolean }) => Effect.Effect<void, Refused>

  /** Those of one call share a batch a partition, unless they are larger than 200 kB. */
  readonly append: (
    topic: string,
    records: ReadonlyArray<RecordToSend>,
    options?: { readonly compression?: Compression }
  ) => Effect.Effect<ReadonlyArray<Position.Position>, Refused>
  /** Begins one, of a producer that has no other one. It is aborted with the scope, if it is open still. */
  readonly transaction: (options?: {
    readonly compression?: Compression
  }) => Effect.Effect<Transaction, Refused, Scope.Scope>

  /**
   * All records from the beginning up to the end as it is now, as an independent reader sees them: those of open and
   * aborted transactions, too, unless `committed`.
   */
  readonly log: (
    topic: string,
    options?: { readonly committed?: boolean }
  ) => Effect.Effect<ReadonlyArray<ReadRecord>, Refused>
  /** The high watermarks, by partition. */
  readonly ends: (topic: string) => Effect.Effect<ReadonlyArray<number>, Refused>
}

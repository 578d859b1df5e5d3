/** What the parts of one consumer share. */
import type * as Clock from "effect/Clock"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { ConsumerFailure, GroupEvent } from "../../KafkaConsumer.ts"
import type { ConsumerConfig } from "../options/consumer.ts"
import type { Signal } from "../signal.ts"
import type { ConsumerMetrics } from "../metrics.ts"
import type { Source } from "../source/source.ts"
import type { Failures } from "../source/failures.ts"
import type { HealthBoard } from "./health.ts"
import type { GroupCoordinator } from "./member/coordinator.ts"
import type { Member } from "./member/member.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { Told } from "./told.ts"
import type { PoisonRecordError } from "../../KafkaError.ts"

export interface ConsumerParts<K, V> {
  readonly config: ConsumerConfig<K, V>
  readonly client: KafkaClient
  readonly clock: Clock.Clock
  readonly coordinator: GroupCoordinator
  readonly source: Source
  /** The standing failures of the source. */
  readonly failures: Failures
  /** The partitions that are this member's, by their keys, in the order in which they came. */
  readonly owned: Map<string, OwnedPartition>
  /** Notified when a partition may have something to hand out, is this member's no more, or the consumer ends. */
  readonly ready: Signal
  /** Notified when records were done, or partitions went: for who waits for what is handed out. */
  readonly settled: Signal
  /** Notified when something is to be committed without waiting for the interval, or cannot be any more. */
  readonly commits: Signal
  readonly health: HealthBoard
  readonly events: Told<GroupEvent>
  readonly poison: Told<PoisonRecordError>
  readonly metrics: ConsumerMetrics
  /** The membership; `undefined` until it has begun. */
  member: Member | undefined
  /** Whether nothing more is handed out: it is drained, or closed. */
  isEnding: boolean
  /** Why it has ended by itself. */
  failure: ConsumerFailure | undefined
  /** Whether one of the faces runs. */
  isFaced: boolean
  /** Whether what was handed out may be worked on: a face runs, or has given all that there was. One that was left has not. */
  isWorkedOn: boolean
}

/** Ends the consumer by itself. The first failure counts. */
export const failConsumer = <K, V>(parts: ConsumerParts<K, V>, failure: ConsumerFailure): void => {
  if (parts.failure !== undefined) return
  parts.failure = failure
  parts.health.failed(failure)
  for (const signal of [parts.ready, parts.settled, parts.commits]) signal.notify()
}

/** How many bytes of one partition are kept that are not decoded yet, before it is fetched no more. */
export const MAX_FETCHED_BYTES = 4 * 1024 * 1024

/** What the fibers of one source share, and how they tell errors apart. */
import * as Effect from "effect/Effect"
import type { KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import type { DescribeConfigsResponse, Isolation } from "../../KafkaProtocol.ts"
import { LogTruncatedError, type ClientError, type TopicError } from "../../KafkaError.ts"
import { ledBy, nodeKey, type ByLeader } from "../leaders.ts"
import type { Signal } from "../signal.ts"
import type { Failures } from "./failures.ts"
import type { HandOff } from "./handOff.ts"
import type { Denial, FatalError, SourceEvent, SourcePartition } from "./partition.ts"

export interface SourceOptions {
  readonly topic: string
  readonly client: KafkaClient
  /** To be kept: whoever reads it sees what stands in the way. */
  readonly failures: Failures
  readonly isolation: Isolation
  readonly fetch: {
    readonly maxWaitMillis: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly maxPartitionBytes: number
    /** A single batch may be larger than `maxPartitionBytes`; up to this. */
    readonly maxBatchBytes: number
  }
  readonly metadataMaxAgeMillis: number
  /** How long an error that is somebody's to mend (rights, credentials) waits for the next attempt. */
  readonly deniedRetryMillis: number
  /** How long a topic may be missing from the metadata before it counts as gone. */
  readonly missingGraceMillis: number
  /** How long the topic keeps tombstones (`delete.retention.ms`). */
  readonly retention: {
    /** Takes over what a broker says of the topic's settings; false if that says nothing of it. */
    readonly learned: (answer: DescribeConfigsResponse) => Effect.Effect<boolean>
    /** The least that was said since this time, in milliseconds. */
    readonly lowestRetentionSince: (time: number) => number
  }
  /** Nothing is known of the topic so far, and that is why. It is asked for again. */
  readonly onWaiting: (error: ClientError | TopicError) => Effect.Effect<void>
  /** The leader of some partitions was lost, or is back. For logs and metrics. */
  readonly onConnection: (event: {
    readonly state: "lost" | "back"
    readonly broker: string
    readonly error: ClientError | undefined
  }) => Effect.Effect<void>
  /** A broker told this client to wait, longer than one would notice. Once, until it is over. */
  readonly onThrottled: (event: { readonly broker: string; readonly millis: number }) => Effect.Effect<void>
}

/** What fibers of one source share. */
export interface SourceContext {
  readonly options: SourceOptions
  readonly partitions: Map<number, SourcePartition>
  /** By leader, in their order: each leader's fibers look at its own ones only, as there may be many of both. */
  led: ByLeader<SourcePartition>
  /** The brokers whose addresses are known, by `nodeKey`. */
  known: ReadonlySet<string>
  readonly events: HandOff<SourceEvent>
  readonly changed: Signal
  /** The last good description. */
  description: TopicDescription | undefined
  readonly failures: Failures
  /** Makes the metadata fiber ask again. */
  readonly refresh: () => void
  /** An error that is somebody's to mend; `where` until something is granted there. */
  readonly denied: (where: string, error: Denial) => Effect.Effect<void>
  readonly fatal: (error: FatalError) => Effect.Effect<never>
  /** Leaders whose connection has to be opened anew before the next fetch. */
  readonly reconnect: Set<number>
  /** Something was read there: what failed before does not stand any more. */
  readonly granted: (where: string) => Effect.Effect<void>
}

/** Does it lead nothing of the topic, and is not even one of the cluster's brokers any more? */
export const hasLeft = (context: SourceContext, leader: number): boolean =>
  ledBy(context.led, leader).length === 0 && !context.known.has(nodeKey(leader))

/** No wait is longer than this: if one seems to be, the clock was set back meanwhile. */
export const isDue = (context: SourceContext, p: SourcePartition, now: number): boolean =>
  p.retryAt <= now ||
  p.retryAt - now > Math.max(context.options.deniedRetryMillis, context.options.client.backoff.maxMillis)

const UNKNOWN_SERVER_ERROR = -1

/** Does it pass by itself? Kafka's own clients ask again after UNKNOWN_SERVER_ERROR, too. */
export const isPassing = (error: ClientError | TopicError): boolean =>
  error.retriable || (error._tag === "KafkaBrokerError" && error.code === UNKNOWN_SERVER_ERROR)

/** Is this an error that a person mends (rights, credentials), rather than time? */
export const isDenial = (error: ClientError | TopicError): boolean =>
  error.reason === "Unauthorized" || error.reason === "Authentication" || error.reason === "Tls"

/** Holds a partition whose log is no continuation of what was read. */
export const truncated = (
  context: SourceContext,
  p: SourcePartition,
  reason: "Head" | "Tail",
  from: number,
  to: number
): Effect.Effect<void> =>
  Effect.suspend(() => {
    p.phase = "held"
    p.generation++
    return context.events.offer({
      _tag: "Truncated",
      partition: p.partition,
      generation: p.generation,
      error: new LogTruncatedError({ reason, topic: context.options.topic, partition: p.partition, from, to })
    })
  })

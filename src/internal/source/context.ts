/** What the fibers of one source share, and how they tell errors apart. */
import * as Effect from "effect/Effect"
import type { BrokerConnection, KafkaClient } from "../../KafkaClient.ts"
import type { Broker, Isolation } from "../../KafkaProtocol.ts"
import { LogTruncatedError, type ClientError, type TopicError } from "../../KafkaError.ts"
import { ledBy, nodeKey, type ByLeader } from "../leaders.ts"
import type { Signal } from "../signal.ts"
import type { Failures } from "./failures.ts"
import type { HandOff } from "./handOff.ts"
import {
  makeCursor,
  type Arrival,
  type Cursor,
  type Denial,
  type FatalError,
  type SourceEvent,
  type SourceTopic
} from "./cursor.ts"

export interface SourceOptions {
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
  /**
   * Whatever has to be known before an answer that ends an absence is taken on, asked of the broker that gave it: the
   * others go on meanwhile. `askedAt` is when the answer was asked for. `undefined`: nothing. Default: nothing ever.
   */
  readonly prepare?: (
    arrivals: ReadonlyArray<Arrival>,
    askedAt: number,
    connection: BrokerConnection
  ) => Effect.Effect<void> | undefined
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
  /** By name. */
  readonly topics: Map<string, SourceTopic>
  /** Cursors of all topics by leader, in their order: each leader's fibers look at its own ones only, as there may be many of both. */
  led: ByLeader<Cursor>
  /** The brokers whose addresses are known, by `nodeKey`, and by their number. */
  known: ReadonlySet<string>
  brokers: ReadonlyMap<number, Broker>
  readonly events: HandOff<SourceEvent>
  readonly changed: Signal
  readonly failures: Failures
  /** One that no cursor had before. */
  readonly nextGeneration: () => number
  /** Makes the metadata fibers ask again. */
  readonly refresh: () => void
  /** An error that is somebody's to mend; `where` until something is granted there. */
  readonly denied: (where: string, error: Denial) => Effect.Effect<void>
  /** `topic` where it is about one. */
  readonly fatal: (topic: string | undefined, error: FatalError) => Effect.Effect<never>
  /** Leaders whose connection has to be opened anew before the next fetch. */
  readonly reconnect: Set<number>
  /** Something was read there: what failed before does not stand any more. */
  readonly granted: (where: string) => Effect.Effect<void>
}

/** All cursors, topic by topic. */
export const allCursors = ({ topics }: SourceContext): ReadonlyArray<Cursor> =>
  [...topics.values()].flatMap(({ cursors }) => [...cursors.values()])

/** Begins to read a partition, from its beginning if no offset is given, as soon as its leader is known. */
export const addCursor = (context: SourceContext, topic: SourceTopic, partition: number, from?: number): Cursor => {
  const cursor = makeCursor({
    topic,
    partition,
    from,
    generation: context.nextGeneration(),
    maxBytes: context.options.fetch.maxPartitionBytes
  })
  topic.cursors.set(partition, cursor)
  return cursor
}

/** Does it lead nothing that is read, and is not even one of the cluster's brokers any more? */
export const hasLeft = (context: SourceContext, leader: number): boolean =>
  ledBy(context.led, leader).length === 0 && !context.known.has(nodeKey(leader))

/** No wait is longer than this: if one seems to be, the clock was set back meanwhile. */
export const isDue = (context: SourceContext, p: Cursor, now: number): boolean =>
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
  p: Cursor,
  reason: "Head" | "Tail",
  from: number,
  to: number
): Effect.Effect<void> =>
  Effect.suspend(() => {
    p.phase = "held"
    p.generation = context.nextGeneration()
    const topic = p.topic.name
    return context.events.offer({
      _tag: "Truncated",
      topic,
      partition: p.partition,
      generation: p.generation,
      error: new LogTruncatedError({ reason, topic, partition: p.partition, from, to })
    })
  })

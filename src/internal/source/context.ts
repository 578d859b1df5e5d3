/** What the fibers of one source share, and how they tell errors apart. */
import * as Effect from "effect/Effect"
import type { BrokerConnection, KafkaClient } from "../../KafkaClient.ts"
import type { Broker, Isolation } from "../../KafkaProtocol.ts"
import { LogTruncatedError, type ClientError, type TopicError } from "../../KafkaError.ts"
import { ledBy, nodeKey, type ByLeader } from "../client/leaders.ts"
import { UNKNOWN_SERVER_ERROR } from "../protocol/codes.ts"
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
  /** The source keeps its standing failures here, for whoever wants to see what stands in the way. */
  readonly failures: Failures
  readonly isolation: Isolation
  /** What one fetch asks for; see `FetchSettings` of `KafkaTable`. */
  readonly fetch: {
    readonly maxWaitMillis: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly maxPartitionBytes: number
    /** A single batch may be larger than `maxPartitionBytes`, but not larger than this. */
    readonly maxBatchBytes: number
  }
  /**
   * How long a fetch may wait, in milliseconds, once one has waited for all its time and nothing came. It is cut short when
   * something else is to be fetched. Default: as long as any other.
   */
  readonly idleWaitMillis?: number
  /** A topic is described again when its description has become this old. */
  readonly metadataMaxAgeMillis: number
  /** How long to wait before the next attempt after a denial: rights or credentials, which a person has to mend. */
  readonly deniedRetryMillis: number
  /** How long a topic may be missing from the metadata before it counts as gone. */
  readonly missingGraceMillis: number
  /**
   * Finds out what has to be known before an answer that ends an absence is handed on, by asking the broker that gave
   * the answer; other brokers' answers go on meanwhile. `askedAt` is when the answer was asked for. It returns
   * `undefined` where nothing has to be known. Default: nothing ever has to be.
   */
  readonly prepare?: (
    arrivals: ReadonlyArray<Arrival>,
    askedAt: number,
    connection: BrokerConnection
  ) => Effect.Effect<void> | undefined
  /** Told why a topic could not be described yet, each time that it is going to be asked for again. */
  readonly onWaiting: (error: ClientError | TopicError) => Effect.Effect<void>
  /** Told when the leader of some partitions is lost, and when it is back, for logs and metrics. */
  readonly onConnection: (event: {
    readonly state: "lost" | "back"
    readonly broker: string
    readonly error: ClientError | undefined
  }) => Effect.Effect<void>
  /** Told when a broker makes this client wait for a second or longer: once, until that is over. */
  readonly onThrottled: (event: { readonly broker: string; readonly millis: number }) => Effect.Effect<void>
}

/** The state that the fibers of one source share, and the steps by which they change it. */
export interface SourceContext {
  readonly options: SourceOptions
  /** The topics that are read, by name. */
  readonly topics: Map<string, SourceTopic>
  /**
   * The cursors of all topics by leader: a leader's fibers look at its own cursors only, as there may be many of both.
   */
  led: ByLeader<Cursor>
  /** The brokers whose addresses are known, by `nodeKey`. */
  known: ReadonlySet<string>
  /** The same brokers with their addresses, by node id. */
  brokers: ReadonlyMap<number, Broker>
  readonly events: HandOff<SourceEvent>
  /** Wakes all fibers, after a cursor or a topic has changed. */
  readonly changed: Signal
  readonly failures: Failures
  /** Gives a generation that no cursor has had before. */
  readonly nextGeneration: () => number
  /** Has all topics described again. */
  readonly refresh: () => void
  /** Notes a denial, which stands until something is `granted` at the same place. */
  readonly denied: (where: string, error: Denial) => Effect.Effect<void>
  /** Hands on an error that ends the reading of a topic, or of all of them without `topic`, and never ends itself. */
  readonly fatal: (topic: string | undefined, error: FatalError) => Effect.Effect<never>
  /** Leaders whose connection has to be opened anew before the next fetch. */
  readonly reconnect: Set<number>
  /** Notes that something was read at this place, so that no failure stands there any more. */
  readonly granted: (where: string) => Effect.Effect<void>
}

/** All cursors, topic by topic. */
export const allCursors = ({ topics }: SourceContext): ReadonlyArray<Cursor> =>
  [...topics.values()].flatMap(({ cursors }) => [...cursors.values()])

/** Adds a cursor, which reads from the log's beginning if no offset is given, as soon as its leader is known. */
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

/** The cursors that a leader leads. */
export const cursorsOf = (context: SourceContext, leader: number): ReadonlyArray<Cursor> => ledBy(context.led, leader)

/** Whether a broker leads nothing that is read, and is not one of the cluster's brokers any more either. */
export const hasLeft = (context: SourceContext, leader: number): boolean =>
  cursorsOf(context, leader).length === 0 && !context.known.has(nodeKey(leader))

/**
 * Whether a cursor may be asked for now. A wait that seems longer than any wait is, was begun before the clock was set
 * back.
 */
export const isDue = (context: SourceContext, p: Cursor, now: number): boolean =>
  p.retryAt <= now ||
  p.retryAt - now > Math.max(context.options.deniedRetryMillis, context.options.client.backoff.maxMillis)

/** Whether an error passes by itself. Kafka's own clients ask again after UNKNOWN_SERVER_ERROR, too. */
export const isPassing = (error: ClientError | TopicError): boolean =>
  error.retriable || (error._tag === "KafkaBrokerError" && error.code === UNKNOWN_SERVER_ERROR)

/** Whether a person has to mend what is wrong (rights, credentials), rather than time. */
export const isDenial = (error: ClientError | TopicError): boolean =>
  error.reason === "Unauthorized" || error.reason === "Authentication" || error.reason === "Tls"

/** Holds a partition whose log is no continuation of what was read, and tells of it. */
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

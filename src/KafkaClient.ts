/**
 * The seam to Kafka: connections to brokers, and the few requests that tables, writers and topics need.
 *
 * A driver supplies one primitive, `connect`; everything else (routing to leaders, shared connections, retries) is
 * derived from it, the same way for every driver.
 *
 * @since 0.1.0
 * @module
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { ClientOptions, EmbeddedKafka, EmbeddedKafkaOptions } from "./EmbeddedKafka.ts"
import * as internal from "./internal/client/client.ts"
import * as embedded from "./internal/embedded/embedded.ts"
import * as kafkajs from "./internal/kafkajs/client.ts"
import type { ClientError, ConnectionError, InvalidOptionsError, TopicError } from "./KafkaError.ts"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

// ---------------------------------------------------------------------------------------------------------------------
// the requests of one connection
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Which records count: `read_committed` ends at the last stable offset, `read_uncommitted` at the high watermark.
 *
 * @since 0.1.0
 * @category protocol
 */
export type Isolation = "read_committed" | "read_uncommitted"

/**
 * A broker, as the cluster's metadata names it.
 *
 * @since 0.1.0
 * @category protocol
 */
export interface Broker {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/**
 * A topic by its name and, where the cluster has them (Kafka 2.8 and later), its id: 22 characters of base64url, as
 * Kafka prints it.
 *
 * @since 0.1.0
 * @category protocol
 */
export interface TopicRef {
  readonly name: string
  readonly id: string | undefined
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface PartitionMetadata {
  readonly errorCode: number
  readonly partition: number
  /** Node id of the leader; -1 if there is none. */
  readonly leader: number
  /** -1 if the broker does not say. */
  readonly leaderEpoch: number
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface TopicMetadata {
  readonly errorCode: number
  readonly name: string
  readonly id: string | undefined
  /** In order of the partition's number. */
  readonly partitions: ReadonlyArray<PartitionMetadata>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface MetadataResponse {
  readonly brokers: ReadonlyArray<Broker>
  /** Node id of the controller, -1 if unknown. */
  readonly controllerId: number
  readonly topics: ReadonlyArray<TopicMetadata>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface ListOffsetsRequest {
  readonly topic: string
  readonly isolation: Isolation
  /** `timestamp` -2 asks for the log's start, -1 for its end (by isolation), others for the first record at or after. */
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly leaderEpoch: number
    readonly timestamp: number
  }>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface ListOffsetsResponse {
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly errorCode: number
    readonly offset: number
    readonly leaderEpoch: number
  }>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface FetchRequest {
  readonly topic: TopicRef
  readonly isolation: Isolation
  /** How long the broker may wait for `minBytes`, in milliseconds. */
  readonly maxWaitMillis: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    /** Leader epoch that the caller knows of; -1 if none. */
    readonly leaderEpoch: number
    readonly fetchOffset: number
    /** Epoch of the last record batch that was read, to find out about diverged logs; -1 if none. */
    readonly lastFetchedEpoch: number
    readonly maxBytes: number
  }>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  /** -1 if the broker does not say. */
  readonly highWatermark: number
  /** -1 if the broker does not say. */
  readonly lastStableOffset: number
  /** -1 if the broker does not say. */
  readonly logStartOffset: number
  readonly abortedTransactions: ReadonlyArray<AbortedTransaction>
  /** Set when the log that the caller read is not the one that this leader has: both agree up to `endOffset`. */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined
  /**
   * Record batches, the last one possibly cut off: a part of the response's memory. Nobody writes to that any more, as a
   * table may keep it as it is.
   */
  readonly records: Buffer
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface FetchResponse {
  readonly errorCode: number
  /** For how long the broker wants no further request because of a quota, in milliseconds: a minute at most. */
  readonly throttleMillis: number
  readonly partitions: ReadonlyArray<FetchedPartition>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface InitProducerIdResponse {
  readonly errorCode: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface ProduceRequest {
  readonly topic: TopicRef
  /** -1: all in-sync replicas, 1: the leader. */
  readonly acks: -1 | 1
  /** How long the leader may wait for its replicas, in milliseconds. */
  readonly timeoutMillis: number
  /** One encoded record batch per partition. */
  readonly partitions: ReadonlyArray<{ readonly partition: number; readonly records: Uint8Array }>
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface ProduceResponse {
  readonly throttleMillis: number
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly errorCode: number
    /** Offset of the batch's first record. */
    readonly baseOffset: number
    /** What the broker said, where it said something. */
    readonly errorMessage: string | undefined
    /** The records for which the batch was refused, where the broker names them (Kafka 2.4 and later). */
    readonly recordErrors?: ReadonlyArray<RecordError>
  }>
}

/**
 * A record of a batch that a broker refused.
 *
 * @since 0.2.0
 * @category protocol
 */
export interface RecordError {
  /** The record's place in its batch, from 0. */
  readonly batchIndex: number
  /** What the broker said of it, where it said something. */
  readonly message: string | undefined
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface CreateTopicRequest {
  readonly topic: string
  /** -1: the broker's default. */
  readonly partitions: number
  /** -1: the broker's default. */
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, string>>
  readonly timeoutMillis: number
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface AdminResponse {
  readonly errorCode: number
  readonly errorMessage: string | undefined
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface ConfigEntry {
  readonly name: string
  readonly value: string | undefined
  /** Set on this topic itself, rather than inherited from the broker's defaults. */
  readonly explicit: boolean
}

/**
 * @since 0.1.0
 * @category protocol
 */
export interface DescribeConfigsResponse extends AdminResponse {
  readonly configs: ReadonlyArray<ConfigEntry>
}

/**
 * One TCP connection to one broker, negotiated and authenticated. Requests on it are answered in order, so a
 * long-polling fetch deserves a connection of its own. A connection that failed once fails for ever: open another.
 *
 * Error codes in answers are data here, as one answer may speak of many partitions.
 *
 * @since 0.1.0
 * @category models
 */
export interface BrokerConnection {
  /** `host:port` */
  readonly address: string
  /** False once it was closed or failed. */
  readonly isOpen: () => boolean
  /** The brokers, and these topics. It never creates a topic. */
  readonly metadata: (topics: ReadonlyArray<string>) => Effect.Effect<MetadataResponse, ConnectionError>
  /** Where partitions begin and end. To be asked of their leader. */
  readonly listOffsets: (request: ListOffsetsRequest) => Effect.Effect<ListOffsetsResponse, ConnectionError>
  /** Record batches, as soon as there are any, or after `maxWaitMillis`. To be asked of the partitions' leader. */
  readonly fetch: (request: FetchRequest) => Effect.Effect<FetchResponse, ConnectionError>
  /** A new producer id. */
  readonly initProducerId: Effect.Effect<InitProducerIdResponse, ConnectionError>
  /** Appends record batches. To be asked of the partitions' leader. */
  readonly produce: (request: ProduceRequest) => Effect.Effect<ProduceResponse, ConnectionError>
  /** To be asked of the controller. */
  readonly createTopic: (request: CreateTopicRequest) => Effect.Effect<AdminResponse, ConnectionError>
  /** All configs of a topic, the broker's defaults among them. */
  readonly describeConfigs: (topic: string) => Effect.Effect<DescribeConfigsResponse, ConnectionError>
  /** Sets the given configs and leaves all others as they are (incremental, Kafka 2.3 and later). */
  readonly alterConfigs: (
    topic: string,
    set: Readonly<Record<string, string>>
  ) => Effect.Effect<AdminResponse, ConnectionError>
}

// ---------------------------------------------------------------------------------------------------------------------
// the service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A topic as the cluster describes it at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicDescription {
  readonly topic: TopicRef
  /** In order of the partition's number. A partition without a leader has `leader` -1. */
  readonly partitions: ReadonlyArray<PartitionMetadata>
  /** Brokers by node id. */
  readonly brokers: ReadonlyMap<number, Broker>
  readonly controllerId: number
}

/**
 * Where a partition begins or ends; `error` if its leader could not be asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListedOffset {
  readonly partition: number
  /** -1 if `error` is set. */
  readonly offset: number
  readonly error: ClientError | undefined
}

/**
 * How long to wait between attempts: the first wait, doubled each time up to the last, less up to 20 % at random.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backoff {
  readonly initialMillis: number
  readonly maxMillis: number
}

/**
 * A Kafka cluster. All calls make one attempt on every broker that may know the answer, each bounded by the request
 * timeout, and then fail; who calls decides about retries, by `backoff` and its own deadline.
 *
 * @since 0.1.0
 * @category models
 */
export interface KafkaClient {
  readonly [TypeId]: TypeId
  /** Where it begins: `host:port`, separated by commas. For messages. */
  readonly bootstrap: string
  readonly backoff: Backoff
  /** Opens a connection of one's own, closed with the scope, or with the client: for long polls and for writes. */
  readonly connect: (broker: Broker) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
  /** Asks any broker about a topic; never creates it. */
  readonly describeTopic: (topic: string) => Effect.Effect<TopicDescription, ClientError | TopicError>
  /** Asks the leaders, all at once. Fails never: a leader that does not answer gives its partitions an `error`. */
  readonly listOffsets: (
    topic: TopicDescription,
    at: {
      readonly isolation: Isolation
      readonly timestamp: "earliest" | "latest"
      /** Default: all. */
      readonly partitions?: ReadonlySet<number>
    }
  ) => Effect.Effect<ReadonlyArray<ListedOffset>>
  /** A new producer id, from any broker that has one: with an error code only if none has. */
  readonly initProducerId: Effect.Effect<InitProducerIdResponse, ConnectionError>
  /** Asks the controller, and looks for it some times where it has changed. */
  readonly createTopic: (request: CreateTopicRequest) => Effect.Effect<AdminResponse, ConnectionError>
  /** Asks any broker: with an error code only if none can answer. */
  readonly describeConfigs: (topic: string) => Effect.Effect<DescribeConfigsResponse, ConnectionError>
  /** Asks the controller; what is not in `set` stays as it is. */
  readonly alterConfigs: (
    topic: string,
    set: Readonly<Record<string, string>>
  ) => Effect.Effect<AdminResponse, ConnectionError>
}

/**
 * @since 0.1.0
 * @category tags
 */
export const KafkaClient: Context.Tag<KafkaClient, KafkaClient> = internal.tag

// ---------------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How to talk TLS. Certificates and keys are PEM text, with line ends as such or as the two characters `\n`.
 *
 * @since 0.1.0
 * @category options
 */
export interface TlsOptions {
  /** Authorities to trust instead of Node's own list: one or several in each text. */
  readonly ca?: string | ReadonlyArray<string>
  /** Client certificate, for mutual TLS; together with `key`. */
  readonly cert?: string
  readonly key?: Redacted.Redacted<string>
  readonly passphrase?: Redacted.Redacted<string>
  /** Name to expect in the broker's certificate. Default: the host that is connected to. */
  readonly serverName?: string
}

/**
 * How to authenticate. An OAUTHBEARER token is asked for anew on each connection and re-authentication; a failure of
 * that Effect, or its interruption, is an `Authentication` error, which names it and tells no more of it: it may hold a
 * secret. It has `connectTimeout` (then: `Timeout`), and is interrupted when its connection is gone. User names and
 * passwords have no control characters. PLAIN and OAUTHBEARER want TLS: without it, a warning is logged.
 *
 * @since 0.1.0
 * @category options
 */
export type SaslOptions =
  | {
      readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"
      readonly username: string
      readonly password: Redacted.Redacted<string>
    }
  | {
      readonly mechanism: "OAUTHBEARER"
      readonly token: Effect.Effect<Redacted.Redacted<string>, unknown>
    }

/**
 * @since 0.1.0
 * @category options
 */
export interface KafkaClientOptions {
  /** Some of the cluster's brokers, as `host:port`; IPv6 addresses in brackets. All others are found by them. */
  readonly brokers: ReadonlyArray<string>
  /**
   * What the brokers' logs, quotas and metrics call this client: at most 32,767 bytes, no control characters. Default:
   * `effect-ktables`.
   */
  readonly clientId?: string
  /** `true`: TLS with Node's own authorities. Default: no TLS. */
  readonly tls?: boolean | TlsOptions
  /** Default: none. */
  readonly sasl?: SaslOptions
  /** For each of the steps TCP and TLS, version negotiation, authentication. Default: 10 seconds. */
  readonly connectTimeout?: Duration.DurationInput
  /**
   * How long a broker may take to answer before its connection is given up as dead; on top of what a request itself
   * lets the broker wait. An answer that is arriving by then may take longer. Default: 10 seconds.
   */
  readonly requestTimeout?: Duration.DurationInput
  /** Wait before the first retry, and the longest wait. Default: 100 milliseconds and 1 second. */
  readonly backoff?: {
    readonly initial?: Duration.DurationInput
    readonly max?: Duration.DurationInput
  }
}

/**
 * A client on kafkajs's sockets. Acquiring it connects to nothing yet; options that cannot work fail with all that is wrong
 * with them. Releasing it closes all connections at once, those of tables and writers on it too: what they do then fails with
 * a `Closed` error that says so, and they do not come back. So its layer should outlive theirs, as `Layer.provide` has it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: KafkaClientOptions): Layer.Layer<KafkaClient, InvalidOptionsError> =>
  Layer.scoped(KafkaClient, make(options))

/**
 * The same options, as a `Config` each, or as one `Config` of them all.
 *
 * @since 0.1.0
 * @category options
 */
export type KafkaClientConfig =
  | Config.Config<KafkaClientOptions>
  | ({
      readonly [Option in keyof Omit<KafkaClientOptions, "tls">]: Config.Config.Wrap<KafkaClientOptions[Option]>
    } & {
      // wrapped as the object that it may be: of a union with a boolean, `Wrap` sees no object
      readonly tls?: Config.Config.Wrap<TlsOptions> | Config.Config<boolean | TlsOptions>
    })

/**
 * The same from configuration; a missing or malformed value is a `ConfigError`. Where `sasl` needs a token Effect, give
 * one `Config` of the whole (`Config.map`).
 *
 * ```ts
 * import { Config } from "effect"
 * import { KafkaClient } from "effect-ktables"
 *
 * export const Kafka = KafkaClient.layerConfig({
 *   brokers: Config.array(Config.string(), "KAFKA_BROKERS"),
 *   tls: { ca: Config.string("KAFKA_CA") },
 *   sasl: {
 *     mechanism: Config.literal("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")("KAFKA_SASL_MECHANISM"),
 *     username: Config.string("KAFKA_USERNAME"),
 *     password: Config.redacted("KAFKA_PASSWORD")
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: KafkaClientConfig
): Layer.Layer<KafkaClient, InvalidOptionsError | ConfigError.ConfigError> =>
  // at run time, `unwrap` goes into every object
  Layer.scoped(KafkaClient, Effect.flatMap(Config.unwrap(config as Config.Config.Wrap<KafkaClientOptions>), make))

/**
 * A client of a cluster in memory, together with that cluster's handle: no broker is needed. For several clients on one
 * cluster there are `EmbeddedKafka.layer` and `layerClient`.
 *
 * ```ts
 * import { KafkaClient } from "effect-ktables"
 *
 * export const Kafka = KafkaClient.layerMemory({ topics: { "my.registry": { partitions: 4 } } })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: (
  options?: EmbeddedKafkaOptions & ClientOptions
) => Layer.Layer<KafkaClient | EmbeddedKafka, InvalidOptionsError> = embedded.layerMemory

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: (options: KafkaClientOptions) => Effect.Effect<KafkaClient, InvalidOptionsError, Scope.Scope> =
  kafkajs.make

/**
 * A client on a driver of one's own: one Effect that opens a connection, and where to begin.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDriver: (driver: {
  readonly bootstrap: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly backoff: Backoff
  readonly connect: (broker: {
    readonly host: string
    readonly port: number
  }) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
}) => Effect.Effect<KafkaClient, never, Scope.Scope> = internal.make

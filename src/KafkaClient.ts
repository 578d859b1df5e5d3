/**
 * The seam to Kafka: connections to brokers, and which of them to ask.
 *
 * A driver supplies one primitive, `connect`; everything else (routing to leaders, shared connections, retries) is
 * derived from it, the same way for every driver.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KafkaClient } from "effect-ktables"
 *
 * const program = Effect.gen(function* () {
 *   const client = yield* KafkaClient.KafkaClient
 *   const { partitions } = yield* client.describeTopic("my.registry")
 *   return partitions.map(({ leader, partition }) => `${partition} is led by ${leader}`)
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(KafkaClient.layer({ brokers: ["kafka-1:9092", "kafka-2:9092"], clientId: "my-service" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @module
 */
import * as Config from "effect/Config"
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
import type {
  AdminResponse,
  ApiName,
  Broker,
  CoordinatorType,
  CreateTopicsRequest,
  DescribeConfigsResponse,
  IncrementalAlterConfigsRequest,
  InitProducerIdResponse,
  Isolation,
  ListedGroup,
  ListGroupsRequest,
  PartitionMetadata,
  Request,
  Response,
  TopicRef,
  VersionRange
} from "./KafkaProtocol.ts"

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
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * One TCP connection to one broker, negotiated and authenticated. Requests on it are answered in order, so a
 * long-polling fetch deserves a connection of its own. A connection that failed once fails for ever: open another.
 *
 * @since 0.1.0
 * @category models
 */
export interface BrokerConnection {
  /** Where the broker is: `host:port`, with an IPv6 host in brackets. */
  readonly address: string
  /** False once it was closed or failed. */
  readonly isOpen: () => boolean
  /**
   * The levels of the cluster's features (`metadata.version`, `group.version`) that were in force when the connection was
   * opened, by name; `undefined` where the broker does not say (before Kafka 2.7).
   */
  readonly features: ReadonlyMap<string, VersionRange> | undefined
  /**
   * Asks for something, in the newest version that both sides speak; `UnsupportedVersion` if there is none, which does not
   * end the connection. Error codes in the answer are data.
   */
  readonly request: <N extends ApiName>(name: N, request: Request<N>) => Effect.Effect<Response<N>, ConnectionError>
}

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
  /** Node id of the controller; -1 if it is not known. */
  readonly controllerId: number
}

/**
 * Where a partition begins or ends, or where a time is in it; `error` if its leader could not be asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListedOffset {
  /** The partition's number, from 0. */
  readonly partition: number
  /** The offset that was asked for; -1 if `error` is set, or if there is no record at or after a time. */
  readonly offset: number
  /** Why there is no offset; `undefined` if there is one. */
  readonly error: ClientError | undefined
}

/**
 * A topic in short, as it is found by its name.
 *
 * @since 0.4.0
 * @category models
 */
export interface TopicSummary {
  readonly topic: TopicRef
  /** How many partitions it has, which are numbered from 0. */
  readonly partitions: number
}

/**
 * The broker that coordinates a group, or the transactions of a transactional id, for who asks it again and again: it is
 * found when it is needed, and found again where it has moved. It has two connections of its own: on one of them go
 * `JoinGroup` and `SyncGroup`, which wait for the other members of the group, and all else on the other.
 *
 * @since 0.4.0
 * @category models
 */
export interface Coordinator {
  readonly type: CoordinatorType
  /** The group's id, or the transactional id. */
  readonly key: string
  /**
   * Makes one attempt. Error codes in the answer are data, but for the three that say that this broker is not the
   * coordinator, or not ready to be it (`COORDINATOR_LOAD_IN_PROGRESS`, `COORDINATOR_NOT_AVAILABLE`, `NOT_COORDINATOR`):
   * as the answer's own code, or that of all its partitions, they are a `BrokerError`. After that, and after a failure of
   * a connection, the next request looks for the coordinator again, but not before a pause that grows from one such
   * failure to the next (`backoff`): to ask in a loop is no harm. All failures are of this attempt only; those with
   * `retriable` pass by themselves.
   */
  readonly request: <N extends ApiName>(name: N, request: Request<N>) => Effect.Effect<Response<N>, ClientError>
  /** The cluster's features that are in force, as the coordinator tells them: see `BrokerConnection.features`. */
  readonly features: Effect.Effect<BrokerConnection["features"], ClientError>
}

/**
 * How long to wait between attempts: the first wait is doubled each time, up to the longest, less up to 20 % at random.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backoff {
  /** The first wait, in milliseconds. */
  readonly initialMillis: number
  /** The longest wait, in milliseconds. */
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
  /** The brokers that it begins with, as `host:port` separated by commas, for messages. */
  readonly bootstrap: string
  /** How long callers wait between attempts. */
  readonly backoff: Backoff
  /** Opens a connection of one's own, closed with the scope, or with the client: for long polls and for writes. */
  readonly connect: (broker: Broker) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
  /** Asks any broker which brokers there are. */
  readonly brokers: Effect.Effect<ReadonlyArray<Broker>, ClientError>
  /** Asks any broker about a topic; never creates it. */
  readonly describeTopic: (topic: string) => Effect.Effect<TopicDescription, ClientError | TopicError>
  /**
   * Asks any broker for all topics, and gives those whose name is wanted, in the order of their names. Topics that may not
   * be described are not among them, nor is one that is being created.
   */
  readonly topicsMatching: (
    isWanted: (name: string) => boolean
  ) => Effect.Effect<ReadonlyArray<TopicSummary>, ClientError>
  /**
   * The coordinator of a group (by its id) or of transactions (by their transactional id), with connections of one's own.
   * They are opened when they are needed, and closed with the scope, or with the client.
   */
  readonly coordinator: (key: string, type: CoordinatorType) => Effect.Effect<Coordinator, never, Scope.Scope>
  /**
   * Asks a coordinator once, over the connections that the client has anyway: not for what waits (`JoinGroup`,
   * `SyncGroup`). It looks for the coordinator some times where it has moved, or is not ready yet; other error codes in the
   * answer are data.
   */
  readonly askCoordinator: <N extends ApiName>(
    key: string,
    type: CoordinatorType,
    name: N,
    request: Request<N>
  ) => Effect.Effect<Response<N>, ClientError>
  /**
   * Asks all brokers for the groups that they coordinate, and gives them in the order of their ids. Fails if one of the
   * brokers does not answer, as its groups would be missing.
   */
  readonly listGroups: (request: ListGroupsRequest) => Effect.Effect<ReadonlyArray<ListedGroup>, ClientError>
  /**
   * Asks the leaders, all at once, for the log's beginning, its end, or the first record at or after a time, in milliseconds
   * since the epoch: an offset of -1 without an error says that there is none. Fails never: a leader that does not answer gives its
   * partitions an `error`.
   */
  readonly listOffsets: (
    topic: TopicDescription,
    at: {
      readonly isolation: Isolation
      readonly timestamp: "earliest" | "latest" | number
      /** Default: all. */
      readonly partitions?: ReadonlySet<number>
    }
  ) => Effect.Effect<ReadonlyArray<ListedOffset>>
  /** A new producer id, from any broker that has one: with an error code only if none has. */
  readonly initProducerId: Effect.Effect<InitProducerIdResponse, ConnectionError>
  /** Asks the controller, and looks for it some times where it has changed. */
  readonly createTopic: (request: CreateTopicsRequest) => Effect.Effect<AdminResponse, ConnectionError>
  /** Asks any broker: with an error code only if none can answer. */
  readonly describeConfigs: (topic: string) => Effect.Effect<DescribeConfigsResponse, ConnectionError>
  /** Asks the controller; what is not in `set` stays as it is. */
  readonly alterConfigs: (request: IncrementalAlterConfigsRequest) => Effect.Effect<AdminResponse, ConnectionError>
}

/**
 * @since 0.1.0
 * @category tags
 */
export const KafkaClient: Context.Service<KafkaClient, KafkaClient> = internal.tag

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
  readonly connectTimeout?: Duration.Input
  /**
   * How long a broker may take to answer before its connection is given up as dead; on top of what a request itself
   * lets the broker wait. An answer that is arriving by then may take longer. Default: 10 seconds.
   */
  readonly requestTimeout?: Duration.Input
  /** Wait before the first retry, and the longest wait. Default: 100 milliseconds and 1 second. */
  readonly backoff?: {
    readonly initial?: Duration.Input
    readonly max?: Duration.Input
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
  Layer.effect(KafkaClient, make(options))

/**
 * The same options, as a `Config` each, or as one `Config` of them all.
 *
 * @since 0.1.0
 * @category options
 */
export type KafkaClientConfig =
  | Config.Config<KafkaClientOptions>
  | ({
      readonly [Option in keyof Omit<KafkaClientOptions, "tls">]: Config.Wrap<KafkaClientOptions[Option]>
    } & {
      // It is wrapped as the object that it may be, as `Wrap` sees no object in a union with a boolean.
      readonly tls?: Config.Wrap<TlsOptions> | Config.Config<boolean | TlsOptions>
    })

/**
 * The same from configuration; a missing or malformed value is a `ConfigError`. Where `sasl` needs a token Effect, give
 * one `Config` of the whole (`Config.map`).
 *
 * <!-- effect 4 -->
 *
 * ```ts
 * import { Config, Schema } from "effect"
 * import { KafkaClient } from "effect-ktables"
 *
 * export const Kafka = KafkaClient.layerConfig({
 *   brokers: Config.Array(Schema.String, "KAFKA_BROKERS"),
 *   tls: { ca: Config.String("KAFKA_CA") },
 *   sasl: {
 *     mechanism: Config.Literals(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "KAFKA_SASL_MECHANISM"),
 *     username: Config.String("KAFKA_USERNAME"),
 *     password: Config.Redacted("KAFKA_PASSWORD")
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: KafkaClientConfig
): Layer.Layer<KafkaClient, InvalidOptionsError | Config.ConfigError> =>
  // At run time `unwrap` goes into every object.
  Layer.effect(KafkaClient, Effect.flatMap(Config.unwrap(config as Config.Wrap<KafkaClientOptions>), make))

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

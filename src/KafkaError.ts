/**
 * Every failure of this library, as one family of tagged errors.
 *
 * Each error carries a closed `reason`, where it happened (broker, topic, partition, offset), the `cause` where there
 * is one, `retriable` (may the same call succeed later without anybody changing anything?) and a `message` of one line
 * that says what happened, where, and what to do.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KafkaError } from "effect-ktables"
 *
 * declare const program: Effect.Effect<void, KafkaError.KafkaError>
 *
 * export const handled = program.pipe(
 *   Effect.catchTag("KafkaConnectionError", (error) => Effect.logWarning(`no Kafka at ${error.broker}: ${error.reason}`))
 * )
 * ```
 *
 * @since 0.1.0
 * @module
 */
import * as Data from "effect/Data"
import type * as Schema from "effect/Schema"
import * as issue from "./internal/codec/schema/issue.ts"
import { foreignText, quotedForeignText } from "./internal/foreignText.ts"
import { RELEASED } from "./internal/released.ts"

/**
 * Any error of this library.
 *
 * @since 0.1.0
 * @category models
 */
export type KafkaError =
  | InvalidOptionsError
  | ConnectionError
  | BrokerError
  | TopicError
  | CorruptBatchError
  | LogTruncatedError
  | PoisonRecordError
  | WriteError
  | WaitTimeoutError
  | TableClosedError
  | GroupError
  | CommitError
  | InvalidRecordError
  | CatalogLockedError
  | CatalogReadOnlyError
  | DefectError

/**
 * What a call to the cluster can fail with, before anything is known about a table or a writer.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientError = ConnectionError | BrokerError

/** How many of several brokers or partitions a message names. */
const LISTED = 8

const listed = (all: ReadonlyArray<string>): string =>
  all.length <= LISTED ? all.join(", ") : `${all.slice(0, LISTED).join(", ")} and ${all.length - LISTED} more`

const brokers = (broker: string): string => {
  const all = broker.split(",").map((one) => foreignText(one.trim()))
  return all.length === 1 ? `broker ${all[0]}` : `brokers ${listed(all)}`
}

const where = (parts: {
  readonly group?: string | undefined
  readonly transactionalId?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  readonly offset?: number | undefined
  readonly broker?: string | undefined
}): string => {
  const place = [
    ...(parts.group === undefined ? [] : [`group ${quotedForeignText(parts.group)}`]),
    ...(parts.transactionalId === undefined ? [] : [`transactional id ${quotedForeignText(parts.transactionalId)}`]),
    ...(parts.topic === undefined ? [] : [`topic ${quotedForeignText(parts.topic)}`]),
    ...(parts.partition === undefined ? [] : [`partition ${parts.partition}`]),
    ...(parts.offset === undefined ? [] : [`offset ${parts.offset}`])
  ].join(" ")
  return [place, parts.broker === undefined ? "" : brokers(parts.broker)].filter((part) => part !== "").join(", ")
}

/** How many of the problems of options a message tells. */
const PROBLEMS = 16

/** Most characters of others' words. */
const DETAIL_LENGTH = 1_024

/** Others' words may have lines, and more. */
const inBrackets = (detail: string | undefined): string =>
  detail === undefined
    ? ""
    : ` (${foreignText(
        detail
          .slice(0, 2 * DETAIL_LENGTH)
          .trim()
          .replaceAll(/\s*\n\s*/g, " "),
        DETAIL_LENGTH
      )})`

/**
 * One thing that is wrong with the options of a layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface OptionProblem {
  /** The option's name, as written in the options object. Never its value: that may be a secret. */
  readonly option: string
  /** What is wrong, and what would be right. */
  readonly problem: string
}

/**
 * Options that cannot work: an empty list of brokers, an empty topic, a timeout that is not positive, two options that
 * contradict each other. Names all problems at once. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptionsError extends Data.TaggedError("KafkaInvalidOptionsError")<{
  /** The public module whose options these are. */
  readonly module: string
  /** The topic that they are of, as far as it is known; of a table that is made of several topics, all of them. */
  readonly topic?: string
  readonly problems: ReadonlyArray<OptionProblem>
}> {
  readonly reason = "InvalidOptions" as const
  readonly retriable = false
  override get message(): string {
    const told = this.problems
      .slice(0, PROBLEMS)
      .map((p) => `${foreignText(p.option)}: ${foreignText(p.problem, DETAIL_LENGTH)}`)
    const more = this.problems.length - told.length
    const list = told.join("; ") + (more > 0 ? `; and ${more} more` : "")
    const of = this.topic === undefined ? "" : ` of ${where(this)}`
    return `${this.module}${of}: invalid options. ${list}`
  }
}

/**
 * Why there is no usable connection to a broker.
 *
 * - `Unreachable`: no TCP connection (refused, no such host, no route).
 * - `Timeout`: no connection, or no answer to a request, in time. The connection is gone.
 * - `Closed`: the connection was closed or reset while in use.
 * - `Tls`: the TLS handshake failed (unknown authority, wrong host name, expired certificate).
 * - `Authentication`: the broker refused the SASL credentials or the mechanism.
 * - `UnsupportedVersion`: the broker is too old or too new for a request that is needed.
 * - `Protocol`: the peer sent bytes that are not a Kafka answer.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionReason =
  "Unreachable" | "Timeout" | "Closed" | "Tls" | "Authentication" | "UnsupportedVersion" | "Protocol"

const connectionAdvice: Record<ConnectionReason, string> = {
  Unreachable:
    "Check the address, the network, and that the broker listens there. An address that you did not give is one that the brokers advertise (advertised.listeners).",
  Timeout: "The broker or the network is slow or frozen; a longer timeout helps only if it is slow.",
  Closed:
    "The broker or something in between closed it. If it never gets through, tls or sasl does not fit the broker's listener.",
  Tls: "Check the certificate authority (tls.ca), the host name, the certificate's dates, and whether the broker asks for a client certificate (tls.cert, tls.key). With 'wrong version number', the listener has no TLS.",
  Authentication:
    "Check the SASL mechanism, the user name and password or the token, that the broker knows them, and that its listener has SASL at all.",
  UnsupportedVersion:
    "The broker does not have this request in a version that is spoken here: Kafka 2.1 and later are supported, 2.3 and later for altering configs, and some of what is done to groups wants a newer one.",
  Protocol: "Check that this port speaks Kafka: not TLS (then set tls), and not HTTP."
}

/**
 * No usable connection to a broker.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionError extends Data.TaggedError("KafkaConnectionError")<{
  readonly reason: ConnectionReason
  /** `host:port` of the broker; several, separated by commas, where none of the bootstrap brokers could be used. */
  readonly broker: string
  /** The request that was under way, `connect` while connecting. */
  readonly request: string
  readonly detail?: string
  readonly cause?: unknown
}> {
  /** `Authentication`, `Tls` and `UnsupportedVersion` do not heal by asking again. */
  get retriable(): boolean {
    return this.reason !== "Authentication" && this.reason !== "Tls" && this.reason !== "UnsupportedVersion"
  }
  override get message(): string {
    const advice = this.detail === RELEASED ? "The broker has nothing to do with it." : connectionAdvice[this.reason]
    return `${this.reason} during ${foreignText(this.request)}, ${where(this)}${inBrackets(this.detail)}. ${advice}`
  }
}

/**
 * What an error code of a broker's answer comes down to.
 *
 * - `Unauthorized`: an ACL is missing.
 * - `NotFound`: no such topic or partition, as far as this broker knows.
 * - `Unavailable`: temporarily not possible (no leader, leader moved, not enough replicas, timed out).
 * - `OutOfRange`: the offset is not in the log.
 * - `Rejected`: the broker will not do this (invalid request, policy, too large).
 *
 * @since 0.1.0
 * @category models
 */
export type BrokerReason = "Unauthorized" | "NotFound" | "Unavailable" | "OutOfRange" | "Rejected"

const brokerAdvice: Record<BrokerReason, string> = {
  Unauthorized:
    "Grant the rights that this user lacks: READ and DESCRIBE for a table, WRITE and DESCRIBE for a writer, CREATE and DESCRIBE_CONFIGS to ensure a topic. Without DESCRIBE, a topic that does not exist looks the same.",
  NotFound: "Check the topic's name, that this is the right cluster, and that nobody deleted it.",
  Unavailable: "This usually passes by itself; look at the broker's log if it stays.",
  OutOfRange: "The log was truncated by retention or by a deletion of records.",
  Rejected: "The broker's message and its log say why."
}

/** Where more can be said about a code than about its reason. */
const codeAdvice: Readonly<Record<string, string>> = {
  CORRUPT_MESSAGE:
    "A record batch is broken: on the broker's disk (check it, and let another replica lead), or on the way to the broker.",
  LEADER_NOT_AVAILABLE:
    "The partition has no leader: see which of the brokers that hold its replicas are down. It is read on as soon as one leads it.",
  THROTTLING_QUOTA_EXCEEDED:
    "The broker makes this client wait, as it is above its quota: see the quotas of its user and client id (kafka-configs.sh).",
  GROUP_AUTHORIZATION_FAILED:
    "Grant READ on the group to who consumes in it, DESCRIBE to who looks at it, DELETE to who deletes it.",
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Grant WRITE and DESCRIBE on the transactional id.",
  COORDINATOR_NOT_AVAILABLE:
    "The cluster has no coordinator for it yet: a new cluster makes the topic first that groups, or transactions, are kept in. If it stays, see which brokers are down.",
  NOT_ENOUGH_REPLICAS:
    "Fewer replicas are in sync than min.insync.replicas asks for: see which of the partition's brokers are down."
}

/**
 * A broker answered with an error code.
 *
 * @since 0.1.0
 * @category errors
 */
export class BrokerError extends Data.TaggedError("KafkaBrokerError")<{
  readonly reason: BrokerReason
  /** Kafka's error code, <https://kafka.apache.org/protocol#protocol_error_codes>. */
  readonly code: number
  /** Kafka's name for the code, such as `TOPIC_AUTHORIZATION_FAILED`. */
  readonly codeName: string
  readonly retriable: boolean
  readonly request: string
  readonly broker?: string
  readonly topic?: string
  readonly partition?: number
  /** The group that it is about, if it is about one. */
  readonly group?: string
  /** The transactional id that it is about, if it is about one. */
  readonly transactionalId?: string
  /** What the broker said, where it said something. */
  readonly detail?: string
}> {
  override get message(): string {
    const place = where(this)
    const advice = codeAdvice[this.codeName] ?? brokerAdvice[this.reason]
    return `${foreignText(this.codeName)} on ${foreignText(this.request)}${place === "" ? "" : `, ${place}`}${inBrackets(this.detail)}. ${advice}`
  }
}

/**
 * What is wrong with a topic.
 *
 * - `NotFound`: it does not exist (or may not be described).
 * - `Deleted`: it existed, and is gone. A table keeps its last content.
 * - `Recreated`: it was deleted and created again under the same name, with another topic id.
 * - `PolicyMismatch`: its `cleanup.policy` is not the declared one.
 * - `Unauthorized`: the right to do what was asked is missing.
 * - `Rejected`: the broker refused to create or to alter it.
 * - `Incomplete`: it was created, but the brokers do not all show it, or not with a leader for each partition, yet.
 *
 * @since 0.1.0
 * @category models
 */
export type TopicReason =
  "NotFound" | "Deleted" | "Recreated" | "PolicyMismatch" | "Unauthorized" | "Rejected" | "Incomplete"

const topicAdvice: Record<TopicReason, string> = {
  NotFound:
    "Check its name, and that this is the right cluster; create it, or have it created (ensureTopic of a layer, KafkaTopic.ensure). On some clusters, a topic that one may not DESCRIBE (an ACL) looks like this.",
  Deleted:
    "A table keeps its content, and never creates its topic again by itself: create it, then restart the table, or set a restart policy. A consumer goes on by itself once it is there again.",
  Recreated:
    "Rows of two lives of a topic are never mixed: restart the table, or set a restart policy. A consumer reads the new one by itself, from its beginning.",
  PolicyMismatch:
    "Records would be evicted by retention: set cleanup.policy=compact, or use onPolicyMismatch 'reconcile' or 'warn'.",
  Unauthorized:
    "Grant DESCRIBE and READ (table), WRITE (writer), CREATE, DESCRIBE_CONFIGS and ALTER_CONFIGS (ensureTopic).",
  Rejected: "The broker's words say why.",
  Incomplete: "This usually passes by itself; otherwise look at the brokers that hold its partitions."
}

/** What was expected are configs with their values, and not a policy alone: those of a log that is to be kept for ever. */
const isOfConfigs = (error: { readonly reason: TopicReason; readonly expected?: string }): boolean =>
  error.reason === "PolicyMismatch" && error.expected?.includes("=") === true

const configsAdvice =
  "Records would go that are to stay: set these configs, or use onPolicyMismatch 'reconcile' or 'warn'."

const versus = (error: {
  readonly reason: TopicReason
  readonly expected?: string
  readonly actual?: string
}): string | undefined => {
  if (error.expected === undefined) return undefined
  if (error.reason === "Deleted") return `its topic id was ${error.expected}`
  const what = error.reason === "Recreated" ? "topic id " : ""
  return `expected ${what}${error.expected}, found ${error.actual ?? "none"}`
}

/**
 * Something is wrong with a topic.
 *
 * @since 0.1.0
 * @category errors
 */
export class TopicError extends Data.TaggedError("KafkaTopicError")<{
  readonly reason: TopicReason
  readonly topic: string
  /** `host:port` of the broker that said so, where it was one. */
  readonly broker?: string
  /** What was expected: a policy, or the topic id that the table was reading. */
  readonly expected?: string
  /** What was found. */
  readonly actual?: string
  readonly detail?: string
  readonly cause?: unknown
}> {
  get retriable(): boolean {
    return this.reason === "Incomplete"
  }
  override get message(): string {
    const advice = isOfConfigs(this) ? configsAdvice : topicAdvice[this.reason]
    return `${this.reason}: ${where(this)}${inBrackets(versus(this))}${inBrackets(this.detail)}. ${advice}`
  }
}

/**
 * What is wrong with a record batch.
 *
 * - `Checksum`: the CRC does not match.
 * - `Malformed`: lengths, counts or deltas that cannot be.
 * - `TooLarge`: a batch, or what it decompresses to, is above the cap.
 * - `Decompression`: the compressed bytes are broken.
 * - `UnsupportedCodec`, `UnsupportedMagic`: a format that this library does not read.
 *
 * @since 0.1.0
 * @category models
 */
export type CorruptReason =
  "Checksum" | "Malformed" | "TooLarge" | "Decompression" | "UnsupportedCodec" | "UnsupportedMagic"

const corruptAdvice: Record<CorruptReason, string> = {
  Checksum: "Check the broker's disk; kafka-dump-log shows the batch on each replica.",
  Malformed: "Check what writes to this topic, and the broker's disk; kafka-dump-log shows the batch on each replica.",
  TooLarge: "If you trust who wrote it, raise fetch.maxBatchBytes.",
  Decompression: "Check what writes to this topic, and the broker's disk; kafka-dump-log shows the batch.",
  UnsupportedCodec: "Install the codec's package for this platform, or let writers use another compression.",
  UnsupportedMagic: "The format is newer than this library: see whether a newer version of it reads it."
}

/**
 * A record batch that cannot be trusted. It was fetched a second time on a fresh connection before this was raised.
 * Nothing of it was applied; the table keeps its last content.
 *
 * @since 0.1.0
 * @category errors
 */
export class CorruptBatchError extends Data.TaggedError("KafkaCorruptBatchError")<{
  readonly reason: CorruptReason
  readonly topic: string
  readonly partition: number
  /** Base offset of the batch. */
  readonly baseOffset: number
  readonly detail: string
}> {
  readonly retriable = false
  override get message(): string {
    const at = where({ topic: this.topic, partition: this.partition, offset: this.baseOffset })
    return `${this.reason}: corrupt record batch, ${at}${inBrackets(this.detail)}. ${corruptAdvice[this.reason]}`
  }
}

/**
 * The log no longer holds what comes next for this reader: it begins after the position (retention, deletion of
 * records), or ends before it (data loss in the cluster). A table rebuilds the partition beside its live content and
 * reports this; no read sees a half-empty table.
 *
 * @since 0.1.0
 * @category errors
 */
export class LogTruncatedError extends Data.TaggedError("KafkaLogTruncatedError")<{
  /** `Head`: the log begins after the position. `Tail`: the log ends before it, or diverged from what was read. */
  readonly reason: "Head" | "Tail"
  readonly topic: string
  readonly partition: number
  /** The position that the table had; with `Tail` also where the log ended, if it was still on its way there. */
  readonly from: number
  /** Where the log begins (`Head`) or ends (`Tail`) now. */
  readonly to: number
  /** The group whose member met it; `undefined` for a table. Since 0.4.0. */
  readonly group?: string
}> {
  readonly retriable = true
  override get message(): string {
    const isTable = this.group === undefined
    const what =
      this.reason === "Head"
        ? `begins at ${this.to}, the ${isTable ? "table" : "group"} was at ${this.from}`
        : `ends at ${this.to}, it reached ${this.from} before`
    const missed = this.reason === "Head" ? " What was in between is gone." : ""
    const then = isTable ? " The partition is rebuilt; keys without a surviving record disappear." : missed
    return (
      `Log truncated: ${where(this)} now ${what}.${then} ` +
      (this.reason === "Head"
        ? "Check the topic's cleanup.policy and retention."
        : "The cluster lost acknowledged records: check unclean leader election and min.insync.replicas.")
    )
  }
}

/**
 * A record whose key or value could not be decoded.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoisonRecordError extends Data.TaggedError("KafkaPoisonRecordError")<{
  /** Which part of the record did not decode. */
  readonly reason: "Key" | "Value"
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** The raw key; of a longer one the first 16 KiB. Not enumerable: what prints an error prints neither this nor `value`. */
  readonly key: Uint8Array
  /** The raw value; of a longer one the first 16 KiB; `null` for a tombstone. Not enumerable. */
  readonly value: Uint8Array | null
  readonly cause: Schema.SchemaError
  /** Whether `message` quotes the key, and the values that do not fit: `logValues` of who read it. Default: it quotes nothing. */
  readonly logValues?: boolean
  /** Whether the key is of a codec that is `secret`: then not even `logValues` quotes it. Default: it is not. */
  readonly secretKey?: boolean
  /** The group whose member met it; `undefined` for a table. Since 0.4.0. */
  readonly group?: string
}> {
  readonly retriable = false
  constructor(
    parts: Pick<
      PoisonRecordError,
      | "reason"
      | "topic"
      | "partition"
      | "offset"
      | "timestamp"
      | "key"
      | "value"
      | "cause"
      | "logValues"
      | "secretKey"
      | "group"
    >
  ) {
    super(parts)
    for (const name of ["key", "value"]) Object.defineProperty(this, name, { enumerable: false })
  }
  /** What structured loggers write of the error. */
  override toJSON(): object {
    const { reason, group, topic, partition, offset, timestamp, cause, message, _tag } = this
    const of = group === undefined ? {} : { group }
    return { _tag, reason, ...of, topic, partition, offset, timestamp, message, cause }
  }
  override get message(): string {
    const inTable = this.reason === "Key" ? "The record was skipped" : "The key keeps its prior value"
    const then = this.group === undefined ? inTable : "It is not handed out"
    const quoted = this.logValues === true
    const key = quoted && this.secretKey !== true ? `, key ${issue.textOrHex(this.key)}` : ""
    const what = quoted ? issue.explain(this.cause) : issue.inOneLine(this.cause)
    return `${this.reason} not decodable: ${where(this)}${key}: ${what}. ${then}: fix the producer or the schema.`
  }
}

/**
 * Why a write did not end in an acknowledgement.
 *
 * - `Encode`: the key or the value could not be encoded. Nothing was sent.
 * - `TooLarge`: above the topic's `max.message.bytes`, or the writer's own limit. Not in the log.
 * - `Unauthorized`: the right to WRITE is missing. Not in the log.
 * - `TopicNotFound`: no such topic. Not in the log; it is never created by a write.
 * - `InvalidPartition`: the partitioner picked a partition that does not exist. Nothing was sent.
 * - `Rejected`: the broker refused the record for another reason. Not in the log.
 * - `Timeout`: the deadline passed; the record is certainly not in the log.
 * - `UnknownOutcome`: the deadline passed after the record was sent and no answer came; it may be in the log.
 * - `Closed`: the writer was closed before the record was sent. Not in the log.
 *
 * @since 0.1.0
 * @category models
 */
export type WriteReason =
  | "Encode"
  | "TooLarge"
  | "Unauthorized"
  | "TopicNotFound"
  | "InvalidPartition"
  | "Rejected"
  | "Timeout"
  | "UnknownOutcome"
  | "Closed"

const writeAdvice: Record<WriteReason, string> = {
  Encode: "Nothing was sent: the key or value does not fit its codec.",
  TooLarge:
    "It is not in the log: raise max.message.bytes of the topic (and maxRecordBytes of the writer), or store less per key.",
  Unauthorized:
    "It is not in the log: grant WRITE and DESCRIBE on the topic; if credentials were refused, check them. Later writes succeed then.",
  TopicNotFound:
    "It is not in the log: check the topic's name, create it, or let the layer do so (ensureTopic). Later writes succeed then.",
  InvalidPartition:
    "Nothing was sent. Partitions count from 0: check the partitioner, or the write's own partition option.",
  Rejected: "It is not in the log: the cause says why.",
  Timeout: "It is not in the log: safe to write again.",
  UnknownOutcome: "It may be in the log or not: a set of the same value may be repeated; read the key to know.",
  Closed: "It is not in the log: the writer's scope (its layer) ended first."
}

const isWorded = (cause: unknown): cause is ClientError | TopicError =>
  cause instanceof ConnectionError || cause instanceof BrokerError || cause instanceof TopicError

/**
 * A write did not end in an acknowledgement.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriteError extends Data.TaggedError("KafkaWriteError")<{
  readonly reason: WriteReason
  readonly topic: string
  readonly partition?: number
  readonly detail?: string
  readonly cause?: unknown
}> {
  get retriable(): boolean {
    return this.reason === "Timeout" || this.reason === "UnknownOutcome"
  }
  override get message(): string {
    const label = this.retriable ? "Last failure" : "Cause"
    const last = isWorded(this.cause) ? ` ${label}: ${this.cause.message}` : ""
    return `${this.reason}: a write to ${where(this)} was not acknowledged${inBrackets(this.detail)}. ${writeAdvice[this.reason]}${last}`
  }
}

/**
 * A partition that has not reached its target yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface PartitionLag {
  readonly partition: number
  /** Offset of the next record that the table will apply; `undefined` if the partition could not be read at all yet. */
  readonly position: number | undefined
  /** The offset that the position must reach; `undefined` if its leader could not be asked. */
  readonly target: number | undefined
}

/**
 * What holds a table, or a wait on it, up.
 *
 * - `Restart`: the reader failed, and its restart policy decides, or the replay after that is under way.
 * - `Denied`: rights or credentials are missing.
 * - `NoLeader`: the partition has no leader.
 * - `Throttled`: its leader told this client to wait.
 * - `Unreachable`: its leader, or whoever knows it, cannot be reached, or does not answer as it should.
 * - `Rebuild`: the partition is replayed beside the live content.
 * - `Subscriber`: a back-pressured subscriber does not take its changes: the reader waits for it.
 * - `Codec`: the Effect of the value's codec has not ended.
 * - `Corrupt`: a batch was corrupt, and is fetched once more.
 * - `Transaction`: an open transaction holds back what comes after it.
 * - `Records`: nothing does: records that are there have not been read yet.
 * - `EndOfLog`: nothing does: as far as its leader has said, nothing was written at that position yet.
 * - `NoPartition`: the topic has no such partition, as far as is known.
 * - `Unknown`: it is not known.
 *
 * @since 0.2.0
 * @category models
 */
export type HeldUpReason =
  | "Restart"
  | "Denied"
  | "NoLeader"
  | "Throttled"
  | "Unreachable"
  | "Rebuild"
  | "Subscriber"
  | "Codec"
  | "Corrupt"
  | "Transaction"
  | "Records"
  | "EndOfLog"
  | "NoPartition"
  | "Indexes"
  | "Unknown"

/**
 * A reason, and the partitions that it holds up; none where none is known yet.
 *
 * @since 0.2.0
 * @category models
 */
export interface HeldUp {
  readonly reason: HeldUpReason
  readonly partitions: ReadonlyArray<number>
}

const heldUpBy: Record<HeldUpReason, string> = {
  Restart: "the reader failed, and its restart policy decides, or the replay after that is under way",
  Denied: "the right to read is missing, or credentials were refused",
  NoLeader: "no leader",
  Throttled: "the leader told this client to wait",
  Unreachable: "the leader cannot be reached, or refuses for now",
  Rebuild: "replayed beside the live content",
  Subscriber: "a subscriber with back-pressure does not take its changes, and the table's reader waits for it",
  Codec: "the Effect of the value's codec has not ended",
  Corrupt: "a corrupt batch is fetched once more",
  Transaction:
    "an open transaction holds back what comes after it until it ends (kafka-transactions.sh find-hanging shows whose)",
  Records: "still reading: more time is needed, a longer timeout",
  EndOfLog: "the log ends before that position: nothing was written there yet",
  NoPartition: "the topic has no such partition",
  Indexes: "all is read, and its indexes are being built of that: more time is needed, a longer timeout",
  Unknown: "not known why"
}

/** Why it took too long, as far as it is known. */
const why = (error: {
  readonly behind: ReadonlyArray<PartitionLag>
  readonly heldUpBy?: ReadonlyArray<HeldUp>
  readonly bootstrap: string
  readonly cause?: { readonly message: string }
}): string => {
  const all = (error.heldUpBy ?? []).map(({ partitions, reason }) => {
    const of = partitions.length === 0 ? "" : ` (partition ${listed(partitions.map(String))})`
    return `${heldUpBy[reason]}${of}`
  })
  const reasons = all.length === 0 ? [] : [`Held up: ${all.join("; ")}.`]
  if (error.cause !== undefined) return [...reasons, `Last failure: ${error.cause.message}`].join(" ")
  if (reasons.length > 0) return reasons[0]
  return error.behind.length === 0
    ? `No answer in time from ${brokers(error.bootstrap)}.`
    : `It is ${heldUpBy.Unknown}.`
}

/**
 * A bounded wait on a table ran out. The table itself goes on.
 *
 * @since 0.1.0
 * @category errors
 */
export class WaitTimeoutError extends Data.TaggedError("KafkaWaitTimeoutError")<{
  readonly operation: "start" | "awaitCaughtUp" | "barrier" | "awaitPosition"
  readonly topic: string
  /** How long it waited, in milliseconds. */
  readonly afterMillis: number
  /** The partitions that are behind; empty if none was known by then, as no broker had answered. */
  readonly behind: ReadonlyArray<PartitionLag>
  /** What holds it up, reason by reason, with the partitions of each. */
  readonly heldUpBy?: ReadonlyArray<HeldUp>
  /** Where the client began: `host:port`, separated by commas. */
  readonly bootstrap: string
  /**
   * The failure that holds it up, if it is one: on the way to the brokers of these partitions, or of the reader's last
   * run, where a restart policy decides.
   */
  readonly cause?: ClientError | TopicError | CorruptBatchError | PoisonRecordError | InvalidOptionsError | DefectError
}> {
  readonly reason = "Timeout" as const
  readonly retriable = true
  override get message(): string {
    const behind = this.behind.map((p) => `${p.partition} at ${p.position ?? "?"} of ${p.target ?? "?"}`)
    const lag = behind.length === 0 ? "" : ` Partitions behind: ${listed(behind)}.`
    return `${this.operation} timed out after ${this.afterMillis} ms: ${where(this)}.${lag} ${why(this)}`
  }
}

/**
 * The table's scope was closed while somebody waited on it.
 *
 * @since 0.1.0
 * @category errors
 */
export class TableClosedError extends Data.TaggedError("KafkaTableClosedError")<{
  readonly topic: string
}> {
  readonly reason = "Closed" as const
  readonly retriable = false
  override get message(): string {
    return `The table of ${where(this)} was closed while somebody waited on it: its scope (its layer) ended first.`
  }
}

/**
 * A bug: something threw, or was interrupted, that cannot be. The reader ended, its content stays. `cause` is what was
 * thrown. With `origin: "restart"` it is the `restart` schedule of the options that did.
 *
 * @since 0.1.0
 * @category errors
 */
export class DefectError extends Data.TaggedError("KafkaDefectError")<{
  readonly topic: string
  readonly cause: unknown
  readonly origin?: "restart"
}> {
  readonly reason = "Defect" as const
  readonly retriable = false
  override get message(): string {
    const what = issue.inOneLine(this.cause)
    if (this.origin === "restart") {
      return `The restart schedule of the table of ${where(this)} broke instead of deciding: ${what}. The content stays, reading has ended: mend the schedule, and restart the table.`
    }
    return `A bug of effect-ktables, or of the driver that it was given, ${where(this)}: ${what}. The content stays, reading has ended: restart the table, and please report this with its cause.`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// catalogs
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A record that a catalog cannot take, as fields that are its keys are missing, blank, or no text. Names all of them at
 * once. Nothing was sent.
 *
 * @since 0.4.0
 * @category errors
 */
export class InvalidRecordError extends Data.TaggedError("KafkaInvalidRecordError")<{
  readonly topic: string
  /** The names of these fields, the row key first. */
  readonly fields: ReadonlyArray<string>
}> {
  readonly reason = "InvalidRecord" as const
  readonly retriable = false
  override get message(): string {
    const fields = listed(this.fields.map((field) => foreignText(field)))
    return `A record without all of its keys is not for the catalog of ${where(this)}: ${fields} must be text that is not blank, without halves of surrogate pairs. Nothing was written.`
  }
}

/** Keys in words. */
const keysText = (keys: LockedKeys | string): string =>
  typeof keys === "string"
    ? quotedForeignText(keys)
    : `rowKey ${quotedForeignText(keys.rowKey)}, indexKeys ${listed(keys.indexKeys.map((key) => quotedForeignText(key)))}`

/**
 * The fields that are keys, of a catalog or of its log.
 *
 * @since 0.4.0
 * @category models
 */
export interface LockedKeys {
  readonly rowKey: string
  readonly indexKeys: ReadonlyArray<string>
}

/**
 * A catalog's log was written with other keys: its first insert has locked it to these.
 *
 * @since 0.4.0
 * @category errors
 */
export class CatalogLockedError extends Data.TaggedError("KafkaCatalogLockedError")<{
  readonly topic: string
  /** The keys of this catalog. */
  readonly configured: LockedKeys
  /** The keys of the log; text if they are none that this version knows. */
  readonly locked: LockedKeys | string
}> {
  readonly reason = "Locked" as const
  readonly retriable = false
  override get message(): string {
    return `The log of a catalog is locked to other keys: ${where(this)} was written with ${keysText(this.locked)}, and this catalog has ${keysText(this.configured)}. Give it the same keys, or another topic.`
  }
}

/**
 * An insert or a delete by a catalog that was acquired to read only. Nothing was sent.
 *
 * @since 0.4.0
 * @category errors
 */
export class CatalogReadOnlyError extends Data.TaggedError("KafkaCatalogReadOnlyError")<{
  readonly topic: string
  readonly operation: "insert" | "delete"
}> {
  readonly reason = "ReadOnly" as const
  readonly retriable = false
  override get message(): string {
    return `A catalog that is read-only has no ${this.operation}: ${where(this)}. Nothing was written. Acquire it without readOnly, with the right to write its topic.`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// groups
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Why a member of a group cannot go on, or why something is not done to a group, or is not known of it.
 *
 * A consumer:
 *
 * - `Busy`: another face of the consumer runs already.
 * - `Fenced`: somebody else is a member with the same instance id.
 * - `Inconsistent`: the group's other members speak another protocol, or share partitions in another way.
 * - `Unsupported`: the brokers do not have what was asked for: KIP-848, an assignor, static members.
 * - `Full`: the group has as many members as the brokers allow.
 * - `NoOffset`: there is no offset to go on at in the log, and `from` is `fail`.
 * - `Defect`: a bug, of this library or of a driver: a part of the consumer has ended by something that was thrown, which is the
 *   `cause`, or was interrupted.
 *
 * `KafkaGroups`:
 *
 * - `NotFound`: there is no such group, or none of consumers.
 * - `NotEmpty`: the group has members, which would not notice, or would overwrite what is done.
 * - `Subscribed`: a member consumes the topic whose offsets are to be deleted.
 * - `OutOfRange`: an offset that was given is not in its partition.
 *
 * Both:
 *
 * - `Unauthorized`: a right is missing.
 * - `Rejected`: the coordinator refuses for another reason: a name, a session timeout, a pattern.
 *
 * @since 0.4.0
 * @category models
 */
export type GroupReason =
  | "Busy"
  | "Fenced"
  | "Inconsistent"
  | "Unsupported"
  | "Full"
  | "NoOffset"
  | "Defect"
  | "NotFound"
  | "NotEmpty"
  | "Subscribed"
  | "OutOfRange"
  | "Unauthorized"
  | "Rejected"

const groupAdvice: Record<GroupReason, string> = {
  Busy: "chunks, records, partitions and runForEach are faces of the same: end one before another one is begun.",
  Fenced: "Give each member of the group an instanceId of its own, or none.",
  Inconsistent:
    "Give all members of the group the same protocol and assignor; a group is moved from one to another by a list of both.",
  Unsupported: "The consumer protocol needs Kafka 4.0 or later with group.version 1; classic works with all.",
  Full: "Raise group.max.size of the brokers, or have fewer members.",
  NoOffset: "Reset the group's offsets, or say with 'from' where to begin: earliest or latest.",
  Defect:
    "A bug of effect-ktables, or of the driver that it was given: begin the consumer anew, and please report this with its cause.",
  NotFound:
    "Check its name, and that this is the right cluster. A group whose offsets have expired is gone; one of another kind (share, streams) has nothing of this.",
  NotEmpty:
    "Nothing was changed: stop its members first, and wait until they are gone (their session timeout, if they were killed).",
  Subscribed: "Nothing of this topic was changed: stop the members that consume it first.",
  OutOfRange: "Nothing was changed: give an offset that is in the log, or its end.",
  Unauthorized:
    "Grant DESCRIBE on the group to look at it, READ to consume and to change its offsets, DELETE to delete it or its offsets; and DESCRIBE and READ on its topics.",
  Rejected: "The coordinator's word says why."
}

/**
 * A member of a consumer group cannot go on, or something was not done to a group, or is not known of it. That its
 * coordinator is away is a `BrokerError`.
 *
 * @since 0.4.0
 * @category errors
 */
export class GroupError extends Data.TaggedError("KafkaGroupError")<{
  readonly reason: GroupReason
  readonly group: string
  /** The place, where it is about one partition. */
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly detail?: string
  readonly cause?: unknown
}> {
  get retriable(): boolean {
    return this.reason === "Full" || this.reason === "Busy"
  }
  override get message(): string {
    const { group, offset, partition, topic } = this
    return `${this.reason}: ${where({ group, topic, partition, offset })}${inBrackets(this.detail)}. ${groupAdvice[this.reason]}`
  }
}

/**
 * Why a commit did not end in an acknowledgement.
 *
 * - `Lost`: the partition is not this member's any more, or the record was given up by a seek, or by the end of its face. It
 *   is delivered again.
 * - `Closed`: the consumer was closed first. Whether it is committed is not known.
 * - `Unauthorized`: the right to READ the group or the topic is missing.
 * - `Rejected`: the coordinator refuses this commit for another reason.
 *
 * @since 0.4.0
 * @category models
 */
export type CommitReason = "Lost" | "Closed" | "Unauthorized" | "Rejected"

const commitAdvice: Record<CommitReason, string> = {
  Lost: "Records that were not committed are delivered again, to whoever has the partition now.",
  Closed: "Whether it was committed is not known: the consumer's scope (its layer) ended first.",
  Unauthorized: "Grant READ on the group, and READ on its topics. What is done is committed then.",
  Rejected: "The coordinator's word says why."
}

/**
 * A commit of an offset was not acknowledged.
 *
 * @since 0.4.0
 * @category errors
 */
export class CommitError extends Data.TaggedError("KafkaCommitError")<{
  readonly reason: CommitReason
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly detail?: string
  readonly cause?: unknown
}> {
  readonly retriable = false
  override get message(): string {
    return `${this.reason}: a commit of group ${quotedForeignText(this.group)} for ${where(this)}${inBrackets(this.detail)} was not acknowledged. ${commitAdvice[this.reason]}`
  }
}

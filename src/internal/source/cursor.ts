/** One partition of one topic that is being read, and what a source tells of it. */
import type { TopicDescription } from "../../KafkaClient.ts"
import type { BrokerError, ClientError, CorruptBatchError, LogTruncatedError, TopicError } from "../../KafkaError.ts"
import type { AbortedTransaction } from "../../KafkaProtocol.ts"

/** A topic of which a source reads all partitions, or some. */
export interface SourceTopic {
  readonly name: string
  /** Are partitions read as soon as they are known, those that it gets later included? Otherwise those that were added. */
  readonly isFollowed: boolean
  readonly cursors: Map<number, Cursor>
  /** The last good description; `undefined` before there is one. */
  description: TopicDescription | undefined
}

/**
 * A partition on its way from the leader to whoever consumes the source.
 *
 * - `opening`: where its log begins and ends has to be asked.
 * - `fetching`: read from `fetchOffset` on.
 * - `held`: whoever consumes it has to decide how to go on (`refetch`, `reopen`).
 */
export interface Cursor {
  readonly topic: SourceTopic
  readonly partition: number
  /** The offset of the first record to read when it is opened next; `undefined`: the log's first one. */
  from: number | undefined
  /** Node id, -1 if there is none. */
  leader: number
  leaderEpoch: number
  phase: "opening" | "fetching" | "held"
  /** Another one after each jump of `fetchOffset`, so that what was fetched before one can be told and dropped. */
  generation: number
  /** The first one of its generations. */
  readonly since: number
  /** Offset of the next record to ask for: ahead of what is consumed by what is in flight. */
  fetchOffset: number
  /** Leader epoch of the last batch that was fetched, -1 if none. */
  lastEpoch: number
  /** Where the log ended when it was opened: what it does not have of that later on is lost. */
  end: number
  /**
   * Set when the leader said that `fetchOffset` is out of range, or that the log ends before `end`: the opening decides
   * what that means.
   */
  doubt: "range" | "end" | undefined
  maxBytes: number
  /** Not to be asked before this time, in milliseconds of the Clock. */
  retryAt: number
  attempts: number
  highWatermark: number
  lastStableOffset: number
  /** Where the log begins, as far as was told with records. */
  logStart: number
  /** When the leader last answered about it without an error; `undefined` before. */
  lastFetchAt: number | undefined
  /** When everything there was had been fetched last, or the log was opened. */
  headAt: number
  /** Was that so at some time since the log was opened? */
  reachedHead: boolean
  /** Had the head not been reached for long before it was reached last? Its consumer is told when it is in time again. */
  wasAway: boolean
  /** How often it was begun anew since the head was reached. */
  restarts: number
  /** Does its leader answer? Not while it told this client to wait. */
  connected: boolean
  /** Until when its leader told this client to wait, in milliseconds of the Clock; `undefined` where that is no matter. */
  throttledUntil: number | undefined
}

/** A partition of a topic at one of its generations. */
export interface OfCursor {
  readonly topic: string
  readonly partition: number
  readonly generation: number
}

/** A partition can be read from `start`; at this moment its last stable offset was `end`. */
export interface Opened extends OfCursor {
  readonly _tag: "Opened"
  readonly start: number
  readonly end: number
}

export interface FetchedRecords extends OfCursor {
  /** A view of the response's buffer. Empty where there is nothing new but the place of the log's start, or of its head. */
  readonly records: Buffer
  readonly aborted: ReadonlyArray<AbortedTransaction>
  /** Where the log began when this was read: it does not hold any more what is below. */
  readonly logStart: number
  /** Is all read with this that the log had when it was opened? */
  readonly isComplete: boolean
  /** Is all read with this that there was to read when the broker answered? */
  readonly isAtHead: boolean
  /** When that was so before this, or when the log was opened. */
  readonly headAt: number
}

/** A partition about which an answer has come, of which nothing is taken on yet. */
export interface Arrival {
  readonly topic: string
  readonly partition: number
  /** Is all read with this answer that the log had when it was opened? */
  readonly isComplete: boolean
  /** When all was read that there was, the last time before it was asked for, or when the log was opened. */
  readonly headAt: number
}

/** One answer to a fetch; partitions that have nothing new are not in it. */
export interface Fetched {
  readonly _tag: "Fetched"
  /** When it was asked for, and when the answer came, in milliseconds of the Clock. */
  readonly askedAt: number
  readonly answeredAt: number
  readonly partitions: ReadonlyArray<FetchedRecords>
}

/** How many partitions a topic has that is followed: at the start, and whenever there are more. */
export interface PartitionCount {
  readonly _tag: "PartitionCount"
  readonly topic: string
  readonly count: number
}

/** What a partition holds is no continuation of what was read. It is held until `reopen`. */
export interface Truncated extends OfCursor {
  readonly _tag: "Truncated"
  readonly error: LogTruncatedError
}

/** Why a topic cannot be read for now, though it will be tried again, slowly: rights or credentials are missing. */
export type Denial = ClientError | TopicError

export interface Denied {
  readonly _tag: "Denied"
  readonly error: Denial
}

/** What was denied is granted again. */
export interface Granted {
  readonly _tag: "Granted"
}

/** It goes no further without somebody's decision. */
export type FatalError = ClientError | BrokerError | TopicError | CorruptBatchError

export interface Fatal {
  readonly _tag: "Fatal"
  /** `undefined` where it is about all of them. */
  readonly topic: string | undefined
  readonly error: FatalError
}

export type SourceEvent = Opened | Fetched | PartitionCount | Truncated | Denied | Granted | Fatal

/** What is known of a partition before anything was asked. */
export const makeCursor = ({
  from,
  generation,
  maxBytes,
  partition,
  topic
}: Pick<Cursor, "topic" | "partition" | "from" | "generation" | "maxBytes">): Cursor => ({
  topic,
  partition,
  from,
  leader: -1,
  leaderEpoch: -1,
  phase: "opening",
  generation,
  since: generation,
  fetchOffset: 0,
  lastEpoch: -1,
  end: 0,
  doubt: undefined,
  maxBytes,
  retryAt: 0,
  attempts: 0,
  highWatermark: -1,
  lastStableOffset: -1,
  logStart: 0,
  lastFetchAt: undefined,
  headAt: 0,
  reachedHead: false,
  wasAway: false,
  restarts: 0,
  connected: false,
  throttledUntil: undefined
})

/** One partition of one topic that is being read, and what a source tells of it. */
import type { TopicDescription } from "../../KafkaClient.ts"
import type { BrokerError, ClientError, CorruptBatchError, LogTruncatedError, TopicError } from "../../KafkaError.ts"
import type { AbortedTransaction } from "../../KafkaProtocol.ts"

/** A topic of which a source reads all partitions, or some. */
export interface SourceTopic {
  readonly name: string
  /**
   * Whether all of its partitions are read, those that it gets later included; otherwise, only those that were added
   * are.
   */
  readonly isFollowed: boolean
  readonly cursors: Map<number, Cursor>
  /** The newest description; `undefined` before the first one. */
  description: TopicDescription | undefined
  /** How often a description was asked for. */
  asked: number
}

/**
 * A partition on its way from the leader to whoever consumes the source.
 *
 * - `opening`: where its log begins and ends has to be asked.
 * - `fetching`: read from `fetchOffset` on.
 * - `unsure`: as before, once a description says that its topic is still the same one. A broker before Kafka 3.1 is asked
 *   by the topic's name, and would answer with the records of another topic that was created under it meanwhile.
 * - `held`: whoever consumes it has to decide how to go on (`refetch`, `reopen`).
 */
export interface Cursor {
  readonly topic: SourceTopic
  readonly partition: number
  /** Offset of the first record to read after the next opening; `undefined` stands for the log's first one. */
  from: number | undefined
  /** Node id of the leader, -1 if there is none. */
  leader: number
  /** The leader's epoch, -1 if it is not known. */
  leaderEpoch: number
  phase: "opening" | "fetching" | "unsure" | "held"
  /** Whether its consumer has enough of it for now. */
  isFull: boolean
  /** How often a description had been asked for when it became unsure: none of those tells anything about it. */
  unsureSince: number
  /** Changes with each jump of `fetchOffset`, so that what was fetched before the jump is recognised, and dropped. */
  generation: number
  /** The first generation of this cursor. */
  readonly since: number
  /**
   * Offset of the next record to ask for. It is ahead of what the consumer has by the answers that are on their way to
   * it.
   */
  fetchOffset: number
  /** Leader epoch of the last batch that was fetched, -1 if none. */
  lastEpoch: number
  /** Where the log ended when it was opened. If it ends before this later on, records were lost. */
  end: number
  /**
   * Set when the leader has said that `fetchOffset` is out of range (`range`), or that the log ends before `end`
   * (`end`): the next opening finds out what that means.
   */
  doubt: "range" | "end" | undefined
  /** Bytes to ask for: more than the usual while a batch that is larger than those is wanted. */
  maxBytes: number
  /** The leader is not asked about it before this time, in milliseconds of the Clock. */
  retryAt: number
  /** Attempts in a row that have failed. */
  attempts: number
  /** The high watermark of the last answer, -1 before there is one. */
  highWatermark: number
  /** The last stable offset of the last answer, -1 before there is one. */
  lastStableOffset: number
  /** Offset of the log's first record, as the last opening or answer has told it. */
  logStart: number
  /** When the leader last answered about it without an error; `undefined` before. */
  lastFetchAt: number | undefined
  /** When all that there was had last been fetched, or when the log was opened; milliseconds of the Clock. */
  headAt: number
  /** Whether all that there was has been fetched at some time since the log was opened. */
  reachedHead: boolean
  /** Whether the head was reached last after a long absence: the consumer is told once it is reached in time again. */
  wasAway: boolean
  /** How often it was opened anew since the head was last reached. */
  restarts: number
  /** Whether its leader answers. It does not while it makes this client wait because of a quota. */
  connected: boolean
  /** Until when its leader makes this client wait, in milliseconds of the Clock; `undefined` if for less than a second. */
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

/** What one answer has about one partition. */
export interface FetchedRecords extends OfCursor {
  /**
   * Record batches, as a view of the answer's memory. Empty where only the log's start has moved, or its head was
   * reached.
   */
  readonly records: Buffer
  /** Transactions whose records in these batches do not count. */
  readonly aborted: ReadonlyArray<AbortedTransaction>
  /** Where the log began when this was read: it holds nothing below this offset any more. */
  readonly logStart: number
  /** Whether all that the log had when it was opened is read with this. */
  readonly isComplete: boolean
  /** Whether all that there was when the broker answered is read with this. */
  readonly isAtHead: boolean
  /** When all that there was had last been read before this, or when the log was opened; milliseconds of the Clock. */
  readonly headAt: number
}

/** A partition about which an answer has come that is not handed on yet. */
export interface Arrival {
  readonly topic: string
  readonly partition: number
  /** Whether all that the log had when it was opened is read with this answer. */
  readonly isComplete: boolean
  /** When all that there was had last been read before this, or when the log was opened; milliseconds of the Clock. */
  readonly headAt: number
}

/** One answer to a fetch, without the partitions that have nothing new. */
export interface Fetched {
  readonly _tag: "Fetched"
  /** When it was asked for, and when the answer came, in milliseconds of the Clock. */
  readonly askedAt: number
  readonly answeredAt: number
  readonly partitions: ReadonlyArray<FetchedRecords>
}

/** How many partitions a followed topic has. It comes at the start, and whenever there are more. */
export interface PartitionCount {
  readonly _tag: "PartitionCount"
  readonly topic: string
  readonly count: number
}

/** A partition's log is no continuation of what was read. The partition is held until `reopen`. */
export interface Truncated extends OfCursor {
  readonly _tag: "Truncated"
  readonly error: LogTruncatedError
}

/** Why a topic cannot be read for now: rights or credentials are missing. It is tried again, slowly. */
export type Denial = ClientError | TopicError

/** Reading is denied. It comes once, until all that was denied is granted. */
export interface Denied {
  readonly _tag: "Denied"
  readonly error: Denial
}

/** All that was denied is granted again. */
export interface Granted {
  readonly _tag: "Granted"
}

/** An error after which a topic is not read on by itself: its consumer has to decide what follows. */
export type FatalError = ClientError | BrokerError | TopicError | CorruptBatchError

/** The reading of a topic has ended for good. */
export interface Fatal {
  readonly _tag: "Fatal"
  /** `undefined` where the reading of all topics has ended. */
  readonly topic: string | undefined
  readonly error: FatalError
}

export type SourceEvent = Opened | Fetched | PartitionCount | Truncated | Denied | Granted | Fatal

/** A cursor of which nothing is known yet but where it begins. */
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
  isFull: false,
  unsureSince: 0,
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

import type { AbortedTransaction } from "../../KafkaProtocol.ts"
import type { BrokerError, ClientError, CorruptBatchError, LogTruncatedError, TopicError } from "../../KafkaError.ts"

/**
 * One partition on its way from the leader to the table.
 *
 * - `opening`: where it begins and ends has to be asked.
 * - `fetching`: read from `fetchOffset` on.
 * - `held`: whoever consumes it has to decide how to go on (`refetch`, `reopen`).
 */
export interface SourcePartition {
  readonly partition: number
  /** Node id, -1 if there is none. */
  leader: number
  leaderEpoch: number
  phase: "opening" | "fetching" | "held"
  /** Counts up with each jump of `fetchOffset`, so that what was fetched before one can be told and dropped. */
  generation: number
  /** Offset of the next record to ask for: ahead of what is applied by what is in flight. */
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
  /** When everything there was had been fetched last, or the replay began: see `Stale`. */
  headAt: number
  /** Was everything fetched at some time since it was opened? */
  reachedHead: boolean
  /** Reopened for being stale already: not again before the head is reached in time. */
  reopenedAsStale: boolean
  /** How often it was begun anew since the head was reached. */
  restarts: number
  /** Does its leader answer? Not while it told this client to wait. */
  connected: boolean
  /** Until when its leader told this client to wait, in milliseconds of the Clock; `undefined` where that is no matter. */
  throttledUntil: number | undefined
}

/** A partition can be read from `start`; at this moment its last stable offset was `end`. */
export interface Opened {
  readonly _tag: "Opened"
  readonly partition: number
  readonly generation: number
  readonly start: number
  readonly end: number
}

export interface FetchedRecords {
  readonly partition: number
  readonly generation: number
  /** A view of the response's buffer. Empty where there is nothing new but that the log begins later. */
  readonly records: Buffer
  readonly aborted: ReadonlyArray<AbortedTransaction>
  /** Where the log began when this was read: it does not hold any more what is below. */
  readonly logStart: number
}

/** One answer to a fetch; partitions that have nothing new are not in it. */
export interface Fetched {
  readonly _tag: "Fetched"
  readonly partitions: ReadonlyArray<FetchedRecords>
}

/** How many partitions the topic has: at the start, and whenever there are more. */
export interface PartitionCount {
  readonly _tag: "PartitionCount"
  readonly count: number
}

/** What a partition holds is no continuation of what was read. It is held until `reopen`. */
export interface Truncated {
  readonly _tag: "Truncated"
  readonly partition: number
  readonly generation: number
  readonly error: LogTruncatedError
}

/**
 * The partition was behind for longer than its log keeps tombstones: keys that were deleted meanwhile may have left no
 * trace. It is held until `reopen`.
 */
export interface Stale {
  readonly _tag: "Stale"
  readonly partition: number
  readonly generation: number
  readonly behindMillis: number
  /** How long that is; `undefined`: nobody could be asked. */
  readonly retentionMillis: number | undefined
}

/** Why the topic cannot be read for now, though it will be tried again, slowly: rights or credentials are missing. */
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
  readonly error: FatalError
}

export type SourceEvent = Opened | Fetched | PartitionCount | Truncated | Stale | Denied | Granted | Fatal

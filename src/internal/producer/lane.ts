import type { ClientError } from "../../KafkaError.ts"
import { BATCH_OVERHEAD } from "../recordBatch/encode.ts"
import type { PendingRecord } from "./record.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** The producer id and epoch under which a lane writes. */
export interface Identity {
  readonly producerId: bigint
  readonly epoch: number
}

/** The identity of lanes that are not idempotent: they have no producer id, and number nothing. */
export const ANONYMOUS: Identity = { producerId: -1n, epoch: -1 }

const MAX_EPOCH = 0x7fff

/** Sequence numbers are 31 bits and wrap to 0. */
const SEQUENCES = 0x8000_0000

/** Records that go to the log together, or not at all. */
export interface Batch {
  readonly records: ReadonlyArray<PendingRecord>
  /** Bytes of its records before compression, about. */
  readonly size: number
  /** The batch's bytes, made when it is first sent: the same bytes are sent until its result is known. */
  encoded: Buffer | undefined
  /** Whether some attempt may have been appended: it was sent, and not definitely refused. */
  maybeAppended: boolean
  /** Whether its records have been settled already, as their deadline passed while the batch was in flight. */
  expired: boolean
}

/**
 * Records of one partition on the way to its leader: first in, first out, one batch in flight.
 *
 * The batch in flight carries the lane's identity and `nextSequence`. A broker takes each sequence of an identity once,
 * so a batch may be sent again, byte for byte, as often as it takes. What must never happen is that one sequence is given
 * to two batches of which the first may be in the log: the broker would take the second for a repetition of the first,
 * and acknowledge what it throws away. So a batch that is given up while its outcome is unknown takes its identity with
 * it: the lane goes on with the next epoch, and the broker refuses the old one from then on, should it still come.
 */
export class Lane {
  readonly topic: TopicLanes
  readonly partition: number
  /** Node id of the partition's leader, -1 if there is none. */
  leader = -1
  leaderEpoch = -1
  /** While it is `undefined`, a new producer id has to be asked for, and nothing is sent. */
  identity: Identity | undefined
  nextSequence = 0
  batch: Batch | undefined
  inFlight = false
  /** Node id of the broker to which the batch in flight was sent. */
  sentTo = -1
  /** Nothing is sent before this moment of the producer's time. */
  retryAt = 0
  attempts = 0
  lastFailure: ClientError | undefined
  private queue: Array<PendingRecord> = []
  private head = 0
  private maxBytes: number
  private readonly maxBatchBytes: number
  /** One of so many records in front, at least, is refused by the broker, which does not name it; 0 if none is known. */
  private suspects = 0
  /** Most records of the next batch, if none is suspected: few after one was found, as there may be others. */
  private maxRecords = Number.POSITIVE_INFINITY

  constructor(topic: TopicLanes, partition: number, identity: Identity | undefined, maxBatchBytes: number) {
    this.topic = topic
    this.partition = partition
    this.identity = identity
    this.maxBatchBytes = maxBatchBytes
    this.maxBytes = maxBatchBytes
  }

  push(record: PendingRecord): void {
    this.queue.push(record)
  }

  /** Whether all that was pushed is settled, and nothing is in flight. */
  get isIdle(): boolean {
    return this.batch === undefined && this.head === this.queue.length
  }

  /** The deadline of its oldest unsettled record. */
  get deadline(): number {
    if (this.batch !== undefined && !this.batch.expired) return this.batch.records[0].deadline
    return this.head < this.queue.length ? this.queue[this.head].deadline : Number.POSITIVE_INFINITY
  }

  /** Its records that are not settled, in order. */
  *unsettled(): Iterable<PendingRecord> {
    if (this.batch !== undefined && !this.batch.expired) yield* this.batch.records
    for (let i = this.head; i < this.queue.length; i++) yield this.queue[i]
  }

  /** Makes a batch of the first records that wait, if there is none yet. */
  cut(): Batch | undefined {
    if (this.batch !== undefined || this.head === this.queue.length) return this.batch
    let size = BATCH_OVERHEAD + this.queue[this.head].size
    let end = this.head + 1
    const most = this.suspects > 0 ? Math.ceil(this.suspects / 2) : this.maxRecords
    const last = Math.min(this.queue.length, this.head + most)
    while (end < last && size + this.queue[end].size <= this.maxBytes) size += this.queue[end++].size
    const isAll = this.head === 0 && end === this.queue.length
    const records = isAll ? this.queue : this.queue.slice(this.head, end)
    this.head = end
    this.compact()
    this.batch = { records, size, encoded: undefined, maybeAppended: false, expired: false }
    return this.batch
  }

  /** Puts a batch that was refused as too large back in front, to be cut smaller from now on. */
  split(batch: Batch): void {
    this.maxBytes = Math.max(1, Math.floor(batch.size / 2))
    this.putBack(batch.records)
  }

  /** Tries larger batches again, after a smaller size was learned: the topic's limit may have been raised since. */
  widen(): void {
    this.maxBytes = Math.min(this.maxBatchBytes, this.maxBytes * 2)
  }

  /** Puts a batch back in front because of a record in it that the broker refuses, to be looked for by halves. */
  suspect(batch: Batch): void {
    this.suspects = batch.records.length
    this.putBack(batch.records)
  }

  /** The record that was looked for was alone in its batch, and is gone. */
  found(): void {
    this.suspects = 0
    this.maxRecords = 1
  }

  /** Puts records of a batch that is certainly not in the log back in front: its sequences are theirs, and others'. */
  putBack(records: ReadonlyArray<PendingRecord>): void {
    this.queue = [...records, ...this.queue.slice(this.head)]
    this.head = 0
    this.batch = undefined
    this.attempts = 0
  }

  /** Takes the records out that wait behind the batch, and whose deadline has passed. */
  takeOverdue(now: number): ReadonlyArray<PendingRecord> {
    const start = this.head
    while (this.head < this.queue.length && this.queue[this.head].deadline <= now) this.head++
    const overdue = this.queue.slice(start, this.head)
    this.compact()
    return overdue
  }

  takeAll(): ReadonlyArray<PendingRecord> {
    return this.takeOverdue(Number.POSITIVE_INFINITY)
  }

  private compact(): void {
    if (this.head === this.queue.length) {
      this.queue = []
      this.head = 0
    } else if (this.head > 1024 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head)
      this.head = 0
    }
  }

  /** The batch is in the log: its sequences are used up. */
  advance(batch: Batch): void {
    this.suspects = Math.max(0, this.suspects - batch.records.length)
    this.maxRecords *= 2
    if (this.identity === undefined || this.identity === ANONYMOUS) return
    this.nextSequence = (this.nextSequence + batch.records.length) % SEQUENCES
  }

  /** Goes on under another identity, from sequence 0: the next epoch of the producer id, or another id after the last. */
  renew(): void {
    if (this.identity === undefined || this.identity === ANONYMOUS) return
    const { epoch, producerId } = this.identity
    this.identity = epoch < MAX_EPOCH ? { producerId, epoch: epoch + 1 } : undefined
    this.nextSequence = 0
  }
}

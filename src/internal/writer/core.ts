/**
 * What a writer has accepted, and where it stands: plain synchronous steps, shared by the fibers around them.
 *
 * A record is `waiting` while the queue is full, `parked` while the number of partitions is not known (or too old to
 * hash by), then in its partition's lane, and settled exactly once.
 */
import type * as Clock from "effect/Clock"
import type { KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import { BrokerError, TopicError, WriteError, type ClientError } from "../../KafkaError.ts"
import { isPromise } from "node:util/types"
import { make as makePosition } from "../position.ts"
import { explain, parseErrorOf } from "../codec/issue.ts"
import { byLeader, ledBy, nodeKey, nodeKeys, type ByLeader } from "../leaders.ts"
import { Signal } from "../signal.ts"
import { ANONYMOUS, Lane, type Batch, type Identity } from "./lane.ts"
import { isFailure, type Outcome, type PendingRecord } from "./record.ts"
import type { SendConfig } from "./settings.ts"
import type { Verdict } from "./verdict.ts"
import type { Wake } from "./wake.ts"

/** What one leader's fiber and the others know of each other. */
export interface Sender {
  readonly wake: Wake
  /** Since when it has waited for its broker, by the writer's time. */
  busySince: number | undefined
}

/** What was counted since the writer was made. */
export interface Counts {
  writes: number
  acknowledged: number
  failed: number
  unknown: number
  requests: number
  bytes: number
}

export class Core {
  readonly config: SendConfig
  readonly client: KafkaClient
  readonly lanes: Array<Lane> = []
  /** Each leader's fiber looks at its own lanes only, as there may be many of both. */
  private led: ByLeader<Lane> = new Map()
  /** The brokers whose addresses are known, by `nodeKey`. */
  private brokers: ReadonlySet<string> = new Set()
  readonly senders = new Map<number, Sender>()
  /** Of the oldest record of each acknowledged batch, in milliseconds, since they were last taken. */
  private latencies: Array<number> = []
  readonly counts: Counts = { writes: 0, acknowledged: 0, failed: 0, unknown: 0, requests: 0, bytes: 0 }
  /** Wakes the fiber that asks for metadata. */
  readonly metadataWanted = new Signal()
  /** Wakes the fiber that asks for producer ids. */
  readonly identityWanted = new Signal()
  /** Wakes the fiber that watches deadlines, if it sleeps without one. */
  readonly deadlineSet = new Signal()
  description: TopicDescription | undefined
  lastFailure: ClientError | TopicError | undefined
  /** As whom new lanes write. */
  identity: Identity | undefined
  queued = 0
  queuedBytes = 0
  /** No more records: those that come fail with this. */
  closed: WriteError | undefined
  /** When what is left then fails, by the writer's time. */
  closeDeadline = Number.POSITIVE_INFINITY
  private readonly waiting = new Set<PendingRecord>()
  private parked: Array<PendingRecord> = []
  private partitionCount = 0
  /** That the topic was created again with fewer partitions, if it was. */
  private shrunk: TopicError | undefined
  private describedAt = Number.NEGATIVE_INFINITY
  private pausedMillis = 0
  private readonly clock: Clock.Clock

  constructor(config: SendConfig, client: KafkaClient, clock: Clock.Clock) {
    this.config = config
    this.client = client
    this.clock = clock
    if (!config.idempotent) this.identity = ANONYMOUS
  }

  /**
   * The writer's time in milliseconds, for deadlines. It goes on evenly when the wall clock is set, and stands still
   * while the process is stopped: records must not expire before anybody had a chance to send them.
   */
  now(): number {
    return Number(this.clock.unsafeCurrentTimeNanos()) / 1e6 - this.pausedMillis
  }

  paused(millis: number): void {
    this.pausedMillis += millis
  }

  /** The time of the wall clock, for records. */
  timestamp(): number {
    return Math.floor(this.clock.unsafeCurrentTimeMillis())
  }

  error(
    reason: WriteError["reason"],
    parts?: { readonly partition?: number; readonly detail?: string | undefined; readonly cause?: unknown }
  ): WriteError {
    return new WriteError({
      reason,
      topic: this.config.topic,
      ...(parts?.partition === undefined ? {} : { partition: parts.partition }),
      ...(parts?.detail === undefined ? {} : { detail: parts.detail }),
      ...(parts?.cause === undefined ? {} : { cause: parts.cause })
    })
  }

  takeLatencies(): ReadonlyArray<number> {
    const taken = this.latencies
    this.latencies = []
    return taken
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * Takes a record, in the order of calls. Where the queue is full, it waits for its turn: only then can it be withdrawn,
   * and the answer is true.
   */
  offer(record: PendingRecord): boolean {
    this.counts.writes++
    if (this.closed !== undefined) {
      this.counts.failed++
      record.settle(this.closed)
      return false
    }
    if (this.waiting.size > 0 || !this.hasRoom(record)) {
      this.waiting.add(record)
      return true
    }
    this.accept(record)
    return false
  }

  /** Counts a write that ended before it became a record. */
  refused(error: WriteError): WriteError {
    this.counts.writes++
    this.counts.failed++
    return error
  }

  /** Withdraws a record that still waits. One that was accepted goes its way, though nobody asks for it any more. */
  withdraw(record: PendingRecord): void {
    record.forget()
    if (this.waiting.delete(record)) {
      this.counts.writes--
      record.dropped()
      this.admit()
    }
  }

  private hasRoom(record: PendingRecord): boolean {
    const { maxQueued, maxQueuedBytes } = this.config
    // a record above the limit has its turn when it is alone
    return this.queued < maxQueued && (this.queued === 0 || this.queuedBytes + record.size <= maxQueuedBytes)
  }

  /** Lets those in that waited for room. To be called after records were settled. */
  admit(): void {
    for (const record of this.waiting) {
      if (!this.hasRoom(record)) return
      this.waiting.delete(record)
      this.accept(record)
    }
  }

  private accept(record: PendingRecord): void {
    const now = this.now()
    this.queued++
    this.queuedBytes += record.size
    record.acceptedAt = now
    record.deadline = now + this.config.deliveryTimeoutMillis
    if (this.queued === 1) this.deadlineSet.notify()
    const age = now - this.describedAt
    // A topic that was shown without a partition is one whose description is on its way from broker to broker.
    if (age > this.config.metadataMaxAgeMillis || this.parked.length > 0 || this.partitionCount === 0) {
      this.parked.push(record)
      this.refresh()
    } else {
      if (age > this.config.metadataMaxAgeMillis / 2) this.refresh()
      this.route(record)
    }
  }

  private route(record: PendingRecord): void {
    const partition = this.partitionOf(record)
    if (isInvalid(partition)) return this.settle(record, partition)
    const lane = this.lanes[partition]
    lane.push(record)
    if (lane.leader === -1) this.refresh()
    else this.senders.get(lane.leader)?.wake.notify()
  }

  private partitionOf(record: PendingRecord): number | WriteError {
    const count = this.partitionCount
    let partition: number
    try {
      partition = record.partition ?? this.config.partitioner(record.key, count)
    } catch (thrown) {
      // it was given a record's key, and may quote it
      const cause = parseErrorOf(thrown, "the partitioner threw")
      const detail = this.config.logValues ? `the partitioner threw: ${explain(cause)}` : cause.message
      return this.error("InvalidPartition", { detail, cause })
    }
    if (Number.isInteger(partition) && partition >= 0 && partition < count) return partition
    // it may be a new one: for the next write
    this.refresh()
    return this.invalidPartition(partition)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // out
  // -------------------------------------------------------------------------------------------------------------------

  private settle(record: PendingRecord, outcome: Outcome): void {
    this.queued--
    this.queuedBytes -= record.size
    if (!isFailure(outcome)) this.counts.acknowledged++
    else if (outcome.reason === "UnknownOutcome") this.counts.unknown++
    else this.counts.failed++
    record.settle(outcome)
  }

  private settleAll(records: ReadonlyArray<PendingRecord>, error: WriteError): void {
    for (const record of records) this.settle(record, error)
  }

  /** Ends a batch that is not in the log, or of which nobody knows. */
  private giveUp(lane: Lane, batch: Batch, error: () => WriteError): void {
    if (!batch.expired) this.settleAll(batch.records, error())
    if (batch.maybeAppended) this.renew(lane)
    lane.batch = undefined
    lane.attempts = 0
  }

  private renew(lane: Lane): void {
    lane.renew()
    if (lane.identity === undefined) this.identityWanted.notify()
  }

  private unknown(lane: Lane, detail: string, cause: unknown): WriteError {
    return this.error("UnknownOutcome", { partition: lane.partition, detail, cause })
  }

  /**
   * The broker answered about a batch that was in flight; `before` is its `maybeAppended` before this attempt. Another
   * attempt, if there is to be one, is due in `retryMillis`.
   */
  answered(lane: Lane, batch: Batch, before: boolean, verdict: Verdict, retryMillis: number, answer: Answer): void {
    const { partition } = lane
    const { failure } = answer
    // what is refused for good is told to whose records these are: nobody else is held up by it
    lane.lastFailure = verdict._tag === "Retry" || verdict._tag === "Renew" ? failure : undefined
    switch (verdict._tag) {
      case "Acknowledged": {
        lane.advance(batch)
        lane.batch = undefined
        lane.attempts = 0
        if (batch.expired) return
        this.latencies.push(this.now() - batch.records[0].acceptedAt)
        if (answer.baseOffset < 0) {
          const error = this.unknown(lane, "it is in the log, but not known where", undefined)
          return this.settleAll(batch.records, error)
        }
        for (let i = 0; i < batch.records.length; i++) {
          const offset = answer.baseOffset + i
          this.settle(batch.records[i], makePosition({ topic: this.config.topic, partition, offset }))
        }
        return
      }
      case "Retry":
        batch.maybeAppended = before || verdict.appended
        return this.retry(lane, batch, retryMillis)
      case "Renew":
        batch.maybeAppended = before
        if (before) break
        // nothing of this batch is in the log: it goes out as the first of another identity
        batch.encoded = undefined
        this.renew(lane)
        return this.retry(lane, batch, retryMillis)
      case "TooLarge":
        batch.maybeAppended = before
        if (before || batch.expired) break
        if (batch.records.length > 1) return lane.split(batch)
        break
      case "BadRecords":
        batch.maybeAppended = before
        if (before || batch.expired) break
        return this.sift(lane, batch, answer)
      case "Refused":
        batch.maybeAppended = before
        break
      case "Lost":
        break
    }
    this.giveUp(lane, batch, () => {
      if (verdict._tag === "Lost") return this.unknown(lane, verdict.detail, failure)
      if (before) return this.unknown(lane, "an earlier attempt had no answer, this one was refused", failure)
      return verdict._tag === "Refused"
        ? this.error(verdict.reason, { partition, detail: verdict.hint, cause: failure })
        : this.error("TooLarge", { partition, cause: failure })
    })
  }

  /**
   * Fails those records of a batch that its broker refuses, each with what was said of it, and keeps the others for the
   * next attempt, in their order. Where the broker names none, the one is looked for by halves until it is alone.
   */
  private sift(lane: Lane, batch: Batch, answer: Answer): void {
    const { partition } = lane
    const { records } = batch
    const named = new Map<number, string | undefined>()
    for (const { batchIndex, message } of answer.recordErrors) {
      if (batchIndex >= 0 && batchIndex < records.length) named.set(batchIndex, message)
    }
    if (named.size === 0) {
      if (records.length > 1) return lane.suspect(batch)
      named.set(0, undefined)
      lane.found()
    }
    lane.putBack(records.filter((_, i) => !named.has(i)))
    for (const [i, message] of named) {
      const cause = answer.failure === undefined ? undefined : withWords(answer.failure, message)
      this.settle(records[i], this.error("Rejected", { partition, cause }))
    }
  }

  /** Keeps a batch for another attempt; `maybeAppended` tells what the last one may have done. */
  retry(lane: Lane, batch: Batch, millis: number): void {
    if (batch.expired) return this.giveUp(lane, batch, () => this.error("Timeout"))
    if (this.isGone(lane)) return this.giveUpGone(lane, batch)
    lane.attempts++
    lane.retryAt = this.now() + millis
  }

  /** Fails all that is not in flight: of some lanes, or of all and what is parked. */
  failUnsent(cause: ClientError | TopicError, lanes?: ReadonlyArray<Lane>): void {
    const reason = reasonOf(cause)
    if (lanes === undefined) {
      const parked = this.parked
      this.parked = []
      if (parked.length > 0) this.settleAll(parked, this.error(reason, { cause }))
    }
    for (const lane of lanes ?? this.lanes) {
      const { batch, partition } = lane
      if (batch !== undefined && !lane.inFlight) {
        this.giveUp(lane, batch, () =>
          batch.maybeAppended
            ? this.unknown(lane, "an attempt had no answer, and there can be no other one", cause)
            : this.error(reason, { partition, cause })
        )
      }
      const rest = lane.takeAll()
      if (rest.length > 0) this.settleAll(rest, this.error(reason, { partition, cause }))
    }
    this.admit()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // time
  // -------------------------------------------------------------------------------------------------------------------

  /** When there is something to expire next. */
  nextDeadline(): number {
    let next = Math.min(this.closeDeadline, this.parked[0]?.deadline ?? Number.POSITIVE_INFINITY)
    for (const lane of this.lanes) next = Math.min(next, lane.deadline)
    return next
  }

  /** Fails what is over its deadline. */
  expire(): void {
    const now = this.now()
    const late = this.parked.findIndex((record) => record.deadline > now)
    const overdue = this.parked.splice(0, late === -1 ? this.parked.length : late)
    if (overdue.length > 0) this.settleAll(overdue, this.timeout(this.lastFailure))
    for (const lane of this.lanes) {
      const { batch } = lane
      const cause = lane.lastFailure ?? this.lastFailure
      if (batch !== undefined && !batch.expired && batch.records[0].deadline <= now) {
        const error = batch.maybeAppended
          ? this.unknown(
              lane,
              `sent to ${this.addressOf(lane.sentTo)}, and not acknowledged within ${this.config.deliveryTimeoutMillis} ms`,
              cause
            )
          : this.timeout(cause, lane)
        if (lane.inFlight) {
          // what becomes of the lane is for the end of the request to say
          batch.expired = true
          this.settleAll(batch.records, error)
        } else {
          this.giveUp(lane, batch, () => error)
        }
      }
      const rest = lane.takeOverdue(now)
      if (rest.length > 0) this.settleAll(rest, this.timeout(cause, lane))
    }
    if (now >= this.closeDeadline) this.abandon("the writer was closed, and closeTimeout passed")
    this.admit()
  }

  private addressOf(nodeId: number): string {
    const broker = this.description?.brokers.get(nodeId)
    return broker === undefined ? `broker ${nodeId}` : `${broker.host}:${broker.port}`
  }

  private timeout(cause: ClientError | TopicError | undefined, lane?: Lane): WriteError {
    const why = lane?.leader === -1 ? ", the partition has no leader" : ""
    return this.error("Timeout", {
      ...(lane === undefined ? {} : { partition: lane.partition }),
      detail: `not sent within ${this.config.deliveryTimeoutMillis} ms${why}`,
      cause
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the end
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes no more; what was accepted has until `timeoutMillis` from now. */
  close(timeoutMillis: number): void {
    if (this.closed !== undefined) return
    this.closed = this.error("Closed")
    this.closeDeadline = this.now() + timeoutMillis
    this.failWaiting(this.closed)
    this.deadlineSet.notify()
  }

  private failWaiting(error: WriteError): void {
    this.counts.failed += this.waiting.size
    for (const record of this.waiting) record.settle(error)
    this.waiting.clear()
  }

  /** Settles everything that is left. */
  abandon(detail: string): void {
    this.closed ??= this.error("Closed", { detail })
    this.closeDeadline = Number.POSITIVE_INFINITY
    this.failWaiting(this.closed)
    const parked = this.parked
    this.parked = []
    this.settleAll(parked, this.error("Closed", { detail }))
    for (const lane of this.lanes) {
      const { batch, partition } = lane
      if (batch !== undefined && !batch.expired) {
        batch.expired = true
        this.settleAll(
          batch.records,
          batch.maybeAppended
            ? this.unknown(lane, detail, lane.lastFailure)
            : this.error("Closed", { partition, detail })
        )
      }
      this.settleAll(lane.takeAll(), this.error("Closed", { partition, detail }))
    }
  }

  /** All that was accepted, or waits to be, and is not settled. */
  *unsettled(): Iterable<PendingRecord> {
    yield* this.waiting
    yield* this.parked
    for (const lane of this.lanes) yield* lane.unsettled()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // metadata
  // -------------------------------------------------------------------------------------------------------------------

  refresh(): void {
    this.metadataWanted.notify()
  }

  /** What is known of partitions may be wrong: nothing is hashed before it is known anew. */
  distrust(): void {
    this.describedAt = Number.NEGATIVE_INFINITY
    this.refresh()
  }

  /** Is there anything that fresh metadata could help? */
  get needsMetadata(): boolean {
    return this.parked.length > 0 || this.lanes.some((lane) => lane.leader === -1 && !lane.isIdle)
  }

  /** Accepted or waiting to be, and not settled. */
  get pending(): number {
    return this.queued + this.waiting.size
  }

  describe(description: TopicDescription): void {
    const last = description.partitions.at(-1)
    const count = last === undefined ? 0 : last.partition + 1
    const before = this.partitionCount
    const known = this.description?.topic.id
    // a topic has fewer partitions in another life only; before Kafka 2.8 it has no id to tell that by
    const recreated =
      this.description !== undefined && (known !== description.topic.id || (known === undefined && count < before))
    this.description = description
    this.brokers = nodeKeys(description.brokers.keys())
    this.describedAt = this.now()
    this.lastFailure = undefined
    // with fewer of the same life, the broker that was asked lags behind
    this.partitionCount = recreated ? count : Math.max(count, before)
    for (let i = this.lanes.length; i < this.partitionCount; i++) {
      this.lanes.push(new Lane(i, this.identity, this.config.maxBatchBytes))
    }
    for (const found of description.partitions) {
      const lane = this.lanes[found.partition]
      // news from a broker that lags behind
      if (!recreated && found.leaderEpoch !== -1 && found.leaderEpoch < lane.leaderEpoch) continue
      // one whose address nobody knows is none yet
      const leader = this.brokers.has(nodeKey(found.leader)) ? found.leader : -1
      if (leader !== lane.leader || found.leaderEpoch !== lane.leaderEpoch) {
        lane.retryAt = 0
      }
      lane.leader = leader
      lane.leaderEpoch = found.leaderEpoch
    }
    for (const lane of this.lanes) lane.widen()
    if (recreated && count !== before) this.reassign(known, before)
    this.led = byLeader(this.lanes)
    const parked = this.parked
    this.parked = []
    if (this.partitionCount > 0) for (const record of parked) this.route(record)
    else this.parked = parked
    this.admit()
  }

  /**
   * The topic was created again with another number of partitions. What is certainly not in the log is assigned anew, in
   * its order; what may be stays with its partition, or is unknown for good if there is none of that number any more.
   */
  private reassign(known: string | undefined, before: number): void {
    const count = this.partitionCount
    const actual = this.description?.topic.id
    this.shrunk =
      count > before
        ? undefined
        : new TopicError({
            reason: "Recreated",
            topic: this.config.topic,
            ...(known === undefined ? {} : { expected: known }),
            ...(actual === undefined ? {} : { actual }),
            detail: `it has ${count} partitions, and had ${before}`
          })
    let unsent: ReadonlyArray<PendingRecord> = []
    for (const lane of this.lanes) {
      const { batch } = lane
      if (batch !== undefined && !lane.inFlight && !batch.maybeAppended) {
        unsent = unsent.concat(batch.records)
        lane.batch = undefined
        lane.attempts = 0
      }
      unsent = unsent.concat(lane.takeAll())
      if (!this.isGone(lane)) continue
      lane.leader = -1
      if (lane.batch !== undefined && !lane.inFlight) this.giveUpGone(lane, lane.batch)
    }
    this.parked = [...unsent, ...this.parked]
  }

  /** Is it of a partition that the topic had in an earlier life only? */
  private isGone(lane: Lane): boolean {
    return lane.partition >= this.partitionCount
  }

  private giveUpGone(lane: Lane, batch: Batch): void {
    const cause = this.shrunk
    this.giveUp(lane, batch, () =>
      batch.maybeAppended
        ? this.unknown(lane, "an attempt had no answer, and the partition is gone", cause)
        : this.invalidPartition(lane.partition)
    )
  }

  private invalidPartition(partition: unknown): WriteError {
    return this.error("InvalidPartition", {
      ...(typeof partition === "number" ? { partition } : {}),
      detail: `${shownPartition(partition)}, of ${this.partitionCount} partitions`,
      cause: this.shrunk
    })
  }

  /** Brokers that have not answered for `millis` about a batch, the leader of which is another one by now. */
  deposed(millis: number): ReadonlySet<number> {
    const brokers = new Set<number>()
    const now = this.now()
    for (const { inFlight, leader, sentTo } of this.lanes) {
      if (!inFlight || sentTo === leader || leader === -1) continue
      const since = this.senders.get(sentTo)?.busySince
      if (since !== undefined && now - since >= millis) brokers.add(sentTo)
    }
    return brokers
  }

  /** The brokers that lead something, and whose addresses are known. */
  get leaders(): ReadonlyArray<number> {
    const brokers = this.description?.brokers.keys() ?? []
    return [...brokers].filter((nodeId) => this.ledBy(nodeId).length > 0)
  }

  /** Brokers that have left the cluster, and that nobody waits for. */
  get departed(): ReadonlyArray<number> {
    const busy = nodeKeys(this.lanes.filter(({ inFlight }) => inFlight).map(({ sentTo }) => sentTo))
    return [...this.senders]
      .filter(([nodeId, { busySince }]) => {
        const key = nodeKey(nodeId)
        return busySince === undefined && !this.brokers.has(key) && !busy.has(key)
      })
      .map(([nodeId]) => nodeId)
  }

  /** The lanes of a leader. */
  ledBy(leader: number): ReadonlyArray<Lane> {
    return ledBy(this.led, leader)
  }

  wakeSenders(): void {
    for (const sender of this.senders.values()) sender.wake.notify()
  }

  /** A new producer id: for new lanes, and for those that wait for one. */
  identify(identity: Identity): void {
    this.identity = identity
    for (const lane of this.lanes) lane.identity ??= identity
    this.wakeSenders()
  }
}

/** What the broker said about a batch. */
export interface Answer {
  readonly baseOffset: number
  readonly failure: BrokerError | undefined
  /** The records that the broker refuses, where it names them. */
  readonly recordErrors: ReadonlyArray<RecordError>
}

/** The same error with what the broker said of a single record, if it said something. */
const withWords = (error: BrokerError, detail: string | undefined): BrokerError =>
  detail === undefined ? error : new BrokerError({ ...error, detail })

/** What it means for a write that a broker can never be asked. */
const reasonOf = (error: ClientError | TopicError): WriteError["reason"] =>
  error.reason === "Unauthorized" || error.reason === "Authentication"
    ? "Unauthorized"
    : error.reason === "NotFound"
      ? "TopicNotFound"
      : "Rejected"

/** What a partitioner without types returned: it may be anything, and a promise may still be rejected. */
const shownPartition = (partition: unknown): string => {
  if (typeof partition === "number") return String(partition)
  if (isPromise(partition)) partition.catch(() => {})
  return isPromise(partition) ? "a promise" : `a value of type ${typeof partition}`
}

const isInvalid = (partition: number | WriteError): partition is WriteError => typeof partition !== "number"

import type { TopicDescription } from "../../KafkaClient.ts"
import { TopicError, WriteError, type ClientError } from "../../KafkaError.ts"
import { nodeKey, nodeKeys } from "../client/leaders.ts"
import { Signal } from "../signal.ts"
import { Lane, type Batch } from "./lane.ts"
import { Partitions } from "./partitions.ts"
import { isFailure, type PendingRecord, type WriteResult } from "./record.ts"
import { giveUpOfLostPartition } from "./settling.ts"
import { noCounts, pendingOf, type SendCounts, type Shared } from "./shared.ts"
import { Turns } from "./turns.ts"

const NONE: ReadonlyArray<never> = []

/** What an error of a write can say besides its reason and topic. */
export interface ErrorParts {
  readonly partition?: number
  readonly detail?: string | undefined
  readonly cause?: unknown
}

/**
 * One topic of a producer: its partitions as they are known, a lane for each of them, and what was counted. Plain
 * synchronous functions, as they run for each record.
 *
 * A record that has its place in the queue is `parked` while the number of partitions is not known, or too old to hash
 * by. Then it is in its partition's lane. It is settled exactly once.
 */
export class TopicLanes {
  readonly name: string
  readonly shared: Shared
  readonly counts: SendCounts = noCounts()
  /** Calls whose records are still being encoded have their turn here, in the order of the calls. */
  readonly turns = new Turns()
  /** Wakes the fiber that asks for the topic's metadata. */
  readonly metadataWanted = new Signal()
  /** By partition. A lane stays when its partition is gone: the topic may have as many partitions again. */
  readonly lanes: Array<Lane> = []
  /** The newest description; `undefined` until the first one. */
  description: TopicDescription | undefined
  /** Why the topic's metadata, or a producer id for its lanes, is not to be had; `undefined` once it was. */
  lastFailure: ClientError | TopicError | undefined
  private readonly partitions: Partitions
  /** Records whose partition cannot be told yet, in their order. */
  private parked: Array<PendingRecord> = []
  private describedAt = Number.NEGATIVE_INFINITY
  /** Milliseconds to the acknowledgement of the oldest record of each batch, since they were last taken. */
  private latencies: Array<number> = []

  constructor(name: string, shared: Shared) {
    this.name = name
    this.shared = shared
    this.partitions = new Partitions(shared.settings, shared.random)
  }

  error(reason: WriteError["reason"], parts?: ErrorParts): WriteError {
    return new WriteError({
      reason,
      topic: this.name,
      ...(parts?.partition === undefined ? {} : { partition: parts.partition }),
      ...(parts?.detail === undefined ? {} : { detail: parts.detail }),
      ...(parts?.cause === undefined ? {} : { cause: parts.cause })
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // records
  // -------------------------------------------------------------------------------------------------------------------

  /** Counts a write that ended before it became a record. */
  refused(error: WriteError): WriteError {
    this.counts.writes++
    this.counts.failed++
    return error
  }

  /** Takes a record that has its place in the queue. */
  take(record: PendingRecord, now: number): void {
    const { metadataMaxAgeMillis } = this.shared.settings
    const age = now - this.describedAt
    // A topic that was shown without a partition is one whose description is on its way from broker to broker.
    if (age > metadataMaxAgeMillis || this.parked.length > 0 || this.partitions.count === 0) {
      this.parked.push(record)
      this.refresh()
    } else {
      if (age > metadataMaxAgeMillis / 2) this.refresh()
      this.route(record)
    }
  }

  private route(record: PendingRecord): void {
    const partition = this.partitions.choose(this, record)
    if (typeof partition !== "number") return this.settle(record, partition)
    const lane = this.lanes[partition]
    lane.push(record)
    if (lane.leader === -1) this.refresh()
    else this.shared.brokers.wake(lane.leader)
  }

  settle(record: PendingRecord, result: WriteResult): void {
    this.shared.queue.leave(record)
    if (!isFailure(result)) this.counts.acknowledged++
    else if (result.reason === "UnknownOutcome") this.counts.unknown++
    else this.counts.failed++
    record.settle(result)
  }

  settleAll(records: ReadonlyArray<PendingRecord>, error: WriteError): void {
    for (const record of records) this.settle(record, error)
  }

  /** Takes out the records that wait for metadata. */
  takeParked(): ReadonlyArray<PendingRecord> {
    const { parked } = this
    this.parked = []
    return parked
  }

  /** Takes out those records that wait for metadata, and whose deadline has passed. */
  takeParkedUntil(now: number): ReadonlyArray<PendingRecord> {
    if (this.parked.length === 0) return NONE
    const late = this.parked.findIndex((record) => record.deadline > now)
    return this.parked.splice(0, late === -1 ? this.parked.length : late)
  }

  /** The deadline of the oldest record that is not settled. */
  get deadline(): number {
    let next = this.parked[0]?.deadline ?? Number.POSITIVE_INFINITY
    for (const lane of this.lanes) next = Math.min(next, lane.deadline)
    return next
  }

  /** All accepted records that are not settled. */
  *unsettled(): Iterable<PendingRecord> {
    yield* this.parked
    for (const lane of this.lanes) yield* lane.unsettled()
  }

  /** Whether nothing is known of the topic, and nobody waits for anything of it. */
  get isForgettable(): boolean {
    return this.description === undefined && this.turns.isFree && pendingOf(this.counts) === 0
  }

  /** A batch was acknowledged, whose oldest record was accepted at this time. */
  acknowledgedSince(acceptedAt: number): void {
    this.latencies.push(this.shared.clock.now() - acceptedAt)
  }

  takeLatencies(): ReadonlyArray<number> {
    const { latencies } = this
    this.latencies = []
    return latencies
  }

  // -------------------------------------------------------------------------------------------------------------------
  // metadata
  // -------------------------------------------------------------------------------------------------------------------

  /** Has the topic described again. */
  refresh(): void {
    this.metadataWanted.notify()
  }

  /** What is known of the partitions may be wrong: no record is hashed before the topic is described again. */
  distrust(): void {
    this.describedAt = Number.NEGATIVE_INFINITY
    this.refresh()
  }

  /** Is there anything that fresh metadata could help? */
  get needsMetadata(): boolean {
    return this.parked.length > 0 || this.lanes.some((lane) => lane.leader === -1 && !lane.isIdle)
  }

  /** Takes a description over, and tells whether lanes were added or have another leader. Then `unpark` is to be called. */
  describe(description: TopicDescription): boolean {
    const last = description.partitions.at(-1)
    const count = last === undefined ? 0 : last.partition + 1
    const before = this.partitions.count
    const known = this.description?.topic.id
    // A topic has fewer partitions in another life only. Before Kafka 2.8 it has no id to tell that by.
    const recreated =
      this.description !== undefined && (known !== description.topic.id || (known === undefined && count < before))
    const brokers = nodeKeys(description.brokers.keys())
    this.description = description
    this.describedAt = this.shared.clock.now()
    this.lastFailure = undefined
    // With fewer partitions in the same life, the broker that was asked lags behind.
    this.partitions.count = recreated ? count : Math.max(count, before)
    let isChanged = this.addLanes()
    for (const found of description.partitions) {
      const lane = this.lanes[found.partition]
      // An older epoch is news from a broker that lags behind.
      if (!recreated && found.leaderEpoch !== -1 && found.leaderEpoch < lane.leaderEpoch) continue
      // A leader whose address nobody knows is none yet.
      const leader = brokers.has(nodeKey(found.leader)) ? found.leader : -1
      if (leader !== lane.leader || found.leaderEpoch !== lane.leaderEpoch) lane.retryAt = 0
      if (leader !== lane.leader) isChanged = true
      lane.leader = leader
      lane.leaderEpoch = found.leaderEpoch
    }
    for (const lane of this.lanes) lane.widen()
    if (recreated && count !== before) {
      this.reassign(known, before)
      isChanged = true
    }
    return isChanged
  }

  private addLanes(): boolean {
    const { identities, settings } = this.shared
    const before = this.lanes.length
    for (let partition = before; partition < this.partitions.count; partition++) {
      this.lanes.push(new Lane(this, partition, identities.current, settings.maxBatchBytes))
    }
    return this.lanes.length > before
  }

  /** Gives the records that waited for metadata to their partitions' lanes, if there are partitions. */
  unpark(): void {
    if (this.partitions.count > 0) for (const record of this.takeParked()) this.route(record)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // another life of the topic
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * The topic was created again with another number of partitions. What is certainly not in the log is assigned anew, in
   * its order. What may be in the log stays with its partition, or is unknown for good if there is none of that number
   * any more.
   */
  private reassign(known: string | undefined, before: number): void {
    const count = this.partitions.count
    const actual = this.description?.topic.id
    this.partitions.shrunk =
      count > before
        ? undefined
        : new TopicError({
            reason: "Recreated",
            topic: this.name,
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
      if (!this.hasLost(lane)) continue
      lane.leader = -1
      if (lane.batch !== undefined && !lane.inFlight) this.giveUpLost(lane, lane.batch)
    }
    this.parked = [...unsent, ...this.parked]
  }

  /** Is this the lane of a partition that the topic had in an earlier life only? */
  hasLost(lane: Lane): boolean {
    return lane.partition >= this.partitions.count
  }

  /** Ends a batch of a partition that the topic does not have any more. */
  giveUpLost(lane: Lane, batch: Batch): void {
    giveUpOfLostPartition(lane, batch, this.partitions.shrunk, () => this.partitions.invalid(this, lane.partition))
  }
}

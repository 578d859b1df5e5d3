/** A partition that is this member's: what was fetched of it, what was handed out, and what is done. */
import type * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type { TopicPartition } from "../../KafkaConsumer.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import type { FetchedRecords } from "../source/cursor.ts"
import { RecordRanges } from "../recordBatch/recordRanges.ts"
import type { PartitionDecoder } from "./decoding.ts"
import { DonePrefix } from "./donePrefix.ts"
import { keyOf } from "./member/topicPartitions.ts"

/**
 * - `starting`: it is not known yet where to begin.
 * - `open`: it is fetched, and handed out.
 * - `closing`: nothing more is handed out, and what was is waited for.
 * - `gone`: it is not this member's any more.
 */
export type PartitionPhase = "starting" | "open" | "closing" | "gone"

/** When records were handed out together, by the number of the first of them. */
interface HandedOut {
  readonly first: number
  readonly at: number
}

export class OwnedPartition implements TopicPartition {
  readonly key: string
  phase: PartitionPhase = "starting"
  /** What is done; `undefined` before it is known where to begin. A jump to another offset makes a new one. */
  prefix: DonePrefix | undefined
  /** Id of the topic that is read; `undefined` before it is known, and where topics have none. */
  topicId: string | undefined
  /** The offset that the coordinator has; `undefined` while it has none, as far as is known. */
  committed: number | undefined
  /**
   * What a commit told of whose answer has not come: it may be what the coordinator has. After a jump, that is not what it is to
   * have.
   */
  unanswered: DonePrefix | undefined
  /** When this member committed that, in milliseconds of the Clock. Before it did, that may have been at any time. */
  committedAt = Number.NEGATIVE_INFINITY
  /** Where its user wants it to begin, if that was said before it has begun. */
  sought: number | undefined
  /** Whether it begins without an offset of the group's. */
  isReset = false
  /** Whether it goes on elsewhere than where the group had got to, and the group is to have that without delay. */
  isMoved = false
  /** What was fetched and is not decoded yet, in its order. */
  readonly fetched: Array<FetchedRecords> = []
  fetchedBytes = 0
  /** What is being made of the first of `fetched`. */
  decoder: PartitionDecoder<unknown, unknown> | undefined
  /** Places of the records of the batch that is being decoded, used again for each. */
  readonly ranges = new RecordRanges()
  /** Whether its topic is not there any more: what was handed out of it is of no use to the group. */
  isOfGoneTopic = false
  /** Whether its user wants nothing of it for now. */
  isPaused = false
  /** How many look for the offset to go on at: nothing is handed out meanwhile. */
  seeking = 0
  /** Whether the stream of it was left: nobody works on what that has given. */
  isLeft = false
  /** Whether the time is over that was given to the work on what was handed out. */
  isCutOff = false
  /** Position of the batch that was corrupt once, and was asked for again. */
  corruptAt: number | undefined
  /** Settled when it is lost, without having been given up. */
  readonly lost: Deferred.Deferred<void> = makeDeferred()
  private handed: Array<HandedOut> = []

  constructor(
    readonly topic: string,
    readonly partition: number
  ) {
    this.key = keyOf(this)
  }

  /** Whether nothing of it is handed out for now, as its user wants nothing of it, or wants it to go on elsewhere. */
  get isHeldBack(): boolean {
    return this.isPaused || this.seeking > 0
  }

  /** The offset to commit, if the coordinator does not have it. */
  get due(): number | undefined {
    return this.phase === "gone" ? undefined : this.uncommitted
  }

  /** The same, though it may be too late to commit it. */
  get uncommitted(): number | undefined {
    if (this.prefix === undefined || this.isOfGoneTopic) return undefined
    const { committable } = this.prefix
    return committable === this.committed && this.isSure ? undefined : committable
  }

  /** Whether what is known to be committed is what the coordinator has, or less. */
  get isSure(): boolean {
    return this.unanswered === undefined || this.unanswered === this.prefix
  }

  /** Offset of the next record to decode. */
  get position(): number | undefined {
    return this.prefix?.position
  }

  /** Begins, or goes on, at this offset. Marks on what was handed out before change nothing any more. */
  jumpTo(offset: number): void {
    this.prefix = new DonePrefix(offset)
    this.handed = []
    this.dropFetched()
    this.corruptAt = undefined
    this.sought = undefined
    if (this.phase === "starting") this.phase = "open"
  }

  /** Its topic is gone: nothing of it is handed out or committed any more. */
  loseTopic(): void {
    this.isOfGoneTopic = true
    this.dropFetched()
  }

  /** Begins at the beginning of the topic that has the name now. */
  beginAnew(): void {
    this.isOfGoneTopic = false
    this.phase = "starting"
    this.prefix = undefined
    this.sought = undefined
    this.topicId = undefined
    this.committed = undefined
    this.unanswered = undefined
    this.committedAt = Number.NEGATIVE_INFINITY
    this.isReset = true
  }

  dropFetched(): void {
    this.decoder = undefined
    this.fetched.length = 0
    this.fetchedBytes = 0
  }

  add(records: FetchedRecords): void {
    this.fetched.push(records)
    this.fetchedBytes += records.records.length
  }

  takeFirst(): void {
    this.decoder = undefined
    this.fetchedBytes -= this.fetched.shift()!.records.length
  }

  /** Notes when records were handed out, the first of which has this number. */
  noteHandedOut(first: number, at: number): void {
    this.handed.push({ first, at })
  }

  /** When the oldest record that is not done was handed out; `undefined` if there is none. */
  get waitingSince(): number | undefined {
    const { handed, prefix } = this
    if (prefix === undefined || prefix.size === 0) {
      this.handed = []
      return undefined
    }
    let before = 0
    while (before + 1 < handed.length && handed[before + 1].first <= prefix.oldest) before++
    handed.splice(0, before)
    return handed[0].at
  }

  lose(): void {
    this.end()
    settleDeferred(this.lost, Exit.void)
  }

  end(): void {
    this.phase = "gone"
    this.dropFetched()
  }
}

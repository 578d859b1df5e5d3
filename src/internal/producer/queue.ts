import { Signal } from "../signal.ts"
import type { PendingRecord } from "./record.ts"
import type { SendingClock } from "./sendingClock.ts"
import type { SendSettings } from "../options/sending.ts"
import type { TopicLanes } from "./topicLanes.ts"

/**
 * Room for the records of a producer, of all its topics together. Records come in the order of the calls: while one waits
 * for room, all that are called later wait behind it. Plain synchronous functions, as they run for each record.
 */
export class Queue {
  /** Wakes the fiber that watches deadlines, which sleeps without one while nothing is queued. */
  readonly deadlineSet = new Signal()
  /** No more records are taken, for the reason in `detail` if there is one: those that come fail with `Closed`. */
  closed: { readonly detail: string | undefined } | undefined
  /** Accepted records that are not settled, and their bytes. */
  private records = 0
  private bytes = 0
  /** Records that wait for room, in the order of the calls, with their topics. */
  private readonly waiting = new Map<PendingRecord, TopicLanes>()
  private readonly settings: SendSettings
  private readonly clock: SendingClock

  constructor(settings: SendSettings, clock: SendingClock) {
    this.settings = settings
    this.clock = clock
  }

  /**
   * Takes a record, in the order of calls. Where the queue is full, the record waits for its turn: only then can it be
   * withdrawn, and the answer is true.
   */
  offer(topic: TopicLanes, record: PendingRecord): boolean {
    topic.counts.writes++
    if (this.closed !== undefined) {
      topic.counts.failed++
      record.settle(topic.error("Closed", this.closed))
      return false
    }
    if (this.waiting.size > 0 || !this.hasRoom(record)) {
      this.waiting.set(record, topic)
      return true
    }
    this.accept(topic, record)
    return false
  }

  /** Withdraws a record that still waits. One that was accepted goes its way, though nobody asks for it any more. */
  withdraw(record: PendingRecord): void {
    record.forget()
    const topic = this.waiting.get(record)
    if (topic === undefined) return
    this.waiting.delete(record)
    topic.counts.writes--
    record.dropped()
    this.admit()
  }

  /** Lets records in that waited for room. To be called after records have left. */
  admit(): void {
    if (this.waiting.size === 0) return
    for (const [record, topic] of this.waiting) {
      if (!this.hasRoom(record)) return
      this.waiting.delete(record)
      this.accept(topic, record)
    }
  }

  /** An accepted record is about to be settled: its room is free. */
  leave(record: PendingRecord): void {
    this.records--
    this.bytes -= record.size
  }

  /** Takes no more records, and fails those that wait for room. A queue that is closed keeps its first reason. */
  close(detail?: string): void {
    this.closed ??= { detail }
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const [record, topic] of waiting) {
      topic.counts.failed++
      record.settle(topic.error("Closed", this.closed))
    }
  }

  /** Records that wait for room, in their order. */
  get waitingRecords(): Iterable<PendingRecord> {
    return this.waiting.keys()
  }

  private hasRoom(record: PendingRecord): boolean {
    const { maxQueued, maxQueuedBytes } = this.settings
    // A record above the limit has its turn when it is alone.
    return this.records < maxQueued && (this.records === 0 || this.bytes + record.size <= maxQueuedBytes)
  }

  private accept(topic: TopicLanes, record: PendingRecord): void {
    const now = this.clock.now()
    this.records++
    this.bytes += record.size
    record.accepted(now, now + this.settings.deliveryTimeoutMillis)
    if (this.records === 1) this.deadlineSet.notify()
    topic.take(record, now)
  }
}

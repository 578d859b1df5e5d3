/** The offsets that one group has committed, and those that open transactions are about to commit. */
import type { CommittedOffset, OffsetCommitPartition, TopicPartition, TopicRef } from "../../../KafkaProtocol.ts"
import { UNSTABLE_OFFSET_COMMIT } from "../../protocol/codes.ts"
import type { Producer } from "./transaction.ts"

export interface StoredOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string | undefined
  /** When it was committed, in milliseconds since the epoch. */
  readonly committedAt: number
  /** Commits are numbered, as of two for one partition the later one counts, whenever its transaction ends. */
  readonly number: number
}

/** Offsets by topic and partition. */
class OffsetMap {
  private readonly topics = new Map<string, Map<number, StoredOffset>>()

  get(topic: string, partition: number): StoredOffset | undefined {
    return this.topics.get(topic)?.get(partition)
  }

  set(topic: string, partition: number, stored: StoredOffset): void {
    const partitions = this.topics.get(topic)
    if (partitions === undefined) this.topics.set(topic, new Map([[partition, stored]]))
    else partitions.set(partition, stored)
  }

  delete(topic: string, partition: number): boolean {
    const partitions = this.topics.get(topic)
    const isDeleted = partitions?.delete(partition) === true
    if (partitions?.size === 0) this.topics.delete(topic)
    return isDeleted
  }

  *[Symbol.iterator](): Generator<readonly [topic: string, partition: number, stored: StoredOffset]> {
    for (const [topic, partitions] of this.topics) {
      for (const [partition, stored] of partitions) yield [topic, partition, stored]
    }
  }
}

export class Offsets {
  private readonly committed = new OffsetMap()
  /** By producer id. */
  private readonly pending = new Map<bigint, OffsetMap>()
  /** The epoch of each of these producers. */
  private readonly epochs = new Map<bigint, number>()
  private commits = 0

  /** Whether there are none, not even pending ones. */
  get isEmpty(): boolean {
    return this.all().next().done === true && !this.hasPending
  }

  get hasPending(): boolean {
    return this.pending.size > 0
  }

  /** All that are committed. */
  all(): Generator<readonly [topic: string, partition: number, stored: StoredOffset]> {
    return this.committed[Symbol.iterator]()
  }

  /** Keeps an offset: at once, or when the transaction of this producer has been committed. */
  commit(asked: OffsetCommitPartition, now: number, producer?: Producer): void {
    const { leaderEpoch, metadata, offset, partition, topic } = asked
    const stored = { offset, leaderEpoch, metadata, committedAt: now, number: this.commits++ }
    if (producer === undefined) return this.committed.set(topic.name, partition, stored)
    let pending = this.pending.get(producer.producerId)
    if (pending === undefined) this.pending.set(producer.producerId, (pending = new OffsetMap()))
    this.epochs.set(producer.producerId, producer.producerEpoch)
    pending.set(topic.name, partition, stored)
  }

  /** The transaction of this producer has ended. */
  endTransaction(producerId: bigint, isCommitted: boolean): void {
    const pending = this.pending.get(producerId)
    this.pending.delete(producerId)
    this.epochs.delete(producerId)
    if (pending === undefined || !isCommitted) return
    for (const [topic, partition, stored] of pending) {
      const other = this.committed.get(topic, partition)
      if (other === undefined || stored.number > other.number) this.committed.set(topic, partition, stored)
    }
  }

  /** Whether a transaction of this producer, in this epoch of it, is open here. */
  isPendingOf({ producerEpoch, producerId }: Producer): boolean {
    return this.pending.has(producerId) && this.epochs.get(producerId) === producerEpoch
  }

  /** Whether an open transaction commits an offset of this partition. */
  isUnstable(topic: string, partition: number): boolean {
    for (const pending of this.pending.values()) if (pending.get(topic, partition) !== undefined) return true
    return false
  }

  fetch(asked: ReadonlyArray<TopicPartition> | undefined, requireStable: boolean): ReadonlyArray<CommittedOffset> {
    const one = (topic: TopicRef, partition: number): CommittedOffset => {
      const isUnstable = requireStable && this.isUnstable(topic.name, partition)
      const stored = isUnstable ? undefined : this.committed.get(topic.name, partition)
      return {
        topic,
        partition,
        errorCode: isUnstable ? UNSTABLE_OFFSET_COMMIT : 0,
        offset: Math.max(-1, stored?.offset ?? -1),
        leaderEpoch: stored?.leaderEpoch ?? -1,
        metadata: stored?.metadata === "" ? undefined : stored?.metadata
      }
    }
    return asked === undefined
      ? [...this.committed].map(([name, partition]) => one({ name, id: undefined }, partition))
      : asked.map(({ partition, topic }) => one(topic, partition))
  }

  /** Forgets the offset of a partition, also what open transactions are about to commit. */
  delete(topic: string, partition: number): void {
    this.committed.delete(topic, partition)
    for (const [producerId, pending] of this.pending) {
      pending.delete(topic, partition)
      if (pending[Symbol.iterator]().next().done === true) this.pending.delete(producerId)
    }
  }

  /** Forgets all offsets of a topic. */
  deleteTopic(topic: string): void {
    for (const offsets of [this.committed, ...this.pending.values()]) {
      for (const [name, partition] of [...offsets]) if (name === topic) this.delete(name, partition)
    }
  }
}

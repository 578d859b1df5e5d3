/** What becomes of records after they were handed out: they are done, or given back, and their offsets are committed. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CommitError, type CommitReason } from "../../KafkaError.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import type { DonePrefix } from "./donePrefix.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import type { Settling } from "./record.ts"

/** Somebody who waits for a commit. */
interface Waiter {
  readonly partition: OwnedPartition
  readonly prefix: DonePrefix
  /** Covered by a commit of an offset above this. */
  readonly offset: number
  readonly deferred: Deferred.Deferred<void, CommitError>
}

/** Whether what is committed covers this offset. What was committed before a jump back is no commit of what came after it. */
const isCommitted = ({ committed = -1, isSure }: OwnedPartition, prefix: DonePrefix, offset: number): boolean =>
  committed > offset && committed <= prefix.committable && isSure

export class Settled<K, V> implements Settling {
  private readonly waiters = new Set<Waiter>()
  private isClosed = false

  constructor(private readonly parts: ConsumerParts<K, V>) {}

  done(p: OwnedPartition, prefix: DonePrefix, number: number): void {
    if (p.prefix !== prefix || p.phase === "gone") return
    const { config, health, ready, settled } = this.parts
    const wasBlocked = prefix.size >= config.maxUncommitted
    if (prefix.done(number)) this.advanced()
    if (wasBlocked && prefix.size < config.maxUncommitted) {
      health.block(p, false)
      ready.notify()
    }
    if (prefix.outstanding === 0) settled.notify()
  }

  givenBack(p: OwnedPartition, prefix: DonePrefix, number: number): void {
    if (p.prefix !== prefix) return
    prefix.giveBack(number)
    if (prefix.outstanding === 0) this.parts.settled.notify()
  }

  /** More may be committed of a partition: somebody may wait for that, or for what is committed already. */
  advanced(): void {
    if (this.waiters.size > 0) this.parts.commits.notify()
  }

  committed(partition: OwnedPartition, prefix: DonePrefix, offset: number): Effect.Effect<void, CommitError> {
    return Effect.suspend(() => {
      if (partition.prefix === prefix && isCommitted(partition, prefix, offset)) return Effect.void
      const waiter: Waiter = { partition, prefix, offset, deferred: makeDeferred() }
      this.waiters.add(waiter)
      this.check()
      this.parts.commits.notify()
      return Effect.onInterrupt(Deferred.await(waiter.deferred), () =>
        Effect.sync(() => void this.waiters.delete(waiter))
      )
    })
  }

  /** Whether a commit is waited for that could be sent now. If none is, ends the waits that have nothing to wait for. */
  lookForWanted(): boolean {
    for (const { offset, partition } of this.waiters) if ((partition.due ?? -1) > offset) return true
    this.check()
    return false
  }

  /** Whether somebody waits for a commit of this partition. */
  waitsFor(partition: OwnedPartition): boolean {
    for (const waiter of this.waiters) if (waiter.partition === partition) return true
    return false
  }

  /** Ends the waits for what is committed, and for what cannot be any more. */
  check(): void {
    const { failure } = this.parts
    for (const waiter of this.waiters) {
      const { offset, partition, prefix } = waiter
      const isLost = partition.prefix !== prefix || partition.phase === "gone"
      if (isLost) this.fail(waiter, this.isClosed ? "Closed" : "Lost")
      else if (isCommitted(partition, prefix, offset)) this.succeed(waiter)
      else if (failure !== undefined) this.fail(waiter, "Closed", failure.message, failure)
    }
  }

  /** Ends the waits for commits of a partition, which the coordinator refuses. */
  refuse(partition: OwnedPartition, reason: CommitReason, detail: string): void {
    for (const waiter of this.waiters) if (waiter.partition === partition) this.fail(waiter, reason, detail)
  }

  /** Ends all waits, as the consumer is closed. Whoever waits later hears that, too. */
  close(): void {
    this.check()
    this.isClosed = true
    for (const waiter of this.waiters) this.fail(waiter, "Closed")
  }

  private succeed(waiter: Waiter): void {
    this.waiters.delete(waiter)
    settleDeferred(waiter.deferred, Exit.void)
  }

  private fail(waiter: Waiter, reason: CommitReason, detail?: string, cause?: unknown): void {
    this.waiters.delete(waiter)
    const { partition, topic } = waiter.partition
    const error = new CommitError({
      reason,
      group: this.parts.config.group,
      topic,
      partition,
      ...(detail === undefined ? {} : { detail }),
      ...(cause === undefined ? {} : { cause })
    })
    settleDeferred(waiter.deferred, Exit.fail(error))
  }
}

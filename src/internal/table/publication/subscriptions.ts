/**
 * The subscribers to a table's changes. The reader pushes each publication once, synchronously. What becomes of it
 * where a subscriber is slow is the subscriber's own strategy: only a back-pressured one, which asked for that, makes
 * the reader wait.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid } from "effect/Function"
import type * as Stream from "effect/Stream"
import type { Strategy } from "../../../LiveTable.ts"
import { runInSlices } from "../../yield.ts"
import { begun, type End, type Pushed, streamOf } from "../../effect/v4/pushed.ts"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { bufferOf } from "./buffers.ts"
import { KeySubscribers } from "./keySubscribers.ts"
import { Subscriber } from "./subscriber.ts"

/** Who hears of each publication in its own step, and has to be quick: what it keeps of that is its own business. */
export interface Listener<Change, E> {
  /** Whether what it keeps is still to be folded, so that it does not grow for ever. */
  readonly isFull?: boolean
  /** Folds that, in steps. It may be given up after any of them. */
  readonly fold?: () => Generator<void, void>
  /** The table shows the changes' version already. */
  readonly push: (log: ChangeLog<Change>) => void
  /** There is nothing to come. */
  readonly end: (how: End<E>) => void
}

/** All subscribers of one table. `E` is what their streams fail with when the reader has ended for good. */
export class Subscriptions<Change extends AnyChange, E = never> {
  /** Subscribers to the changes of all keys. */
  private readonly all = new Set<Subscriber<Change, E>>()
  private readonly ofKeys = new KeySubscribers<Change, E>()
  private readonly listeners = new Set<Listener<Change, E>>()
  private ended: End<E> | undefined

  /** Whether nobody subscribes, so that changes need not be collected. */
  get isEmpty(): boolean {
    return this.all.size === 0 && this.ofKeys.isEmpty && this.listeners.size === 0
  }

  get count(): number {
    return this.all.size + this.listeners.size + this.ofKeys.size
  }

  /** Adds a subscriber to all changes, or to those of the key with this identity. */
  private register(
    strategy: Strategy,
    id: string | undefined
  ): { readonly subscriber: Subscriber<Change, E>; readonly remove: () => void } {
    const subscriber = new Subscriber<Change, E>(bufferOf(strategy), this.ended)
    if (this.ended !== undefined) return { subscriber, remove: constVoid }
    if (id === undefined) this.all.add(subscriber)
    else this.ofKeys.add(id, subscriber)
    return {
      subscriber,
      remove: () => {
        subscriber.end(Exit.void)
        if (id === undefined) this.all.delete(subscriber)
        else this.ofKeys.remove(id, subscriber)
      }
    }
  }

  /** Adds a subscriber at once, until `remove` is called. Its stream ends as all others do. */
  add(strategy: Strategy, id?: string): { readonly remove: () => void; readonly changes: Stream.Stream<Change, E> } {
    const { remove, subscriber } = this.register(strategy, id)
    return { remove, changes: streamOf(subscriber.pushed()) }
  }

  /**
   * A stream that adds a subscriber when it is run, in the same step, and removes that when it ends, one way or the
   * other. `unrest` gives what to wait for before.
   */
  pushed(strategy: Strategy, unrest?: () => Effect.Effect<void> | undefined): Pushed<Change, E> {
    return begun(() => {
      const { remove, subscriber } = this.register(strategy, undefined)
      return subscriber.pushed(Effect.sync(remove))
    }, unrest)
  }

  /** Adds a listener, until what is returned is called. One that comes too late is told of the end at once. */
  listen(listener: Listener<Change, E>): () => void {
    if (this.ended === undefined) this.listeners.add(listener)
    else listener.end(this.ended)
    return () => this.listeners.delete(listener)
  }

  /** Hands one publication to everybody. */
  push(log: ChangeLog<Change>): void {
    if (log.changes.length === 0) return
    for (const listener of this.listeners) listener.push(log)
    for (const subscriber of this.all) {
      subscriber.buffer.pushAll(log)
      subscriber.wake()
    }
    this.ofKeys.push(log)
  }

  /** Whether a subscriber holds more than it is to. */
  get isFull(): boolean {
    for (const subscriber of this.all) if (subscriber.buffer.isFull()) return true
    for (const listener of this.listeners) if (listener.isFull === true) return true
    return this.ofKeys.isFull
  }

  /** Has those hold less who need not be waited for, in slices. */
  readonly fold: Effect.Effect<void> = Effect.suspend(() => runInSlices(this.folding()))

  private *folding(): Generator<void, void> {
    for (const { buffer } of [...this.all]) if (buffer.fold !== undefined) yield* buffer.fold()
    for (const listener of [...this.listeners]) if (listener.fold !== undefined) yield* listener.fold()
    yield* this.ofKeys.fold()
  }

  /** Waits until each back-pressured subscriber has room again, or has gone. */
  readonly awaitRoom: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      [...this.all].filter(({ buffer }) => buffer.fold === undefined && buffer.isFull()),
      (s) => s.awaitRoom,
      { discard: true }
    )
  )

  /** Ends all streams, after the changes that came before; streams that begin later end at once. */
  close(): void {
    this.end(Exit.void)
  }

  /**
   * Fails all streams, after the changes that came before; streams that begin later fail at once. The first end counts.
   */
  fail(error: E): void {
    this.end(Exit.fail(error))
  }

  /** Ends all streams one way or the other. The first end counts. */
  end(how: End<E>): void {
    this.ended ??= how
    for (const subscriber of this.all) subscriber.end(this.ended)
    this.ofKeys.end(this.ended)
    for (const listener of this.listeners) listener.end(this.ended)
    this.all.clear()
    this.listeners.clear()
  }
}

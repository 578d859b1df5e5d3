/**
 * Who listens to a table's changes. The reader pushes each publication once, synchronously; what a slow subscriber does
 * with it is its own policy, and only a back-pressured one, which asked for it, makes the reader wait.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import { constVoid } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Strategy } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import { withPrevious } from "./recordHeaders.ts"

/** A buffer between the reader and one subscriber. */
interface Buffer<A> {
  readonly push: (id: string, item: A) => void
  readonly drain: () => ReadonlyArray<A>
  /** Is there more than the subscriber agreed to hold? Only back-pressured ones ever say so. */
  readonly isFull: () => boolean
}

/** Changes since the last publication, each with its key's identity for those who conflate. */
export interface ChangeLog<Change> {
  readonly ids: Array<string>
  readonly changes: Array<Change>
}

/** What is known of any change. */
export type AnyChange = TableChange<unknown, unknown>

/** The change that takes a subscriber from before `first` to after `second`; none if that is no change at all. */
const conflate = <Change extends AnyChange>(first: Change, second: Change): Change | undefined =>
  second._tag === "Delete" && Option.isNone(first.previous) ? undefined : withPrevious(second, first.previous)

const conflating = <Change extends AnyChange>(): Buffer<Change> => {
  let pending = new Map<string, Change>()
  return {
    push: (id, change) => {
      const before = pending.get(id)
      if (before === undefined) {
        pending.set(id, change)
        return
      }
      // to the end, so that what the subscriber sees stays in the log's order
      pending.delete(id)
      const both = conflate(before, change)
      if (both !== undefined) pending.set(id, both)
    },
    drain: () => {
      const all = [...pending.values()]
      // a fresh one, as one that lives long keeps what was in it: see `Bag`
      if (all.length > 0) pending = new Map()
      return all
    },
    isFull: () => false
  }
}

const sliding = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  return {
    push: (_, item) => {
      items.push(item)
      // in halves, as shifting one by one is linear
      if (items.length >= 2 * capacity) items = items.slice(-capacity)
    },
    drain: () => {
      const all = items.length > capacity ? items.slice(-capacity) : items
      items = []
      return all
    },
    isFull: () => false
  }
}

const dropping = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  return {
    push: (_, item) => {
      if (items.length < capacity) items.push(item)
    },
    drain: () => {
      const all = items
      items = []
      return all
    },
    isFull: () => false
  }
}

const backPressured = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  /** How many of them are taken: moving the rest to the front each time would be quadratic. */
  let taken = 0
  return {
    push: (_, item) => {
      items.push(item)
    },
    drain: () => {
      // at most a capacity at a time: the rest is still held
      const some = items.slice(taken, taken + capacity)
      taken += some.length
      if (taken >= items.length / 2) {
        items = items.slice(taken)
        taken = 0
      }
      return some
    },
    isFull: () => items.length - taken > capacity
  }
}

/** A buffer without room would deliver nothing, or make the reader wait for ever. */
const roomFor = (capacity: number): number => (capacity >= 1 ? Math.floor(capacity) : 1)

const bufferOf = <Change extends AnyChange>(strategy: Strategy): Buffer<Change> => {
  switch (strategy._tag) {
    case "Conflate":
      return conflating()
    case "Sliding":
      return sliding(roomFor(strategy.capacity))
    case "Dropping":
      return dropping(roomFor(strategy.capacity))
    case "BackPressure":
      return backPressured(roomFor(strategy.capacity))
  }
}

/** What a subscriber gets, as a stream has it inside. */
type Chunks<A, E> = Channel.Channel<Chunk.Chunk<A>, unknown, E>

/** How a stream ends: with nothing, or with the failure that ended what it is of. */
type End<E> = Exit.Exit<void, E>

/** One run of a subscriber's stream. */
interface Run {
  resume: (() => void) | undefined
}

class Subscriber<A, E> {
  private readonly runs = new Set<Run>()
  private room: Deferred.Deferred<void> | undefined
  private hasNews = false
  private ended: End<E> | undefined
  readonly buffer: Buffer<A>

  constructor(buffer: Buffer<A>, ended: End<E> | undefined) {
    this.buffer = buffer
    this.ended = ended
  }

  wake(): void {
    this.hasNews = true
    for (const run of this.runs) {
      const { resume } = run
      run.resume = undefined
      resume?.()
    }
  }

  /** Its streams end after what is buffered. The first end counts. */
  end(how: End<E>): void {
    this.ended ??= how
    this.wake()
    this.release()
  }

  private release(): void {
    if (this.room !== undefined) {
      Deferred.unsafeDone(this.room, Effect.void)
      this.room = undefined
    }
  }

  private take(): ReadonlyArray<A> {
    if (!this.hasNews) return []
    const all = this.buffer.drain()
    if (!this.buffer.isFull()) this.release()
    this.hasNews = all.length > 0
    return all
  }

  /**
   * All that is pushed until the end. Written by hand, as an update may wake a thousand of these: one Effect for each
   * wait, which needs nothing to be undone when it is interrupted, and none for what is there already.
   */
  channel(finalizer: Effect.Effect<void> = Effect.void): Chunks<A, E> {
    return Channel.suspend(() => {
      const run: Run = { resume: undefined }
      this.runs.add(run)
      const news = Channel.fromEffect(
        Effect.async<void>((resume) => {
          if (this.hasNews || this.ended !== undefined) resume(Effect.void)
          else run.resume = () => resume(Effect.void)
        })
      )
      const next = (): Chunks<A, E> => {
        const all = this.take()
        if (all.length > 0) return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(all)), next)
        return this.ended === undefined ? Channel.flatMap(news, next) : Channel.fromEffect(this.ended)
      }
      return Channel.ensuring(
        Channel.suspend(next),
        Effect.zipRight(
          Effect.sync(() => this.runs.delete(run)),
          finalizer
        )
      )
    })
  }

  readonly awaitRoom: Effect.Effect<void> = Effect.suspend(() => {
    if (this.ended !== undefined || !this.buffer.isFull()) return Effect.void
    const room = (this.room ??= Deferred.unsafeMake<void>(FiberId.none))
    return Effect.andThen(Deferred.await(room), this.awaitRoom)
  })
}

/** All subscribers of one table. `E` is what their streams fail with when the reader has ended for good. */
export class Subscriptions<Change extends AnyChange, E = never> {
  private readonly all = new Set<Subscriber<Change, E>>()
  private readonly byKey = new Map<string, Set<Subscriber<Change, E>>>()
  private ended: End<E> | undefined

  /** Must changes be collected at all? */
  get isEmpty(): boolean {
    return this.all.size === 0 && this.byKey.size === 0
  }

  get count(): number {
    let n = this.all.size
    for (const set of this.byKey.values()) n += set.size
    return n
  }

  private register(
    strategy: Strategy,
    id: string | undefined
  ): { readonly subscriber: Subscriber<Change, E>; readonly remove: () => void } {
    const subscriber = new Subscriber<Change, E>(bufferOf(strategy), this.ended)
    if (this.ended !== undefined) return { subscriber, remove: constVoid }
    if (id === undefined) this.all.add(subscriber)
    else {
      const set = this.byKey.get(id)
      if (set === undefined) this.byKey.set(id, new Set([subscriber]))
      else set.add(subscriber)
    }
    return {
      subscriber,
      remove: () => {
        subscriber.end(Exit.void)
        this.all.delete(subscriber)
        const set = id === undefined ? undefined : this.byKey.get(id)
        if (set?.delete(subscriber) === true && set.size === 0) this.byKey.delete(id!)
      }
    }
  }

  /** Registers at once; the stream ends as all of this does. To be removed by `remove`. */
  add(strategy: Strategy, id?: string): { readonly remove: () => void; readonly changes: Stream.Stream<Change, E> } {
    const { remove, subscriber } = this.register(strategy, id)
    return { remove, changes: Stream.fromChannel(subscriber.channel()) }
  }

  /** Registers when it is run, in the same step; removed when it ends, one way or the other. */
  channel(strategy: Strategy): Chunks<Change, E> {
    return Channel.suspend(() => {
      const { remove, subscriber } = this.register(strategy, undefined)
      return subscriber.channel(Effect.sync(remove))
    })
  }

  /** Hands one publication to everybody. */
  push(log: ChangeLog<Change>): void {
    const { changes, ids } = log
    if (changes.length === 0) return
    for (const subscriber of this.all) {
      for (let i = 0; i < changes.length; i++) subscriber.buffer.push(ids[i], changes[i])
      subscriber.wake()
    }
    if (this.byKey.size === 0) return
    for (let i = 0; i < changes.length; i++) {
      const set = this.byKey.get(ids[i])
      if (set === undefined) continue
      for (const subscriber of set) {
        subscriber.buffer.push(ids[i], changes[i])
        subscriber.wake()
      }
    }
  }

  /** Does a back-pressured subscriber hold more than it agreed to? */
  get isFull(): boolean {
    for (const subscriber of this.all) if (subscriber.buffer.isFull()) return true
    return false
  }

  /** Waits until each back-pressured subscriber has room again, or has gone. */
  readonly awaitRoom: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      [...this.all].filter((s) => s.buffer.isFull()),
      (s) => s.awaitRoom,
      { discard: true }
    )
  )

  /** Ends all streams, after the changes that came before, those to come at once. */
  close(): void {
    this.end(Exit.void)
  }

  /** Fails all streams, after the changes that came before, those to come at once. The first end counts. */
  fail(error: E): void {
    this.end(Exit.fail(error))
  }

  private end(how: End<E>): void {
    this.ended ??= how
    for (const subscriber of this.all) subscriber.end(this.ended)
    for (const set of this.byKey.values()) for (const subscriber of set) subscriber.end(this.ended)
    this.all.clear()
    this.byKey.clear()
  }
}

/**
 * Reports beside the content (poison, truncations), for whoever runs `stream` meanwhile: a slow one keeps the last
 * `capacity`. Nobody waits for it.
 */
export class Reports<A, E> {
  private readonly all = new Set<Subscriber<A, E>>()
  private readonly capacity: number
  private ended: End<E> | undefined

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** What is reported from the moment it is run. Ends as changes do. */
  readonly stream: Stream.Stream<A, E> = Stream.fromChannel(
    Channel.suspend(() => {
      const subscriber = new Subscriber<A, E>(sliding(this.capacity), this.ended)
      if (this.ended === undefined) this.all.add(subscriber)
      return subscriber.channel(Effect.sync(() => this.all.delete(subscriber)))
    })
  )

  push(reports: ReadonlyArray<A>): void {
    for (const subscriber of this.all) {
      for (const report of reports) subscriber.buffer.push("", report)
      subscriber.wake()
    }
  }

  close(): void {
    this.end(Exit.void)
  }

  /** As of `Subscriptions`. */
  fail(error: E): void {
    this.end(Exit.fail(error))
  }

  private end(how: End<E>): void {
    this.ended ??= how
    for (const subscriber of this.all) subscriber.end(this.ended)
    this.all.clear()
  }
}

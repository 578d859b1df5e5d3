/** The buffers between a table and one subscriber that is not as fast, one for each strategy. */
import type { Strategy } from "../../../LiveTable.ts"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { conflate, Conflating } from "./conflating.ts"

/** A buffer between the reader and one subscriber. */
export interface Buffer<A> {
  /** Adds an item. `id` is the identity of its key, by which changes of one key are conflated. */
  readonly push: (id: string, item: A) => void
  /** Adds many items. A buffer that keeps few of them looks at no others. A buffer is filled by one of both only. */
  readonly pushAll: (log: ChangeLog<A>) => void
  /** Takes items out, in their order: all of them, or as many as the subscriber agreed to take at once. */
  readonly drain: () => ReadonlyArray<A>
  /** Whether it holds more than the subscriber agreed to. */
  readonly isFull: () => boolean
  /** Has it hold less, in steps; `undefined` of one that holds less when the subscriber has taken something. */
  readonly fold?: () => Generator<void, void>
}

/** Keeps one change for each key. */
const conflating = <Change extends AnyChange>(): Buffer<Change> => {
  const changes = new Conflating<Change>(conflate)
  return {
    push: (id, change) => changes.add(id, change),
    pushAll: (log) => changes.push(log),
    drain: () => changes.drain(),
    isFull: () => changes.isLate,
    fold: () => changes.fold()
  }
}

/** Keeps the last items, and drops the oldest. */
export const sliding = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  const push = (item: A): void => {
    items.push(item)
    // Half of the items are dropped at once, as each shift by one would copy all of them.
    if (items.length >= 2 * capacity) items = items.slice(-capacity)
  }
  return {
    push: (_, item) => push(item),
    pushAll: ({ changes }) => {
      for (let i = Math.max(0, changes.length - capacity); i < changes.length; i++) push(changes[i])
    },
    drain: () => {
      const all = items.length > capacity ? items.slice(-capacity) : items
      items = []
      return all
    },
    isFull: () => false
  }
}

/** Keeps the first items, and drops the newest. */
const dropping = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  return {
    push: (_, item) => {
      if (items.length < capacity) items.push(item)
    },
    pushAll: ({ changes }) => {
      for (let i = 0; i < changes.length && items.length < capacity; i++) items.push(changes[i])
    },
    drain: () => {
      const all = items
      items = []
      return all
    },
    isFull: () => false
  }
}

/** Keeps all items. While there are too many, the reader waits. */
const backPressured = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  /** How many of the items are taken. Moving the rest to the front each time would be quadratic. */
  let taken = 0
  return {
    push: (_, item) => {
      items.push(item)
    },
    pushAll: ({ changes }) => {
      for (const change of changes) items.push(change)
    },
    drain: () => {
      // The subscriber takes as many at once as it agreed to hold; the rest stays here.
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

/**
 * The capacity that is used: at least 1, as a buffer without room would deliver nothing, or make the reader wait for
 * ever.
 */
const roomFor = (capacity: number): number => (capacity >= 1 ? Math.floor(capacity) : 1)

/** The buffer of a strategy. */
export const bufferOf = <Change extends AnyChange>(strategy: Strategy): Buffer<Change> => {
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

/** The buffers between a table and one subscriber that is not as fast, one for each strategy. */
import * as Option from "effect/Option"
import type { Strategy } from "../../../LiveTable.ts"
import type { AnyChange } from "../content/changeLog.ts"
import { withPrevious } from "../content/recordHeaders.ts"

/** A buffer between the reader and one subscriber. */
export interface Buffer<A> {
  /** Adds an item. `id` is the identity of its key, by which changes of one key are conflated. */
  readonly push: (id: string, item: A) => void
  /** Takes items out, in their order: all of them, or as many as the subscriber agreed to take at once. */
  readonly drain: () => ReadonlyArray<A>
  /** Whether it holds more than the subscriber agreed to. Only a back-pressured buffer ever does. */
  readonly isFull: () => boolean
}

/** The one change that stands for two of the same key; `undefined` if they come to no change at all. */
const conflate = <Change extends AnyChange>(first: Change, second: Change): Change | undefined =>
  second._tag === "Delete" && Option.isNone(first.previous) ? undefined : withPrevious(second, first.previous)

/** Keeps one change for each key. */
const conflating = <Change extends AnyChange>(): Buffer<Change> => {
  let pending = new Map<string, Change>()
  return {
    push: (id, change) => {
      const before = pending.get(id)
      if (before === undefined) {
        pending.set(id, change)
        return
      }
      // The change goes to the end, so that the subscriber sees changes in the log's order.
      pending.delete(id)
      const both = conflate(before, change)
      if (both !== undefined) pending.set(id, both)
    },
    drain: () => {
      const all = [...pending.values()]
      // The map is a fresh one each time, as a map that lives long keeps what was in it: see `Bag`.
      if (all.length > 0) pending = new Map()
      return all
    },
    isFull: () => false
  }
}

/** Keeps the last items, and drops the oldest. */
export const sliding = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  return {
    push: (_, item) => {
      items.push(item)
      // Half of the items are dropped at once, as each shift by one would copy all of them.
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

/** Keeps the first items, and drops the newest. */
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

/** Keeps all items. While there are too many, `isFull` makes the reader wait. */
const backPressured = <A>(capacity: number): Buffer<A> => {
  let items: Array<A> = []
  /** How many of the items are taken. Moving the rest to the front each time would be quadratic. */
  let taken = 0
  return {
    push: (_, item) => {
      items.push(item)
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

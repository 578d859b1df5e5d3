/** What is between a table and one subscriber that is not as fast: by strategy. */
import * as Option from "effect/Option"
import type { Strategy } from "../../../LiveTable.ts"
import type { AnyChange } from "../content/changeLog.ts"
import { withPrevious } from "../content/recordHeaders.ts"

/** A buffer between the reader and one subscriber. */
export interface Buffer<A> {
  readonly push: (id: string, item: A) => void
  readonly drain: () => ReadonlyArray<A>
  /** Is there more than the subscriber agreed to hold? Only back-pressured ones ever say so. */
  readonly isFull: () => boolean
}

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

export const sliding = <A>(capacity: number): Buffer<A> => {
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

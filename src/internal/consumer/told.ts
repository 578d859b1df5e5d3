/** What is told to whoever listens at the time. Who is slow misses the oldest. */
import type * as Stream from "effect/Stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { begun, type End, Run, streamOf } from "../effect/v4/pushed.ts"

/** How many items are kept for a slow listener. */
const KEPT = 1024

class Listener<A> extends Run<A, never> {
  items: Array<A> = []
  constructor(private readonly told: { readonly isOver: boolean }) {
    super()
  }

  take(): ReadonlyArray<A> {
    const all = this.items.length > KEPT ? this.items.slice(-KEPT) : this.items
    this.items = []
    return all
  }

  get hasNews(): boolean {
    return this.items.length > 0
  }

  get end(): End<never> | undefined {
    return this.told.isOver ? Exit.void : undefined
  }
}

export class Told<A> {
  isOver = false
  private readonly listeners = new Set<Listener<A>>()

  tell(item: A): void {
    for (const listener of this.listeners) {
      listener.items.push(item)
      if (listener.items.length >= 2 * KEPT) listener.items = listener.items.slice(-KEPT)
      listener.wake()
    }
  }

  /** Ends all streams, and those that begin later. */
  end(): void {
    this.isOver = true
    for (const listener of this.listeners) listener.wake()
  }

  /** What is told from when it is run on. */
  get stream(): Stream.Stream<A> {
    return streamOf(
      begun(() => {
        const listener = new Listener<A>(this)
        this.listeners.add(listener)
        return listener.pushed(Effect.sync(() => void this.listeners.delete(listener)))
      })
    )
  }
}

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import { begun, type End, streamOf } from "../../effect/pushed.ts"
import { sliding } from "./buffers.ts"
import { Subscriber } from "./subscriber.ts"

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
  readonly stream: Stream.Stream<A, E> = streamOf(
    begun(() => {
      const subscriber = new Subscriber<A, E>(sliding(this.capacity), this.ended)
      if (this.ended === undefined) this.all.add(subscriber)
      return subscriber.pushed(Effect.sync(() => this.all.delete(subscriber)))
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

  /** Fails all streams, after the reports that came before, those to come at once. The first end counts. */
  fail(error: E): void {
    this.end(Exit.fail(error))
  }

  private end(how: End<E>): void {
    this.ended ??= how
    for (const subscriber of this.all) subscriber.end(this.ended)
    this.all.clear()
  }
}

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import { begun, type End, streamOf } from "../../effect/v4/pushed.ts"
import { sliding } from "./buffers.ts"
import { Subscriber } from "./subscriber.ts"

/**
 * Reports beside the content, such as poison records and truncations, for whoever runs `stream` meanwhile. A slow
 * consumer keeps the last `capacity` of them; nothing waits for it.
 */
export class Reports<A, E> {
  private readonly all = new Set<Subscriber<A, E>>()
  private readonly capacity: number
  private ended: End<E> | undefined

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** What is reported from the moment in which the stream is run. It ends as changes do. */
  readonly stream: Stream.Stream<A, E> = this.streamAfter(() => [])

  /** What there is when the stream is run, and then what is reported. */
  streamAfter(first: () => ReadonlyArray<A>): Stream.Stream<A, E> {
    return streamOf(
      begun(() => {
        const subscriber = new Subscriber<A, E>(sliding(this.capacity), this.ended)
        for (const one of first()) subscriber.buffer.push("", one)
        subscriber.wake()
        if (this.ended === undefined) this.all.add(subscriber)
        return subscriber.pushed(Effect.sync(() => this.all.delete(subscriber)))
      })
    )
  }

  /** Whether nobody runs a stream. */
  get isEmpty(): boolean {
    return this.all.size === 0
  }

  push(reports: ReadonlyArray<A>): void {
    for (const subscriber of this.all) {
      for (const report of reports) subscriber.buffer.push("", report)
      subscriber.wake()
    }
  }

  /** Ends all streams, after the reports that came before. */
  close(): void {
    this.end(Exit.void)
  }

  /**
   * Fails all streams, after the reports that came before; streams that begin later fail at once. The first end counts.
   */
  fail(error: E): void {
    this.end(Exit.fail(error))
  }

  /** Ends all streams one way or the other. The first end counts. */
  end(how: End<E>): void {
    this.ended ??= how
    for (const subscriber of this.all) subscriber.end(this.ended)
    this.all.clear()
  }
}

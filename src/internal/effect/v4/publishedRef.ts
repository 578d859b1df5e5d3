/**
 * A `SubscriptionRef` that its owner sets at once, by a plain function. Effect's own is set under its semaphore, which
 * anybody who has the ref may hold for as long as they like (`SubscriptionRef.updateEffect`), and a reader would have
 * to wait for them.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import type * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Bag, type Item } from "../../bag.ts"
import { begun, type End, type Pushed, Run, streamOf } from "./pushed.ts"

/** One run of `changes`. */
class RefRun<A> extends Run<A, never> implements Item {
  at = 0
  /** The values that were not taken yet. */
  news: Array<A>

  constructor(
    value: A,
    private readonly isEnded: () => boolean
  ) {
    super()
    this.news = [value]
  }

  take(): ReadonlyArray<A> {
    const all = this.news
    if (all.length > 0) this.news = []
    return all
  }

  get end(): End<never> | undefined {
    return this.isEnded() ? Exit.void : undefined
  }

  get hasNews(): boolean {
    return this.news.length > 0
  }
}

export class PublishedRef<A> {
  private readonly keepsAll: boolean
  private isEnded = false
  private readonly runs = new Bag<RefRun<A>>()
  /** The ref that is handed out. What others set it to stays until the owner's next value. */
  readonly ref: SubscriptionRef.SubscriptionRef<A>

  private constructor(keepsAll: boolean, ref: SubscriptionRef.SubscriptionRef<A>) {
    this.keepsAll = keepsAll
    this.ref = ref
  }

  /** `keepsAll` says that a slow consumer of `changes` gets every value, and not only the latest. */
  static make<A>(value: A, { keepsAll }: { readonly keepsAll: boolean }): Effect.Effect<PublishedRef<A>> {
    return Effect.map(SubscriptionRef.make(value), (ref) => new PublishedRef(keepsAll, ref))
  }

  /** Sets the value, and wakes the consumers of `changes`. */
  set(value: A): void {
    this.ref.value = value
    // Those who took the ref itself listen to its hub.
    PubSub.publishUnsafe(this.ref.pubsub, value)
    this.runs.forEach((run) => {
      if (this.keepsAll) run.news.push(value)
      else run.news = [value]
      run.wake()
    })
  }

  /** Says that the owner sets no other value: `changes` end after the values that there are. */
  end(): void {
    this.isEnded = true
    this.runs.forEach((run) => run.wake())
    Effect.runSync(PubSub.shutdown(this.ref.pubsub))
  }

  /** The present value and those that follow until the end: none is missed, and none comes twice. */
  get changes(): Stream.Stream<A> {
    return streamOf(this.pushed)
  }

  private readonly pushed: Pushed<A, never> = begun(() => {
    const run = new RefRun(this.ref.value, () => this.isEnded)
    this.runs.add(run)
    return run.pushed(Effect.sync(() => this.runs.remove(run)))
  })
}

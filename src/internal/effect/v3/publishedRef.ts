/**
 * A `SubscriptionRef` that its owner sets at once, by a plain function. Effect's own is set under its semaphore, which
 * anybody who has the ref may hold for as long as they like (`SubscriptionRef.updateEffect`), and a reader would have
 * to wait for them. The `changes` of this one end when the owner says so.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
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
  private value: A
  private readonly keepsAll: boolean
  private isEnded = false
  private readonly runs = new Bag<RefRun<A>>()
  /** The ref that is handed out. What others set it to stays until the owner's next value. */
  readonly ref: SubscriptionRef.SubscriptionRef<A>

  private constructor(value: A, keepsAll: boolean, effects: SubscriptionRef.SubscriptionRef<A>) {
    this.value = value
    this.keepsAll = keepsAll
    const get = Effect.sync(() => this.value)
    const content = Object.create(Ref.unsafeMake(value), {
      get: { value: get },
      modify: {
        value: <B>(f: (value: A) => readonly [B, A]) =>
          Effect.sync(() => {
            const [result, next] = f(this.value)
            this.set(next)
            return result
          })
      }
    }) as Ref.Ref<A>
    // The content and its stream are our own. All else is Effect's, such as that only one modifies the ref at a time.
    this.ref = Object.create(effects, {
      ref: { value: content },
      get: { value: get },
      changes: { value: streamOf(this.pushed) }
    }) as SubscriptionRef.SubscriptionRef<A>
  }

  /** `keepsAll` says that a slow consumer of `changes` gets every value, and not only the latest. */
  static make<A>(value: A, { keepsAll }: { readonly keepsAll: boolean }): Effect.Effect<PublishedRef<A>> {
    return Effect.map(SubscriptionRef.make(value), (effects) => new PublishedRef(value, keepsAll, effects))
  }

  /** Sets the value, and wakes the consumers of `changes`. */
  set(value: A): void {
    this.value = value
    this.runs.forEach((run) => {
      if (this.keepsAll) run.news.push(value)
      else run.news = [value]
      run.wake()
    })
  }

  /** Sets another form of the same value: nobody is woken. */
  replace(value: A): void {
    this.value = value
  }

  /** Says that the owner sets no other value: `changes` end after the values that there are. */
  end(): void {
    this.isEnded = true
    this.runs.forEach((run) => run.wake())
  }

  /** How many consumers of `changes` there are. */
  get consumers(): number {
    let count = 0
    this.runs.forEach(() => count++)
    return count
  }

  get changes(): Stream.Stream<A> {
    return this.ref.changes
  }

  /** A stream of the present value and those that follow until the end: none is missed, and none comes twice. */
  private readonly pushed: Pushed<A, never> = begun(() => {
    const run = new RefRun(this.value, () => this.isEnded)
    this.runs.add(run)
    return run.pushed(Effect.sync(() => this.runs.remove(run)))
  })
}

/** The present value of a ref, and those that follow. */
export const changesOf = <A>(ref: SubscriptionRef.SubscriptionRef<A>): Stream.Stream<A> => ref.changes

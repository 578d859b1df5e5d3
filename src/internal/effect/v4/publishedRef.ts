/**
 * A `SubscriptionRef` that its owner sets at once, by a plain function. Effect's own is set under its semaphore, which
 * anybody who has the ref may hold for as long as they like (`SubscriptionRef.updateEffect`), and a reader would have
 * to wait for them. Its `changes` begin with the present value also when all has ended, and a slow consumer gets what the
 * owner says: every value, or the latest.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as MutableList from "effect/MutableList"
import * as PubSub from "effect/PubSub"
import type * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { soon } from "./soon.ts"

/** What one consumer has not taken yet. */
class Backlog<A> implements PubSub.PubSub.BackingSubscription<A> {
  private news: Array<A>
  private readonly keepsAll: boolean
  private readonly leave: (self: Backlog<A>) => void

  constructor(value: A, keepsAll: boolean, leave: (self: Backlog<A>) => void) {
    this.news = [value]
    this.keepsAll = keepsAll
    this.leave = leave
  }

  add(value: A): void {
    if (this.keepsAll) this.news.push(value)
    else this.news = [value]
  }

  isEmpty(): boolean {
    return this.news.length === 0
  }

  size(): number {
    return this.news.length
  }

  poll(): A | MutableList.Empty {
    return this.news.length === 0 ? MutableList.Empty : this.news.shift()!
  }

  pollUpTo(count: number): Array<A> {
    return this.news.splice(0, count)
  }

  unsubscribe(): void {
    this.leave(this)
  }
}

/** Consumers begin with the present value by themselves: nothing is to be played to them again. */
const noReplay: PubSub.PubSub.ReplayWindow<never> = {
  remaining: 0,
  take: () => undefined,
  takeN: () => [],
  takeAll: () => [],
  close: () => {}
}

/** The hub of a ref: it has the present value, and for each consumer what that has not taken. */
class Hub<A> implements PubSub.PubSub.Atomic<A> {
  readonly capacity = Number.POSITIVE_INFINITY
  isEnded = false
  private readonly backlogs = new Set<Backlog<A>>()
  private value: A
  private readonly keepsAll: boolean

  constructor(value: A, keepsAll: boolean) {
    this.value = value
    this.keepsAll = keepsAll
  }

  publish(value: A): boolean {
    if (this.isEnded) return true
    this.value = value
    for (const backlog of this.backlogs) backlog.add(value)
    return true
  }

  /** Sets what new consumers begin with. */
  replace(value: A): void {
    this.value = value
  }

  publishAll(values: Iterable<A>): Array<A> {
    for (const value of values) this.publish(value)
    return []
  }

  subscribe(): Backlog<A> {
    const backlog = new Backlog(this.value, this.keepsAll, (self) => this.backlogs.delete(self))
    this.backlogs.add(backlog)
    return backlog
  }

  get consumers(): number {
    return this.backlogs.size
  }

  replayWindow(): PubSub.PubSub.ReplayWindow<A> {
    return noReplay
  }

  isEmpty(): boolean {
    return false
  }

  isFull(): boolean {
    return false
  }

  size(): number {
    return 1
  }

  slide(): void {}
}

type Pollers<A> = MutableList.MutableList<Deferred.Deferred<A>>

/** Gives those who wait what there is; when all has ended, nothing, which ends their streams. */
class Handing<A> implements PubSub.PubSub.Strategy<A> {
  readonly shutdown = Effect.void
  private readonly hub: Hub<A>

  constructor(hub: Hub<A>) {
    this.hub = hub
  }

  handleSurplus(): Effect.Effect<boolean> {
    return Effect.succeed(true)
  }

  onPubSubEmptySpaceUnsafe(): void {}

  completePollersUnsafe(
    _hub: unknown,
    _all: unknown,
    backlog: PubSub.PubSub.BackingSubscription<A>,
    pollers: Pollers<A>
  ): void {
    while (pollers.length > 0 && (this.hub.isEnded || !backlog.isEmpty())) {
      const poller = MutableList.take(pollers)
      const value = backlog.poll()
      if (poller === MutableList.Empty) return
      Deferred.doneUnsafe(poller, value === MutableList.Empty ? Exit.interrupt() : Exit.succeed(value))
    }
  }

  completeSubscribersUnsafe(hub: unknown, all: PubSub.PubSub.Subscribers<A>): void {
    if (all.size === 0) return
    // What is published until they run is theirs, too.
    soon(() => {
      for (const [backlog, waiting] of all) {
        for (const pollers of waiting) this.completePollersUnsafe(hub, all, backlog, pollers)
      }
    })
  }
}

export class PublishedRef<A> {
  private readonly hub: Hub<A>
  /** The ref that is handed out. What others set it to stays until the owner's next value. */
  readonly ref: SubscriptionRef.SubscriptionRef<A>

  private constructor(hub: Hub<A>, ref: SubscriptionRef.SubscriptionRef<A>) {
    this.hub = hub
    this.ref = ref
  }

  /** `keepsAll` says that a slow consumer of `changes` gets every value, and not only the latest. */
  static make<A>(value: A, { keepsAll }: { readonly keepsAll: boolean }): Effect.Effect<PublishedRef<A>> {
    const hub = new Hub(value, keepsAll)
    const pubsub = PubSub.make<A>({ atomicPubSub: () => hub, strategy: () => new Handing(hub) })
    return Effect.zipWith(
      SubscriptionRef.make(value),
      pubsub,
      (ref, own) => new PublishedRef(hub, Object.assign(ref, { pubsub: own }))
    )
  }

  /** Sets the value, and wakes the consumers of `changes`. */
  set(value: A): void {
    this.ref.value = value
    PubSub.publishUnsafe(this.ref.pubsub, value)
  }

  /** Sets another form of the same value: nobody is woken. */
  replace(value: A): void {
    this.ref.value = value
    this.hub.replace(value)
  }

  /** Says that the owner sets no other value: `changes` end after the values that there are. */
  end(): void {
    this.hub.isEnded = true
    PubSub.publishUnsafe(this.ref.pubsub, this.ref.value)
  }

  /** How many consumers of `changes` there are. */
  get consumers(): number {
    return this.hub.consumers
  }

  /** The present value and those that follow until the end: none is missed, and none comes twice. */
  get changes(): Stream.Stream<A> {
    return SubscriptionRef.changes(this.ref)
  }
}

/** The present value of a ref, and those that follow. */
export const changesOf = <A>(ref: SubscriptionRef.SubscriptionRef<A>): Stream.Stream<A> => SubscriptionRef.changes(ref)

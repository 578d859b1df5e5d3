/** When a member has to take its partitions for lost, as the coordinator gives them to others. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { evenMillisOf } from "../../effect/v4/clock.ts"
import { Signal } from "../../signal.ts"

/**
 * The session of a member as it knows it: it goes on with each answer of the coordinator. It goes by an even clock, as
 * nobody is to lose partitions because the time of the day was set.
 */
export class Session {
  private heardAt: number
  private readonly heard = new Signal()

  constructor(
    private readonly clock: Clock.Clock,
    readonly timeoutMillis: number
  ) {
    this.heardAt = evenMillisOf(clock)
  }

  /** Whether the coordinator was not heard for a session, whatever other fibers have noticed of that yet. */
  get isOver(): boolean {
    return this.leftMillis <= 0
  }

  private get leftMillis(): number {
    return this.heardAt + this.timeoutMillis - evenMillisOf(this.clock)
  }

  /** Notes that the coordinator has answered a request that was sent at `sentAt`, a time of `now`. */
  answered(sentAt: number): void {
    if (sentAt <= this.heardAt) return
    this.heardAt = sentAt
    this.heard.notify()
  }

  get now(): number {
    return evenMillisOf(this.clock)
  }

  /** Waits until the session is over, as it is known by then. */
  readonly over: Effect.Effect<void> = Effect.suspend(() => {
    const { leftMillis } = this
    if (leftMillis <= 0) return Effect.void
    return Effect.andThen(Effect.sleep(Math.max(1, leftMillis)), this.over)
  })

  /** Waits until the coordinator is heard again. */
  readonly heardAgain: Effect.Effect<void> = Effect.suspend(() => this.heard.after(this.heard.version))
}

/**
 * A clock that stands still until a test moves it, as `TestClock` does, without that one's own pauses of real time and
 * without what interrupted sleeps leave behind: tests that stop at each point where something waits for the time need
 * hundreds of its steps.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleep {
  readonly until: number
  readonly wake: () => void
}

export class ManualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private readonly sleeps = new Set<Sleep>()
  private now: number

  constructor(now: number) {
    this.now = now
  }

  unsafeCurrentTimeMillis(): number {
    return this.now
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(this.now) * 1_000_000n
  }
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async((resume) => {
      const sleep: Sleep = { until: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleeps.add(sleep)
      return Effect.sync(() => this.sleeps.delete(sleep))
    })
  }

  /** When the next one that sleeps is to wake; `Infinity` if nobody does. */
  get next(): number {
    return Math.min(...[...this.sleeps].map(({ until }) => until))
  }

  /** Wakes all whose time has come then. What they do comes after this. */
  setTime(now: number): void {
    this.now = now
    for (const sleep of this.sleeps) {
      if (sleep.until > now) continue
      this.sleeps.delete(sleep)
      sleep.wake()
    }
  }
}

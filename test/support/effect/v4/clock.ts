/** Clocks of tests' own. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/testing/TestClock"

/** What a clock does, whatever its methods are called. */
export interface Time {
  /** Milliseconds since the epoch. */
  readonly millis: () => number
  readonly sleep: (duration: Duration.Duration) => Effect.Effect<void>
  /** Where `TestClock.adjust` moves it. */
  readonly adjust?: (duration: Duration.Input) => Effect.Effect<void>
}

/** Nanoseconds, of milliseconds that may have a fraction: at a third of something, a sleep may end between two. */
const nanosOf = (millis: number): bigint => {
  const whole = Math.floor(millis)
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((millis - whole) * 1e6))
}

/** A clock that `TestClock.adjust` moves. */
export abstract class MovableClock implements TestClock.TestClock {
  abstract millis(): number
  /** Milliseconds that go on evenly when `millis` is set. */
  evenMillis(): number {
    return this.millis()
  }
  abstract sleep(duration: Duration.Duration): Effect.Effect<void>
  abstract setTime(now: number): Effect.Effect<void>
  abstract adjust(duration: Duration.Input): Effect.Effect<void>

  currentTimeMillisUnsafe(): number {
    return this.millis()
  }
  currentTimeNanosUnsafe(): bigint {
    return nanosOf(this.millis())
  }
  monotonicTimeNanosUnsafe(): bigint {
    return nanosOf(this.evenMillis())
  }
  readonly currentTimeMillis = Effect.sync(() => this.millis())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  withLive<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return onRealTime(effect)
  }
}

class ClockOf extends MovableClock {
  readonly millis: Time["millis"]
  readonly sleep: Time["sleep"]
  readonly adjust: NonNullable<Time["adjust"]>

  constructor({ adjust, millis, sleep }: Time) {
    super()
    this.millis = millis
    this.sleep = sleep
    this.adjust = adjust ?? (() => this.setTime())
  }

  setTime(): Effect.Effect<void> {
    return Effect.die(new Error("it cannot be moved"))
  }
}

export const clockOf = (time: Time): Clock.Clock => new ClockOf(time)

/** Runs it, and all that it starts, by another clock. */
export const withClock =
  (clock: Clock.Clock) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Clock.Clock, clock)

/** Runs it by the clock of the machine. */
export const onRealTime: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = withClock(
  Clock.Clock.defaultValue()
)

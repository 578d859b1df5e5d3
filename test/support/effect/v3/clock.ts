/** Clocks of tests' own. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"

/** What a clock does, whatever its methods are called. */
export interface Time {
  /** Milliseconds since the epoch. */
  readonly millis: () => number
  readonly sleep: (duration: Duration.Duration) => Effect.Effect<void>
  /** What `TestClock.adjust` does; without it, the clock cannot be moved. */
  readonly adjust?: (duration: Duration.DurationInput) => Effect.Effect<void>
}

/** Nanoseconds, of milliseconds that may have a fraction: at a third of something, a sleep may end between two. */
const nanosOf = (millis: number): bigint => {
  const whole = Math.floor(millis)
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((millis - whole) * 1e6))
}

/** A clock that `TestClock.adjust` moves. */
export abstract class MovableClock implements TestClock.TestClock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  abstract millis(): number
  /** Milliseconds that go on evenly when `millis` is set. */
  evenMillis(): number {
    return this.millis()
  }
  abstract sleep(duration: Duration.Duration): Effect.Effect<void>
  abstract setTime(now: number): Effect.Effect<void>
  abstract adjust(duration: Duration.DurationInput): Effect.Effect<void>

  unsafeCurrentTimeMillis(): number {
    return this.millis()
  }
  unsafeCurrentTimeNanos(): bigint {
    return nanosOf(this.evenMillis())
  }
  readonly currentTimeMillis = Effect.sync(() => this.millis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  readonly save = Effect.succeed(Effect.void)
  readonly sleeps = Effect.die(new Error("it does not tell who sleeps"))

  adjustWith(duration: Duration.DurationInput) {
    return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.zipLeft(effect, this.adjust(duration), { concurrent: true })
  }
}

class ClockOf extends MovableClock {
  readonly millis: Time["millis"]
  readonly sleep: Time["sleep"]

  private readonly move: Time["adjust"]

  constructor({ adjust, millis, sleep }: Time) {
    super()
    this.millis = millis
    this.sleep = sleep
    this.move = adjust
  }

  setTime(): Effect.Effect<void> {
    return Effect.die(new Error("it cannot be moved"))
  }
  adjust(duration: Duration.DurationInput): Effect.Effect<void> {
    return this.move?.(duration) ?? this.setTime()
  }
}

export const clockOf = (time: Time): Clock.Clock => new ClockOf(time)

/** Runs it, and all that it starts, by another clock. */
export const withClock =
  (clock: Clock.Clock) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withClock(effect, clock)

/** Runs it by the clock of the machine. */
export const onRealTime: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = withClock(Clock.make())

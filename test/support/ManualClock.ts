/**
 * A clock that stands still until a test moves it, as `TestClock` does, and in its place: `TestClock.adjust` moves it. It
 * does without that one's own pauses of real time, some milliseconds for each sleep that ends, and without what
 * interrupted sleeps leave behind: tests that go on in small steps need thousands of these.
 */
import { it as effectIt, type Vitest } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MovableClock, withClock } from "./effect/v4/clock.ts"
import { turns } from "./turns.ts"

interface Sleep {
  readonly until: number
  readonly wake: () => void
}

/** Lets all that can run come to where it waits. */
const quiet = turns(10)

export class ManualClock extends MovableClock {
  private readonly asleep = new Set<Sleep>()
  private now: number
  /** How far the time of day is ahead of that which goes on evenly. */
  private ahead = 0

  constructor(now = 0) {
    super()
    this.now = now
  }

  millis(): number {
    return this.now + this.ahead
  }

  override evenMillis(): number {
    return this.now
  }

  /** Sets the time of day, as somebody does to the clock of a machine: who sleeps is not woken, and sleeps as long. */
  unsafeSet(now: number): void {
    this.ahead = now - this.now
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    if (Duration.toMillis(duration) <= 0) return Effect.void
    return Effect.callback((resume) => {
      const sleep: Sleep = { until: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.asleep.add(sleep)
      return Effect.sync(() => this.asleep.delete(sleep))
    })
  }

  /** When the next one that sleeps is to wake; `Infinity` if nobody does. */
  get next(): number {
    return this.first?.until ?? Infinity
  }

  /** Wakes all whose time has come then. What they do comes after this. */
  unsafeSetTime(now: number): void {
    this.now = now
    for (const sleep of this.asleep) if (sleep.until <= now) this.wake(sleep)
  }

  /** Lets time pass for which the process was held: whose time has come meanwhile is woken later, by the next `adjust`. */
  unsafeHold(millis: number): void {
    this.now += millis
  }

  /** Wakes those whose time comes until then one after the other, each after all that the one before it leads to. */
  setTime(now: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* quiet
      for (let next = this.first; next !== undefined && next.until <= now; next = this.first) {
        this.now = Math.max(this.now, next.until)
        this.wake(next)
        yield* quiet
      }
      this.now = now
    })
  }

  private get first(): Sleep | undefined {
    let first: Sleep | undefined
    for (const sleep of this.asleep) if (first === undefined || sleep.until < first.until) first = sleep
    return first
  }

  private wake(sleep: Sleep): void {
    this.asleep.delete(sleep)
    sleep.wake()
  }

  adjust(duration: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => this.setTime(this.now + Duration.toMillis(duration)))
  }
}

const onManualClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => withClock(new ManualClock())(effect))

const manually = <R>(test: Vitest.Tester<R>): Pick<Vitest.Tester<R>, "each"> & Vitest.Test<R> =>
  Object.assign<Vitest.Test<R>, Pick<Vitest.Tester<R>, "each">>(
    (name, body, timeout) => test(name, (context) => onManualClock(Effect.suspend(() => body(context))), timeout),
    {
      each: (cases) => (name, body, timeout) =>
        test.each(cases)(name, (...args) => onManualClock(Effect.suspend(() => body(...args))), timeout)
    }
  )

/** As the `it` of `@effect/vitest`, with this clock. */
export const it = Object.assign(
  (name: string, body: () => void | Promise<void>, timeout?: number): void => effectIt(name, body, timeout),
  {
    each: effectIt.each.bind(effectIt),
    live: effectIt.live,
    effect: manually(effectIt.effect)
  }
)

/**
 * A clock that stands still until a test moves it, as `TestClock` does, and in its place: `TestClock.adjust` moves it. It
 * does without that one's own pauses of real time, some milliseconds for each sleep that ends, and without what
 * interrupted sleeps leave behind: tests that go on in small steps need thousands of these.
 */
import { it as effectIt, type Vitest } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/testing/TestClock"
import { turns } from "./turns.ts"

interface Sleep {
  readonly until: number
  readonly wake: () => void
}

/** Lets all that can run come to where it waits. */
const quiet = turns(10)

export class ManualClock implements TestClock.TestClock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private readonly asleep = new Set<Sleep>()
  /** An object, so that a clock made of this one by `Object.create` has the same. */
  private readonly time: { now: number }

  constructor(now = 0) {
    this.time = { now }
  }

  unsafeCurrentTimeMillis(): number {
    return this.time.now
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(this.time.now) * 1_000_000n
  }
  readonly currentTimeMillis = Effect.sync(() => this.time.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    if (Duration.toMillis(duration) <= 0) return Effect.void
    return Effect.callback((resume) => {
      const sleep: Sleep = { until: this.time.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
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
    this.time.now = now
    for (const sleep of this.asleep) if (sleep.until <= now) this.wake(sleep)
  }

  get sleeps(): Effect.Effect<Chunk.Chunk<number>> {
    return Effect.sync(() => Chunk.fromIterable(Array.from(this.asleep, ({ until }) => until)))
  }

  /** Wakes those whose time comes until then one after the other, each after all that the one before it leads to. */
  setTime(now: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* quiet
      for (let next = this.first; next !== undefined && next.until <= now; next = this.first) {
        this.time.now = Math.max(this.time.now, next.until)
        this.wake(next)
        yield* quiet
      }
      this.time.now = now
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
    return Effect.suspend(() => this.setTime(this.time.now + Duration.toMillis(duration)))
  }

  adjustWith(duration: Duration.Input) {
    return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.tap(effect, this.adjust(duration), { concurrent: true })
  }

  get save(): Effect.Effect<Effect.Effect<void>> {
    return Effect.sync(() => {
      const { now } = this.time
      return Effect.sync(() => this.unsafeSetTime(now))
    })
  }
}

const onManualClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.withClock(effect, new ManualClock()))

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
    scopedLive: effectIt.scopedLive,
    effect: manually(effectIt.effect),
    scoped: manually(effectIt.scoped)
  }
)

import type * as Clock from "effect/Clock"
import { evenMillisOf, millisOf } from "../effect/v4/clock.ts"

/** The two times that a producer needs: one for deadlines, one for records. */
export class SendingClock {
  private pausedMillis = 0
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /**
   * Milliseconds of the producer's own time, for deadlines. It goes on evenly when the wall clock is set, and stands still
   * while the process is stopped: records must not expire before anybody had a chance to send them.
   */
  now(): number {
    return evenMillisOf(this.clock) - this.pausedMillis
  }

  /** Takes time out of `now` during which the process was stopped. */
  paused(millis: number): void {
    this.pausedMillis += millis
  }

  /** The time of the wall clock, in whole milliseconds, for records. */
  timestamp(): number {
    return Math.floor(millisOf(this.clock))
  }
}

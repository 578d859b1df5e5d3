/**
 * How long after a rebalance, or after a heartbeat that has failed, the next one is sent, in milliseconds; each later one waits
 * twice as long, until it is the interval.
 */
const FIRST_BEAT_MILLIS = 100

/**
 * When a member heartbeats. A rebalance is often followed by another step at once: whoever gave partitions up says so, and
 * the others hear of it by their heartbeats only. Until then nobody works on those partitions, so that the first heartbeats
 * after a rebalance come soon. So they do after one that failed, as there may be time for few of them in a session.
 */
export class Pace {
  private millis = Number.POSITIVE_INFINITY

  /** The group has just rebalanced, or a heartbeat has failed. */
  quicken(): void {
    this.millis = FIRST_BEAT_MILLIS
  }

  /** How long to wait for the next heartbeat, in milliseconds, of a member that sends one in each interval. */
  next(intervalMillis: number): number {
    const millis = Math.min(this.millis, intervalMillis)
    this.millis = 2 * millis
    return millis
  }
}

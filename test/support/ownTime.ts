/** Time as a process has it that shares the machine with others. */

const TICK_MILLIS = 10

/** What counts of the time from one tick to the next: where it was longer, others had the machine. */
const MOST_MILLIS = 3 * TICK_MILLIS

/**
 * Begins to count the milliseconds that pass while this process can run, on a machine that is idle all of them; the
 * result ends that, and tells. For promises of how long something waits at most: one who is kept from running breaks none
 * of them.
 */
export const stopwatch = (): (() => number) => {
  let millis = 0
  let last = performance.now()
  const tick = () => {
    const now = performance.now()
    millis += Math.min(now - last, MOST_MILLIS)
    last = now
  }
  const timer = setInterval(tick, TICK_MILLIS).unref()
  return () => {
    clearInterval(timer)
    tick()
    return millis
  }
}

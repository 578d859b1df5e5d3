/** How long an answer is waited for. */

/**
 * An answer that is arriving at its deadline may go on for as long again, and from then on as long as it has come at
 * this rate on average, in bytes per millisecond.
 */
const MIN_BYTES_PER_MILLI = 8

/** A timer that fires later than this, in milliseconds, says that the event loop was held up. */
const LATE_MILLIS = 100

/** What is seen of the answer that is waited for, while it arrives. */
export interface Arriving {
  /** When its last bytes came, on the clock of `performance`. */
  readonly receivedAt: number
  /** How many of its bytes have come. */
  readonly bytes: number
}

/**
 * Calls `passed` when `millis` have passed without the answer. An answer that is `arriving` by then may take longer,
 * where the network is slow: as long as its bytes keep coming, at a rate that such a network has. What came while the
 * event loop was held up is read first. The timer is the host's rather than one of Effect's Clock, as a socket lives in
 * real time, and as a fiber for each request would cost much more. Returns what stops it.
 */
export const startDeadline = (
  millis: number,
  arriving: () => Arriving | undefined,
  passed: () => void
): (() => void) => {
  const from = performance.now()
  let due = from + millis
  let wasHeldUp = false
  let timer: NodeJS.Timeout
  let looking: NodeJS.Immediate | undefined
  const look = () => {
    const now = performance.now()
    const late = now - due
    const seen = arriving()
    if (seen !== undefined) {
      due = Math.min(seen.receivedAt + millis, from + 2 * millis + seen.bytes / MIN_BYTES_PER_MILLI)
    }
    if (due <= now && late > LATE_MILLIS && !wasHeldUp) {
      // This is granted once: an event loop that is always held up is no reason to wait for ever.
      wasHeldUp = true
      due = now + Math.min(late, millis)
    }
    if (due > now) start(due - now)
    else passed()
  }
  const start = (rest: number) => {
    timer = setTimeout(() => {
      looking = setImmediate(look)
    }, rest)
  }
  start(millis)
  return () => {
    clearTimeout(timer)
    if (looking !== undefined) clearImmediate(looking)
  }
}

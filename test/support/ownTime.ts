/** Time as a process has it that shares the machine with others. */
import * as Effect from "effect/Effect"
import { until } from "../kafka/process.ts"

const TICK_MILLIS = 10

/** What counts of the time from one tick to the next: where it was longer, others had the machine. */
const MOST_MILLIS = 3 * TICK_MILLIS

interface Watch {
  readonly millis: () => number
  readonly stop: () => void
}

const start = (): Watch => {
  let millis = 0
  let last = performance.now()
  const tick = () => {
    const now = performance.now()
    millis += Math.min(now - last, MOST_MILLIS)
    last = now
  }
  const timer = setInterval(tick, TICK_MILLIS).unref()
  return {
    millis: () => {
      tick()
      return millis
    },
    stop: () => clearInterval(timer)
  }
}

/**
 * Begins to count the milliseconds that pass while this process can run, on a machine that is idle all of them; the
 * result ends that, and tells. For promises of how long something waits at most: one who is kept from running breaks none
 * of them.
 */
export const stopwatch = (): (() => number) => {
  const { millis, stop } = start()
  return () => {
    stop()
    return millis()
  }
}

const watching = <A, E, R>(use: (watch: Watch) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(Effect.sync(start), use, ({ stop }) => Effect.sync(stop))

/** How many milliseconds of that time something takes, and what comes of it. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  watching(({ millis }) => Effect.map(effect, (value) => [millis(), value] as const))

/** Repeats a check until it is true; false if it is not within so many milliseconds of that time. */
export const heldWithin = <E, R>(
  check: Effect.Effect<boolean, E, R>,
  limitMillis: number
): Effect.Effect<boolean, E, R> =>
  watching(({ millis }) => {
    let held = false
    const look = Effect.map(check, (holds) => {
      held = holds
      return holds || millis() > limitMillis
    })
    return Effect.map(until(look, { every: "20 millis" }), () => held)
  })

/** Milliseconds that this thread has had of the processor; where Node does not tell that, those of the whole process. */
const cpuMillis = (): number => {
  const { threadCpuUsage } = process as { readonly threadCpuUsage?: () => NodeJS.CpuUsage }
  const { system, user } = threadCpuUsage?.call(process) ?? process.cpuUsage()
  return (system + user) / 1_000
}

/** How the event loop went round. Times are those in which this process worked, whoever else had the machine in between. */
export interface LoopTurns {
  /** Milliseconds of work in the longest gap between two ticks of a timer. */
  readonly longest: number
  /** Milliseconds of work in all. */
  readonly millis: number
  readonly ticks: number
}

/** Begins to look how the event loop goes round; the result ends that, and tells. */
export const turnsOfLoop = (): (() => LoopTurns) => {
  const turns = { longest: 0, millis: 0, ticks: 0 }
  const look = () => ({ now: performance.now(), cpu: cpuMillis() })
  let last = look()
  const note = () => {
    const next = look()
    // The process may work in several threads.
    const worked = Math.min(next.now - last.now, next.cpu - last.cpu)
    last = next
    turns.millis += worked
    turns.longest = Math.max(turns.longest, worked)
  }
  const timer = setInterval(() => {
    turns.ticks++
    note()
  }, 5).unref()
  return () => {
    clearInterval(timer)
    note()
    return turns
  }
}

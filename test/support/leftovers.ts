/** What something leaves behind when it has ended. */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { census } from "./effect/v4/fibers.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { createHook } from "node:async_hooks"
import { until } from "../kafka/process.ts"
import { eventually } from "./live.ts"
import { stopwatch } from "./ownTime.ts"

/** TCP connections of this process. */
export const sockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap" || name === "TLSWrap").length

/**
 * The timers that are started from now on, as long as they keep the process, by where in the code they were started. The
 * runner has others.
 */
const timersFromNowOn = Effect.acquireRelease(
  Effect.sync(() => {
    const started = new Map<number, { readonly timer: NodeJS.Timeout; readonly by: Error }>()
    const hook = createHook({
      init: (id, type, _trigger, resource) => {
        if (type === "Timeout") started.set(id, { timer: resource as NodeJS.Timeout, by: new Error("started") })
      },
      destroy: (id) => {
        started.delete(id)
      }
    }).enable()
    const left = () => [...started.values()].filter(({ timer }) => timer.hasRef())
    return { hook, left: () => left().map(({ by }) => String(by.stack)) }
  }),
  ({ hook }) => Effect.sync(() => hook.disable())
).pipe(Effect.map(({ left }) => left))

export interface Leftovers {
  readonly millisToClose: number
  readonly connections: number
  readonly fibers: number
  readonly timers: number
}

/**
 * Runs something with a scope, ends the scope (by interruption, where a time is given for it), and tells
 * how long that took and what of it is left, in words too. Nothing else may open connections meanwhile.
 */
export const leftovers = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope>,
  options: {
    readonly interruptAfter?: Duration.Input
    /** How many there are; those over TCP, by default. */
    readonly connections?: Effect.Effect<number>
  } = {}
): Effect.Effect<{ readonly exit: Exit.Exit<A, E>; readonly left: Leftovers; readonly told: string }> =>
  Effect.gen(function* () {
    const connections = options.connections ?? Effect.sync(sockets)
    yield* eventually(connections, (count) => count === 0)
    const started = yield* census
    const timersLeft = yield* timersFromNowOn
    const scope = yield* Scope.make()
    const fiber = yield* Effect.forkChild(started.of(Effect.exit(Scope.provide(body, scope))))
    let passed: () => number
    let exit: Exit.Exit<A, E>
    if (options.interruptAfter === undefined) {
      exit = yield* Fiber.join(fiber)
      passed = stopwatch()
    } else {
      yield* Effect.sleep(options.interruptAfter)
      passed = stopwatch()
      yield* Fiber.interrupt(fiber)
      exit = yield* Effect.exit(Effect.flatten(Fiber.join(fiber)))
    }
    yield* Scope.close(scope, Exit.void)
    const millisToClose = passed()
    let left: Omit<Leftovers, "millisToClose"> = { connections: 0, fibers: 0, timers: 0 }
    let told = ""
    // handles go a turn of the event loop later, the other ends of a proxy some more
    const look = Effect.map(
      // A fiber may be woken within a timer, which counts as one until it has come to its end.
      Effect.andThen(yieldToEventLoop, Effect.zip(connections, started.count)),
      ([connections, fibers]) => {
        const timers = timersLeft()
        left = { connections, fibers, timers: timers.length }
        told = [`left: ${connections} connections, ${fibers} fibers, ${timers.length} timers`, ...timers].join("\n")
        return connections + fibers + timers.length === 0
      }
    )
    // The look that finds nothing is the last one: at any time the runner may start a timer of its own, to report.
    // What takes longer than this to go was left behind: timers of requests, of sessions, of connections that are idle.
    yield* until(look, { within: "8 seconds", every: "5 millis" })
    return { exit, left: { millisToClose, ...left }, told }
  }).pipe(Effect.scoped)

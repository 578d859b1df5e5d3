/** What is left behind is told: or the tests that find nothing would say nothing. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { once } from "node:events"
import { connect, createServer, type AddressInfo } from "node:net"
import { assert } from "vitest"
import { leftovers } from "../support/leftovers.ts"
import { test } from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"

test("a connection, a fiber and a timer", () =>
  Effect.gen(function* () {
    const server = createServer()
    yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
    const { port } = server.address() as AddressInfo
    const undo: Array<() => void> = [() => server.close()]
    yield* Effect.addFinalizer(() => Effect.sync(() => undo.forEach((one) => one())))
    const { exit, left, told } = yield* leftovers(
      Effect.gen(function* () {
        const socket = connect(port, "127.0.0.1")
        undo.push(() => socket.destroy())
        yield* Effect.promise(() => once(socket, "connect"))
        const timer = setTimeout(() => {}, 60_000)
        undo.push(() => clearTimeout(timer))
        return yield* Effect.forkDetach(Effect.never)
      })
    )
    if (exit._tag === "Failure") return yield* Effect.failCause(exit.cause)
    assert.isAtLeast(left.connections, 1)
    assert.strictEqual(left.fibers, 1)
    assert.isAtLeast(left.timers, 1)
    // and where the timer was started
    assert.match(told, /left: \d+ connections, 1 fibers, \d+ timers\n[^]*leftovers\.test\.ts/)
    yield* Fiber.interrupt(exit.value)
  }))

test("how long it took to close: not what came before, nor what it was for", () =>
  Effect.gen(function* () {
    let passedInside = 0
    const slowEnd = Effect.suspend(() => {
      const passed = stopwatch()
      return Effect.map(Effect.sleep("150 millis"), () => {
        passedInside = passed()
      })
    })
    const slow = Effect.andThen(
      Effect.addFinalizer(() => slowEnd),
      Effect.sleep("300 millis")
    )
    // On a machine that is busy less of the time counts, and each of two watches misses another part of it.
    const wasCounted = (millis: number) => assert.isAtLeast(millis, passedInside / 2)
    const { exit, left } = yield* leftovers(slow)
    assert.strictEqual(exit._tag, "Success")
    wasCounted(left.millisToClose)
    // a machine that is busy may take longer, but a time that is not closing's would be in each of several tries
    const closing = Effect.map(leftovers(Effect.sleep("300 millis")), ({ left }) => left.millisToClose)
    assert.isBelow(Math.min(...(yield* Effect.all([closing, closing, closing]))), 250)
    const interrupted = yield* leftovers(Effect.andThen(slow, Effect.never), { interruptAfter: "20 millis" })
    assert.isTrue(interrupted.exit._tag === "Failure" && Cause.hasInterruptsOnly(interrupted.exit.cause))
    wasCounted(interrupted.left.millisToClose)
  }))

test("nothing, once nothing was: a timer that the runner starts later is none of it", () => {
  let looks = 0
  const connections = Effect.sync(() => {
    // before it begins, and when it has ended
    if (++looks > 2) setTimeout(() => {}, 100)
    return 0
  })
  return Effect.map(leftovers(Effect.void, { connections }), ({ left: { millisToClose: _, ...left }, told }) => {
    assert.deepStrictEqual(left, { connections: 0, fibers: 0, timers: 0 }, told)
  })
})

test("nothing, where nothing is", () =>
  Effect.map(leftovers(Effect.sleep("5 millis")), ({ left: { millisToClose: _, ...left } }) => {
    assert.deepStrictEqual(left, { connections: 0, fibers: 0, timers: 0 })
  }))

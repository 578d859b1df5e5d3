/** The side of the program in a process of its own that a test has started: see `child.ts`. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import { offerNow } from "../../src/internal/effect/v4/queues.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"

/** The commands of the test, as they come. */
export const commands = <Command>(): Effect.Effect<Queue.Queue<Command>> =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Command>()
    process.on("message", (command: Command) => {
      offerNow(queue, command)
    })
    return queue
  })

export const answer = (message: object): Effect.Effect<void> =>
  Effect.sync(() => {
    process.send!(message)
  })

/** Holds the event loop, and leaves the core to others. */
export const block = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

/** Takes no more commands: from here on the process ends by itself, or something is left. */
export const farewell: Effect.Effect<void> = Effect.sync(() => {
  process.removeAllListeners("message")
  process.disconnect()
})

/** Runs the program; a failure ends the process with what it is. */
export const runProgram = (main: Effect.Effect<void, unknown>): void => {
  Effect.runFork(withoutLogs(main)).addObserver((exit) => {
    if (Exit.isFailure(exit)) {
      process.stderr.write(`${exit.toString()}\n`)
      process.exitCode = 1
      if (process.connected) process.disconnect()
    }
  })
}

/** What happens in a test at random, and what is wrong with it. */
import * as Effect from "effect/Effect"
import type { ManualClock } from "../support/ManualClock.ts"

/** How much of what came before is told of what is wrong. */
const LAST = 200

export class Trace {
  readonly problems: Array<string> = []
  private readonly trace: Array<string> = []

  constructor(readonly clock: ManualClock) {}

  note(text: string): void {
    this.trace.push(`${this.clock.millis()} ${text}`)
  }

  problem(text: string): void {
    this.note(`PROBLEM: ${text}`)
    this.problems.push(text)
  }

  /** Fails with what is wrong, if something is, and with what came before it. */
  readonly check: Effect.Effect<void> = Effect.suspend(() =>
    this.problems.length === 0
      ? Effect.void
      : Effect.die(new Error([...this.problems, "", ...this.trace.slice(-LAST)].join("\n")))
  )
}

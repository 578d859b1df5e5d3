/** A process of its own with a table and writers, to be stopped and confused. See main.ts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"
import * as Child from "./child.ts"
import type { Evidence } from "./oracle.ts"
import type { Evidence as Ridden } from "./views/verdict.ts"

/** Plain data, as it is handed over as JSON. */
export interface Plan {
  readonly brokers: ReadonlyArray<string>
  readonly topic: string
  readonly partitions: ReadonlyArray<number>
  readonly seed: number
  /** Whether the clock is not going to be set. */
  readonly isClockSteady: boolean
}

export type Command =
  | { readonly _tag: "Count" }
  | { readonly _tag: "Block"; readonly millis: number }
  /** Relative to what it is. */
  | { readonly _tag: "SetClock"; readonly millis: number }
  | { readonly _tag: "Probe" }
  | { readonly _tag: "Finish" }
  | { readonly _tag: "Leave" }

export interface ProgramEvidence extends Omit<Evidence, "log"> {
  readonly ridden: Ridden
  readonly statuses: ReadonlyArray<string>
  readonly complaints: ReadonlyArray<string>
}

export type Answer =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Counted"; readonly acknowledged: number }
  | { readonly _tag: "Blocked" }
  | { readonly _tag: "ClockIsSet" }
  | { readonly _tag: "Probed"; readonly millis: number }
  | { readonly _tag: "Finished"; readonly evidence: ProgramEvidence }

export interface Program {
  /** Writes that were acknowledged so far. */
  readonly acknowledged: Effect.Effect<number, TestKafkaError>
  readonly block: (millis: number) => Effect.Effect<void, TestKafkaError>
  readonly setClock: (millis: number) => Effect.Effect<void, TestKafkaError>
  /** SIGSTOP and SIGCONT. */
  readonly stop: Effect.Effect<void>
  readonly continue: Effect.Effect<void>
  /** How long a write to each partition takes until it is visible. */
  readonly probe: Effect.Effect<number, TestKafkaError>
  /** Ends the load, closes everything; the process then has to end by itself: how long that took, in milliseconds. */
  readonly finish: Effect.Effect<{ readonly evidence: ProgramEvidence; readonly exitMillis: number }, TestKafkaError>
}

/** Starts it; it is killed with the scope, if it is there still. */
export const start = (plan: Plan): Effect.Effect<Program, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const { ask, leave, next, signal } = yield* Child.start<Command, Answer>(new URL("main.ts", import.meta.url), plan)
    yield* next("Ready")
    return {
      acknowledged: Effect.map(ask({ _tag: "Count" }, "Counted"), ({ acknowledged }) => acknowledged),
      block: (millis) => Effect.asVoid(ask({ _tag: "Block", millis }, "Blocked")),
      setClock: (millis) => Effect.asVoid(ask({ _tag: "SetClock", millis }, "ClockIsSet")),
      stop: signal("SIGSTOP"),
      continue: signal("SIGCONT"),
      probe: Effect.map(ask({ _tag: "Probe" }, "Probed"), ({ millis }) => millis),
      finish: Effect.gen(function* () {
        const { evidence } = yield* ask({ _tag: "Finish" }, "Finished")
        return { evidence, exitMillis: yield* leave({ _tag: "Leave" }) }
      })
    }
  })

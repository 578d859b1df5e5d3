/** A member in a process of its own, to be killed, frozen and blocked. See main.ts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TestKafkaError } from "../../kafka/TestKafkaError.ts"
import * as Child from "../child.ts"
import type { Lab } from "../lab.ts"
import { type Entry, noteFor } from "./course.ts"
import * as Journal from "./journal.ts"
import type { Options } from "./member.ts"

/** Plain data, as it is handed over as JSON. */
export interface Plan {
  readonly brokers: ReadonlyArray<string>
  readonly name: string
  readonly options: Options
  readonly seed: number
  readonly journal: string
}

export type Command =
  | { readonly _tag: "Look" }
  | { readonly _tag: "Block"; readonly millis: number }
  | { readonly _tag: "Leave" }

export type Answer =
  { readonly _tag: "Ready" } | { readonly _tag: "Looked"; readonly owned: number } | { readonly _tag: "Blocked" }

export interface Other {
  readonly name: string
  /** How many partitions it owns, as far as it knows. */
  readonly owned: Effect.Effect<number, TestKafkaError>
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  readonly block: (millis: number) => Effect.Effect<void, TestKafkaError>
  /** SIGKILL. */
  readonly kill: Effect.Effect<void>
  /** SIGSTOP and SIGCONT. */
  readonly stop: Effect.Effect<void>
  readonly continue: Effect.Effect<void>
  /** Closes it in good order: how many milliseconds its process took to end. */
  readonly leave: Effect.Effect<number, TestKafkaError>
}

/** Starts it; it is killed with the scope, if it is there still. `add` takes what is done to it, for the course. */
export const start = (
  { brokers }: Pick<Lab, "brokers">,
  plan: Pick<Plan, "name" | "options" | "seed">,
  add: (entry: Entry) => void
): Effect.Effect<Other, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const journal = yield* Journal.journalFile
    const whole: Plan = { ...plan, brokers, journal }
    const child = yield* Child.start<Command, Answer>(new URL("main.ts", import.meta.url), whole)
    const gone = Effect.sync(() => noteFor(plan.name, add)({ _tag: "Gone" }))
    yield* child.next("Ready")
    return {
      name: plan.name,
      owned: Effect.map(child.ask({ _tag: "Look" }, "Looked"), ({ owned }) => owned),
      entries: Effect.sync(() => Journal.read(journal)),
      block: (millis) => Effect.asVoid(child.ask({ _tag: "Block", millis }, "Blocked")),
      kill: Effect.andThen(child.kill, gone),
      stop: child.signal("SIGSTOP"),
      continue: child.signal("SIGCONT"),
      leave: child.leave({ _tag: "Leave" })
    }
  })

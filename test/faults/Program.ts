/** A process of its own with a table and writers, to be stopped and confused. See main.ts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fork, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { awaitExit, hasExited, lastLines, watchdog } from "../kafka/process.ts"
import { TestKafkaError } from "../kafka/TestKafkaError.ts"
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

/** Of Node, but for those about how it was started. */
const COMPLAINT = /(?<!Experimental|Deprecation)Warning:|Error:/

const failed = (message: string) => new TestKafkaError({ reason: "process", message })

/** Starts it; it is killed with the scope, if it is there still. */
export const start = (plan: Plan): Effect.Effect<Program, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const guard = yield* watchdog("")
    let errors = ""
    const child: ChildProcess = yield* Effect.acquireRelease(
      Effect.sync(() => {
        // not one of the runner's own processes, which have their ways to end
        const { VITEST_POOL_ID: _pool, VITEST_WORKER_ID: _worker, ...env } = process.env
        const started = fork(fileURLToPath(new URL("main.ts", import.meta.url)), [JSON.stringify(plan)], {
          execArgv: ["--import", "tsx"],
          // whose tsconfig.json says where Effect is
          cwd: fileURLToPath(new URL("../..", import.meta.url)),
          // Maps, and numbers that JSON has not
          serialization: "advanced",
          stdio: ["ignore", "ignore", "pipe", "ipc"],
          env
        })
        started.stderr?.on("data", (chunk: Buffer) => {
          errors = (errors + chunk.toString()).slice(-20_000)
        })
        started.on("error", () => {})
        return started
      }),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          awaitExit(child, "5 seconds")
        )
    )
    if (child.pid !== undefined) yield* guard.add(child.pid)

    const next = <Tag extends Answer["_tag"]>(
      tag: Tag
    ): Effect.Effect<Extract<Answer, { readonly _tag: Tag }>, TestKafkaError> =>
      Effect.callback<Extract<Answer, { readonly _tag: Tag }>, TestKafkaError>((resume) => {
        const onMessage = (message: Answer) => {
          if (message._tag === tag) end(Effect.succeed(message as Extract<Answer, { readonly _tag: Tag }>))
        }
        const onExit = () => end(failed(`the program ended: ${lastLines(errors, 30)}`))
        const end = (result: Effect.Effect<Extract<Answer, { readonly _tag: Tag }>, TestKafkaError>) => {
          child.off("message", onMessage).off("exit", onExit)
          resume(result)
        }
        child.on("message", onMessage)
        child.on("exit", onExit)
        if (hasExited(child)) onExit()
        return Effect.sync(() => child.off("message", onMessage).off("exit", onExit))
      }).pipe(
        Effect.timeoutOrElse({
          duration: "60 seconds",
          orElse: () => Effect.fail(failed(`no "${tag}" from the program: ${lastLines(errors, 30)}`))
        })
      )
    const ask = <Tag extends Answer["_tag"]>(command: Command, tag: Tag) =>
      Effect.andThen(
        Effect.sync(() => child.send(command)),
        next(tag)
      )
    const signal = (name: "SIGSTOP" | "SIGCONT") => Effect.sync(() => child.kill(name))

    yield* next("Ready")
    return {
      acknowledged: Effect.map(ask({ _tag: "Count" }, "Counted"), ({ acknowledged }) => acknowledged),
      block: (millis) => Effect.asVoid(ask({ _tag: "Block", millis }, "Blocked")),
      setClock: (millis) => Effect.asVoid(ask({ _tag: "SetClock", millis }, "ClockIsSet")),
      stop: Effect.asVoid(signal("SIGSTOP")),
      continue: Effect.asVoid(signal("SIGCONT")),
      probe: Effect.map(ask({ _tag: "Probe" }, "Probed"), ({ millis }) => millis),
      finish: Effect.gen(function* () {
        const { evidence } = yield* ask({ _tag: "Finish" }, "Finished")
        const begin = performance.now()
        child.send({ _tag: "Leave" } satisfies Command)
        const gone = yield* awaitExit(child, "10 seconds")
        if (!gone) return yield* failed("the program does not end by itself")
        if (child.exitCode !== 0 || COMPLAINT.test(errors)) {
          return yield* failed(`the program ended with ${child.exitCode}: ${lastLines(errors, 30)}`)
        }
        return { evidence, exitMillis: performance.now() - begin }
      })
    }
  })

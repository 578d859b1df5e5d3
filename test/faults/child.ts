/** A process of its own that runs a program of ours, to be stopped, killed and confused. It is told what to do by messages. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fork, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { awaitExit, hasExited, lastLines, watchdog } from "../kafka/process.ts"
import { timed } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { TestKafkaError } from "../kafka/TestKafkaError.ts"
import { compiled } from "../support/programs.ts"

/** A program that takes commands and gives answers, both with a `_tag`. */
export interface Child<Command, Answer extends { readonly _tag: string }> {
  /** Waits for the next answer of this kind. */
  readonly next: <Tag extends Answer["_tag"]>(
    tag: Tag
  ) => Effect.Effect<Extract<Answer, { readonly _tag: Tag }>, TestKafkaError>
  /** Sends a command, and waits for the next answer of this kind. */
  readonly ask: <Tag extends Answer["_tag"]>(
    command: Command,
    tag: Tag
  ) => Effect.Effect<Extract<Answer, { readonly _tag: Tag }>, TestKafkaError>
  readonly signal: (name: "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
  /** SIGKILL; returns when it is gone. */
  readonly kill: Effect.Effect<void>
  /** Sends the last command, after which it has to end by itself, without a complaint: how long that took, in milliseconds. */
  readonly leave: (command: Command) => Effect.Effect<number, TestKafkaError>
}

/** Of Node, but for those about how it was started. */
const COMPLAINT = /(?<!Experimental|Deprecation)Warning:|Error:/

const failed = (message: string) => new TestKafkaError({ reason: "process", message })

/** Starts the program at `url` with `plan`, as JSON, as its argument; it is killed with the scope, if it is there still. */
export const start = <Command extends object, Answer extends { readonly _tag: string }>(
  url: URL,
  plan: object
): Effect.Effect<Child<Command, Answer>, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* compiled(fileURLToPath(url))
    const guard = yield* watchdog("")
    let errors = ""
    const kill = (child: ChildProcess) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        awaitExit(child)
      )
    const child: ChildProcess = yield* Effect.acquireRelease(
      Effect.sync(() => {
        // not one of the runner's own processes, which have their ways to end
        const { VITEST_POOL_ID: _pool, VITEST_WORKER_ID: _worker, ...env } = process.env
        const started = fork(program, [JSON.stringify(plan)], {
          execArgv: [],
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
      kill
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
          duration: PATIENCE_MILLIS,
          orElse: () => Effect.fail(failed(`no "${tag}" from the program: ${lastLines(errors, 30)}`))
        })
      )

    return {
      next,
      ask: (command, tag) =>
        Effect.andThen(
          Effect.sync(() => child.send(command)),
          next(tag)
        ),
      signal: (name) => Effect.sync(() => void child.kill(name)),
      kill: Effect.asVoid(kill(child)),
      leave: (command) =>
        Effect.gen(function* () {
          const leaving = Effect.suspend(() => {
            child.send(command)
            return awaitExit(child)
          })
          const [millis, gone] = yield* timed(leaving)
          if (!gone) return yield* failed("the program does not end by itself")
          if (child.exitCode !== 0 || COMPLAINT.test(errors)) {
            return yield* failed(`the program ended with ${child.exitCode}: ${lastLines(errors, 30)}`)
          }
          return millis
        })
    }
  })

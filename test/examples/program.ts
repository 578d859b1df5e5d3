/** An example as users run it: a process of its own, killed at the end of the test should it still run. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { basename, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "vitest"
import { awaitExit, hasExited, until, watchdog } from "../kafka/process.ts"
import { test as liveTest } from "../support/live.ts"
import { compiled } from "../support/programs.ts"

/** The project: its `tsconfig.json` says which major of Effect a program is on. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** With time for several processes, each of which compiles what it imports first. */
export const test = <A, E>(name: string, body: () => Effect.Effect<A, E, Scope.Scope>): void =>
  liveTest(name, body, 180_000)

/** The exit codes of a program that was told to end: of Effect 4, and of Effect 3. */
export const interrupted = [130, 0]

export interface Program {
  /** What it has written so far, to both outputs, without colours. */
  readonly output: () => string
  /** Waits until that is in its output. */
  readonly says: (expected: string | RegExp) => Effect.Effect<void>
  readonly signal: (signal: "SIGINT" | "SIGTERM" | "SIGKILL") => Effect.Effect<void>
  /** Waits until it has ended; gives the exit code, or the name of the signal that it ended by. */
  readonly ended: Effect.Effect<number | string>
}

const colours = /\x1b\[[\d;]*m/g

/** Starts `examples/<file>`. Of the environment it gets what `env` says on top, and none of our own `KAFKA_*`. */
export const start = (
  file: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.flatMap(compiled(resolve(root, "examples", file)), (program) => running(file, [program, ...args], env))

/** Starts a program as who reads the docs does: with tsx, which compiles what is imported. */
export const startSource = (file: string): Effect.Effect<Program, never, Scope.Scope> =>
  running(basename(file), ["--import", "tsx", file], { TSX_TSCONFIG_PATH: join(root, "tsconfig.json") })

const running = (
  file: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("KAFKA_"))
    const guard = yield* watchdog("")
    let output = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = spawn(process.execPath, args, {
          cwd: root,
          env: { ...Object.fromEntries(inherited), ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
        const note = (text: string) => {
          output += text.replaceAll(colours, "")
        }
        started.stdout.setEncoding("utf8").on("data", note)
        started.stderr.setEncoding("utf8").on("data", note)
        return started
      }),
      (running) =>
        Effect.andThen(
          Effect.sync(() => running.kill("SIGKILL")),
          awaitExit(running, "5 seconds")
        )
    )
    const { pid } = child
    if (pid === undefined) return assert.fail(`${file} could not be started`)
    yield* Effect.andThen(
      guard.add(pid),
      Effect.addFinalizer(() => guard.remove(pid))
    )
    const closed = { is: false }
    child.once("close", () => (closed.is = true))

    const has = (expected: string | RegExp) =>
      typeof expected === "string" ? output.includes(expected) : expected.test(output)

    return {
      output: () => output,
      says: (expected) =>
        Effect.map(
          until(
            Effect.sync(() => has(expected) || hasExited(child)),
            { within: "60 seconds", every: "20 millis" }
          ),
          () => {
            if (!has(expected)) assert.fail(`${file} does not say ${String(expected)}, but\n${output}`)
          }
        ),
      signal: (signal) => Effect.asVoid(Effect.sync(() => child.kill(signal))),
      // closed: its last words are read, too
      ended: Effect.map(
        until(
          Effect.sync(() => closed.is),
          { within: "60 seconds", every: "20 millis" }
        ),
        (ended) => (ended ? (child.exitCode ?? child.signalCode ?? "") : assert.fail(`${file} still runs:\n${output}`))
      )
    }
  })

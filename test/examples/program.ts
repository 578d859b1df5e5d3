/** An example as users run it: a process of its own, killed at the end of the test should it still run. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "vitest"
import { awaitExit, until, watchdog } from "../kafka/process.ts"
import { compiled } from "../support/programs.ts"

/** The project: its `tsconfig.json` says which major of Effect a program is on. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** The exit codes of a program that was told to end: of Effect 4, and of Effect 3. */
export const interrupted = [130, 0]

export interface Program {
  /** What it has written so far, as it is. */
  readonly written: { readonly stdout: string; readonly stderr: string }
  /** The same of both, without colours. */
  readonly output: () => string
  /** Waits until that is in its output. It may take its time, as long as it says something now and then. */
  readonly says: (expected: string | RegExp) => Effect.Effect<void>
  readonly types: (text: string) => Effect.Effect<void>
  readonly signal: (signal: "SIGINT" | "SIGTERM" | "SIGKILL") => Effect.Effect<void>
  /** Waits as `says` does, until it has ended; gives the exit code, or the name of the signal that it ended by. */
  readonly ended: Effect.Effect<number | string>
}

const colours = /\x1b\[[\d;]*m/g

/** The command by which users run `examples/<file>`, or the file of an absolute path: what is imported is compiled first. */
export const command = (file: string, args: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  process.execPath,
  "--import",
  "tsx",
  resolve(root, "examples", file),
  ...args
]

/**
 * Starts a command in the project. Of the environment it gets what `env` says on top, and nothing of our own that would change
 * what it says or where.
 */
export const startCommand = (
  [file = "", ...args]: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("KAFKA_") && name !== "NO_COLOR")
    const title = [file, ...args].join(" ")
    const guard = yield* watchdog("")
    const written = { stdout: "", stderr: "" }
    let output = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = spawn(file, args, {
          cwd: root,
          env: { ...Object.fromEntries(inherited), TERM: "xterm", ...env },
          stdio: "pipe"
        })
        for (const name of ["stdout", "stderr"] as const) {
          started[name].setEncoding("utf8").on("data", (text: string) => {
            written[name] += text
            output += text.replaceAll(colours, "")
          })
        }
        started.stdin.on("error", () => {})
        return started
      }),
      (running) =>
        Effect.andThen(
          Effect.sync(() => running.kill("SIGKILL")),
          awaitExit(running)
        )
    )
    const { pid } = child
    if (pid === undefined) return assert.fail(`${title} could not be started`)
    yield* Effect.andThen(
      guard.add(pid),
      Effect.addFinalizer(() => guard.remove(pid))
    )
    const closed = { is: false }
    child.once("close", () => (closed.is = true))

    const has = (expected: string | RegExp) =>
      typeof expected === "string" ? output.includes(expected) : expected.test(output)
    const waiting = (check: () => boolean) =>
      until(Effect.sync(check), { every: "20 millis", progress: () => output.length })

    return {
      written,
      output: () => output,
      says: (expected) =>
        Effect.map(
          waiting(() => has(expected) || closed.is),
          () => {
            if (!has(expected)) assert.fail(`${title} does not say ${String(expected)}, but\n${output}`)
          }
        ),
      types: (text) => Effect.asVoid(Effect.sync(() => child.stdin.write(text))),
      signal: (signal) => Effect.asVoid(Effect.sync(() => child.kill(signal))),
      // closed: its last words are read, too
      ended: Effect.map(
        waiting(() => closed.is),
        (ended) => (ended ? (child.exitCode ?? child.signalCode ?? "") : assert.fail(`${title} still runs:\n${output}`))
      )
    }
  })

/** The same command with all compiled already, which takes a third of the time. */
export const quickCommand = (
  file: string,
  args: ReadonlyArray<string> = []
): Effect.Effect<ReadonlyArray<string>, never, Scope.Scope> =>
  Effect.map(compiled(resolve(root, "examples", file)), (program) => [process.execPath, program, ...args])

/** Starts `examples/<file>`, compiled already. */
export const start = (
  file: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.flatMap(quickCommand(file, args), (quick) => startCommand(quick, env))

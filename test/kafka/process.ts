/**
 * Programs from outside, so that none of them outlives the test that started it.
 *
 * Everything here goes by the real clock, under a test clock too: what happens in other processes knows no other.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Clock from "effect/Clock"
import { spawn, type ChildProcess } from "node:child_process"
import { onRealTime } from "../support/effect/v4/clock.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

export const realTime: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = onRealTime

export const lastLines = (text: string, count: number): string => text.trimEnd().split("\n").slice(-count).join("\n")

export const hasExited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Whether the process was gone within the time. */
export const awaitExit = (child: ChildProcess, within: Duration.Input = PATIENCE_MILLIS): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    if (hasExited(child)) return resume(Effect.succeed(true))
    const end = (gone: boolean) => () => {
      clearTimeout(timer)
      child.off("exit", onExit)
      resume(Effect.succeed(gone))
    }
    const onExit = end(true)
    const timer = setTimeout(end(false), Duration.toMillis(within))
    child.once("exit", onExit)
    return Effect.sync(end(false))
  })

/** Repeats a check until it is true; false if it is not within the time. It needs no interruption: finalizers may use it. */
export const until = <E, R>(
  check: Effect.Effect<boolean, E, R>,
  options: {
    readonly within?: Duration.Input
    readonly every?: Duration.Input
    /** How far it is: the time begins anew whenever that is another number, as with the length of a log that grows. */
    readonly progress?: () => number
  } = {}
): Effect.Effect<boolean, E, R> =>
  Effect.gen(function* () {
    const { every = "50 millis", progress = () => 0, within = PATIENCE_MILLIS } = options
    let reached = progress()
    let since = yield* Clock.currentTimeMillis
    while (!(yield* check)) {
      const now = yield* Clock.currentTimeMillis
      const next = progress()
      if (next === reached && now - since > Duration.toMillis(within)) return false
      if (next !== reached) since = now
      reached = next
      yield* Effect.sleep(every)
    }
    return true
  }).pipe(realTime)

// A process of the test runner outlives a runner that was killed, and would keep what it started for as long. Not by
// `process.exit`, which the runner replaces by one that throws.
if (process.env["VITEST_POOL_ID"] !== undefined) {
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))
}

/** Kills what it guards when this process is gone: even by SIGKILL, without a last word. */
export interface Watchdog {
  readonly add: (pid: number) => Effect.Effect<void>
  readonly remove: (pid: number) => Effect.Effect<void>
}

// The end of its input is the end of the one who wrote it. `+ pid` guards, `- pid` lets go, `.` is an orderly end.
const watchdogScript = `
trap '' HUP INT TERM
pids=
while read -r op pid; do
  case $op in
    +) pids="$pids $pid" ;;
    -) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
    .) exit 0 ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids
[ -n "$1" ] || exit 0
rm -rf -- "$1"
sleep 1
rm -rf -- "$1"
`

const startWatchdog = (directory: string) => {
  // A session of its own: what ends the terminal's or the runner's whole group does not end this one first.
  const child = spawn("sh", ["-c", watchdogScript, "sh", directory], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  child.on("error", () => {})
  child.stdin.on("error", () => {})
  child.unref()
  return child
}

/** Removes the directory too. */
export const watchdog = (directory: string): Effect.Effect<Watchdog, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => startWatchdog(directory)),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.stdin.end(".\n")),
          awaitExit(child)
        )
    ),
    (child) => ({
      add: (pid) => Effect.sync(() => child.stdin.write(`+ ${pid}\n`)),
      remove: (pid) => Effect.sync(() => child.stdin.write(`- ${pid}\n`))
    })
  )

// One for all programs that run to their end.
let running: ReturnType<typeof startWatchdog> | undefined
const guardRun = (child: ChildProcess): void => {
  const { pid } = child
  if (pid === undefined) return
  running ??= startWatchdog("")
  running.stdin.write(`+ ${pid}\n`)
  child.once("exit", () => running?.stdin.write(`- ${pid}\n`))
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  /** In all. By default a program may take its time, as long as it says something now and then. */
  readonly timeout?: Duration.Input
  /** What to say when there is no such program. */
  readonly install?: string
}

export interface Output {
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a program to its end; an exit code other than 0 is a failure. Interruption kills it. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Effect.Effect<Output, TestKafkaError> => {
  const title = [command, ...args].join(" ").slice(-300)
  return Effect.callback<Output, TestKafkaError>((resume) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"]
    })
    guardRun(child)
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    const note = (chunks: Array<Buffer>) => (chunk: Buffer) => {
      chunks.push(chunk)
      if (options.timeout === undefined) timer.refresh()
    }
    child.stdout.on("data", note(stdout))
    child.stderr.on("data", note(stderr))
    child.on("error", (cause) => {
      clearTimeout(timer)
      resume(
        new TestKafkaError({
          reason: "missing_tool",
          message: `cannot run ${command}${options.install === undefined ? "" : `: ${options.install}`}`,
          cause
        })
      )
    })
    child.on("close", (code, signal) => {
      const output = { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
      resume(
        code === 0
          ? Effect.succeed(output)
          : new TestKafkaError({
              reason: "process",
              message: `${title}: exit ${code ?? signal}\n${lastLines(`${output.stdout.toString()}\n${output.stderr}`, 40)}`
            })
      )
    })
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on("error", () => {})
    child.stdin.end(options.stdin)
    const timer = setTimeout(
      () => {
        child.kill("SIGKILL")
        resume(
          new TestKafkaError({
            reason: "timeout",
            message: `${title}: still running\n${lastLines(Buffer.concat(stderr).toString(), 20)}`
          })
        )
      },
      Duration.toMillis(options.timeout ?? PATIENCE_MILLIS)
    )
    child.on("close", () => clearTimeout(timer))
    return Effect.sync(() => {
      clearTimeout(timer)
      child.kill("SIGKILL")
    })
  })
}

/** A real browser: Debian's Chromium, told what to do through pipes, in its own protocol. It needs no package for that. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn } from "node:child_process"
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { assert } from "vitest"
import { awaitExit, watchdog } from "../kafka/process.ts"
import { eventually } from "../support/live.ts"

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const onPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)

const installed = (): string | undefined =>
  ["chromium", "chromium-browser", "google-chrome"].map(onPath).find((found) => found !== undefined)

/** Installs it where that is possible without asking: as root, on Debian. */
const install = (): string | undefined => {
  const apt = onPath("apt-get")
  if (apt === undefined || process.getuid?.() !== 0) return undefined
  const options = {
    stdio: "ignore",
    timeout: 280_000,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  } as const
  try {
    execFileSync(apt, ["update", "-q"], options)
    execFileSync(apt, ["install", "-y", "-q", "--no-install-recommends", "chromium"], options)
  } catch {
    return undefined
  }
  return installed()
}

/** The browser's file, installed if it has to be; `undefined` where there is none, and none can be installed. */
export const findBrowser = (): string | undefined => installed() ?? install()

export interface Page {
  /** What an expression gives there, as JSON. */
  readonly evaluate: (expression: string) => Effect.Effect<unknown>
  /** Waits until an expression gives that, and fails with what it gives instead. */
  readonly shows: (expression: string, expected: unknown) => Effect.Effect<void>
}

interface Answer {
  readonly id?: number
  readonly error?: { readonly message: string }
  readonly result?: {
    readonly targetId?: string
    readonly sessionId?: string
    readonly result?: { readonly value?: unknown }
    readonly exceptionDetails?: unknown
  }
}

/** Starts the browser; gives a way to open pages in it. Both end with the scope. */
export const startBrowser = (file: string): Effect.Effect<(url: string) => Effect.Effect<Page>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const profile = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ktables-browser-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
    )
    const guard = yield* watchdog(profile)
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          file,
          [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            `--user-data-dir=${profile}`,
            "--remote-debugging-pipe"
          ],
          // messages go in by the fourth of its files, and come out by the fifth, each with a zero byte at its end
          { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true }
        )
      ),
      (running) =>
        Effect.andThen(
          // with its children, which are a group of processes of their own
          Effect.sync(() => running.pid !== undefined && process.kill(-running.pid, "SIGKILL")),
          awaitExit(running)
        )
    )
    const { pid } = child
    if (pid === undefined) return assert.fail(`${file} could not be started`)
    yield* Effect.andThen(
      guard.add(pid),
      Effect.addFinalizer(() => guard.remove(pid))
    )
    const [, , , input, output] = child.stdio as unknown as [null, null, null, Writable, Readable]
    const waiting = new Map<number, (answer: Answer) => void>()
    let last = 0
    let rest = ""
    output.setEncoding("utf8").on("data", (text: string) => {
      const messages = (rest + text).split("\0")
      rest = messages.pop() ?? ""
      for (const message of messages) {
        const answer = JSON.parse(message) as Answer
        if (answer.id === undefined) continue
        waiting.get(answer.id)?.(answer)
        waiting.delete(answer.id)
      }
    })
    const call = (method: string, params: object, sessionId?: string) =>
      Effect.callback<NonNullable<Answer["result"]>>((resume) => {
        const id = ++last
        waiting.set(id, ({ error, result }) =>
          resume(
            error === undefined ? Effect.succeed(result ?? {}) : Effect.die(new Error(`${method}: ${error.message}`))
          )
        )
        input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
      })
    return (url) =>
      Effect.gen(function* () {
        const { targetId } = yield* call("Target.createTarget", { url })
        const { sessionId } = yield* call("Target.attachToTarget", { targetId, flatten: true })
        const evaluate: Page["evaluate"] = (expression) =>
          Effect.flatMap(
            call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true }, sessionId),
            ({ exceptionDetails, result }) =>
              exceptionDetails === undefined
                ? Effect.succeed(result?.value)
                : Effect.die(new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`))
          )
        return {
          evaluate,
          shows: (expression, expected) =>
            Effect.asVoid(eventually(evaluate(expression), (seen) => JSON.stringify(seen) === JSON.stringify(expected)))
        }
      })
  })

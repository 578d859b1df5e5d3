/** A runner as a process: what it is told, and what it answers. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { run } from "../test/kafka/process.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import type { Command } from "./installing.ts"
import { committedBy } from "./loader.ts"
import { Answer } from "./results.ts"
import type { Runner } from "./runners.ts"
import type { fetchSizes, Workload } from "./workloads.ts"

/** One runner on one workload. */
export interface Job {
  readonly brokers: string
  readonly topic: string
  readonly workload: Workload
  readonly runner: Runner
  readonly command: Command
  /** `undefined`: what each has by default. */
  readonly fetchSizes: typeof fetchSizes | undefined
}

/** What came out of it. */
export interface Measured {
  readonly runtime: string
  readonly figures: Readonly<Record<string, number>>
}

export const wrong = (message: string) => new TestKafkaError({ reason: "process", message })

export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-bench-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

/** Runs it to its end. */
export const runRunner = (
  { brokers, command, fetchSizes, runner, topic, workload }: Job,
  more: Readonly<Record<string, string>>
): Effect.Effect<typeof Answer.Type, TestKafkaError> =>
  Effect.gen(function* () {
    const parameters = {
      task: workload.task,
      brokers,
      topic,
      partitions: workload.topic.partitions,
      format: runner.format,
      store: runner.store,
      ...more,
      ...workload.parameters,
      ...fetchSizes
    }
    const heap =
      command.node && workload.nodeHeapMb !== undefined ? [`--max-old-space-size=${workload.nodeHeapMb}`] : []
    const args = [...heap, ...command.args, ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`)]
    const output = yield* run(command.program, args, {
      ...(command.env === undefined ? {} : { env: command.env }),
      timeout: Duration.seconds(workload.timeoutSeconds)
    })
    const line = output.stdout.toString().trimEnd().split("\n").at(-1) ?? ""
    return yield* Effect.mapError(Schema.decodeEffect(Answer)(line), (cause) =>
      wrong(`odd answer: ${cause.message}\n${output.stderr.slice(-2000)}`)
    )
  })

/** A member that has ended has committed all that it was handed: no more, and no less. */
export const checkCommitted = ({ brokers, topic }: Job, group: string): Effect.Effect<void, TestKafkaError> =>
  Effect.flatMap(committedBy(brokers, topic, group), ({ committed, ends }) =>
    committed.join() === ends.join()
      ? Effect.void
      : wrong(`committed ${committed.join(", ")} where the partitions end at ${ends.join(", ")}`)
  )

/** One runner on one workload, once. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { run } from "../test/kafka/process.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { recordsIn, writeLive, type Loaded } from "./loader.ts"
import { Answer } from "./results.ts"
import type { Command, Runner } from "./runners.ts"
import { liveRate, type fetchSizes, type Workload } from "./workloads.ts"

const wrong = (message: string) => new TestKafkaError({ reason: "process", message })

const sameContent = (
  what: string,
  found: { readonly count: number; readonly checksum: number },
  right: { readonly count: number; readonly checksum: number }
) =>
  found.count === right.count && found.checksum === right.checksum
    ? Effect.void
    : wrong(
        `wrong content: ${found.count} ${what} with checksum ${found.checksum} instead of ${right.count} with ${right.checksum}`
      )

/** Runs it, and believes nothing that it says before its content, or what it did to the topic, is seen to be right. */
export const measure = (
  job: {
    readonly brokers: string
    readonly topic: string
    readonly workload: Workload
    readonly runner: Runner
    readonly command: Command
    /** `undefined`: what each has by default. */
    readonly fetchSizes: typeof fetchSizes | undefined
  },
  loaded: Loaded
): Effect.Effect<{ readonly runtime: string; readonly figures: Readonly<Record<string, number>> }, TestKafkaError> =>
  Effect.gen(function* () {
    const { brokers, command, runner, topic, workload } = job
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-bench-"))),
      (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
    )
    const ready = path.join(directory, "ready")
    const parameters = {
      task: workload.task,
      brokers,
      topic,
      partitions: workload.topic.partitions,
      format: runner.format,
      store: runner.store,
      directory,
      ready,
      ...workload.parameters,
      ...job.fetchSizes
    }
    const heap =
      command.node && workload.nodeHeapMb !== undefined ? [`--max-old-space-size=${workload.nodeHeapMb}`] : []
    const args = [...heap, ...command.args, ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`)]
    const spawnedAt = yield* Clock.currentTimeMillis
    const [output, live] = yield* Effect.all(
      [
        run(command.program, args, {
          ...(command.env === undefined ? {} : { env: command.env }),
          timeout: Duration.seconds(workload.timeoutSeconds)
        }),
        workload.task === "follow"
          ? writeLive({ brokers, topic, ready, rate: liveRate, seconds: workload.parameters["seconds"] ?? 1 })
          : Effect.succeed({ written: 0, counted: 0 })
      ],
      { concurrency: "unbounded" }
    )
    const line = output.stdout.toString().trimEnd().split("\n").at(-1) ?? ""
    const answer = yield* Effect.mapError(Schema.decodeEffect(Answer)(line), (cause) =>
      wrong(`odd answer: ${cause.message}\n${output.stderr.slice(-2000)}`)
    )

    if (workload.task === "catchUp") {
      const { content, log } = answer
      if (content !== undefined) {
        yield* sameContent(
          "keys",
          { count: content.keys, checksum: content.checksum },
          { count: loaded.keys, checksum: loaded.checksum }
        )
      } else if (log !== undefined) {
        yield* sameContent(
          "records",
          { count: log.records, checksum: log.checksum },
          { count: loaded.records, checksum: loaded.logChecksum }
        )
      } else {
        return yield* wrong("does not say what it holds")
      }
    } else {
      if (answer.seen !== undefined && answer.seen !== live.counted) {
        return yield* wrong(`saw ${answer.seen} of ${live.counted} live records`)
      }
      const right = loaded.records + (answer.written ?? 0) + live.written
      const records = yield* recordsIn(brokers, topic)
      if (records !== right) return yield* wrong(`${records} records in the topic instead of ${right}`)
    }

    const { rss, heap: heapBytes, idleRss, peakRss, ...figures } = answer.figures
    const { seconds } = figures
    const perEntry = (bytes: number | undefined) =>
      bytes === undefined || loaded.keys === 0 ? undefined : bytes / loaded.keys
    const derived = {
      sinceSpawn: answer.endedAt === undefined ? undefined : (answer.endedAt - spawnedAt) / 1000,
      recordsPerSecond: seconds === undefined || loaded.records === 0 ? undefined : loaded.records / seconds,
      rssPerEntry: perEntry(rss),
      heapPerEntry: perEntry(heapBytes),
      idleRss: idleRss === undefined ? undefined : idleRss / 1e6,
      peakRss: peakRss === undefined ? undefined : peakRss / 1e6
    }
    const known = Object.entries(derived).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const]
    )
    return { runtime: answer.runtime, figures: { ...figures, ...Object.fromEntries(known) } }
  }).pipe(Effect.scoped)

/** One runner on one workload, once. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import type { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { recordsIn, writeLive, type Loaded } from "./loader.ts"
import { measureRebalance } from "./rebalance.ts"
import { checkCommitted, runRunner, temporaryDirectory, wrong, type Job, type Measured } from "./runnerProcess.ts"
import { groupTasks } from "./workloads.ts"

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
export const measure = (job: Job, loaded: Loaded): Effect.Effect<Measured, TestKafkaError> =>
  Effect.gen(function* () {
    const { brokers, topic, workload } = job
    if (workload.task === "rebalance") return yield* measureRebalance(job)
    const directory = yield* temporaryDirectory
    const ready = path.join(directory, "ready")
    const group = `bench-${randomUUID()}`
    const spawnedAt = yield* Clock.currentTimeMillis
    const [answer, live] = yield* Effect.all(
      [
        runRunner(job, { directory, ready, group }),
        workload.task === "follow" || workload.task === "consumeFollow"
          ? writeLive({ brokers, topic, ready, ...workload.parameters })
          : Effect.succeed({ written: 0, counted: 0 })
      ],
      { concurrency: "unbounded" }
    )

    if (workload.task === "catchUp" || workload.task === "consume") {
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
    if (workload.task === "consume" && answer.consumed !== loaded.records) {
      return yield* wrong(`was handed ${answer.consumed} of ${loaded.records} records`)
    }
    if (groupTasks.includes(workload.task) && workload.task !== "assign") yield* checkCommitted(job, group)

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

/** That the bench believes nobody: runners that are wrong, or say nothing, have no figures. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { measure } from "../../bench/measure.ts"
import type { Runner } from "../../bench/runners.ts"
import { workloads, type Workload } from "../../bench/workloads.ts"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"

const flat = workloads(true).find(({ id }) => id === "flat")
if (flat === undefined) throw new Error("there is no workload flat")

const loaded = { records: 30, logChecksum: 77, keys: 20, checksum: 55 }

/** A JavaScript program as a runner of the workload. */
const running = (source: string, changes: Partial<Workload> = {}) => {
  const command = { program: process.execPath, args: ["-e", source, "--"], node: false }
  const runner: Runner = {
    id: "one",
    peer: "one",
    title: "one",
    format: "raw",
    store: "memory",
    tasks: ["catchUp"],
    install: Effect.succeed(command)
  }
  const job = { brokers: "localhost:1", topic: "t", workload: { ...flat, ...changes }, runner, command }
  return measure({ ...job, fetchSizes: undefined }, loaded)
}

const answering = (text: string) => running(`process.stdout.write(${JSON.stringify(text)})`)

const answer = (more: object) => JSON.stringify({ runtime: "one 1.0", figures: { seconds: 0.5, rss: 4000 }, ...more })

const refused = (text: string) => Effect.map(Effect.flip(answering(text)), (error: TestKafkaError) => error.message)

describe("one measurement", () => {
  it.live("takes the figures of a runner with the right content", () =>
    Effect.gen(function* () {
      const table = yield* answering(`some noise\n${answer({ content: { keys: 20, checksum: 55 } })}\n`)
      expect(table).toEqual({
        runtime: "one 1.0",
        figures: { seconds: 0.5, rssPerEntry: 200, recordsPerSecond: 60 }
      })
      const reader = yield* answering(answer({ log: { records: 30, checksum: 77 } }))
      expect(reader.figures["seconds"]).toBe(0.5)
    })
  )

  it.live("refuses wrong content, whatever the figures", () =>
    Effect.gen(function* () {
      expect(yield* refused(answer({ content: { keys: 19, checksum: 55 } }))).toContain("wrong content: 19 keys")
      expect(yield* refused(answer({ content: { keys: 20, checksum: 54 } }))).toContain("wrong content: 20 keys")
      expect(yield* refused(answer({ log: { records: 20, checksum: 55 } }))).toContain("wrong content: 20 records")
      expect(yield* refused(answer({}))).toContain("does not say what it holds")
    })
  )

  it.live("refuses a member of a group that was handed less, or more, whatever it read later", () =>
    Effect.gen(function* () {
      const consumed = (records: number) =>
        Effect.map(
          Effect.flip(
            running(
              `process.stdout.write(${JSON.stringify(answer({ consumed: records, log: { records: 30, checksum: 77 } }))})`,
              { task: "consume" }
            )
          ),
          ({ message }) => message
        )
      expect(yield* consumed(29)).toContain("was handed 29 of 30 records")
      expect(yield* consumed(31)).toContain("was handed 31 of 30 records")
    })
  )

  it.live("refuses what is no answer", () =>
    Effect.gen(function* () {
      expect(yield* refused("")).toContain("odd answer")
      expect(yield* refused("ready\n")).toContain("odd answer")
      expect(yield* refused(JSON.stringify({ runtime: "one", figures: { seconds: null } }))).toContain("odd answer")
    })
  )

  it.live("ends a runner that does not end", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(running("setInterval(() => {}, 1000)", { timeoutSeconds: 1 }))
      expect(error.reason).toBe("timeout")
    })
  )
})

/** The bench itself, on tiny sizes: every kind of task, on a real broker. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { beforeId, Results } from "../../bench/results.ts"
import { run } from "../kafka/process.ts"
import { realKafka } from "../kafka/realKafka.ts"
import { HUNG_MILLIS } from "../support/patience.ts"
import { isLongRun } from "../support/rounds.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Dozens of processes, one after the other, each of which says when it is done. */
const TEST_LIMIT_MILLIS = 3 * HUNG_MILLIS

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-bench-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)

const ours = ["ours", "ours-typed"]
const onEffect3 = ["ours-effect-3", "ours-effect-3-typed"]
const before = onEffect3.map(beforeId)

/** Runs the bench on tiny sizes. A runner that fails, or is wrong, makes the command fail. */
const bench = (only: string, peers: string, ...more: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const out = yield* temporaryDirectory
    const tsx = path.join(root, "node_modules", "tsx", "dist", "cli.mjs")
    const args = [tsx, "bench/run.ts", "--quick", "--only", only, "--peers", peers, "--out", out, ...more]
    const { stdout } = yield* run(process.execPath, args, { cwd: root })
    const read = (name: string) => fs.readFileSync(path.join(out, name), "utf8")
    const results = yield* Schema.decodeEffect(Schema.fromJsonString(Results))(read("results.json"))
    expect(results.absent).toEqual([])
    expect(results.runs.filter(({ error }) => error !== undefined)).toEqual([])
    for (const { figures } of results.runs) expect(Object.keys(figures)).not.toEqual([])
    return {
      read,
      results,
      said: stdout.toString(),
      ran: (workload: string) => results.runs.filter((one) => one.workload === workload).map(({ runner }) => runner),
      figures: (workload: string, runner: string) =>
        results.runs.find((one) => one.workload === workload && one.runner === runner)?.figures ?? {}
    }
  })

realKafka("npm run bench", { java: true, python: true }, () => {
  it.live(
    "measures effect-ktables, librdkafka and kafkajs, and finds all of them right",
    () =>
      Effect.gen(function* () {
        // One of each task, or all that there is.
        const tasks = "flat,growth,follow,waits,writes,reads,fanOut,consume,assign"
        const all = isLongRun ? `${tasks},hot,wide,gzip,empty,publish,consumeFollow,rebalance` : tasks
        const { figures, ran, read, results, said } = yield* bench(all, "ours,librdkafka,kafkajs")
        expect(results.quick).toBe(true)
        expect(results.rounds).toBe(1)
        expect(results.runners.map(({ id }) => id)).toEqual([...ours, "librdkafka", "kafkajs", "kafkajs-typed"])

        expect(ran("flat")).toEqual([...ours, "librdkafka", "kafkajs"])
        // what is compared takes turns, and asking for the one brings the other
        const growing = results.runs.filter(({ workload }) => workload.startsWith("growth"))
        expect(growing.map(({ runner, workload }) => [runner, workload])).toEqual([
          ["ours", "growth-tenth"],
          ["ours", "growth"],
          ["librdkafka", "growth-tenth"],
          ["librdkafka", "growth"]
        ])
        expect(ran("follow")).toEqual(["ours", "kafkajs"])
        expect(ran("waits")).toEqual(["ours"])
        expect(ran("writes")).toEqual(["ours", "kafkajs"])
        expect(ran("reads")).toEqual(["ours-typed"])
        expect(ran("fanOut")).toEqual(["ours"])
        expect(ran("consume")).toEqual([...ours, "kafkajs", "kafkajs-typed"])
        expect(ran("consumeEach")).toEqual(["ours", "kafkajs"])
        expect(ran("consumeLanes")).toEqual(["ours"])
        expect(ran("assign")).toEqual(["ours"])

        const flat = figures("flat", "ours")
        expect(flat["seconds"]).toBeGreaterThan(0)
        expect(flat["sinceSpawn"]).toBeGreaterThan(flat["seconds"] ?? 0)
        expect(flat["recordsPerSecond"]).toBeCloseTo(10_000 / (flat["seconds"] ?? 0), 3)
        // Nobody holds 236 bytes in less.
        expect(flat["heapPerEntry"]).toBeGreaterThan(236)
        expect(figures("follow", "ours")["liveP99"]).toBeGreaterThan(0)
        expect(figures("writes", "ours")["writes256"]).toBeGreaterThan(0)
        expect(figures("consume", "ours")["cpuSeconds"]).toBeGreaterThan(0)
        expect(figures("assign", "ours")["assignSticky"]).toBeGreaterThan(0)
        if (isLongRun) {
          expect(ran("hot")).toEqual([...ours, "librdkafka", "kafkajs"])
          for (const data of ["wide", "gzip", "empty"]) expect(ran(data)).toEqual(["ours", "librdkafka", "kafkajs"])
          expect(ran("publish")).toEqual(["ours", "kafkajs"])
          expect(ran("consumeFollow")).toEqual(["ours", "kafkajs"])
          expect(figures("consumeFollow", "ours")["liveP99"]).toBeGreaterThan(0)
          expect(ran("rebalance")).toEqual(["ours", "kafkajs"])
          expect(figures("rebalance", "ours")["joinRepeats"]).toBe(0)
          expect(figures("rebalance", "ours")["killMovedGap"]).toBeGreaterThan(0)
        }

        expect(read("results.md")).toContain("## Targets")
        expect(read("results.svg")).toMatch(/^<svg [^]*<rect [^]*<\/svg>\n$/)
        expect(said).toContain("Nobody of those who were asked to run.")
      }),
    TEST_LIMIT_MILLIS
  )

  it.live(
    "measures the package for Effect 3, and an earlier commit beside",
    () =>
      Effect.gen(function* () {
        const others = ["follow", "waits", "fanOut"]
        const all = ["flat", "writes", "reads", ...(isLongRun ? others : [])].join(",")
        const { ran, read, results } = yield* bench(all, "ours-effect-3", "--before", "HEAD")
        expect(results.runners.map(({ id }) => id)).toEqual([...onEffect3, ...before])
        expect(ran("flat")).toEqual([...onEffect3, ...before])
        for (const task of ["writes", ...(isLongRun ? others : [])]) {
          expect(ran(task)).toEqual(["ours-effect-3", "before-effect-3"])
        }
        expect(ran("reads")).toEqual(["ours-effect-3-typed", "before-effect-3-typed"])
        const [, compared] = read("results.md").split("## Before and after")
        for (const row of ["flat, Effect 3", "flat, Effect 3, typed", "writes, Effect 3", "reads, Effect 3, typed"]) {
          expect(compared).toMatch(
            new RegExp(`^\\| ${row} +\\| CPU, s +\\| [\\d.]+ +\\| [\\d.]+ +\\| [\\d.]+ +\\|$`, "m")
          )
        }
      }),
    TEST_LIMIT_MILLIS
  )
})

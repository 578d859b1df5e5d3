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

const root = fileURLToPath(new URL("../..", import.meta.url))

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-bench-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)

realKafka("npm run bench", { java: true, python: true }, () => {
  it.live(
    "measures effect-ktables on both majors of Effect, librdkafka and kafkajs, and finds all of them right",
    () =>
      Effect.gen(function* () {
        const out = yield* temporaryDirectory
        const tsx = path.join(root, "node_modules", "tsx", "dist", "cli.mjs")
        const only = "flat,growth,hot,wide,gzip,empty,follow,waits,writes,reads,fanOut"
        const args = [
          tsx,
          "bench/run.ts",
          "--quick",
          "--only",
          only,
          "--peers",
          "ours,ours-effect-3,librdkafka,kafkajs",
          "--before",
          "HEAD",
          "--out",
          out
        ]
        // A runner that fails, or is wrong, makes the command fail.
        const { stdout } = yield* run(process.execPath, args, { cwd: root, timeout: "8 minutes" })

        const read = (name: string) => fs.readFileSync(path.join(out, name), "utf8")
        const results = yield* Schema.decodeEffect(Schema.fromJsonString(Results))(read("results.json"))
        expect(results.quick).toBe(true)
        expect(results.rounds).toBe(1)
        expect(results.absent).toEqual([])
        const ours = ["ours", "ours-typed", "ours-effect-3", "ours-effect-3-typed"]
        const before = ours.map(beforeId)
        const raw = (ids: ReadonlyArray<string>) => ids.filter((id) => !id.endsWith("-typed"))
        const typed = (ids: ReadonlyArray<string>) => ids.filter((id) => id.endsWith("-typed"))
        expect(results.runners.map(({ id }) => id)).toEqual([...ours, "librdkafka", "kafkajs", ...before])
        expect(results.runs.filter(({ error }) => error !== undefined)).toEqual([])

        const ran = (workload: string) =>
          results.runs.filter((one) => one.workload === workload).map(({ runner }) => runner)
        expect(ran("flat")).toEqual([...ours, "librdkafka", "kafkajs", ...before])
        // what is compared takes turns, and asking for the one brings the other
        const growing = results.runs.filter(({ workload }) => workload.startsWith("growth"))
        expect(growing.map(({ runner, workload }) => [runner, workload])).toEqual([
          ["ours", "growth-tenth"],
          ["ours", "growth"],
          ["ours-effect-3", "growth-tenth"],
          ["ours-effect-3", "growth"],
          ["librdkafka", "growth-tenth"],
          ["librdkafka", "growth"],
          ["before", "growth-tenth"],
          ["before", "growth"],
          ["before-effect-3", "growth-tenth"],
          ["before-effect-3", "growth"]
        ])
        expect(ran("hot")).toEqual([...ours, "librdkafka", "kafkajs", ...before])
        expect(ran("wide")).toEqual([...raw(ours), "librdkafka", "kafkajs", ...raw(before)])
        expect(ran("gzip")).toEqual([...raw(ours), "librdkafka", "kafkajs", ...raw(before)])
        expect(ran("empty")).toEqual([...raw(ours), "librdkafka", "kafkajs", ...raw(before)])
        expect(ran("follow")).toEqual([...raw(ours), "kafkajs", ...raw(before)])
        expect(ran("waits")).toEqual([...raw(ours), ...raw(before)])
        expect(ran("writes")).toEqual([...raw(ours), "kafkajs", ...raw(before)])
        expect(ran("reads")).toEqual([...typed(ours), ...typed(before)])
        expect(ran("fanOut")).toEqual([...raw(ours), ...raw(before)])

        const figures = (workload: string, runner: string) =>
          results.runs.find((one) => one.workload === workload && one.runner === runner)?.figures ?? {}
        const flat = figures("flat", "ours")
        expect(flat["seconds"]).toBeGreaterThan(0)
        expect(flat["sinceSpawn"]).toBeGreaterThan(flat["seconds"] ?? 0)
        expect(flat["recordsPerSecond"]).toBeCloseTo(10_000 / (flat["seconds"] ?? 0), 3)
        // Nobody holds 236 bytes in less.
        expect(flat["heapPerEntry"]).toBeGreaterThan(236)
        expect(figures("follow", "ours")["liveP99"]).toBeGreaterThan(0)
        expect(figures("writes", "ours")["writes256"]).toBeGreaterThan(0)
        for (const { figures } of results.runs) expect(Object.keys(figures)).not.toEqual([])

        expect(read("results.md")).toContain("## Targets")
        const [, compared] = read("results.md").split("## Before and after")
        for (const row of ["flat", "flat, typed", "writes", "reads, typed"]) {
          expect(compared).toMatch(
            new RegExp(`^\\| ${row} +\\| CPU, s +\\| [\\d.]+ +\\| [\\d.]+ +\\| [\\d.]+ +\\|$`, "m")
          )
        }
        expect(read("results.svg")).toMatch(/^<svg [^]*<rect [^]*<\/svg>\n$/)
        expect(stdout.toString()).toContain("Nobody of those who were asked to run.")
      }),
    600_000
  )
})

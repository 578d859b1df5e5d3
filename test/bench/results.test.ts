/** What the bench makes of figures: statistics, targets, and what it says about those who are missing. */
import { describe, expect, it } from "@effect/vitest"
import { chart } from "../../bench/chart.ts"
import { report } from "../../bench/report.ts"
import { spread, type Results, type Run } from "../../bench/results.ts"
import { targets } from "../../bench/targets.ts"

const run = (workload: string, runner: string, round: number, figures: Run["figures"]): Run => ({
  workload,
  runner,
  round,
  runtime: `${runner} 1.0`,
  figures
})

const workload = (id: string, task: string): Results["workloads"][number] => ({
  id,
  title: `about ${id}`,
  task,
  records: 1_000_000,
  keys: 1_000_000,
  partitions: 1,
  compression: "none",
  valueBytes: 236
})

const results: Results = {
  startedAt: "2026-01-02T03:04:05.000Z",
  minutes: 21.4,
  quick: false,
  rounds: 3,
  machine: { processor: "A Processor", cores: 2, memoryGb: 24, system: "Linux 6, x64" },
  broker: "Apache Kafka 4.1.0",
  fetchSizes: { maxBytes: 8_388_608 },
  workloads: [workload("flat", "catchUp"), workload("follow", "follow")],
  runners: [
    { id: "ours", title: "effect-ktables" },
    { id: "librdkafka", title: "librdkafka" },
    { id: "ktables", title: "ktables" },
    { id: "kafkajs", title: "kafkajs <group>" }
  ],
  absent: [{ title: "goka view", reason: "cannot run go: install Go\nor a newer one" }],
  runs: [
    run("flat", "ours", 1, { seconds: 2, rssPerEntry: 390, loopP99: 3, loopMax: 20 }),
    run("flat", "ours", 2, { seconds: 1, rssPerEntry: 380, loopP99: 4, loopMax: 21 }),
    run("flat", "ours", 3, { seconds: 1.5, rssPerEntry: 400, loopP99: 5, loopMax: 60 }),
    run("flat", "librdkafka", 1, { seconds: 1 }),
    run("flat", "librdkafka", 2, { seconds: 2 }),
    run("flat", "ktables", 1, { seconds: 2.4 }),
    {
      workload: "flat",
      runner: "kafkajs",
      round: 1,
      figures: {},
      error: "exit 1\n\nTraceback\nwrong content: 3 keys\n"
    },
    run("flat", "kafkajs", 2, { seconds: 6 }),
    run("follow", "ours", 1, { idleCpu: 0.2 })
  ]
}

const target = (figure: string, goal: string) =>
  targets(results).find((one) => one.figure === figure && one.target.includes(goal))

describe("the bench's results", () => {
  it("has medians of odd and even numbers of rounds, and their spread", () => {
    expect(spread(results, "flat", "ours", "seconds")).toEqual({ median: 1.5, min: 1, max: 2 })
    expect(spread(results, "flat", "librdkafka", "seconds")).toEqual({ median: 1.5, min: 1, max: 2 })
    expect(spread(results, "flat", "kafkajs", "seconds")).toEqual({ median: 6, min: 6, max: 6 })
    expect(spread(results, "flat", "ours", "heapPerEntry")).toBeUndefined()
    expect(spread(results, "hot", "ours", "seconds")).toBeUndefined()
  })

  it("judges targets by ratios of medians, and none that was not measured", () => {
    expect(target("catch-up, raw, flat", "librdkafka")).toMatchObject({ measured: "1 ×", met: true })
    expect(target("catch-up, raw, flat", "ktables")).toMatchObject({ measured: "1.6 ×", met: false })
    expect(target("catch-up, raw, flat", "kafkajs")).toMatchObject({ measured: "4 ×", met: true })
    expect(target("catch-up, raw, flat", "GlobalKTable")).toMatchObject({ measured: "not measured", met: undefined })
    expect(target("memory, flat, raw", "396")).toMatchObject({ measured: "390 B/entry", met: true })
    expect(target("idle table", "0.5")).toMatchObject({ met: true })
    // One of the two that it is about is missing.
    expect(target("event loop in catch-up, p99", "15")?.met).toBeUndefined()
  })

  it("says who is missing and who failed, with machine, sizes and versions", () => {
    const text = report(results)
    expect(text).toContain("- **absent**: goka view: cannot run go: install Go: or a newer one\n")
    expect(text).toContain("- **failed**: kafkajs <group>, flat, round 1: exit 1: wrong content: 3 keys\n")
    expect(text).toContain("kafkajs <group> (**failed** 1 of 2)")
    expect(text).toContain("A Processor, 2 cores, 24 GB, Linux 6, x64. Apache Kafka 4.1.0.")
    expect(text).toContain("1,000,000 records, 1,000,000 keys, values of 236 bytes, 1 partition, uncompressed")
    expect(text).toContain("- effect-ktables: ours 1.0")
    expect(text).toMatch(/\| effect-ktables +\| 1\.00 +\| 1\.50 \(1\.00–2\.00\)/)
    expect(text).not.toContain("quick run")
    expect(report({ ...results, quick: true })).toContain("quick run")
  })

  it("draws a bar for each that was measured, and no broken picture", () => {
    const picture = chart(results)
    expect(picture.match(/<rect /g)).toHaveLength(5) // four times, one of memory
    expect(picture).toContain("kafkajs &lt;group&gt;")
    expect(picture).not.toContain("NaN")
    expect(chart({ ...results, runs: [] })).not.toContain("<rect")
  })
})

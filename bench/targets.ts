/** What the project wants to reach, judged by one run: medians, and ratios of medians. */
import { spread, type Figure, type Results } from "./results.ts"
import { compressions } from "./workloads.ts"

export interface Target {
  readonly figure: string
  readonly target: string
  readonly measured: string
  /** `undefined`: not measured in this run. */
  readonly met: boolean | undefined
}

const round = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3
  return value.toLocaleString("en-US", { maximumFractionDigits: digits })
}

export const targets = (results: Results): ReadonlyArray<Target> => {
  const median = (workload: string, runner: string, figure: Figure) => spread(results, workload, runner, figure)?.median
  const worst = (workload: string, runner: string, figure: Figure) => spread(results, workload, runner, figure)?.max

  const judge = (
    figure: string,
    target: string,
    value: number | undefined,
    met: (value: number) => boolean,
    unit: string
  ): Target => ({
    figure,
    target,
    measured: value === undefined ? "not measured" : `${round(value)}${unit}`,
    met: value === undefined ? undefined : met(value)
  })
  const atMost = (figure: string, limit: number, unit: string, value: number | undefined) =>
    judge(figure, `≤ ${round(limit)}${unit}`, value, (measured) => measured <= limit, unit)
  const ratio = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a / b
  const atMostTimes = (figure: string, limit: number, of: string, value: number | undefined) =>
    judge(figure, `≤ ${limit} × ${of}`, value, (measured) => measured <= limit, " ×")
  const timesFaster = (figure: string, limit: number, than: string, value: number | undefined) =>
    judge(figure, `at least ${limit} × faster than ${than}`, value, (measured) => measured >= limit, " ×")
  const below = (figure: string, than: string, value: number | undefined) =>
    judge(figure, `below ${than}`, value, (measured) => measured < 1, " ×")

  const seconds = (workload: string, runner: string) => median(workload, runner, "seconds")
  const entry = (runner: string, workload = "flat") => median(workload, runner, "rssPerEntry")
  const raw = seconds("flat", "ours")
  const typed = seconds("flat", "ours-typed")
  const loop = ["ours", "ours-typed"] as const
  const cpu = (workload: string, runner: string) => median(workload, runner, "cpuSeconds")
  /** What records cost more in one workload than in another, in microseconds each. */
  const moreMicros = (workload: string, than: string) => {
    const [more, less] = [cpu(workload, "ours"), cpu(than, "ours")]
    const records = results.workloads.find(({ id }) => id === workload)?.records
    if (more === undefined || less === undefined || records === undefined) return undefined
    return ((more - less) * 1e6) / records
  }
  const larger = (values: ReadonlyArray<number | undefined>) =>
    values.includes(undefined) ? undefined : Math.max(...values.flatMap((value) => value ?? []))

  return [
    atMostTimes("catch-up, raw, flat", 1.25, "librdkafka", ratio(raw, seconds("flat", "librdkafka"))),
    timesFaster("catch-up, raw, flat", 1.8, "ktables", ratio(seconds("flat", "ktables"), raw)),
    timesFaster("catch-up, raw, flat", 2.2, "GlobalKTable in memory", ratio(seconds("flat", "streams"), raw)),
    timesFaster("catch-up, raw, flat", 2.2, "kafkajs", ratio(seconds("flat", "kafkajs"), raw)),
    timesFaster("catch-up, typed, flat", 3, "ktables with pydantic", ratio(seconds("flat", "ktables-typed"), typed)),
    atMostTimes("catch-up, typed, flat", 1, "GlobalKTable, not decoding", ratio(typed, seconds("flat", "streams"))),
    timesFaster(
      "catch-up, typed, hot",
      4,
      "ktables with pydantic",
      ratio(seconds("hot", "ktables-typed"), seconds("hot", "ours-typed"))
    ),
    ...compressions.map((compression) => {
      const id = compression === "none" ? "uncompressed" : compression
      return below(`catch-up, ${id}`, "ktables", ratio(seconds(id, "ours"), seconds(id, "ktables")))
    }),
    atMostTimes(
      "growth: ten times the records",
      11,
      "the time",
      ratio(seconds("growth", "ours"), seconds("growth-tenth", "ours"))
    ),
    atMostTimes(
      "growth: memory per entry",
      1.1,
      "that of a tenth",
      ratio(entry("ours", "growth"), entry("ours", "growth-tenth"))
    ),
    atMost("memory, flat, raw", 236 + 160, " B/entry", entry("ours")),
    below("memory, flat, raw", "ktables", ratio(entry("ours"), entry("ktables"))),
    below("memory, flat, raw", "GlobalKTable in memory", ratio(entry("ours"), entry("streams"))),
    below("memory, flat, raw", "kafkajs", ratio(entry("ours"), entry("kafkajs"))),
    atMost("event loop in catch-up, p99", 15, " ms", larger(loop.map((runner) => median("flat", runner, "loopP99")))),
    atMost("the same, longest of all", 50, " ms", larger(loop.map((runner) => worst("flat", runner, "loopMax")))),
    atMostTimes(
      "set to visible, p50",
      1,
      "ktables",
      ratio(median("waits", "ours", "visibleP50"), median("waits", "ktables", "visibleP50"))
    ),
    atMostTimes(
      "set to visible, p99",
      1,
      "ktables",
      ratio(median("waits", "ours", "visibleP99"), median("waits", "ktables", "visibleP99"))
    ),
    atMost("barrier on an idle table, p50", 2, " ms", median("waits", "ours", "barrierP50")),
    atMost("barrier on an idle table, p99", 10, " ms", median("waits", "ours", "barrierP99")),
    atMost("awaitPosition right after set, p50", 1, " ms", median("waits", "ours", "ownWriteP50")),
    atMostTimes(
      "write, one at a time, p50",
      1.1,
      "kafkajs",
      ratio(median("writes", "ours", "writeP50"), median("writes", "kafkajs", "writeP50"))
    ),
    timesFaster(
      "writes, 64 in flight",
      5,
      "ktables",
      ratio(median("writes", "ours", "writes64"), median("writes", "ktables", "writes64"))
    ),
    timesFaster(
      "writes of 1 KB, 64 in flight",
      5,
      "ktables",
      ratio(median("writes-1k", "ours", "writes64"), median("writes-1k", "ktables", "writes64"))
    ),
    judge(
      "writes, 256 in flight",
      "no slower than 64",
      ratio(median("writes", "ours", "writes256"), median("writes", "ours", "writes64")),
      (measured) => measured >= 1,
      " ×"
    ),
    atMost("read off a snapshot", 100, " ns", median("reads", "ours-typed", "snapshotNanos")),
    atMost("read through the Effect API", 1000, " ns", median("reads", "ours-typed", "effectNanos")),
    atMost("one update to 1,000 subscribers, p50", 5, " ms", median("fanOut", "ours", "fanOutP50")),
    atMost("idle table", 0.5, " % of a core", median("follow", "ours", "idleCpu")),
    atMost(
      "cold start of an empty table",
      60,
      " ms",
      ((value) => (value === undefined ? undefined : value * 1000))(seconds("empty", "ours"))
    ),
    atMostTimes(
      "consumer, decoded: CPU",
      1.15,
      "a table's",
      ratio(cpu("consume", "ours-typed"), cpu("flat", "ours-typed"))
    ),
    atMostTimes(
      "consumer, decoded: CPU",
      0.6,
      "kafkajs eachBatch",
      ratio(cpu("consume", "ours-typed"), cpu("consume", "kafkajs-typed"))
    ),
    atMost("an Effect for each record", 1, " µs a record", moreMicros("consumeEach", "consume")),
    atMost("16 at once, by key", 0.5, " µs a record", moreMicros("consumeLanes", "consumeEach")),
    timesFaster(
      "events published",
      2,
      "kafkajs sendBatch",
      ratio(median("publish", "ours", "published"), median("publish", "kafkajs", "published"))
    ),
    atMost("idle consumer", 0.2, " % of a core", median("consumeFollow", "ours", "idleCpu")),
    atMost("members join: partition that stays, longest gap", 50, " ms", median("rebalance", "ours", "joinKeptGap")),
    // a heartbeat of 3 s, by which the others hear of it, and the work in flight
    atMost("members join: partition that moves, longest gap", 3500, " ms", median("rebalance", "ours", "joinMovedGap")),
    atMost("members join: records twice", 0, "", worst("rebalance", "ours", "joinRepeats")),
    atMost(
      "a member is killed: partition that stays, longest gap",
      50,
      " ms",
      median("rebalance", "ours", "killKeptGap")
    )
  ]
}

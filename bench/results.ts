/** What a run of the bench leaves behind, and the statistics on it. */
import * as Schema from "effect/Schema"

/** A figure by its name in `figures`: what reports call it, and in what unit. */
export const figureNames = {
  seconds: { title: "catch-up", unit: "s" },
  sinceSpawn: { title: "from the process's start", unit: "s" },
  cpuSeconds: { title: "CPU", unit: "s" },
  recordsPerSecond: { title: "records/s", unit: "" },
  rssPerEntry: { title: "resident", unit: "B/entry" },
  heapPerEntry: { title: "heap", unit: "B/entry" },
  peakRss: { title: "peak, above idle", unit: "MB" },
  idleRss: { title: "idle process", unit: "MB" },
  loopP99: { title: "event loop held, p99", unit: "ms" },
  loopMax: { title: "longest", unit: "ms" },
  idleCpu: { title: "CPU, idle", unit: "% of a core" },
  liveCpu: { title: "CPU at this rate", unit: "% of a core" },
  liveP50: { title: "write to visible, p50", unit: "ms" },
  liveP99: { title: "p99", unit: "ms" },
  visibleP50: { title: "set to visible, p50", unit: "ms" },
  visibleP99: { title: "p99", unit: "ms" },
  ownWriteP50: { title: "after set until visible for sure, p50", unit: "ms" },
  ownWriteP99: { title: "p99", unit: "ms" },
  barrierP50: { title: "barrier when idle, p50", unit: "ms" },
  barrierP99: { title: "p99", unit: "ms" },
  writeP50: { title: "one at a time, p50", unit: "ms" },
  writeP99: { title: "p99", unit: "ms" },
  writes64: { title: "64 in flight", unit: "/s" },
  writes256: { title: "256 in flight", unit: "/s" },
  snapshotNanos: { title: "off a snapshot", unit: "ns" },
  effectNanos: { title: "through the Effect API", unit: "ns" },
  fanOutP50: { title: "set until the last subscriber has it, p50", unit: "ms" },
  fanOutP99: { title: "p99", unit: "ms" },
  published: { title: "events published, in one call", unit: "/s" },
  publishedEach: { title: "by a call for each", unit: "/s" },
  joinMillis: { title: "two join: until all is even", unit: "ms" },
  joinKeptGap: { title: "longest gap of a partition that stays", unit: "ms" },
  joinMovedGap: { title: "of one that moves", unit: "ms" },
  joinRepeats: { title: "records twice", unit: "" },
  joinRepeatsMost: { title: "most of a partition", unit: "" },
  killMillis: { title: "one is killed: until all is even", unit: "ms" },
  killKeptGap: { title: "longest gap of a partition that stays", unit: "ms" },
  killMovedGap: { title: "of one that moves", unit: "ms" },
  killRepeats: { title: "records twice", unit: "" },
  killRepeatsMost: { title: "most of a partition", unit: "" },
  assignRange: { title: "range", unit: "ms" },
  assignSticky: { title: "cooperative-sticky", unit: "ms" },
  assignGrown: { title: "the same, a tenth of the members has all", unit: "ms" },
  assignStep: { title: "longest step", unit: "ms" }
} as const

export type Figure = keyof typeof figureNames

const Figures = Schema.Record(Schema.String, Schema.Finite)

/** The line that a runner prints. */
export const Answer = Schema.fromJsonString(
  Schema.Struct({
    /** What measured itself, with versions. */
    runtime: Schema.String,
    figures: Figures,
    /** Milliseconds since the epoch: when the catch-up was complete. */
    endedAt: Schema.optional(Schema.Number),
    /** What the table holds. */
    content: Schema.optional(Schema.Struct({ keys: Schema.Number, checksum: Schema.Number })),
    /** What was read, for who holds nothing. */
    log: Schema.optional(Schema.Struct({ records: Schema.Number, checksum: Schema.Number })),
    /** Records that it wrote. */
    written: Schema.optional(Schema.Number),
    /** Records of others that it saw. */
    seen: Schema.optional(Schema.Number),
    /** Records that it was handed as a member of the group, while it was measured. */
    consumed: Schema.optional(Schema.Number)
  })
)

/** One runner, once. */
const Run = Schema.Struct({
  workload: Schema.String,
  runner: Schema.String,
  /** From 1 on. */
  round: Schema.Number,
  runtime: Schema.optional(Schema.String),
  figures: Figures,
  /** It failed, or was wrong; then there are no figures. */
  error: Schema.optional(Schema.String)
})

export type Run = typeof Run.Type

export const Results = Schema.Struct({
  startedAt: Schema.String,
  minutes: Schema.Number,
  quick: Schema.Boolean,
  rounds: Schema.Number,
  machine: Schema.Struct({
    processor: Schema.String,
    cores: Schema.Number,
    memoryGb: Schema.Number,
    system: Schema.String
  }),
  broker: Schema.String,
  fetchSizes: Schema.NullOr(Schema.Record(Schema.String, Schema.Number)),
  workloads: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      title: Schema.String,
      task: Schema.String,
      records: Schema.Number,
      keys: Schema.Number,
      partitions: Schema.Number,
      compression: Schema.String,
      valueBytes: Schema.Number
    })
  ),
  runners: Schema.Array(Schema.Struct({ id: Schema.String, title: Schema.String })),
  /** Who could not be measured, and why. */
  absent: Schema.Array(Schema.Struct({ title: Schema.String, reason: Schema.String })),
  runs: Schema.Array(Run)
})

export type Results = typeof Results.Type

/** The runner of an earlier commit that this one of ours is compared with. */
export const beforeId = (runner: string): string => runner.replace("ours", "before")

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Of the rounds that have this figure; `undefined` if none has. */
export const spread = (results: Results, workload: string, runner: string, figure: Figure): Spread | undefined => {
  const values = results.runs
    .filter((run) => run.workload === workload && run.runner === runner)
    .flatMap((run) => run.figures[figure] ?? [])
    .sort((a, b) => a - b)
  const [min, max] = [values.at(0), values.at(-1)]
  if (min === undefined || max === undefined) return undefined
  const middle = (values.length - 1) / 2
  const median = ((values[Math.floor(middle)] ?? min) + (values[Math.ceil(middle)] ?? max)) / 2
  return { median, min, max }
}

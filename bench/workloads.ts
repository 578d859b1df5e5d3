/** What is measured, once for all who are measured. */

/** What a runner does: see README.md. */
export type Task = "catchUp" | "follow" | "waits" | "writes" | "reads" | "fanOut" | "publish" | GroupTask

/** What is about consumer groups: `assign` is an assignor alone, the others are members at work. */
export type GroupTask = "consume" | "consumeFollow" | "rebalance" | "assign"

export const groupTasks: ReadonlyArray<Task> = [
  "consume",
  "consumeFollow",
  "rebalance",
  "assign"
] satisfies ReadonlyArray<GroupTask>

/** `raw`: values are bytes. `typed`: JSON, decoded to a checked object of 7 fields. */
export type Format = "raw" | "typed"

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd"

export interface Topic {
  readonly records: number
  /** As many as records: each once. Fewer: drawn at random, all alike likely. */
  readonly keys: number
  readonly partitions: number
  readonly compression: Compression
  /** `json`: 236 bytes, 7 fields. `small`: 20 bytes. `large`: 16 KiB. See `values` in loader.py. */
  readonly value: "json" | "small" | "large"
}

export interface Workload {
  readonly id: string
  readonly title: string
  readonly task: Task
  readonly topic: Topic
  readonly formats: ReadonlyArray<Format>
  /** Whether peers take part with their other stores, too. */
  readonly otherStores: boolean
  /** Default: all peers. */
  readonly peers?: ReadonlyArray<string>
  /** Workloads of one series are compared with each other, and so take turns in each round. Default: alone. */
  readonly series?: string
  /** Times as many rounds, for what is over in seconds: a machine may be slow for as long. Default: 1. */
  readonly roundsFactor?: number
  readonly parameters: Readonly<Record<string, number>>
  /** Until a runner is ended. */
  readonly timeoutSeconds: number
  /** Of Node's heap, instead of its default; for all runners on Node. */
  readonly nodeHeapMb?: number
}

/** Bytes of a value. */
export const valueBytes = { json: 236, small: 20, large: 16_384 } as const

/**
 * The sizes of fetches, the same for all who can be told. They are what effect-ktables has by default; most peers have
 * 1 MiB a partition.
 */
export const fetchSizes = { maxWaitMillis: 500, maxBytes: 8 * 1024 * 1024, maxPartitionBytes: 4 * 1024 * 1024 } as const

/**
 * What members of groups agree on, the same for all: how often they commit, for how long one may be silent, how often it is heard
 * of. The first is what Java's client has by default, the others are aiokafka's: others wait for longer.
 */
export const membership = (quick: boolean) => ({
  commitMillis: 5000,
  sessionMillis: quick ? 1500 : 10_000,
  heartbeatMillis: quick ? 500 : 3000
})

export const compressions: ReadonlyArray<Compression> = ["none", "gzip", "snappy", "lz4", "zstd"]

/** With `quick` everything is there, and too small to tell anything about speed. */
export const workloads = (quick: boolean): ReadonlyArray<Workload> => {
  const million = quick ? 10_000 : 1_000_000
  const hundredThousand = quick ? 2_000 : 100_000
  const topic: Topic = { records: million, keys: million, partitions: 1, compression: "none", value: "json" }
  /** What a running table holds when it is looked at. */
  const registry: Topic = { ...topic, records: 10_000, keys: 10_000 }

  const running = (
    task: Task,
    title: string,
    parameters: Workload["parameters"],
    more: Partial<Workload> = {}
  ): Workload => ({
    id: task,
    title,
    task,
    topic: registry,
    formats: ["raw"],
    otherStores: false,
    parameters,
    timeoutSeconds: 120,
    ...more
  })
  const catchUp = (id: string, title: string, changes: Partial<Topic>, more: Partial<Workload> = {}): Workload =>
    running("catchUp", title, {}, { id, topic: { ...topic, ...changes }, ...more })

  const short = { roundsFactor: quick ? 1 : 3 }
  const growth: Partial<Workload> = {
    series: "growth",
    peers: ["ours", "ours-effect-3", "librdkafka"],
    timeoutSeconds: 600,
    nodeHeapMb: 12_288
  }

  const group = membership(quick)
  const consume = (id: string, title: string, concurrency: number, more: Partial<Workload> = {}): Workload =>
    running(
      "consume",
      title,
      { ...group, concurrency, records: million },
      { id, topic, series: "consume", timeoutSeconds: 180, ...more }
    )

  return [
    catchUp("flat", "every record a key of its own", {}, { formats: ["raw", "typed"], otherStores: true }),
    catchUp("growth-tenth", "what growth is compared with, in turn with it", {}, growth),
    catchUp("growth", "ten times as many", { records: 10 * million, keys: 10 * million }, growth),
    catchUp("hot", "ten records a key, in random order", { keys: million / 10 }, { formats: ["raw", "typed"] }),
    catchUp("wide", "8 partitions", { partitions: 8 }),
    catchUp("small", "values of 20 bytes", { value: "small" }),
    catchUp("large", "values of 16 KiB", {
      value: "large",
      records: hundredThousand / 5,
      keys: hundredThousand / 5
    }),
    ...compressions.map((compression) =>
      catchUp(compression === "none" ? "uncompressed" : compression, `compression: ${compression}`, {
        compression,
        records: hundredThousand,
        keys: hundredThousand
      })
    ),
    catchUp("empty", "an empty topic: connect and begin", { records: 0, keys: 0 }, { otherStores: true, ...short }),
    running("follow", "idle, then 1,000 writes a second", { seconds: quick ? 1 : 3, rate: 1000 }),
    running(
      "waits",
      "own writes, and barriers",
      { count: quick ? 100 : 1000, warmUp: quick ? 100 : 3000, seconds: quick ? 1 : 5 },
      short
    ),
    running("writes", "one at a time, 64 and 256 in flight", { count: quick ? 2_000 : 20_000, bytes: 236 }),
    running("writes", "the same, values of 1 KB", { count: quick ? 2_000 : 20_000, bytes: 1024 }, { id: "writes-1k" }),
    running(
      "reads",
      "reads of a table at rest",
      { rounds: quick ? 3 : 11 },
      { topic: { ...topic, records: hundredThousand, keys: hundredThousand }, formats: ["typed"], ...short }
    ),
    running("fanOut", "one update to 1,000 subscribers", { count: quick ? 20 : 200, subscribers: 1000 }, short),
    running("publish", "typed events, a thousand at once", { count: quick ? 5_000 : 200_000 }, short),
    consume("consume", "a member of a group, records in bulk", 0, { formats: ["raw", "typed"] }),
    consume("consumeEach", "a member of a group, record by record", 1),
    consume("consumeLanes", "the same, 16 at once, those of a key in their order", 16, {
      peers: ["ours", "ours-effect-3"]
    }),
    running("consumeFollow", "a member of a group: idle, then 5,000 records a second", {
      ...group,
      concurrency: 1,
      seconds: quick ? 1 : 6,
      rate: 5000
    }),
    running(
      "rebalance",
      "members of a group: two join one, then one is killed",
      { ...group, concurrency: 1, everyMillis: 10 },
      { topic: { ...registry, records: 0, keys: 0, partitions: 12 }, timeoutSeconds: 180 }
    ),
    running(
      "assign",
      "an assignor alone: 10,000 partitions for 1,000 members",
      { topics: quick ? 10 : 100, partitionsEach: 100, members: quick ? 100 : 1000, repeats: quick ? 2 : 7 },
      { topic: { ...registry, records: 0, keys: 0 } }
    )
  ]
}

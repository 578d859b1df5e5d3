/** `npm run bench`: see README.md. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { failureOf } from "../test/support/exits.ts"
import { classPath, hasJava, installJava } from "../test/kafka/java.ts"
import * as KafkaCluster from "../test/kafka/KafkaCluster.ts"
import * as Librdkafka from "../test/kafka/Librdkafka.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { chart } from "./chart.ts"
import type { Command } from "./installing.ts"
import { load, type Loaded } from "./loader.ts"
import { measure } from "./measure.ts"
import { touchMemory } from "./memory.ts"
import { report } from "./report.ts"
import { beforeId, type Results, type Run } from "./results.ts"
import { runners, runnersOf, type Runner } from "./runners.ts"
import { fetchSizes, groupTasks, valueBytes, workloads, type Workload } from "./workloads.ts"

const usage = `usage: npm run bench -- [--quick] [--rounds 3] [--only flat,hot] [--peers ours,ktables] [--fetch same|own] [--before commit] [--out directory]
workloads: ${workloads(false)
  .map(({ id }) => id)
  .join(", ")}
peers:     ${[...new Set(runners.map(({ peer }) => peer))].join(", ")}`

const own = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

interface Options {
  readonly quick: boolean
  readonly rounds: number
  readonly workloads: ReadonlyArray<Workload>
  readonly runners: ReadonlyArray<Runner>
  /** An earlier commit that ours is compared with. */
  readonly before: string | undefined
  readonly fetchSizes: typeof fetchSizes | undefined
  readonly out: string
}

const options: Effect.Effect<Options, TestKafkaError> = Effect.try({
  try: () => {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string" },
        peers: { type: "string" },
        fetch: { type: "string", default: "same" },
        before: { type: "string" },
        out: { type: "string" }
      }
    })
    const { before } = values
    const rounds = Number(values.rounds ?? (values.quick ? 1 : before === undefined ? 3 : 10))
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`not a number of rounds: ${values.rounds}`)
    if (values.fetch !== "same" && values.fetch !== "own") throw new Error(`not "same" or "own": ${values.fetch}`)
    const chosen = (all: ReadonlyArray<string>, text: string | undefined) => {
      const names = text?.split(",") ?? all
      const unknown = names.filter((name) => !all.includes(name))
      if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}`)
      return names
    }
    const every = workloads(values.quick)
    const only = chosen(
      every.map(({ id }) => id),
      values.only
    )
    const peers = chosen(
      runners.map(({ peer }) => peer),
      values.peers ?? (before === undefined ? undefined : "ours,ours-effect-3")
    )
    // What is committed is of a whole run.
    const whole =
      !values.quick && values.only === undefined && values.peers === undefined && before === undefined && rounds >= 3
    return {
      quick: values.quick,
      rounds,
      workloads: every.filter(({ id, series = id }) => only.includes(id) || only.includes(series)),
      before,
      runners: [
        ...runners.filter(({ peer }) => peers.includes(peer)),
        ...(before === undefined
          ? []
          : runnersOf(before).filter(({ peer }) => peers.some((of) => beforeId(of) === peer)))
      ],
      fetchSizes: values.fetch === "same" ? fetchSizes : undefined,
      out: path.resolve(values.out ?? (whole && values.fetch === "same" ? own(".") : own("../.cache/bench/results")))
    }
  },
  catch: (cause) => new TestKafkaError({ reason: "options", message: `${String(cause)}\n${usage}`, cause })
})

// ---------------------------------------------------------------------------------------------------------------------
// all of them
// ---------------------------------------------------------------------------------------------------------------------

interface Installed extends Runner {
  readonly command: Command
}

/** Those who take part, and those who cannot. */
const install = (wanted: ReadonlyArray<Runner>) =>
  Effect.gen(function* () {
    const present: Array<Installed> = []
    const absent: Array<Results["absent"][number]> = []
    for (const runner of wanted) {
      const command = yield* Effect.exit(runner.install)
      if (Exit.isSuccess(command)) present.push({ ...runner, command: command.value })
      else {
        absent.push({ title: runner.title, reason: inShort(failureOf(command).message) })
        yield* Console.error(`\n!! ABSENT: ${runner.title}: ${failureOf(command).message}\n`)
      }
    }
    return { present, absent }
  })

const takesPart =
  (workload: Workload) =>
  (runner: Runner): boolean =>
    runner.tasks.includes(workload.task) &&
    workload.formats.includes(runner.format) &&
    (workload.otherStores || runner.otherStore !== true) &&
    (runner.peer.startsWith("before") || (workload.peers?.includes(runner.peer) ?? true))

const reasonAgainst = ({ task, topic }: Workload, { cannot, command }: Installed): string | undefined =>
  command.lacks?.includes(task) === true ? "it cannot do that yet" : cannot?.(topic)

const unfit = (workload: Workload, present: ReadonlyArray<Installed>): ReadonlyArray<Results["absent"][number]> =>
  present.filter(takesPart(workload)).flatMap((runner) => {
    const reason = reasonAgainst(workload, runner)
    return reason === undefined ? [] : [{ title: `${runner.title}, in ${workload.id}`, reason }]
  })

/** Without the command line, and whatever else names places of this machine. */
const inShort = (message: string): string =>
  message
    .replace(/^.*: (?=(exit|still running))/, "")
    .replaceAll(own(".."), "")
    .replaceAll(os.tmpdir(), "")
    .slice(0, 2000)

/** Everybody once, unmeasured: the broker's code gets warm, and their own off the disk into the system's cache. */
const warmUp = (brokers: string, present: ReadonlyArray<Installed>, options: Options) =>
  Effect.gen(function* () {
    const isAboutGroups = ({ task }: Workload) => groupTasks.includes(task)
    const all = workloads(options.quick)
    const kinds = [
      ...(options.workloads.every(isAboutGroups) ? [] : all.filter(({ id }) => id === "uncompressed")),
      ...(options.workloads.some(isAboutGroups) && !options.quick
        ? workloads(true).filter(({ id }) => id === "consume")
        : [])
    ]
    yield* Console.log("warming up")
    for (const workload of kinds) {
      const topic = `warm-up-${workload.id}`
      const loaded = yield* load(brokers, topic, workload)
      for (const runner of present.filter(takesPart(workload))) {
        const { command } = runner
        // Who fails here fails in what is measured, too, and is reported there.
        yield* Effect.ignore(
          measure({ brokers, topic, workload, runner, command, fetchSizes: options.fetchSizes }, loaded)
        )
      }
    }
  })

/** Somewhat more than most take, in bytes. */
const memoryOf = ({ topic: { records, value } }: Workload): number => records * (valueBytes[value] + 256)

/** A workload that is ready to be run: its topic is loaded, where all share one. */
const prepare = (brokers: string, workload: Workload, present: ReadonlyArray<Installed>) =>
  Effect.gen(function* () {
    const taking = present.filter(takesPart(workload)).filter((runner) => reasonAgainst(workload, runner) === undefined)
    if (taking.length === 0) return []
    yield* Console.log(`\n${workload.id}: ${workload.title}`)
    // Those who write get a topic of their own each time, as the next one would find another.
    if (!["catchUp", "reads", "consume"].includes(workload.task)) return [{ workload, taking, shared: undefined }]
    const [loadTime, shared] = yield* Effect.timed(load(brokers, workload.id, workload))
    yield* Console.log(`  loaded in ${Duration.toSeconds(loadTime).toFixed(1)} s`)
    return [{ workload, taking, shared }]
  })

/** Workloads in turn: who comes first changes from round to round. */
const runInTurn = (
  brokers: string,
  series: ReadonlyArray<Workload>,
  present: ReadonlyArray<Installed>,
  options: Options
) =>
  Effect.gen(function* () {
    const prepared = (yield* Effect.forEach(series, (workload) => prepare(brokers, workload, present))).flat()
    const runs: Array<Run> = []

    const once = (workload: Workload, shared: Loaded | undefined, runner: Installed, round: number) =>
      Effect.gen(function* () {
        const topic = shared === undefined ? `${workload.id}-${runner.id}-${round}` : workload.id
        if (shared !== undefined) yield* touchMemory(memoryOf(workload))
        const loaded = shared ?? (yield* load(brokers, topic, workload))
        const { command } = runner
        return yield* measure({ brokers, topic, workload, runner, command, fetchSizes: options.fetchSizes }, loaded)
      })

    const turns = present.flatMap((runner) => {
      const mine = prepared.filter(({ taking }) => taking.includes(runner))
      return mine.length === 0 ? [] : [{ runner, mine }]
    })
    // beside an earlier commit, all have as many rounds as were asked for
    const factor = options.before === undefined ? Math.max(...series.map(({ roundsFactor = 1 }) => roundsFactor)) : 1
    const rounds = options.rounds * factor
    for (let round = 1; round <= rounds; round++) {
      const from = (round - 1) % Math.max(1, turns.length)
      for (const { mine, runner } of [...turns.slice(from), ...turns.slice(0, from)]) {
        for (const { shared, workload } of mine) {
          const outcome = yield* Effect.exit(once(workload, shared, runner, round))
          const of = { workload: workload.id, runner: runner.id, round }
          const title = prepared.length === 1 ? runner.title : `${runner.title}, ${workload.id}`
          if (Exit.isSuccess(outcome)) {
            const { figures, runtime } = outcome.value
            runs.push({ ...of, runtime, figures })
            const shown = Object.entries(figures).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
            yield* Console.log(`  ${round} ${title}: ${shown.join(", ")}`)
          } else {
            runs.push({ ...of, figures: {}, error: inShort(failureOf(outcome).message) })
            yield* Console.error(`\n!! FAILED: ${title}: ${failureOf(outcome).message}\n`)
          }
        }
      }
    }
    return runs
  })

/** "4.1.0", off the name of the broker's jar. */
const kafkaVersion = Effect.map(classPath, (jars) => /kafka_[\d.]+-([\d.]+)\.jar/.exec(jars)?.[1] ?? "?")

const bench = (options: Options) =>
  Effect.gen(function* () {
    if (!hasJava()) return yield* new TestKafkaError({ reason: "missing_tool", message: installJava })
    if (!Librdkafka.hasPython()) {
      return yield* new TestKafkaError({ reason: "missing_tool", message: Librdkafka.installPython })
    }
    yield* Console.log("installing peers (the first time, they are downloaded)")
    const { absent, present } = yield* install(options.runners)
    yield* Console.log("starting Kafka")
    const cluster = yield* KafkaCluster.make({ heapMb: 1024, javaOptions: [] })
    const brokers = cluster.brokers.join(",")

    const startedAt = yield* Clock.currentTimeMillis
    yield* warmUp(brokers, present, options)
    const runs: Array<Run> = []
    const inTurn = Arr.groupBy(options.workloads, ({ id, series = id }) => series)
    for (const series of Object.values(inTurn)) runs.push(...(yield* runInTurn(brokers, series, present, options)))
    const cpus = os.cpus()
    const results: Results = {
      startedAt: new Date(startedAt).toISOString(),
      minutes: ((yield* Clock.currentTimeMillis) - startedAt) / 60_000,
      quick: options.quick,
      rounds: options.rounds,
      machine: {
        processor: cpus[0]?.model.trim() ?? "?",
        cores: cpus.length,
        memoryGb: Math.round(os.totalmem() / 1024 ** 3),
        system: `${os.type()} ${os.release()}, ${os.arch()}`
      },
      broker: `Apache Kafka ${yield* kafkaVersion}, one node, 1 GB of heap, on the same machine`,
      fetchSizes: options.fetchSizes ?? null,
      workloads: options.workloads.map(({ id, task, title, topic }) => ({
        id,
        title,
        task,
        records: topic.records,
        keys: topic.keys,
        partitions: topic.partitions,
        compression: topic.compression,
        valueBytes: valueBytes[topic.value]
      })),
      runners: present.map(({ id, title }) => ({ id, title })),
      absent: [...absent, ...options.workloads.flatMap((workload) => unfit(workload, present))],
      runs
    }

    yield* Effect.try({
      try: () => {
        fs.mkdirSync(options.out, { recursive: true })
        fs.writeFileSync(path.join(options.out, "results.json"), `${JSON.stringify(results, null, 2)}\n`)
        fs.writeFileSync(path.join(options.out, "results.md"), report(results))
        fs.writeFileSync(path.join(options.out, "results.svg"), chart(results))
      },
      catch: (cause) => new TestKafkaError({ reason: "process", message: `cannot write to ${options.out}`, cause })
    })
    yield* Console.log(`\n${report(results)}\nwritten to ${options.out}`)
    const failed = runs.filter(({ error }) => error !== undefined).length
    if (failed > 0) {
      return yield* new TestKafkaError({ reason: "process", message: `${failed} of ${runs.length} runs failed` })
    }
  }).pipe(Effect.scoped)

NodeRuntime.runMain(
  Effect.flatMap(options, bench).pipe(Effect.tapErrorTag("TestKafkaError", (error) => Console.error(error.message))),
  { disableErrorReporting: true }
)

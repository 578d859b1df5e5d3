/** Kafka's jars, and how to run Java programs on them. */
import * as Effect from "effect/Effect"
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { DOWNLOAD_MILLIS } from "../support/patience.ts"
import { cached, fingerprint, ownFile } from "./cache.ts"
import { lastLines, run, type Output, type Watchdog } from "./process.ts"
import type { Compression } from "./records.ts"
import { starting, TestKafkaError } from "./TestKafkaError.ts"
import { releases, usual, type Version } from "./versions.ts"

export const installJava =
  "install a JDK 17 or newer and Maven (Debian, Ubuntu: `apt install openjdk-17-jdk-headless maven`, macOS: `brew install openjdk@17 maven`)"

const log4j = ownFile("log4j2.xml")

/** Whether there is a JDK that can run this Kafka. */
export const hasJava = (): boolean => {
  // "javac 17.0.15"; nothing where there is only a runtime, which could not compile the client of the tests.
  const { stdout } = spawnSync("javac", ["-version"], { encoding: "utf8" })
  return Number(/javac (\d+)/.exec(stdout ?? "")?.[1] ?? 0) >= 17
}

/** What a project of Maven in this folder depends on, downloaded once, as a class path. */
const downloaded = (project: string, name: string, settings: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const pom = ownFile(project)
    const text = yield* Effect.try({
      try: () => fs.readFileSync(pom),
      catch: (cause) => new TestKafkaError({ reason: "download", message: `cannot read ${pom}`, cause })
    })
    const directory = yield* cached(`${name}-${fingerprint(text)}`, (fresh) =>
      run(
        "mvn",
        [
          ...["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${fresh}`],
          ...["-DincludeScope=runtime", ...settings]
        ],
        { timeout: DOWNLOAD_MILLIS, install: installJava }
      ).pipe(
        Effect.mapError(
          (error) =>
            new TestKafkaError({ ...error, reason: "download", message: `downloading Kafka's jars: ${error.message}` })
        )
      )
    )
    return yield* Effect.try({
      try: () =>
        fs
          .readdirSync(directory)
          .filter((name) => name.endsWith(".jar"))
          .sort()
          .map((name) => path.join(directory, name))
          .join(path.delimiter),
      catch: (cause) => new TestKafkaError({ reason: "download", message: `cannot read ${directory}`, cause })
    })
  })

/** The jars of Kafka's clients and tools, and of the usual broker. */
export const classPath: Effect.Effect<string, TestKafkaError> = downloaded("pom.xml", "jars")

/** The jars of a version's broker. */
export const brokerJars = (version: Version): Effect.Effect<string, TestKafkaError> =>
  version === usual
    ? classPath
    : downloaded("broker.pom.xml", `broker-${version}`, [
        `-Dkafka.version=${version}`,
        `-Dscala.version=${releases[version].scala}`
      ])

/** For processes that live as long as a test: they start fast, and leave the cores to what is tested. */
export const quickStart = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"] as const

export const logSettings = (log: "stdout" | "stderr"): ReadonlyArray<string> => [
  `-Dlog4j2.configurationFile=${log4j}`,
  ...(log === "stdout" ? ["-Dtest.log.target=SYSTEM_OUT", "-Dtest.log.level=INFO"] : [])
]

/** The text of a file of settings. */
export const properties = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key}=${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`)
    .join("")

/** What a daemon has logged; nothing if it has not begun to. */
export const readLog = (file: string): string => (fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "")

/** Of a log, what tells why a daemon failed. */
export const toldBy = (log: string): string =>
  [
    ...log
      .split("\n")
      .filter((line) => / (ERROR|FATAL) /.test(line))
      .slice(0, 10),
    "the end of its log:",
    lastLines(log, 30)
  ].join("\n")

/** Starts a class that runs until it is killed. Its log is appended to a file. */
export const daemon = (options: {
  readonly title: string
  readonly jvm: ReadonlyArray<string>
  readonly jars: string
  readonly main: string
  readonly config: string
  readonly log: string
  readonly guard: Watchdog
}): Effect.Effect<ChildProcess, TestKafkaError> =>
  starting(`run java for ${options.title}`, () => {
    const output = fs.openSync(options.log, "a")
    const started = spawn(
      "java",
      [...options.jvm, ...logSettings("stdout"), "-cp", options.jars, options.main, options.config],
      {
        // In a session of its own, so that Ctrl-C leaves its end to us.
        detached: true,
        stdio: ["ignore", output, output]
      }
    )
    started.on("error", () => {})
    started.unref()
    fs.closeSync(output)
    return started
  }).pipe(
    Effect.flatMap((started) =>
      started.pid === undefined
        ? new TestKafkaError({ reason: "start", message: `${options.title} has no java to run on` })
        : Effect.as(options.guard.add(started.pid), started)
    )
  )

/** Classes of a source file of this folder, compiled once, with the jars: a class path. */
export const compiled = (source: string): Effect.Effect<string, TestKafkaError> =>
  Effect.gen(function* () {
    const jars = yield* classPath
    const file = ownFile(source)
    const text = yield* Effect.try({
      try: () => fs.readFileSync(file),
      catch: (cause) => new TestKafkaError({ reason: "process", message: `cannot read ${file}`, cause })
    })
    const name = path.basename(source, ".java")
    const directory = yield* cached(`classes-${name}-${fingerprint(text, jars)}`, (fresh) =>
      run("javac", ["-nowarn", "--release", "17", "-cp", jars, "-d", fresh, file], { install: installJava })
    )
    return `${directory}${path.delimiter}${jars}`
  })

export interface JavaOptions {
  readonly stdin?: string | Uint8Array
  readonly jvm?: ReadonlyArray<string>
  /** Instead of the usual ones: of a broker of another version. */
  readonly jars?: string
}

/** Runs a class of the jars, or a single source file (a path that ends in `.java`), to its end. */
export const runJava = (
  main: string,
  args: ReadonlyArray<string>,
  options: JavaOptions = {}
): Effect.Effect<Output, TestKafkaError> =>
  Effect.flatMap(options.jars === undefined ? classPath : Effect.succeed(options.jars), (jars) =>
    run("java", [...quickStart, ...(options.jvm ?? []), ...logSettings("stderr"), "-cp", jars, main, ...args], {
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      install: installJava
    })
  )

const tools = {
  acls: "org.apache.kafka.tools.AclCommand",
  configs: "kafka.admin.ConfigCommand",
  consoleConsumer: "org.apache.kafka.tools.consumer.ConsoleConsumer",
  consoleProducer: "org.apache.kafka.tools.ConsoleProducer",
  consumerGroups: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
  deleteRecords: "org.apache.kafka.tools.DeleteRecordsCommand",
  dumpLog: "org.apache.kafka.tools.DumpLogSegments",
  leaderElection: "org.apache.kafka.tools.LeaderElectionCommand",
  reassignPartitions: "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
  storage: "kafka.tools.StorageTool",
  topics: "org.apache.kafka.tools.TopicCommand",
  transactions: "org.apache.kafka.tools.TransactionsCommand"
} as const

/** What runs behind `kafka-topics.sh` and its like. */
export type Tool = keyof typeof tools

export const kafkaTool = (
  tool: Tool,
  args: ReadonlyArray<string>,
  options?: JavaOptions
): Effect.Effect<Output, TestKafkaError> => runJava(tools[tool], args, options)

/**
 * Writes lines with Kafka's console producer. `key\tvalue` lines where `keySeparator` is a tab, and
 * `name:value,name:value\tkey\tvalue` lines with `headers`; the text of `nullMarker` is null.
 */
export const consoleProduce = (options: {
  readonly brokers: ReadonlyArray<string>
  readonly topic: string
  readonly lines: ReadonlyArray<string>
  readonly compression?: Compression
  readonly keySeparator?: string
  readonly nullMarker?: string
  readonly headers?: boolean
  readonly producer?: Readonly<Record<string, string>>
}): Effect.Effect<void, TestKafkaError> => {
  const properties: Array<string> = []
  if (options.keySeparator !== undefined) properties.push("parse.key=true", `key.separator=${options.keySeparator}`)
  if (options.headers === true) properties.push("parse.headers=true")
  if (options.nullMarker !== undefined) properties.push(`null.marker=${options.nullMarker}`)
  return kafkaTool(
    "consoleProducer",
    [
      "--bootstrap-server",
      options.brokers.join(","),
      "--topic",
      options.topic,
      ...(options.compression === undefined ? [] : ["--compression-codec", options.compression]),
      ...properties.flatMap((property) => ["--property", property]),
      ...Object.entries(options.producer ?? {}).flatMap(([key, value]) => ["--producer-property", `${key}=${value}`])
    ],
    { stdin: options.lines.map((line) => `${line}\n`).join("") }
  ).pipe(Effect.asVoid)
}

/** Kafka's jars, and how to run Java programs on them. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { cached, fingerprint, ownFile } from "./cache.ts"
import { run, type Output } from "./process.ts"
import type { Compression } from "./records.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

export const installJava =
  "install a JDK 17 or newer and Maven (Debian, Ubuntu: `apt install openjdk-17-jdk-headless maven`, macOS: `brew install openjdk@17 maven`)"

const pom = ownFile("pom.xml")
const log4j = ownFile("log4j2.xml")

/** Whether there is a JDK that can run this Kafka. */
export const hasJava = (): boolean => {
  // "javac 17.0.15"; nothing where there is only a runtime, which could not compile the client of the tests.
  const { stdout } = spawnSync("javac", ["-version"], { encoding: "utf8" })
  return Number(/javac (\d+)/.exec(stdout ?? "")?.[1] ?? 0) >= 17
}

const pomFingerprint = Effect.try({
  try: () => fingerprint(fs.readFileSync(pom)),
  catch: (cause) => new TestKafkaError({ reason: "download", message: `cannot read ${pom}`, cause })
})

/** The jars of pom.xml, downloaded once, as a class path. */
export const classPath: Effect.Effect<string, TestKafkaError> = Effect.gen(function* () {
  const directory = yield* cached(`jars-${yield* pomFingerprint}`, (fresh) =>
    run(
      "mvn",
      ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${fresh}`, "-DincludeScope=runtime"],
      { timeout: "10 minutes", install: installJava }
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

/** For processes that live as long as a test: they start fast, and leave the cores to what is tested. */
export const quickStart = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"] as const

export const logSettings = (log: "stdout" | "stderr"): ReadonlyArray<string> => [
  `-Dlog4j2.configurationFile=${log4j}`,
  ...(log === "stdout" ? ["-Dtest.log.target=SYSTEM_OUT", "-Dtest.log.level=INFO"] : [])
]

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
    const directory = yield* cached(`classes-${name}-${fingerprint(text, yield* pomFingerprint)}`, (fresh) =>
      run("javac", ["-nowarn", "--release", "17", "-cp", jars, "-d", fresh, file], { install: installJava })
    )
    return `${directory}${path.delimiter}${jars}`
  })

export interface JavaOptions {
  readonly stdin?: string | Uint8Array
  readonly timeout?: Duration.Input
  readonly jvm?: ReadonlyArray<string>
}

/** Runs a class of the jars, or a single source file (a path that ends in `.java`), to its end. */
export const runJava = (
  main: string,
  args: ReadonlyArray<string>,
  options: JavaOptions = {}
): Effect.Effect<Output, TestKafkaError> =>
  Effect.flatMap(classPath, (jars) =>
    run("java", [...quickStart, ...(options.jvm ?? []), ...logSettings("stderr"), "-cp", jars, main, ...args], {
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      timeout: options.timeout ?? "60 seconds",
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

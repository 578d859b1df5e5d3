/** Python's ktables, of the version that the benchmarks measure. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { DOWNLOAD_MILLIS } from "../support/patience.ts"
import { cached, fingerprint, ownFile } from "./cache.ts"
import { installPython } from "./Librdkafka.ts"
import { run } from "./process.ts"
import type { TestKafkaError } from "./TestKafkaError.ts"

const requirements = ownFile("../../bench/peers/ktables/requirements.txt")

/** The directory of ktables and what it needs, installed once. */
export const packages: Effect.Effect<string, TestKafkaError> = Effect.suspend(() =>
  cached(
    `ktables-${fingerprint(fs.readFileSync(requirements))}`,
    (directory) =>
      run(
        "python3",
        ["-m", "pip", "install", "-q", "--only-binary=:all:", "--no-deps", "--target", directory, "-r", requirements],
        { timeout: DOWNLOAD_MILLIS, install: installPython }
      ),
    "bench"
  )
)

type Pair = readonly [group: string, member: string]

const python = (script: string, stdin: string): Effect.Effect<string, TestKafkaError> =>
  Effect.gen(function* () {
    const { stdout } = yield* run("python3", [ownFile(script)], {
      env: { PYTHONPATH: yield* packages, PYTHONDONTWRITEBYTECODE: "1" },
      stdin,
      install: installPython
    })
    return stdout.toString()
  })

const work = (lines: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<unknown>, TestKafkaError> =>
  Effect.map(python("groupedKeys.py", lines.map((line) => `${JSON.stringify(line)}\n`).join("")), (stdout) =>
    stdout
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line))
  )

/** The key of each pair, `null` for those that ktables does not write. */
export const encode = (pairs: ReadonlyArray<Pair>): Effect.Effect<ReadonlyArray<Buffer | null>, TestKafkaError> =>
  Effect.map(work(pairs), (keys) => keys.map((key) => (typeof key === "string" ? Buffer.from(key, "base64") : null)))

/** The pair of each key, `null` for those that ktables takes for foreign. */
export const decode = (keys: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Pair | null>, TestKafkaError> =>
  Effect.map(
    work(keys.map((key) => Buffer.from(key).toString("base64"))),
    (pairs) => pairs as ReadonlyArray<Pair | null>
  )

/** Has ktables' writer write members of groups, one after the other; `null` deletes one. */
export const writeGrouped = (
  brokers: string,
  topic: string,
  members: ReadonlyArray<readonly [group: string, member: string, value: string | null]>
): Effect.Effect<void, TestKafkaError> =>
  Effect.asVoid(python("groupedTables.py", JSON.stringify({ do: "write", brokers, topic, members })))

/** What ktables' grouped table has of a topic, in the order of Python's texts. */
interface Grouped {
  readonly groups: ReadonlyArray<readonly [group: string, members: ReadonlyArray<Pair>]>
  /** How many foreign keys it has counted. */
  readonly foreign: number
}

/** Has ktables' grouped table read a topic. */
export const readGrouped = (brokers: string, topic: string): Effect.Effect<Grouped, TestKafkaError> =>
  Effect.map(
    python("groupedTables.py", JSON.stringify({ do: "read", brokers, topic })),
    (stdout) => JSON.parse(stdout) as Grouped
  )

/** A topic's configs: which there are, Kafka's defaults, and what Kafka says to a value that cannot be. As of Kafka 4.1. */
import { INVALID_CONFIG, Refused } from "./codes.ts"

interface Definition {
  readonly fallback: string
  /** What is wrong with a value, in Kafka's words. */
  readonly problem: (value: string) => string | undefined
}

const number =
  (type: "INT" | "LONG", limit: bigint) =>
  (fallback: string, min?: number): Definition => ({
    fallback,
    problem: (value) => {
      const text = value.trim()
      const number = /^[+-]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : undefined
      if (number === undefined || number >= limit || number < -limit) return `Not a number of type ${type}`
      return min !== undefined && number < BigInt(min) ? `Value must be at least ${min}` : undefined
    }
  })

const int = number("INT", 2n ** 31n)
const long = number("LONG", 2n ** 63n)

const ratio = (fallback: string): Definition => ({
  fallback,
  problem: (value) => {
    const number = value.trim() === "" ? NaN : Number(value)
    if (Number.isNaN(number)) return "Not a number of type DOUBLE"
    if (number < 0) return "Value must be at least 0"
    return number > 1 ? "Value must be no more than 1" : undefined
  }
})

const boolean = (fallback: string): Definition => ({
  fallback,
  problem: (value) => (/^(true|false)$/i.test(value.trim()) ? undefined : "Expected value to be either true or false")
})

const oneOf = (fallback: string, allowed: ReadonlyArray<string>): Definition => ({
  fallback,
  problem: (value) => (allowed.includes(value) ? undefined : `String must be one of: ${allowed.join(", ")}`)
})

const someOf = (fallback: string, allowed: ReadonlyArray<string>): Definition => ({
  fallback,
  problem: (value) =>
    listOf(value).every((one) => allowed.includes(one)) ? undefined : `String must be one of: ${allowed.join(", ")}`
})

const any = (fallback: string): Definition => ({ fallback, problem: () => undefined })

const FOR_EVER = "9223372036854775807"

const definitions: Readonly<Record<string, Definition>> = {
  "cleanup.policy": someOf("delete", ["compact", "delete"]),
  "compression.gzip.level": int("-1"),
  "compression.lz4.level": int("9"),
  "compression.type": oneOf("producer", ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
  "compression.zstd.level": int("3"),
  "delete.retention.ms": long("86400000", 0),
  "file.delete.delay.ms": long("60000", 0),
  "flush.messages": long(FOR_EVER, 1),
  "flush.ms": long(FOR_EVER, 0),
  "follower.replication.throttled.replicas": any(""),
  "index.interval.bytes": int("4096", 0),
  "leader.replication.throttled.replicas": any(""),
  "local.retention.bytes": long("-2", -2),
  "local.retention.ms": long("-2", -2),
  "max.compaction.lag.ms": long(FOR_EVER, 1),
  "max.message.bytes": int("1048588", 0),
  "message.timestamp.after.max.ms": long("3600000", 0),
  "message.timestamp.before.max.ms": long(FOR_EVER, 0),
  "message.timestamp.type": oneOf("CreateTime", ["CreateTime", "LogAppendTime"]),
  "min.cleanable.dirty.ratio": ratio("0.5"),
  "min.compaction.lag.ms": long("0", 0),
  "min.insync.replicas": int("1", 1),
  preallocate: boolean("false"),
  "remote.log.copy.disable": boolean("false"),
  "remote.log.delete.on.disable": boolean("false"),
  "remote.storage.enable": boolean("false"),
  "retention.bytes": long("-1"),
  "retention.ms": long("604800000", -1),
  "segment.bytes": int("1073741824", 1_048_576),
  "segment.index.bytes": int("10485760", 4),
  "segment.jitter.ms": long("0", 0),
  "segment.ms": long("604800000", 1),
  "unclean.leader.election.enable": boolean("false")
}

export const configNames: ReadonlyArray<string> = Object.keys(definitions)

/** A list config, as Kafka splits it. */
export const listOf = (value: string): ReadonlyArray<string> =>
  value.trim() === "" ? [] : value.split(",").map((one) => one.trim())

/** Configs as they are kept, or the first problem with them. */
export const checkConfigs = (configs: Readonly<Record<string, string>>): Readonly<Record<string, string>> | Refused => {
  for (const [name, value] of Object.entries(configs)) {
    const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined
    if (definition === undefined) return new Refused(INVALID_CONFIG, `Unknown topic config name: ${name}`)
    const problem = definition.problem(value)
    if (problem !== undefined) {
      return new Refused(INVALID_CONFIG, `Invalid value ${value} for configuration ${name}: ${problem}`)
    }
  }
  return configs
}

/** The value that holds for a topic with these configs. `name` is one of `configNames`. */
export const configOf = (configs: Readonly<Record<string, string>>, name: string): string =>
  configs[name] ?? definitions[name].fallback

export const numberOf = (configs: Readonly<Record<string, string>>, name: string): number =>
  Number(configOf(configs, name))

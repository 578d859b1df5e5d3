/** Who is measured, and in what. */
import type * as Effect from "effect/Effect"
import type { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import {
  aiokafka,
  before,
  confluentKafka,
  goka,
  kafkajs,
  ktables,
  librdkafka,
  ours,
  platformatic,
  streams,
  type Command,
  type Major
} from "./installing.ts"
import { beforeId } from "./results.ts"
import { groupTasks, type Format, type Task, type Topic } from "./workloads.ts"

export interface Runner {
  readonly id: string
  /** What `--peers` knows it by. */
  readonly peer: string
  readonly title: string
  readonly format: Format
  readonly store: "memory" | "disk"
  /** The same peer with another store than it is known for: only for workloads with `otherStores`. */
  readonly otherStore?: boolean
  readonly tasks: ReadonlyArray<Task>
  /** Why it cannot take part with such a topic, if so. */
  readonly cannot?: (topic: Topic) => string | undefined
  /** Downloads and builds what is missing. */
  readonly install: Effect.Effect<Command, TestKafkaError>
}

const table: ReadonlyArray<Task> = ["catchUp", "follow"]

const member: ReadonlyArray<Task> = ["consume", "consumeFollow", "rebalance"]

/** A peer's members of groups, with values as bytes and decoded. */
const members = (peer: string, title: string, decoded: string, install: Runner["install"]): ReadonlyArray<Runner> => [
  { id: peer, peer, title, format: "raw", store: "memory", tasks: member, install },
  {
    id: `${peer}-typed`,
    peer,
    title: `${title}, ${decoded}`,
    format: "typed",
    store: "memory",
    tasks: ["consume"],
    install
  }
]

/** Ours on a major of Effect, and an earlier commit of it. */
const oursOn = (major: Major, ref?: string): ReadonlyArray<Runner> => {
  const [id, on] = major === 4 ? ["ours", ""] : ["ours-effect-3", ", Effect 3"]
  const one = {
    peer: ref === undefined ? id : beforeId(id),
    store: "memory",
    install: ref === undefined ? ours(major) : before(ref, major)
  } as const
  const name = `${ref === undefined ? "effect-ktables" : `${ref}, before`}${on}`
  return [
    {
      ...one,
      id: one.peer,
      title: name,
      format: "raw",
      tasks: [...table, "waits", "writes", "fanOut", "publish", ...groupTasks]
    },
    {
      ...one,
      id: `${one.peer}-typed`,
      title: `${name}, Schema`,
      format: "typed",
      tasks: ["catchUp", "reads", "consume"]
    }
  ]
}

export const runners: ReadonlyArray<Runner> = [
  ...oursOn(4),
  ...oursOn(3),
  {
    id: "librdkafka",
    peer: "librdkafka",
    title: "librdkafka, discarding",
    format: "raw",
    store: "memory",
    tasks: ["catchUp"],
    install: librdkafka
  },
  {
    id: "ktables",
    peer: "ktables",
    title: "ktables",
    format: "raw",
    store: "memory",
    tasks: [...table, "waits", "writes"],
    install: ktables
  },
  {
    id: "ktables-typed",
    peer: "ktables",
    title: "ktables, pydantic",
    format: "typed",
    store: "memory",
    tasks: ["catchUp"],
    install: ktables
  },
  {
    id: "streams",
    peer: "streams",
    title: "GlobalKTable, in memory",
    format: "raw",
    store: "memory",
    tasks: table,
    install: streams
  },
  {
    id: "streams-rocksdb",
    peer: "streams",
    title: "GlobalKTable, RocksDB",
    format: "raw",
    store: "disk",
    otherStore: true,
    tasks: table,
    install: streams
  },
  {
    id: "goka",
    peer: "goka",
    title: "goka view, LevelDB",
    format: "raw",
    store: "disk",
    tasks: table,
    install: goka
  },
  {
    id: "goka-memory",
    peer: "goka",
    title: "goka view, in memory",
    format: "raw",
    store: "memory",
    otherStore: true,
    tasks: table,
    cannot: ({ keys }) => (keys > 20_000 ? "its store in memory sorts all keys at each new one" : undefined),
    install: goka
  },
  {
    id: "kafkajs",
    peer: "kafkajs",
    title: "kafkajs, group, eachBatch",
    format: "raw",
    store: "memory",
    tasks: [...table, "writes", "publish", ...member],
    cannot: ({ compression }) =>
      compression === "none" || compression === "gzip" ? undefined : "it wants a plugin to decompress",
    install: kafkajs
  },
  {
    id: "kafkajs-typed",
    peer: "kafkajs",
    title: "kafkajs, group, JSON.parse",
    format: "typed",
    store: "memory",
    tasks: ["consume"],
    install: kafkajs
  },
  {
    id: "platformatic",
    peer: "platformatic",
    title: "@platformatic/kafka, group, stream",
    format: "raw",
    store: "memory",
    tasks: [...table, "writes", ...member],
    install: platformatic
  },
  {
    id: "platformatic-typed",
    peer: "platformatic",
    title: "@platformatic/kafka, group, its JSON",
    format: "typed",
    store: "memory",
    tasks: ["consume"],
    install: platformatic
  },
  ...members("confluent-kafka", "confluent-kafka (librdkafka)", "json.loads", confluentKafka),
  ...members("aiokafka", "aiokafka", "json.loads", aiokafka)
]

/** What an earlier commit is measured as, beside `ours`: in all that ours does. */
export const runnersOf = (ref: string): ReadonlyArray<Runner> => [...oursOn(4, ref), ...oursOn(3, ref)]

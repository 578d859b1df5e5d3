// @platformatic/kafka with a consumer group, as its documentation has it: a stream's `data` into a Map.
import { randomUUID } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { consumerTasks } from "../consuming.mjs"
import { catchUp, follow, given, job, number, writes } from "../javascript.mjs"

/** Where the bench has installed it. */
const modules = process.env.BENCH_MODULES
const { Consumer, jsonDeserializer, ListOffsetTimestamps, Producer, stringDeserializer, stringSerializer } =
  await import(pathToFileURL(createRequire(join(modules, "..", "here.js")).resolve("@platformatic/kafka")).href)
const { version } = JSON.parse(readFileSync(join(modules, "@platformatic", "kafka", "package.json"), "utf8"))
const runtime = `@platformatic/kafka ${version}`

const client = { clientId: "bench", bootstrapBrokers: job.brokers.split(",") }

const fetchSizes = {
  maxWaitTime: number("maxWaitMillis"),
  maxBytes: number("maxBytes"),
  maxBytesPerPartition: number("maxPartitionBytes")
}

/** Resolves when all that was in the topic at the start is in the Map, which stays up to date. */
const openTable = async (onRecord = () => {}) => {
  const table = new Map()
  const consumer = new Consumer({ ...client, groupId: randomUUID() })
  const latest = await consumer.listOffsets({ topics: [job.topic], timestamp: ListOffsetTimestamps.LATEST })
  const ends = new Map()
  for (const [partition, offset] of latest.get(job.topic).entries()) {
    if (offset > 0n) ends.set(partition, offset)
  }
  const stream = await consumer.consume(
    given({ topics: [job.topic], mode: "earliest", autocommit: false, ...fetchSizes })
  )
  await new Promise((resolve, reject) => {
    stream.on("error", reject)
    stream.on("data", ({ key, offset, partition, value }) => {
      const name = key.toString()
      if (value === null || value === undefined) table.delete(name)
      else table.set(name, value)
      onRecord(name, value)
      if (ends.size > 0 && offset + 1n >= (ends.get(partition) ?? 0n)) {
        ends.delete(partition)
        if (ends.size === 0) resolve()
      }
    })
    if (ends.size === 0) resolve()
  })
  return table
}

const typed = job.format === "typed"

/** See `consumerTasks`. */
const begin = async ({ group, onRecord }) => {
  const consumer = new Consumer(
    given({
      ...client,
      groupId: group,
      sessionTimeout: number("sessionMillis"),
      heartbeatInterval: number("heartbeatMillis"),
      deserializers: typed ? { key: stringDeserializer, value: jsonDeserializer } : { key: stringDeserializer }
    })
  )
  const stream = await consumer.consume(
    given({
      topics: [job.topic],
      mode: "committed",
      fallbackMode: "earliest",
      autocommit: number("commitMillis"),
      ...fetchSizes
    })
  )
  const work = ({ key, offset, partition, value }) => onRecord(key, value, partition, offset)
  const each = async () => {
    for await (const message of stream) work(message)
  }
  if (number("concurrency") > 0) void each()
  else stream.on("data", work)
  return {
    close: async () => {
      await stream.close()
      await consumer.close()
    }
  }
}

const tasks = {
  catchUp: () =>
    catchUp(runtime, async () => {
      const table = await openTable()
      return () => table
    }),
  follow: () => follow(runtime, openTable, { touch: (file) => writeFileSync(file, "") }),
  writes: async () => {
    const producer = new Producer({ ...client, acks: -1, serializers: { key: stringSerializer } })
    await writes(runtime, (key, value) => producer.send({ messages: [{ topic: job.topic, key, value }] }))
  },
  ...consumerTasks(runtime, begin, typed ? JSON.stringify : undefined)
}

await tasks[job.task]()

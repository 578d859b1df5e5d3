// kafkajs with a consumer group, as its documentation has it: `eachBatch` into a Map.
import { Kafka, logLevel } from "kafkajs"
import { randomUUID } from "node:crypto"
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { consumerTasks } from "../consuming.mjs"
import { catchUp, follow, given, job, number, publish, writes } from "../javascript.mjs"

const { version } = createRequire(import.meta.url)("kafkajs/package.json")
const runtime = `kafkajs ${version}`

const kafka = new Kafka({ clientId: "bench", brokers: job.brokers.split(","), logLevel: logLevel.NOTHING })

const consumerOptions = (groupId) =>
  given({
    groupId,
    maxWaitTimeInMs: number("maxWaitMillis"),
    maxBytes: number("maxBytes"),
    maxBytesPerPartition: number("maxPartitionBytes"),
    sessionTimeout: number("sessionMillis"),
    heartbeatInterval: number("heartbeatMillis")
  })

/** Resolves when all that was in the topic at the start is in the Map, which stays up to date. */
const openTable = async (onRecord = () => {}) => {
  const table = new Map()
  const admin = kafka.admin()
  const consumer = kafka.consumer(consumerOptions(randomUUID()))
  await Promise.all([admin.connect(), consumer.connect()])
  const ends = new Map()
  for (const { offset, partition } of await admin.fetchTopicOffsets(job.topic)) {
    if (Number(offset) > 0) ends.set(partition, Number(offset))
  }
  await admin.disconnect()
  await consumer.subscribe({ topic: job.topic, fromBeginning: true })
  await new Promise((resolve, reject) => {
    const passed = () => (ends.size === 0 ? resolve() : undefined)
    consumer.on(consumer.events.GROUP_JOIN, passed)
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { key, value } of batch.messages) {
            const name = key.toString()
            if (value === null) table.delete(name)
            else table.set(name, value)
            onRecord(name, value)
          }
          if (Number(batch.lastOffset()) + 1 >= (ends.get(batch.partition) ?? 0)) ends.delete(batch.partition)
          passed()
        }
      })
      .catch(reject)
  })
  return table
}

const typed = job.format === "typed"

/** See `consumerTasks`. */
const begin = async ({ group, onRecord }) => {
  const consumer = kafka.consumer(consumerOptions(group))
  await consumer.connect()
  await consumer.subscribe({ topic: job.topic, fromBeginning: true })
  const work = ({ key, offset, value }, partition) =>
    onRecord(key.toString(), typed ? JSON.parse(value) : value, partition, offset)
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.GROUP_JOIN, resolve)
    consumer.on(consumer.events.CRASH, ({ payload }) => (payload.restart ? undefined : reject(payload.error)))
    consumer
      .run({
        autoCommitInterval: number("commitMillis"),
        ...(number("concurrency") > 0
          ? { eachMessage: async ({ message, partition }) => work(message, partition) }
          : {
              eachBatch: async ({ batch: { messages, partition } }) => {
                for (const message of messages) work(message, partition)
              }
            })
      })
      .catch(reject)
  })
  return { close: () => consumer.disconnect() }
}

const tasks = {
  catchUp: () =>
    catchUp(runtime, async () => {
      const table = await openTable()
      return () => table
    }),
  follow: () => follow(runtime, openTable, { touch: (file) => writeFileSync(file, "") }),
  writes: async () => {
    const producer = kafka.producer()
    await producer.connect()
    await writes(runtime, (key, value) => producer.send({ topic: job.topic, messages: [{ key, value }] }))
  },
  publish: async () => {
    const producer = kafka.producer()
    await producer.connect()
    const message = (data) => ({ key: data.id, value: JSON.stringify({ schema: "Started:1", data }) })
    await publish(runtime, {
      together: (events) => producer.sendBatch({ topicMessages: [{ topic: job.topic, messages: events.map(message) }] })
    })
  },
  ...consumerTasks(runtime, begin, typed ? JSON.stringify : undefined)
}

await tasks[job.task]()

// kafkajs with a consumer group, as its documentation has it: `eachBatch` into a Map.
import { Kafka, logLevel } from "kafkajs"
import { randomUUID } from "node:crypto"
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { catchUp, follow, given, job, number, writes } from "../javascript.mjs"

const { version } = createRequire(import.meta.url)("kafkajs/package.json")
const runtime = `kafkajs ${version}`

const kafka = new Kafka({ clientId: "bench", brokers: job.brokers.split(","), logLevel: logLevel.NOTHING })

/** Resolves when all that was in the topic at the start is in the Map, which stays up to date. */
const openTable = async (onRecord = () => {}) => {
  const table = new Map()
  const admin = kafka.admin()
  const consumer = kafka.consumer(
    given({
      groupId: randomUUID(),
      maxWaitTimeInMs: number("maxWaitMillis"),
      maxBytes: number("maxBytes"),
      maxBytesPerPartition: number("maxPartitionBytes")
    })
  )
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
  }
}

await tasks[job.task]()

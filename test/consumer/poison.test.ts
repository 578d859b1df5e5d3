/** Records that do not decode, of every kind: each way to read deals with them alike. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { KafkaClient, Codec, type KafkaConsumer, KafkaEvent, KafkaEvents } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { recordLogs } from "../support/live.ts"
import { adjust, cluster, group, it, offsetsOf, quiet, topic } from "./onEmbedded.ts"

const Added = KafkaEvent.make("Added", Schema.Struct({ page: Schema.Number }), { version: 2 })

const envelope = (schema: string, data: unknown): string => JSON.stringify({ schema, data })

const sound = { key: "1", value: envelope("Added:2", { page: 1 }) }

/** What is wrong, by the offsets of the records: what is told of each, and whether it is of its key. */
const records: ReadonlyArray<{
  readonly key: string
  readonly value: string | null
  readonly problem?: "Key" | "Value"
}> = [
  sound,
  { key: "no number", value: sound.value, problem: "Key" },
  { key: "1", value: "no JSON", problem: "Value" },
  { key: "1", value: '{"page": 1}', problem: "Value" },
  { key: "1", value: envelope("Removed:1", { page: 1 }), problem: "Value" },
  { key: "1", value: envelope("Added:3", { page: 1 }), problem: "Value" },
  { key: "1", value: envelope("Added:2", { page: "one" }), problem: "Value" },
  { key: "1", value: null, problem: "Value" },
  sound,
  { key: "1", value: "the last one is none", problem: "Value" }
]

type Consumer = KafkaConsumer.KafkaConsumer<number, KafkaEvent.KafkaEvent.Decoded<typeof Added>>

type Take = (record: KafkaConsumer.Committable<number, unknown>) => void

const faces: Readonly<Record<string, (consumer: Consumer, take: Take) => Effect.Effect<unknown, unknown>>> = {
  runForEach: (consumer, take) => consumer.runForEach((record) => Effect.sync(() => take(record))),
  "runForEach, beside each other": (consumer, take) =>
    consumer.runForEach((record) => Effect.sync(() => take(record)), { concurrency: 4 }),
  records: (consumer, take) => Stream.runForEach(consumer.records, (record) => Effect.sync(() => take(record))),
  chunks: (consumer, take) => Stream.runForEach(consumer.chunks, (chunk) => Effect.sync(() => chunk.forEach(take))),
  partitions: (consumer, take) =>
    Stream.runForEach(consumer.partitions, (partition) =>
      Stream.runForEach(partition.records, (record) => Effect.sync(() => take(record)))
    )
}

/** A subscription to a log that holds all of these. */
const subscribed = (options: Partial<KafkaEvents.SubscribeOptions<number>> = {}) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* kafka.append(topic, records)
    const client = yield* kafka.client({ clientId: "ours" })
    const events = yield* Effect.provideService(KafkaEvents.make(), KafkaClient.KafkaClient, client)
    const key = Codec.json(Schema.Number)
    const consumer = yield* asTimeGoesOn(
      KafkaEvents.subscribe({ topics: topic, events: [Added] }, { group, key, ...options })
    ).pipe(Effect.provideService(KafkaEvents.KafkaEvents, events))
    return { kafka, consumer }
  })

describe("what does not decode", () => {
  for (const [name, run] of Object.entries(faces)) {
    it.effect(`is left out, counted, and told with its place, in the log, too: ${name}`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { consumer, kafka } = yield* subscribed()
        const told: Array<readonly [offset: number, reason: string, topic: string, partition: number]> = []
        yield* Effect.forkScoped(
          Stream.runForEach(consumer.poison, ({ offset, partition, reason, topic }) =>
            Effect.sync(() => void told.push([offset, reason, topic, partition]))
          )
        )
        yield* quiet
        const taken: Array<number> = []
        yield* Effect.forkScoped(
          run(consumer, (record) => {
            taken.push(record.offset)
            record.done()
          })
        )
        yield* adjust("6 seconds")
        assert.deepStrictEqual(taken, [0, 8])
        assert.deepStrictEqual(
          told,
          records.flatMap(({ problem }, offset) =>
            problem === undefined ? [] : [[offset, problem, topic, 0] as const]
          )
        )
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, records.length]], "all of it is committed")
        const series = (yield* allSeries).filter(({ labels }) => labels.get("test") === name)
        const valueOf = (metric: string) => series.find((one) => one.name === metric)?.value
        assert.strictEqual(valueOf("kafka_consumer_poison_total"), 8)
        assert.strictEqual(valueOf("kafka_consumer_records_total"), 2)
        const warnings = lines.filter((line) => line.includes("left out"))
        assert.isTrue(
          warnings.some((line) => line.includes("Key") && line.includes("offset=1")),
          lines.join("\n")
        )
        assert.isTrue(
          warnings.some((line) => line.includes("Added:3") && line.includes("offset=5")),
          lines.join("\n")
        )
        // However many there are, and whatever is in them: a line of each kind, and no values.
        yield* kafka.append(
          topic,
          Array.from({ length: 50 }, () => records[2])
        )
        yield* adjust("3 seconds")
        assert.strictEqual(lines.filter((line) => line.includes("left out")).length, warnings.length)
        assert.isFalse(
          lines.some((line) => line.includes("no number")),
          lines.join("\n")
        )
      }).pipe(recordLogs(lines), withLabel("test", name))
    })

    it.effect(`or ends it before the first of them, typed, and nothing of that is committed: ${name}`, () =>
      Effect.gen(function* () {
        const { consumer, kafka } = yield* subscribed({ onPoison: "fail" })
        const taken: Array<number> = []
        const running = yield* Effect.forkScoped(
          Effect.flip(
            run(consumer, (record) => {
              taken.push(record.offset)
              record.done()
            })
          )
        )
        yield* adjust("10 seconds")
        const error = yield* Fiber.join(running)
        assert.deepInclude(error, { _tag: "KafkaPoisonRecordError", topic, partition: 0, offset: 1, reason: "Key" })
        assert.deepStrictEqual(taken, [0])
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 1]])
      })
    )
  }
})

/** Typed events: what is published, where, and what subscriptions get of it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { Codec, EventStream, KafkaEvent, KafkaEvents, type KafkaConsumer } from "../../src/index.ts"
import { eventually, numbers, sooner } from "../support/live.ts"
import { newName, type Kafka, type Suite } from "./suite.ts"

const Added = KafkaEvent.make("Added", Schema.Struct({ page: Schema.String }), { key: ({ page }) => page })
const Removed = KafkaEvent.make("Removed", Schema.Struct({ page: Schema.String, at: Schema.Date }))

/** Topics that it makes have one partition each where the cluster has no default for that. */
const eventsOn = (kafka: Kafka, options?: KafkaEvents.KafkaEventsOptions) =>
  kafka.withClient(
    KafkaEvents.make({ ...(kafka.lacks["defaults of new topics"] === undefined ? {} : { partitions: 1 }), ...options })
  )

const subscribedBy =
  (events: KafkaEvents.KafkaEvents) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.provideService(self, KafkaEvents.KafkaEvents, events)

const take = <V>(consumer: KafkaConsumer.KafkaConsumer<string, V>, count: number) =>
  consumer.records.pipe(
    Stream.take(count),
    Stream.tap((record) => Effect.sync(record.done)),
    Stream.runCollect,
    Effect.map((all) => [...all])
  )

export const events = (test: Suite): void => {
  test("a topic is made when it is first published to, once, and what is published is read by its subscribers", (kafka) =>
    Effect.gen(function* () {
      const name = newName()
      const publisher = yield* eventsOn(kafka, { topicPrefix: `${name}.` })
      const pages = EventStream.make("pages", Added, {
        partitions: 3,
        retention: "2 hours",
        configs: { "max.message.bytes": "500000" }
      })
      assert.isUndefined(yield* kafka.describeTopic(`${name}.pages`))
      const positions = yield* Effect.forEach(numbers(50), (i) => publisher.publish(pages, { page: `p${i}` }), {
        concurrency: "unbounded"
      })
      assert.isTrue(positions.every(({ topic }) => topic === `${name}.pages`))
      const made = yield* kafka.describeTopic(`${name}.pages`)
      assert.strictEqual(made?.partitions, 3)
      assert.deepInclude(made?.configs, {
        "cleanup.policy": "delete",
        "retention.ms": "7200000",
        "max.message.bytes": "500000"
      })
      const [first] = yield* kafka.log(`${name}.pages`)
      assert.match(first.value!.toString(), /^\{"schema":"Added:1","data":\{"page":"p\d+"\}\}$/)
      assert.strictEqual(
        first.key!.toString(),
        (JSON.parse(first.value!.toString()) as { data: { page: string } }).data.page
      )
      const consumer = yield* subscribedBy(publisher)(KafkaEvents.subscribe(pages, { group: newName() }))
      const all = yield* take(consumer, 50)
      assert.deepStrictEqual(new Set(all.map(({ value }) => value.data.page)), new Set(numbers(50).map((i) => `p${i}`)))
      assert.deepInclude(all[0].value, { _tag: "Added", version: 1 })
    }))

  test("streams that are known are made at the start; what exists is taken as it is", (kafka) =>
    Effect.gen(function* () {
      const there = yield* kafka.topic({ partitions: 2 })
      const [a, b] = [newName(), newName()]
      yield* eventsOn(kafka, {
        partitions: 4,
        streams: [
          EventStream.make(a, Added),
          EventStream.make(b, Removed, { partitions: 1 }),
          EventStream.make(there, Added)
        ]
      })
      const found = yield* Effect.forEach([a, b, there], (topic) => kafka.describeTopic(topic))
      assert.deepStrictEqual(
        found.map((topic) => topic?.partitions),
        [4, 1, 2]
      )
      assert.strictEqual(found[2]?.configs["cleanup.policy"], "compact")
    }))

  test("several events by a pattern, topics that appear later too; other events are poison, with their place", (kafka) =>
    Effect.gen(function* () {
      const name = newName()
      const publisher = yield* eventsOn(kafka, { topicPrefix: `${name}.` })
      const [pages, gone, others] = [
        EventStream.make("content.pages", Added),
        EventStream.make("content.gone", Removed),
        EventStream.make("content.others", KafkaEvent.make("Other", Schema.Struct({ a: Schema.Int })))
      ]
      yield* publisher.publish(pages, { page: "p1" })
      const consumer = yield* subscribedBy(publisher)(
        KafkaEvents.subscribe(
          { topics: "content.*", events: [Added, Removed] },
          { group: newName(), metadataMaxAge: "200 millis" }
        )
      )
      const poison = yield* consumer.poison.pipe(Stream.take(1), Stream.runCollect, Effect.forkScoped)
      const seen: Array<string> = []
      yield* Effect.forkScoped(
        consumer.runForEach(({ value }) =>
          Effect.sync(() => {
            seen.push(value._tag === "Added" ? `+${value.data.page}` : `-${value.data.page}@${value.data.at.getTime()}`)
          })
        )
      )
      yield* publisher.publish(gone, { page: "p0", at: new Date(5) })
      const at = yield* publisher.publish(others, { a: 1 })
      yield* sooner(
        Effect.sync(() => [...seen].sort()),
        (all) => all.length === 2
      )
      assert.deepStrictEqual([...seen].sort(), ["+p1", "-p0@5"])
      const [record] = [...(yield* Fiber.join(poison))]
      assert.deepInclude(record, { topic: at.topic, partition: at.partition, offset: at.offset, reason: "Value" })
      assert.include(record.message, "Other:1")
    }))

  test("what is published while a record is worked on carries its headers on", (kafka) =>
    Effect.gen(function* () {
      const name = newName()
      const publisher = yield* eventsOn(kafka, { topicPrefix: `${name}.` })
      const [input, output] = [EventStream.make("in", Added), EventStream.make("out", Removed)]
      const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
      const consumer = yield* Effect.andThen(
        publisher.publish(input, { page: "p" }, { headers: { tenant: "a", traceparent: trace, "dlt-group": "x" } }),
        subscribedBy(publisher)(KafkaEvents.subscribe(input, { group: newName() }))
      )
      yield* Effect.forkScoped(
        consumer.runForEach(({ value }) =>
          publisher.publish(
            output,
            { page: value.data.page, at: new Date(0) },
            { key: new Uint8Array([0, 255]), headers: { by: "b" } }
          )
        )
      )
      const [copy] = yield* eventually(
        Effect.catch(kafka.log(`${name}.out`), () => Effect.succeed([])),
        (all) => all.length === 1
      )
      assert.deepStrictEqual(
        copy.headers.map(({ key, value }) => `${key}=${value?.toString()}`),
        ["tenant=a", "by=b", `traceparent=${trace}`]
      )
      assert.deepStrictEqual([...copy.key!], [0, 255])
    }))

  test("an event that is accepted now is acknowledged later; what does not encode is neither", (kafka) =>
    Effect.gen(function* () {
      const publisher = yield* eventsOn(kafka)
      const stream = EventStream.make(newName(), Added)
      const acknowledged = yield* Effect.forEach(numbers(20), (i) =>
        publisher.enqueue(stream, { page: `p${i}` }, { key: "k" })
      )
      const positions = yield* Effect.all(acknowledged)
      assert.deepStrictEqual(
        positions.map(({ offset }) => offset),
        numbers(20)
      )
      // The same again tells the same: it is written once.
      assert.deepStrictEqual(yield* acknowledged[3], positions[3])
      const exit = yield* Effect.exit(publisher.enqueue(stream, { page: 5 } as never))
      const refused = yield* Effect.flip(publisher.publish(stream, { page: 5 } as never))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepInclude(refused, { _tag: "KafkaWriteError", reason: "Encode" })
      yield* publisher.flush
      assert.lengthOf(yield* kafka.log(stream.name), 20)
    }))

  test("many events are published at once, in their order; if one of them cannot be, none is", (kafka) =>
    Effect.gen(function* () {
      const publisher = yield* eventsOn(kafka)
      // However old its records say that they are, none is deleted.
      const stream = EventStream.make(newName(), Added, { partitions: 3, configs: { "retention.ms": "-1" } })
      const positions = yield* publisher.publishMany(
        stream,
        numbers(200).map((i) => ({ page: `p${i % 20}` })),
        { headers: { by: "test" }, timestamp: 1_700_000_000_000 }
      )
      const log = yield* kafka.log(stream.name)
      const written = new Map(log.map((record) => [`${record.partition}:${record.offset}`, record]))
      assert.strictEqual(written.size, 200)
      for (const [i, { offset, partition, topic }] of positions.entries()) {
        const record = written.get(`${partition}:${offset}`)!
        assert.deepStrictEqual(
          [topic, record.key?.toString(), record.value?.toString(), record.timestamp],
          [stream.name, `p${i % 20}`, `{"schema":"Added:1","data":{"page":"p${i % 20}"}}`, 1_700_000_000_000]
        )
        assert.deepStrictEqual(
          record.headers.map(({ key, value }) => `${key}=${value?.toString()}`),
          ["by=test"]
        )
        // Those of one page are in one partition, in their order.
        const before = positions[i - 20]
        if (i >= 20) assert.isTrue(before.partition === partition && before.offset < offset)
      }
      assert.deepStrictEqual(yield* publisher.publishMany(stream, []), [])

      const good = { page: "good" }
      const keyThrows = {
        get page(): string {
          throw new Error("no page")
        }
      }
      const broken = function* () {
        yield good
        throw new Error("no more")
      }
      const refused = yield* Effect.all(
        [
          publisher.publishMany(stream, [good, { page: 5 } as never]),
          publisher.publishMany(stream, [good, { page: 5 } as never], { key: "k" }),
          publisher.publishMany(stream, [good, keyThrows]),
          publisher.publishMany(stream, broken()),
          publisher.publishMany(stream, 5 as never),
          publisher.publishMany(stream, [good], { headers: null as never }),
          publisher.publishMany(stream, [good], { timestamp: -1 })
        ].map(Effect.flip)
      )
      assert.deepStrictEqual(
        refused.map((error) => error._tag === "KafkaWriteError" && `${error.reason}, ${error.detail?.split(":")[0]}`),
        ["key", "value", "key", "records", "records", "options", "options"].map((part) => `Encode, ${part}`)
      )
      const words = refused.map(({ message }) => message)
      assert.include(words[2], "what makes the key threw Error")
      assert.include(words[3], "what gives them threw Error")
      assert.include(words[5], "headers: must be an object")
      yield* publisher.flush
      assert.lengthOf(yield* kafka.log(stream.name), 200)
    }))

  test("a topic carries one event, and a schema is defined once", (kafka) =>
    Effect.gen(function* () {
      const publisher = yield* eventsOn(kafka)
      const [a, b] = [newName(), newName()]
      yield* publisher.publish(EventStream.make(a, Added), { page: "p" })
      yield* publisher.publish(EventStream.make(b, Added), { page: "p" })
      const other = yield* Effect.flip(publisher.publish(EventStream.make(a, Removed), { page: "p", at: new Date(0) }))
      assert.deepInclude(other, { _tag: "KafkaInvalidOptionsError" })
      assert.include(other.message, "Added:1")
      const again = KafkaEvent.make("Added", Schema.Struct({ page: Schema.Number }))
      const twice = yield* Effect.flip(publisher.publish(EventStream.make(newName(), again), { page: 1 }))
      assert.include(twice.message, "defined once")
    }))

  test("raw bytes, open events, and events in another form", (kafka) =>
    Effect.gen(function* () {
      const publisher = yield* eventsOn(kafka)
      const lines = EventStream.make(newName(), KafkaEvent.fromCodec("Line", Codec.utf8))
      const pages = EventStream.make(newName(), Added)
      yield* publisher.publish(lines, "first")
      yield* publisher.publish(pages, { page: "p" })
      const on = subscribedBy(publisher)
      const [line] = yield* take(yield* on(KafkaEvents.subscribe(lines, { group: newName() })), 1)
      assert.deepStrictEqual(line.value, { _tag: "Line", version: 1, data: "first" })
      const [raw] = yield* take(yield* on(KafkaEvents.subscribeBytes(lines, { group: newName() })), 1)
      assert.strictEqual(Buffer.from(raw.value).toString(), "first")
      const [open] = yield* take(yield* on(KafkaEvents.subscribeOpen(pages.name, { group: newName() })), 1)
      assert.deepStrictEqual(open.value, { schema: "Added:1", name: "Added", version: 1, data: { page: "p" } })
    }))
}

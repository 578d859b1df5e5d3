/** The oracle on real brokers: what is sound passes, and what is broken in one way fails, in the very same course of things. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Kafka, logLevel } from "kafkajs"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaTable } from "../../src/index.ts"
import { until } from "../kafka/process.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, numbers, shared, statusOf, test } from "../support/live.ts"
import { ID_HEADER, type Operation } from "./history.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import * as Lab from "./lab.ts"
import { start as startLoad } from "./load.ts"
import { compacted, openWriter } from "./openings.ts"
import { differences, lastWriteWins, violations, type Evidence } from "./oracle.ts"
import { Api } from "./Proxy.ts"
import { byName, certainOfFailure, noGate, positionByLastRecord } from "./variants.ts"
import { Witness } from "./Witness.ts"

const nothing: Evidence = {
  log: [],
  operations: [],
  sightings: new Map(),
  starts: [],
  reads: [],
  barriers: [],
  contents: new Map()
}

/** Which invariants are broken. */
const brokenIn = (evidence: Partial<Evidence>): ReadonlyArray<number> => [
  ...new Set(violations({ ...nothing, ...evidence }).map(({ invariant }) => invariant))
]

type Client = Effect.Effect<KafkaClient.KafkaClient, unknown, Scope.Scope>

const tableOn = (client: Client, topic: string, settings: KafkaTable.TableSettings = {}) =>
  Effect.flatMap(client, (own) =>
    KafkaTable.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(
      Effect.provideService(KafkaClient.KafkaClient, own)
    )
  )

realKafka("the oracle on broken clients", { java: true }, () => {
  const made = shared(Lab.make())

  /** What a table holds, once it is right, or when its time is over: a broken one may never be. */
  const contentsOf = (lab: Lab.Lab, topic: string, witness: Witness, millis: number) =>
    Effect.gen(function* () {
      const log = yield* lab.java.dump(topic, { committed: true })
      const right = lastWriteWins(log)
      const isRight = () => [...witness.contents.values()].every((held) => differences(held, right).length === 0)
      yield* until(Effect.sync(isRight), { within: millis, every: "20 millis" })
      return { log, contents: witness.contents, sightings: witness.sightings }
    })

  const onCompacted = (client: (lab: Lab.Lab) => Client, millis: number) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      yield* lab.java.createTopic(topic, { configs: compacted })
      // the last record of the first batch will go, and all of the second one
      yield* lab.java.produce(
        topic,
        ["a", "b", "c"].map((key) => ({ key, value: "1" }))
      )
      yield* lab.java.produce(topic, [{ key: "c", value: "2" }])
      yield* lab.java.produce(
        topic,
        ["c", "d"].map((key) => ({ key, value: "3" }))
      )
      yield* lab.java.compact(topic)
      const witness = new Witness()
      // one batch in an answer, so that what comes behind does not help out
      const settings = { catchUpTimeout: "3 seconds", fetch: { maxBytes: 10, maxPartitionBytes: 10 } } as const
      yield* witness.watch("table", new Map(), tableOn(client(lab), topic, settings))
      return brokenIn(yield* contentsOf(lab, topic, witness, millis))
    })

  test("position by the last record", () =>
    Effect.gen(function* () {
      const sound = onCompacted((lab) => Lab.client(lab, "sound"), PATIENCE_MILLIS)
      assert.deepStrictEqual(yield* sound, [])
      const broken = onCompacted((lab) => positionByLastRecord(lab, "broken"), 2_000)
      assert.deepStrictEqual(yield* broken, [1])
    }))

  const onRecreated = (client: (lab: Lab.Lab, clientId: string) => Client, millis: number) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      const put = (life: string, count: number) =>
        lab.java.produce(
          topic,
          numbers(count).map((i) => ({ key: `${life}-${i}`, value: life })),
          {
            config: { "client.id": life }
          }
        )
      yield* lab.java.createTopic(topic, { configs: compacted })
      yield* put("old", 20)
      const witness = new Witness()
      const settings = { restart: Schedule.spaced("100 millis"), metadataMaxAge: "500 millis" } as const
      const table = yield* witness.watch("table", new Map(), tableOn(client(lab, "reader"), topic, settings))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lab.proxies[0].banish({ clientId: "reader" })
          yield* lab.java.deleteTopic(topic)
          yield* lab.java.createTopic(topic, { configs: compacted })
          yield* put("new", 50)
        })
      )
      // none, while it is read for the first time in its new life
      yield* eventually(table.stats, ({ partitions }) => partitions[0]?.position === 50)
      // two lives have two logs: only what it holds in the end can be judged
      const { contents, log } = yield* contentsOf(lab, topic, witness, millis)
      return brokenIn({ log, contents: new Map([["table", contents.get("table")!]]) })
    })

  test("fetch by name after the topic was created again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onRecreated(Lab.client, PATIENCE_MILLIS), [])
      assert.deepStrictEqual(yield* onRecreated(byName, 5_000), [1])
    }))

  const onCorrupted = (checkCrcs: boolean) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      yield* lab.java.createTopic(topic, { configs: compacted })
      const witness = new Witness()
      yield* witness.watch("table", new Map(), tableOn(Lab.client(lab, "reader"), topic, { checkCrcs }))
      const edit = (frame: Buffer) => {
        const at = frame.indexOf("sound")
        if (at !== -1) frame[at] ^= 1
        return at !== -1
      }
      const armed = yield* lab.proxies[0].rule({ api: Api.Fetch, fate: { _tag: "Corrupt", edit } })
      yield* lab.java.produce(topic, [{ key: "a", value: "sound" }])
      yield* armed.happened
      return brokenIn(yield* contentsOf(lab, topic, witness, checkCrcs ? PATIENCE_MILLIS : 5_000))
    })

  test("no checksums", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onCorrupted(true), [])
      assert.deepStrictEqual(yield* onCorrupted(false), [1, 4])
    }))

  /** Two writes at once, the first answer of which is cut off after the broker has appended. */
  const onLostAnswer = (
    write: (
      lab: Lab.Lab,
      topic: string
    ) => Effect.Effect<(operation: Operation) => Effect.Effect<void, unknown>, unknown, Scope.Scope>
  ) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      yield* lab.java.createTopic(topic, { configs: compacted })
      const run = yield* write(lab, topic)
      yield* lab.proxies[0].rule({ api: Api.Produce, fate: { _tag: "Cut" } })
      const operations = ["A", "B"].map((id): Operation => ({
        id,
        writer: "w",
        key: id,
        value: id,
        calledAt: performance.now(),
        endedAt: Number.POSITIVE_INFINITY,
        outcome: undefined
      }))
      yield* Effect.forEach(operations, run, { concurrency: "unbounded" })
      return brokenIn({ operations, log: yield* lab.java.dump(topic) })
    })

  test("an idempotent producer of stock kafkajs, the answer to which is lost", () =>
    Effect.gen(function* () {
      const ours = yield* onLostAnswer((lab, topic) =>
        Effect.map(
          openWriter(lab, "ours", topic),
          (writer) => (operation) =>
            Effect.map(writer.set(operation.key, operation.value!), ({ offset, partition }) => {
              operation.outcome = { _tag: "Acknowledged", partition, offset }
            })
        )
      )
      assert.deepStrictEqual(ours, [])
      const stock = yield* onLostAnswer((lab, topic) =>
        Effect.gen(function* () {
          const kafka = new Kafka({ clientId: "stock", brokers: [...lab.brokers], logLevel: logLevel.NOTHING })
          const producer = kafka.producer({ idempotent: true })
          yield* Effect.acquireRelease(
            Effect.tryPromise(() => producer.connect()),
            () => Effect.ignore(Effect.tryPromise(() => producer.disconnect()))
          )
          return (operation) =>
            Effect.map(
              Effect.tryPromise(() =>
                producer.send({ topic, messages: [{ key: operation.key, value: operation.value }] })
              ),
              ([{ baseOffset, partition }]) => {
                operation.outcome = { _tag: "Acknowledged", partition, offset: Number(baseOffset) }
              }
            )
        })
      )
      assert.deepStrictEqual(stock, [2])
    }))

  const onUnknown = (isBroken: boolean) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      yield* lab.java.createTopic(topic, { configs: compacted })
      const sound = yield* openWriter(lab, "writer", topic, { deliveryTimeout: "5 seconds" })
      const load = yield* startLoad(new Map(), Math.random)
      yield* lab.proxies[0].rule({ api: Api.Produce, fate: { _tag: "Swallow" } })
      const { outcome } = yield* load.write(isBroken ? certainOfFailure(sound) : sound, "w", "k")
      assert.strictEqual(outcome?._tag, isBroken ? "Failed" : "Unknown")
      return brokenIn({ operations: load.operations, log: yield* lab.java.dump(topic) })
    })

  test("a failure that is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onUnknown(false), [])
      assert.deepStrictEqual(yield* onUnknown(true), [3])
    }))

  const onStart = (client: (lab: Lab.Lab) => Client) =>
    Effect.gen(function* () {
      const lab = yield* made
      const topic = topicName()
      yield* lab.java.createTopic(topic, { configs: compacted })
      yield* lab.java.produce(topic, [{ key: "a", value: "1", headers: [{ key: ID_HEADER, value: "1" }] }])
      const witness = new Witness()
      const table = yield* witness.watch("table", new Map([[0, 1]]), tableOn(client(lab), topic))
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      return brokenIn({ ...(yield* contentsOf(lab, topic, witness, PATIENCE_MILLIS)), starts: witness.starts })
    })

  test("caught up with nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onStart((lab) => Lab.client(lab, "sound")), [])
      assert.deepStrictEqual(yield* onStart((lab) => noGate(lab, "broken")), [5])
    }))
})

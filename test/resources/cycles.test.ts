/** A thousand tables and writers, or consumers, one after the other, leave as much as ten. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { setFlagsFromString } from "node:v8"
import { assert } from "vitest"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer, KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { MIB } from "../support/garbage.ts"
import { test } from "../support/live.ts"
import { cycles, ours, type Look } from "./cycles.ts"

// Code is in the heap, too, and what runs often is compiled again and again for minutes: a kilobyte a cycle and more, in
// steps of up to a megabyte, the later the less time the compiler's own thread gets. Here each function is compiled once, and
// nothing is left to grow but what is kept.
for (const flag of ["--always-sparkplug", "--no-opt", "--no-maglev", "--no-flush-bytecode"]) setFlagsFromString(flag)

/** Of a cycle. One that is kept, is kept with its content: some hundred kilobytes. */
const GROWTH_LIMIT_BYTES = 1_000

const VALUES = 50

const options = (topic: string) => ({ topic, value: Codec.utf8, ensureTopic: false })

/** A table with one who follows it, a writer, and a write that is read. */
const cycle = (topic: string, client: Effect.Effect<KafkaClient.KafkaClient, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const own = yield* client
    const on = <A, E, R>(effect: Effect.Effect<A, E, R | KafkaClient.KafkaClient>) =>
      Effect.provideService(effect, KafkaClient.KafkaClient, own)
    const table = yield* on(KafkaTable.make<string, string>(options(topic)))
    const writer = yield* on(KafkaTableWriter.make<string, string>(options(topic)))
    yield* table.subscribe()
    yield* table.awaitPosition(yield* writer.set("a", "1"))
    assert.strictEqual(table.unsafeSnapshot().size, VALUES)
  })

/** How many consumers there were: they are of either protocol in turn. */
let turn = 0

/** A consumer that works on all records in lanes, again, and commits. Metrics have the groups: there are no more than two. */
const consuming: typeof cycle = (topic, client) =>
  Effect.gen(function* () {
    const own = yield* client
    const protocol = turn++ % 2 === 0 ? "classic" : "consumer"
    const consumer = yield* KafkaConsumer.make<string>({
      subscribe: topic,
      group: `${topic}-${protocol}`,
      value: Codec.utf8,
      protocol
    }).pipe(Effect.provideService(KafkaClient.KafkaClient, own))
    yield* consumer.seek({ topic, partition: 0, offset: 0 })
    const done = yield* Deferred.make<void>()
    let count = 0
    const work = Effect.suspend(() => (++count === VALUES ? Deferred.succeed(done, undefined) : Effect.void))
    yield* Effect.forkScoped(consumer.runForEach(() => work, { concurrency: 16 }))
    yield* Deferred.await(done)
    yield* consumer.commit()
  })

const entries = Array.from({ length: VALUES }, (_, i) => ({
  key: i === 0 ? "a" : `key-${i}`,
  value: "x".repeat(2_000)
}))

/**
 * What each cycle leaves: of the steps from one look to the next the one in the middle, as something that is made once
 * makes one step larger, and what each cycle leaves makes all of them so.
 */
const growth = (looks: ReadonlyArray<Look>): number => {
  const steps = looks.slice(1).map((look, i) => (look.bytes - looks[i].bytes) / (look.cycles - looks[i].cycles))
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)]
}

const judge = (looks: ReadonlyArray<Look>): void => {
  const perCycle = growth(looks)
  const sizes = looks.map(({ bytes }) => (bytes / MIB).toFixed(2)).join(", ")
  process.stdout.write(`${looks.at(-1)!.cycles} cycles: ${perCycle.toFixed(0)} bytes more each; MiB in use: ${sizes}\n`)
  for (const { cycles, fibers, handles } of looks) {
    assert.strictEqual(fibers, 0, `fibers after ${cycles} cycles`)
    assert.isAtMost(ours(handles), ours(looks[0].handles), `handles after ${cycles} cycles`)
  }
  assert.isBelow(perCycle, GROWTH_LIMIT_BYTES)
}

const kinds = [
  ["tables and writers", cycle, 1_000],
  ["consumers", consuming, 500]
] as const

for (const [what, one, count] of kinds) {
  test(`${count} ${what} on the embedded Kafka`, () =>
    Effect.gen(function* () {
      const topic = topicName()
      const cluster = Effect.tap(EmbeddedKafka.make({ topics: { [topic]: {} } }), (kafka) =>
        kafka.append(topic, entries)
      )
      // a cluster remembers each producer and group, and what it wrote, and is to: so it is another one at times
      let [kafka, done] = [yield* cluster, 0]
      const client = Effect.suspend(() => kafka.client())
      const renewed = Effect.gen(function* () {
        if (++done % 50 === 0) kafka = yield* cluster
      })
      judge(yield* cycles(count, count / 10, Effect.tap(one(topic, client), renewed)))
    }))
}

for (const [what, keep] of [
  ["a client", (client: KafkaClient.KafkaClient) => client],
  ["two kilobytes", () => Buffer.alloc(2_000)]
] as const) {
  test(`${what} of each that is kept is noticed`, () =>
    Effect.gen(function* () {
      const topic = topicName()
      const kafka = yield* EmbeddedKafka.make({ topics: { [topic]: {} } })
      yield* kafka.append(topic, entries)
      const kept: Array<unknown> = []
      const client = Effect.tap(kafka.client(), (one) => Effect.sync(() => kept.push(keep(one))))
      const looks = yield* cycles(60, 10, cycle(topic, client))
      assert.throws(() => judge(looks), /to be below/)
      assert.strictEqual(kept.length, 60)
    }))
}

realKafka("on a real broker", { java: true }, () => {
  for (const [what, one] of kinds) {
    test(`a hundred ${what}`, () =>
      Effect.gen(function* () {
        const { adminBrokers, brokers } = yield* sharedKafka
        const java = yield* JavaClient.make(adminBrokers)
        const topic = topicName()
        yield* java.createTopic(topic, { configs: { "cleanup.policy": "compact" } })
        yield* java.produce(topic, entries)
        judge(yield* cycles(100, 10, one(topic, KafkaClient.make({ brokers }))))
      }))
  }
})

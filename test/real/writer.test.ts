/** A writer without rights, and while brokers fail; for the rest, see test/contract. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { Codec, KafkaTableWriter, type KafkaClient, type KafkaError, type Position } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { leftovers } from "../support/leftovers.ts"
import { eventually, failOnProcessWarnings, shared, test } from "../support/live.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const open = (
  client: KafkaClient.KafkaClientOptions,
  topic: string,
  settings: KafkaTableWriter.WriterSettings = {}
): Effect.Effect<KafkaTableWriter.KafkaTableWriter<string, string>, KafkaTableWriter.AcquireError, Scope.Scope> =>
  KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(withClient(client))

const text = (bytes: Buffer | null): string => bytes?.toString() ?? "null"

const shown = ({ key, value }: ReadRecord): string => `${text(key)}=${text(value)}`

realKafka("writing with ACLs", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ listener: "sasl_plaintext", users: { alice: "secret" }, acls: true })
      const client: KafkaClient.KafkaClientOptions = {
        brokers: cluster.brokers,
        sasl: { mechanism: "PLAIN", username: "alice", password: Redacted.make("secret") }
      }
      return { client, java: yield* JavaClient.make(cluster.adminBrokers) }
    })
  )

  test("no right to write: typed, at once; writes again after the grant", () =>
    Effect.gen(function* () {
      const { client, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: { "cleanup.policy": "compact" } })
      const undescribed = yield* Effect.flip(open(client, topic))
      assert.strictEqual(undescribed.reason, "Unauthorized")
      yield* java.addAcls([{ user: "alice", resource: "topic", name: topic, operation: "describe" }])
      // without the right to write anything there is no producer id
      const unwritten = yield* eventually(Effect.flip(open(client, topic)), ({ _tag }) => _tag === "KafkaBrokerError")
      assert.strictEqual(unwritten.reason, "Unauthorized")
      assert.include(unwritten.message, "InitProducerId")
      yield* java.addAcls([{ user: "alice", resource: "topic", name: topicName(), operation: "write" }])
      const writer = yield* eventually(Effect.exit(open(client, topic)), Exit.isSuccess).pipe(Effect.flatten)
      const error = yield* Effect.flip(writer.set("a", "1"))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.strictEqual((yield* writer.stats).requests, 1)
      yield* java.addAcls([{ user: "alice", resource: "topic", name: topic, operation: "write" }])
      yield* eventually(Effect.exit(writer.set("a", "1")), Exit.isSuccess)
      assert.deepStrictEqual((yield* java.dump(topic)).map(shown), ["a=1"])
    }))
})

realKafka("writing while brokers fail", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ nodes: 3, heapMb: 256, config: { "min.insync.replicas": "2" } })
      return { cluster, java: yield* JavaClient.make(cluster.adminBrokers) }
    })
  )

  /** Writes until it is told to stop, `k<n % 5>=<n>`, ten at a time. */
  const load = (writer: KafkaTableWriter.KafkaTableWriter<string, string>) =>
    Effect.gen(function* () {
      const acknowledged: Array<{ readonly expected: string; readonly position: Position.Position }> = []
      const failures: Array<{ readonly expected: string; readonly error: KafkaError.WriteError }> = []
      let n = 0
      let longest = 0
      const one = Effect.suspend(() => {
        const expected = `k${n % 5}=${n}`
        const begin = performance.now()
        return Effect.map(Effect.exit(writer.set(`k${n % 5}`, `${n++}`)), (result) => {
          longest = Math.max(longest, performance.now() - begin)
          if (Exit.isSuccess(result)) acknowledged.push({ expected, position: result.value })
          else failures.push({ expected, error: failureOf(result) })
        })
      })
      const worker = Effect.forever(Effect.andThen(one, Effect.sleep(2)))
      const fibers = yield* Effect.all(Array.from({ length: 10 }, () => Effect.forkScoped(worker)))
      return {
        acknowledged,
        failures,
        longest: () => longest,
        stop: Effect.andThen(Fiber.interruptAll(fibers), writer.flush)
      }
    })

  type Load = Effect.Success<ReturnType<typeof load>>

  /** Acknowledged: at its position, and once. Failed: not there. Each key in order. */
  const verify = (log: ReadonlyArray<ReadRecord>, { acknowledged, failures }: Load) => {
    const values = new Map(log.map((r) => [`${r.partition}:${r.offset}`, shown(r)]))
    const times = new Map<string, number>()
    for (const record of log) times.set(shown(record), (times.get(shown(record)) ?? 0) + 1)
    for (const { expected, position } of acknowledged) {
      assert.strictEqual(values.get(`${position.partition}:${position.offset}`), expected)
    }
    assert.deepStrictEqual(
      [...times].filter(([, count]) => count > 1),
      []
    )
    for (const { error, expected } of failures) {
      if (error.reason !== "UnknownOutcome") assert.isFalse(times.has(expected), `${expected}: ${error.message}`)
    }
  }

  test("a leader that is killed, and comes back", () =>
    Effect.gen(function* () {
      const { cluster, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { assignments: [[1, 2, 3]], configs: { "cleanup.policy": "compact" } })
      const writer = yield* open({ brokers: cluster.brokers }, topic)
      const running = yield* load(writer)
      yield* Effect.sleep("1 second")
      yield* cluster.nodes[0].kill
      const before = running.acknowledged.length
      const acknowledged = Effect.sync(() => running.acknowledged.length)
      yield* eventually(acknowledged, (count) => count > before + 100)
      const meanwhile = yield* acknowledged
      yield* cluster.nodes[0].start
      yield* java.electLeaders(topic, [0])
      yield* eventually(acknowledged, (count) => count > meanwhile)
      yield* running.stop
      assert.deepStrictEqual(running.failures, [])
      verify(yield* java.dump(topic), running)
    }))

  test("a leader that is frozen: the next one is written to as soon as it leads", () =>
    Effect.gen(function* () {
      const { cluster, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, {
        assignments: [
          [2, 3, 1],
          [3, 1, 2]
        ],
        configs: { "cleanup.policy": "compact" }
      })
      // not the frozen one first: what it takes to find a broker is another matter
      const writer = yield* open({ brokers: [cluster.brokers[0], cluster.brokers[2]] }, topic)
      const running = yield* load(writer)
      yield* Effect.sleep("1 second")
      yield* Effect.acquireUseRelease(
        cluster.nodes[1].stop,
        () =>
          Effect.gen(function* () {
            yield* Effect.sleep("1 second")
            const before = (yield* writer.stats).acknowledged
            yield* eventually(writer.stats, (stats) => stats.acknowledged > before + 100)
          }),
        () => Effect.orDie(cluster.nodes[1].continue)
      )
      yield* Effect.sleep("2 seconds")
      yield* running.stop
      assert.deepStrictEqual(running.failures, [])
      verify(yield* java.dump(topic), running)
      assert.isBelow(running.longest(), 20_000)
    }))

  test("too few replicas: Timeout, and certainly not in the log", () =>
    Effect.gen(function* () {
      const { cluster, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, {
        assignments: [[1, 3]],
        configs: { "cleanup.policy": "compact", "min.insync.replicas": "2" }
      })
      const writer = yield* open({ brokers: cluster.brokers }, topic, { deliveryTimeout: "5 seconds" })
      yield* eventually(Effect.exit(writer.set("a", "1")), Exit.isSuccess)
      yield* cluster.nodes[2].shutdown
      const error = yield* Effect.flip(writer.set("a", "2"))
      assert.strictEqual(error.reason, "Timeout")
      assert.include(error.message, "NOT_ENOUGH_REPLICAS")
      yield* cluster.nodes[2].start
      yield* eventually(Effect.exit(writer.set("a", "3")), Exit.isSuccess)
      assert.notInclude((yield* java.dump(topic)).map(shown), "a=2")
    }))

  test("closing while the leader is frozen is bounded, and leaves nothing", () =>
    Effect.gen(function* () {
      const { cluster, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { assignments: [[3]], configs: { "cleanup.policy": "compact" } })
      const { exit, left, told } = yield* leftovers(
        Effect.gen(function* () {
          const writer = yield* open({ brokers: cluster.brokers }, topic, { closeTimeout: "1 second" })
          yield* writer.set("a", "1")
          yield* cluster.nodes[2].stop
          const { requests } = yield* writer.stats
          const write = yield* Effect.forkDetach(Effect.flip(writer.set("a", "2")))
          yield* eventually(writer.stats, (stats) => stats.requests > requests)
          return write
        })
      ).pipe(Effect.ensuring(Effect.orDie(cluster.nodes[2].continue)))
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isSuccess(exit)) assert.strictEqual((yield* Fiber.join(exit.value)).reason, "UnknownOutcome")
      assert.isBelow(left.millisToClose, 3_000)
      assert.deepInclude(left, { connections: 0, fibers: 0, timers: 0 }, told)
    }))
})

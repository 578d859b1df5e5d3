/** What a table does on a real Kafka that test/contract does not say: brokers that fail, quotas, what is no broker. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { createServer as createHttpServer } from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { assert, describe } from "vitest"
import { failureOf } from "../support/exits.ts"
import { Codec, KafkaClient, KafkaTable, Position } from "../../src/index.ts"
import { makeAuthority } from "../kafka/certificates.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { freePorts } from "../kafka/ports.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { answering } from "../support/answering.ts"
import { leftovers, sockets, type Leftovers } from "../support/leftovers.ts"
import {
  changesOf,
  differences,
  eventually,
  failOnProcessWarnings,
  fold,
  numbers,
  shared,
  statuses,
  statusOf,
  test
} from "../support/live.ts"
import { stopwatch, turnsOfLoop } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { listening, open, withClient } from "./support.ts"

failOnProcessWarnings()

const compacted = { "cleanup.policy": "compact" }

const positionsAt = (topic: string, positions: ReadonlyArray<JavaClient.Position>) =>
  positions.map(({ offset, partition }) => Position.make({ topic, partition, offset }))

const http = () => createHttpServer((_request, response) => response.end("hello"))

realKafka("a table on a real Kafka", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      return { brokers, java: yield* JavaClient.make(adminBrokers) }
    })
  )

  test("one bootstrap broker of several is enough", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const [port] = yield* freePorts(1)
      const wrong = yield* listening(http)
      const all = [`127.0.0.1:${port}`, wrong.address, "no-such-host.invalid:9092", ...brokers]
      const table = yield* open({ brokers: all }, topic)
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
    }))

  test("100,000 records: every value is right, the event loop stays usable meanwhile", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      yield* java.seed(topic, { count: 100_000, valueBytes: 236 })
      const catchingUp = turnsOfLoop()
      const table = yield* open({ brokers }, topic)
      const { longest, millis, ticks } = catchingUp()
      const snapshot = table.unsafeSnapshot()
      assert.strictEqual(snapshot.size, 100_000)
      let wrong = 0
      for (let i = 0; i < 100_000; i++) {
        const value = snapshot.getOrUndefined(`key-${String(i).padStart(7, "0")}`)
        if (value === undefined || value.length !== 236 || !value.startsWith(`{"n":${i},`)) wrong++
      }
      assert.strictEqual(wrong, 0)
      // a catch-up in one piece would be a gap of all of its time
      assert.isBelow(longest, Math.max(200, millis / 3))
      assert.isAbove(ticks, millis / 60)
      const stats = yield* table.stats
      assert.strictEqual(stats.replayed, 100_000)
      assert.isDefined(stats.catchUpMillis)
    }))

  test("throttled by a quota: slow, and complete all the same", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 2, configs: compacted })
      yield* java.seed(topic, { count: 3_500, valueBytes: 200, config: { "batch.size": "8000" } })
      const clientId = topicName("slow")
      const quota = (rate: number | null) => java.alterQuota({ "client-id": clientId }, { consumer_byte_rate: rate })
      // over its window of about ten seconds: the last part of what there is, is above it
      yield* Effect.acquireRelease(quota(60_000), () => Effect.ignore(quota(null)))
      // A broker may not have heard of the quota yet when the first ones read.
      const timed = Effect.suspend(() => {
        const begin = performance.now()
        return Effect.map(
          open({ brokers, clientId }, topic, { fetch: { maxBytes: 30_000 }, onCatchUpTimeout: "fail" }),
          (table) => ({ table, millis: performance.now() - begin })
        )
      })
      let { millis, table } = yield* timed
      for (let i = 0; i < 20 && millis < 1_000; i++) ({ millis, table } = yield* timed)
      assert.isAbove(millis, 1_000)
      assert.strictEqual(yield* table.size, 3_500)
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      assert.strictEqual((yield* table.stats).reconnects, 0)
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// brokers that fail
// ---------------------------------------------------------------------------------------------------------------------

/** Brokers close connections that were idle for so long. */
const IDLE_MILLIS = 2_000

const impatient = { requestTimeout: "1 second", connectTimeout: "1 second" } as const

realKafka("a table whose broker fails", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ config: { "connections.max.idle.ms": String(IDLE_MILLIS) } })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      return { java, brokers: cluster.brokers, node: cluster.nodes[0] }
    })
  )

  for (const way of ["stopped and started", "killed and started"] as const) {
    test(`broker ${way}: serves and says so, then goes on with nothing lost and nothing twice`, () =>
      Effect.gen(function* () {
        const { brokers, java, node } = yield* kafka
        const topic = topicName()
        yield* java.createTopic(topic, { partitions: 2, configs: compacted })
        const put = (from: number) =>
          Effect.forEach(numbers(10, from), (i) => java.produce(topic, [{ key: `k${i % 2}`, value: `${i}` }]))
        const table = yield* open({ brokers, ...impatient }, topic)
        const changes = yield* changesOf(table)
        const seen = yield* statuses(table)
        yield* put(0)
        yield* table.barrier()
        assert.isTrue((yield* table.freshness).connected)

        const large = topicName()
        yield* java.createTopic(large, { partitions: 2, configs: compacted })
        yield* java.seed(large, { count: 3_000, valueBytes: 100, config: { "batch.size": "1000" } })
        // one that still replays, in small answers, and is in the middle of it when the broker goes
        let fetches = 0
        const isDown = yield* Latch.make(false)
        const client = yield* KafkaClient.make({ brokers, ...impatient })
        const slow: KafkaClient.KafkaClient = {
          ...client,
          connect: (broker) =>
            Effect.map(client.connect(broker), (connection) =>
              answering(connection, {
                Fetch: (request, ask) => Effect.andThen(++fetches > 20 ? isDown.await : Effect.void, ask(request))
              })
            )
        }
        const replaying = yield* KafkaTable.make<string, string>({
          topic: large,
          value: Codec.utf8,
          fetch: { maxPartitionBytes: 1_000, maxBytes: 1_000 },
          catchUpTimeout: PATIENCE_MILLIS,
          onCatchUpTimeout: "fail"
        }).pipe(Effect.provideService(KafkaClient.KafkaClient, slow), Effect.forkScoped)
        yield* eventually(
          Effect.sync(() => fetches),
          (count) => count > 20
        )

        yield* way === "killed and started" ? node.kill : node.shutdown
        yield* isDown.open
        // one that is stopped may say before that it leads nothing any more
        yield* eventually(
          table.freshness,
          ({ connected, lastFailure }) => !connected && lastFailure?._tag === "KafkaConnectionError"
        )
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k1"), "9")
        const barrier = failureOf(yield* Effect.exit(table.barrier({ timeout: "500 millis" })))
        assert.strictEqual(barrier._tag, "KafkaWaitTimeoutError")
        yield* eventually(table.freshness, (freshness) => (freshness.staleMillis ?? 0) > 1_000)

        yield* node.start
        yield* put(10)
        yield* table.barrier()
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k1"), "19")
        for (const key of ["k0", "k1"]) {
          assert.deepStrictEqual(
            changes.filter((change) => change[0] === key).map((change) => Number(change[1])),
            numbers(20).filter((i) => `k${i % 2}` === key)
          )
        }
        yield* eventually(
          table.freshness,
          ({ connected, lag, lastFailure }) => connected && lastFailure === undefined && lag === 0
        )
        assert.deepStrictEqual(seen, ["CaughtUp"])
        const stats = yield* table.stats
        assert.strictEqual(stats.rebuilds, 0)
        // after that, no connection of the table's is lost
        if (way === "killed and started") assert.isAbove(stats.reconnects, 0)
        const replayed = yield* Fiber.join(replaying)
        assert.deepStrictEqual(differences(replayed.unsafeSnapshot(), fold(yield* java.dump(large))), [])
        assert.strictEqual((yield* replayed.stats).replayed, 3_000)
        assert.isAbove((yield* replayed.stats).reconnects, 0)
        assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* java.dump(topic))), [])
      }))
  }

  test("a connection that the broker closed for being idle is no failure", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* eventually(Effect.sync(sockets), (count) => count === 0)
      const table = yield* open({ brokers }, topic)
      // one to ask, one to fetch
      yield* eventually(Effect.sync(sockets), (count) => count === 2)
      yield* eventually(Effect.sync(sockets), (count) => count === 1)
      const passed = stopwatch()
      yield* table.barrier()
      assert.isBelow(passed(), 1_000)
      assert.isUndefined((yield* table.freshness).lastFailure)
    }))

  test("frozen broker: noticed within the request timeout, a start is degraded or fails on time, then all resume", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      const table = yield* open({ brokers, ...impatient }, topic)
      const seen = yield* statuses(table)
      yield* Effect.acquireRelease(node.stop, () => Effect.ignore(node.continue))
      const passed = stopwatch()
      const frozen = yield* eventually(table.freshness, (freshness) => !freshness.connected)
      assert.isBelow(passed(), 3_000)
      assert.strictEqual(frozen.lastFailure?.reason, "Timeout")

      const [degraded, failed] = yield* Effect.all(
        [
          open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second" }),
          Effect.exit(open({ brokers, ...impatient }, topic, { catchUpTimeout: "1 second", onCatchUpTimeout: "fail" }))
        ],
        { concurrency: 2 }
      )
      const status = yield* statusOf(degraded)
      assert.strictEqual(status._tag, "Degraded")
      assert.strictEqual(failureOf(failed)._tag, "KafkaWaitTimeoutError")

      yield* node.continue
      yield* java.produce(topic, [{ key: "a", value: "2" }])
      yield* table.barrier()
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "2")
      yield* degraded.awaitCaughtUp()
      assert.strictEqual(degraded.unsafeSnapshot().getOrUndefined("a"), "2")
      assert.deepStrictEqual(seen, ["CaughtUp"])
    }))

  test("no broker at the start: degraded or a typed error on time; caught up once there is one", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "1" }])
      yield* node.kill
      const passed = stopwatch()
      const [degraded, failed] = yield* Effect.all(
        [
          open({ brokers, ...impatient }, topic, { catchUpTimeout: "2 seconds" }),
          Effect.exit(open({ brokers, ...impatient }, topic, { catchUpTimeout: "2 seconds", onCatchUpTimeout: "fail" }))
        ],
        { concurrency: 2 }
      )
      assert.isBelow(passed(), 4_000)
      const error = failureOf(failed)
      assert.strictEqual(error._tag, "KafkaWaitTimeoutError")
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.strictEqual(error.cause?._tag, "KafkaConnectionError")
        assert.strictEqual(error.cause?.reason, "Unreachable")
      }
      assert.strictEqual((yield* statusOf(degraded))._tag, "Degraded")
      assert.strictEqual(yield* degraded.size, 0)
      yield* node.start
      yield* degraded.awaitCaughtUp()
      assert.deepStrictEqual([...degraded.unsafeSnapshot()], [["a", "1"]])
    }))

  test("closed or interrupted, broker up or frozen: at once, and nothing is left", () =>
    Effect.gen(function* () {
      const { brokers, java, node } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 3, configs: compacted })
      yield* java.seed(topic, { count: 50_000, valueBytes: 200 })
      const nothing = { connections: 0, fibers: 0, timers: 0 }
      const clean = (what: string, found: { readonly left: Leftovers; readonly told: string }) => {
        const { millisToClose, ...left } = found.left
        assert.deepStrictEqual(left, nothing, `${what}, ${found.told}`)
        assert.isBelow(millisToClose, 2_000, what)
      }
      const use = Effect.gen(function* () {
        // the driver's own timers of 10 seconds would be seen
        const table = yield* open({ brokers }, topic)
        yield* table.barrier()
        return table
      })
      const used = yield* leftovers(use)
      clean("closed", used)
      if (Exit.isFailure(used.exit)) return assert.fail(String(used.exit))
      const table = used.exit.value
      assert.strictEqual(table.unsafeSnapshot().size, 50_000)
      assert.strictEqual(failureOf(yield* Effect.exit(table.barrier()))._tag, "KafkaTableClosedError")
      for (const millis of [0, 2, 5, 15, 40, 90]) {
        clean(`interrupted after ${millis} ms`, yield* leftovers(use, { interruptAfter: millis }))
      }

      yield* Effect.acquireRelease(node.stop, () => Effect.ignore(node.continue))
      clean("frozen, acquiring", yield* leftovers(use, { interruptAfter: "300 millis" }))
      const late = yield* leftovers(
        open({ brokers, ...impatient }, topic, { catchUpTimeout: "1500 millis", onCatchUpTimeout: "fail" })
      )
      assert.strictEqual(failureOf(late.exit)._tag, "KafkaWaitTimeoutError")
      clean("frozen, timed out", late)
      yield* node.continue
      const frozen = yield* leftovers(
        Effect.gen(function* () {
          const table = yield* use
          const waiting = yield* Effect.forkDetach(Effect.exit(table.barrier()))
          yield* node.stop
          const barrier = yield* Effect.forkDetach(Effect.exit(table.barrier()))
          // in the middle of everything: requests unanswered, and new connections
          yield* Effect.sleep("700 millis")
          return { waiting, barrier }
        })
      )
      if (Exit.isFailure(frozen.exit)) return assert.fail(String(frozen.exit))
      const ended = failureOf(yield* Fiber.join(frozen.exit.value.barrier))
      assert.strictEqual(ended._tag, "KafkaTableClosedError")
      // the other one may have had its answer before the broker stood still
      const waited = yield* Fiber.join(frozen.exit.value.waiting)
      if (Exit.isFailure(waited)) assert.strictEqual(failureOf(waited)._tag, "KafkaTableClosedError")
      yield* node.continue
      const { fibers: _fibers, millisToClose, ...left } = frozen.left
      assert.deepStrictEqual(left, { connections: 0, timers: 0 })
      assert.isBelow(millisToClose, 2_000)
    }))
})

realKafka("a table whose leader fails", { java: true }, () => {
  test("one of three brokers is killed, one is frozen: others go on, then the next leader is followed", () =>
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ nodes: 3, config: { "min.insync.replicas": "1" } })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic, {
        assignments: [
          [1, 2, 3],
          [2, 3, 1],
          [3, 1, 2]
        ],
        configs: compacted
      })
      const table = yield* open({ brokers: cluster.brokers, ...impatient }, topic)
      const changes = yield* changesOf(table)
      const seen = yield* statuses(table)
      // a producer that asks for the leaders often, and is given the time for it
      const patient = {
        config: { "metadata.max.age.ms": "500", "request.timeout.ms": "2000", "delivery.timeout.ms": "40000" }
      }
      let count = 0
      const put = (partition: number) =>
        Effect.gen(function* () {
          const value = `${count++}`
          const positions = yield* java.produce(topic, [{ key: `k${partition}`, value, partition }], patient)
          yield* table.awaitPosition(positionsAt(topic, positions))
          assert.strictEqual(table.unsafeSnapshot().getOrUndefined(`k${partition}`), value)
        })
      const leaders = Effect.map(table.stats, (stats) => stats.partitions.map((p) => p.leader))
      yield* Effect.forEach([0, 1, 2], put)
      assert.deepStrictEqual(yield* leaders, [1, 2, 3])

      // a leader that moves for no fault
      yield* java.reassign(topic, [{ partition: 1, replicas: [3, 2, 1] }])
      yield* java.electLeaders(topic, [1])
      yield* Effect.forEach([0, 1, 2], put)
      yield* eventually(leaders, (list) => list[1] === 3)

      yield* cluster.nodes[0].kill
      yield* put(1)
      yield* put(0)
      assert.notInclude(yield* leaders, 1)
      yield* table.barrier()
      yield* cluster.nodes[0].start

      const frozen = cluster.nodes[2]
      yield* Effect.acquireRelease(frozen.stop, () => Effect.ignore(frozen.continue))
      yield* put(0)
      yield* eventually(leaders, (list) => !list.includes(3) && !list.includes(-1))
      yield* Effect.forEach([2, 1, 0], put)
      yield* frozen.continue
      yield* Effect.forEach([0, 1, 2], put)

      yield* eventually(
        Effect.sync(() => changes.length),
        (length) => length >= count
      )
      for (const key of ["k0", "k1", "k2"]) {
        const values = changes.filter((change) => change[0] === key).map((change) => Number(change[1]))
        assert.deepStrictEqual(
          values,
          [...values].sort((a, b) => a - b)
        )
        assert.strictEqual(new Set(values).size, values.length)
      }
      assert.strictEqual(changes.length, count)
      assert.deepStrictEqual(seen, ["CaughtUp"])
      assert.strictEqual((yield* table.stats).rebuilds, 0)
      // the one that was frozen may still tell others about the log as it was when it led it
      yield* eventually(
        Effect.map(java.dump(topic), (log) => differences(table.unsafeSnapshot(), fold(log))),
        (found) => found.length === 0
      )
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// what is no broker
// ---------------------------------------------------------------------------------------------------------------------

describe.concurrent("a port that speaks something else", () => {
  /** For those that say at once what they are. */
  const patient = { requestTimeout: "1 minute", connectTimeout: "1 minute" } as const

  const says =
    (bytes: Uint8Array | undefined, end = false) =>
    () =>
      Net.createServer((socket) => {
        socket.once("data", () => {
          if (bytes !== undefined) socket.write(bytes)
          if (end) socket.end()
        })
      })

  const frame = (...bytes: ReadonlyArray<number>) => Buffer.from(bytes)

  const tls = (now: number) => () => {
    const authority = makeAuthority("test-ca", now)
    return Tls.createServer(authority.issue({ name: "broker", hosts: ["127.0.0.1"] }))
  }

  const peers: ReadonlyArray<readonly [string, (now: number) => () => Net.Server, ReadonlyArray<string>]> = [
    ["HTTP", () => http, ["Protocol"]],
    ["TLS, met in plain", tls, ["Protocol", "Closed"]],
    ["SSH", () => says(Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")), ["Protocol"]],
    ["nothing", () => says(undefined), ["Timeout"]],
    ["nothing, and closes", () => says(undefined, true), ["Closed"]],
    ["a frame of 0 bytes", () => says(frame(0, 0, 0, 0)), ["Protocol"]],
    ["a frame of -1 bytes", () => says(frame(255, 255, 255, 255)), ["Protocol"]],
    ["a frame of garbage", () => says(frame(0, 0, 0, 8, 0, 0, 0, 0, 255, 255, 255, 255)), ["Protocol"]],
    ["an answer to nobody", () => says(frame(0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0)), ["Timeout", "Protocol"]],
    ["half a frame, and closes", () => says(frame(0, 0, 0, 8, 0, 0), true), ["Closed"]]
  ]

  for (const [name, make, reasons] of peers) {
    test(`${name}: a typed error, no crash, no hang, nothing left`, () =>
      Effect.gen(function* () {
        const peer = yield* listening(make(yield* Clock.currentTimeMillis))
        const client = { brokers: [peer.address], ...(reasons.includes("Timeout") ? impatient : patient) }
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (one) => one.describeTopic("topic")).pipe(withClient(client))
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.include(reasons, error.reason)
        assert.include(error.message, peer.address)
        const acquired = failureOf(
          yield* Effect.exit(open(client, "topic", { catchUpTimeout: "4 seconds", onCatchUpTimeout: "fail" }))
        )
        assert.strictEqual(acquired._tag, "KafkaWaitTimeoutError")
        if (acquired._tag === "KafkaWaitTimeoutError") {
          assert.strictEqual(acquired.cause?._tag, "KafkaConnectionError")
          assert.include(reasons, acquired.cause?.reason)
        }
      }))
  }

  test("plain, met in TLS: a Tls error at once", () =>
    Effect.gen(function* () {
      const peer = yield* listening(http)
      const error = failureOf(yield* Effect.exit(open({ brokers: [peer.address], tls: true, ...patient }, "topic")))
      assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"])
    }))

  test("nobody: refused, or no such host", () =>
    Effect.gen(function* () {
      const [port] = yield* freePorts(1)
      for (const broker of [`127.0.0.1:${port}`, "no-such-host.invalid:9092"]) {
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (one) => one.describeTopic("topic")).pipe(
            withClient({ brokers: [broker], ...patient })
          )
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.strictEqual(error.reason, "Unreachable")
      }
    }))
})

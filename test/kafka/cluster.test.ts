/** That the tools of the other tests work: brokers start, refuse and stop, and the independent clients agree. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { X509Certificate } from "node:crypto"
import * as fs from "node:fs"
import { connect as connectTls } from "node:tls"
import { makeAuthority } from "./certificates.ts"
import { consoleProduce, kafkaTool } from "./java.ts"
import * as JavaClient from "./JavaClient.ts"
import * as KafkaCluster from "./KafkaCluster.ts"
import * as Librdkafka from "./Librdkafka.ts"
import { accepts, liveBrokers } from "./ports.ts"
import { realKafka, sharedKafka, topicName } from "./realKafka.ts"

const texts = (records: ReadonlyArray<{ readonly key: Buffer | null; readonly value: Buffer | null }>) =>
  records.map((record) => [record.key?.toString() ?? null, record.value?.toString() ?? null])

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** "connected", or why a TLS connection to that address is refused. */
const tlsOutcome = (address: string, ca: string): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    const [host = "", port = ""] = address.split(":")
    const socket = connectTls({ host, port: Number(port), ca })
    const end = (outcome: string) => {
      socket.destroy()
      resume(Effect.succeed(outcome))
    }
    socket.once("secureConnect", () => end("connected"))
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })

realKafka("the shared broker", { java: true, python: true }, () => {
  it.live("Java and librdkafka read what the other wrote", () =>
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      const java = yield* JavaClient.make(adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic, { partitions: 3, configs: { "cleanup.policy": "compact" } })
      expect((yield* java.topicConfigs(topic))["cleanup.policy"]).toBe("compact")

      const positions = yield* java.produce(
        topic,
        [
          { key: "a", value: "1", headers: [{ key: "h", value: "x" }], timestamp: 1_700_000_000_000 },
          { key: "b", value: "" },
          { key: "c", value: null }
        ],
        { compression: "zstd" }
      )
      expect(positions.map((position) => position.partition)).toEqual(
        yield* Effect.forEach(["a", "b", "c"], (key) => java.partitionFor(key, 3))
      )
      yield* Librdkafka.produce({ brokers, topic, records: [{ key: "a", value: "2" }], compression: "lz4" })
      yield* consoleProduce({ brokers, topic, lines: ["d\t4"], keySeparator: "\t", compression: "snappy" })

      const seen = yield* java.dump(topic)
      expect(texts(seen).sort()).toEqual([
        ["a", "1"],
        ["a", "2"],
        ["b", ""],
        ["c", null],
        ["d", "4"]
      ])
      const first = seen.find((record) => record.value?.toString() === "1")
      expect(first).toMatchObject({ timestamp: 1_700_000_000_000, headers: [{ key: "h", value: Buffer.from("x") }] })
      const byLibrdkafka = yield* Librdkafka.consume({ brokers, topic })
      const inOrder = <A extends { readonly partition: number; readonly offset: number }>(records: ReadonlyArray<A>) =>
        [...records].sort((one, other) => one.partition - other.partition || one.offset - other.offset)
      expect(inOrder(byLibrdkafka)).toEqual(inOrder(seen).map(({ timestampType: _, ...record }) => record))

      const ends = yield* java.listOffsets(topic)
      expect(ends.map((end) => end.offset).reduce((sum, offset) => sum + offset)).toBe(5)
    }).pipe(Effect.scoped)
  )

  it.live("transactions, deleted records, compaction, more partitions", () =>
    Effect.gen(function* () {
      const java = yield* JavaClient.make((yield* sharedKafka).adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic)
      const transaction = yield* java.transaction()
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "k", value: "aborted" }])
      yield* transaction.abort
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "k", value: "committed" }])
      yield* transaction.commit
      yield* transaction.begin
      yield* transaction.send(topic, [{ key: "k", value: "open" }])
      expect(texts(yield* java.dump(topic, { committed: true }))).toEqual([["k", "committed"]])
      expect(texts(yield* java.dump(topic))).toEqual([
        ["k", "aborted"],
        ["k", "committed"],
        ["k", "open"]
      ])
      expect(yield* java.listOffsets(topic, { committed: true })).toEqual([{ partition: 0, offset: 4 }])
      expect(yield* java.listOffsets(topic)).toEqual([{ partition: 0, offset: 5 }])
      yield* transaction.commit

      expect(yield* java.deleteRecords(topic, [{ partition: 0, offset: 3 }])).toEqual([{ partition: 0, offset: 3 }])
      expect(yield* java.listOffsets(topic, { at: "earliest" })).toEqual([{ partition: 0, offset: 3 }])

      yield* java.createPartitions(topic, 2)
      expect((yield* java.describeTopic(topic)).partitions.map((partition) => partition.leader)).toEqual([1, 1])
      expect((yield* Effect.flip(java.createTopic(topic))).message).toContain("already exists")

      const compacted = topicName()
      yield* java.createTopic(compacted)
      yield* java.seed(compacted, { count: 1000, keys: 10 })
      yield* java.produce(compacted, [{ key: "key-0000000", value: null }])
      yield* java.compact(compacted, { dropTombstones: true })
      const keys = (yield* java.dump(compacted)).map((record) => record.key?.toString())
      expect(keys.filter((key) => key?.startsWith("key-"))).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `key-000000${n}`)
      )
      yield* java.deleteTopic(compacted)
      yield* java.deleteTopic(topic)
    }).pipe(Effect.scoped)
  )

  it.live("Kafka's own tools run", () =>
    Effect.gen(function* () {
      const { adminBrokers } = yield* sharedKafka
      const server = ["--bootstrap-server", adminBrokers.join(",")]
      const [configs, transactions] = yield* Effect.all(
        [
          kafkaTool("configs", [...server, "--describe", "--entity-type", "brokers", "--entity-name", "1", "--all"]),
          kafkaTool("transactions", [...server, "list"])
        ],
        { concurrency: "unbounded" }
      )
      expect(configs.stdout.toString()).toContain("log.cleaner.backoff.ms=100")
      expect(transactions.stdout.toString()).toContain("TransactionalId")
    })
  )
})

realKafka("clusters", { java: true, python: true }, () => {
  it.live("TLS and SASL with ACLs: other protocols, names and passwords are refused", () =>
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({
        listener: "sasl_ssl",
        users: { alice: 'a "b" \\c', bob: "bob" },
        acls: true
      })
      const address = cluster.nodes[0].address
      const ca = cluster.tls?.ca ?? ""
      expect(yield* liveBrokers(address)).toEqual([])
      expect(yield* tlsOutcome(cluster.brokers[0], ca)).toBe("connected")
      expect(yield* tlsOutcome(cluster.brokers[0], cluster.tls?.otherCa ?? "")).not.toBe("connected")

      const java = yield* JavaClient.make(cluster.adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic)
      yield* java.addAcls([
        { user: "alice", resource: "topic", name: topic, operation: "read" },
        { user: "alice", resource: "topic", name: topic, operation: "write" },
        { user: "alice", resource: "group", name: "*", operation: "read" }
      ])
      const as = (mechanism: string, username: string, password: string) => ({
        "security.protocol": "SASL_SSL",
        "ssl.ca.pem": ca,
        "sasl.mechanism": mechanism,
        "sasl.username": username,
        "sasl.password": password
      })
      const produce = (config: Record<string, string | number>) =>
        Librdkafka.produce({ brokers: cluster.brokers, topic, records: [{ key: "k", value: "v" }], config })
      const alice = 'a "b" \\c'
      // librdkafka goes on trying with what was refused
      const refused = (config: Record<string, string>) =>
        Effect.flip(produce({ ...config, "message.timeout.ms": 4000 }))
      yield* Effect.all(
        [
          produce(as("PLAIN", "alice", alice)),
          produce(as("SCRAM-SHA-256", "alice", alice)),
          produce(as("SCRAM-SHA-512", "alice", alice)),
          produce({
            "security.protocol": "SASL_SSL",
            "ssl.ca.pem": ca,
            "sasl.mechanism": "OAUTHBEARER",
            "enable.sasl.oauthbearer.unsecure.jwt": "true",
            "sasl.oauthbearer.config": "principal=alice"
          }),
          refused(as("PLAIN", "alice", "wrong")),
          refused(as("SCRAM-SHA-512", "bob", "bob"))
        ],
        { concurrency: 2 }
      )
      expect((yield* java.dump(topic)).length).toBe(4)
    }).pipe(Effect.scoped)
  )

  it.live("TLS certificates that are expired, or of another host", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.forEach(["expired", "wrong-host"] as const, (certificate) =>
        Effect.flatMap(KafkaCluster.make({ listener: "tls", certificate }), (cluster) =>
          tlsOutcome(cluster.brokers[0], cluster.tls?.ca ?? "")
        ).pipe(Effect.scoped)
      )
      expect(outcomes).toEqual(["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"])
    })
  )

  it.live("TLS with certificates of clients", () =>
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({
        listener: "tls",
        acls: true,
        config: { "listener.name.client.ssl.client.auth": "required" }
      })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic)
      yield* java.addAcls([
        { user: "CN=client", resource: "topic", name: "test-", pattern: "prefixed", operation: "all" }
      ])
      const anonymous = { "security.protocol": "SSL", "ssl.ca.pem": cluster.tls?.ca ?? "" }
      const { cert = "", key = "" } = cluster.tls?.client ?? {}
      const records = [{ key: "k", value: "v" }]
      const { brokers } = cluster
      // librdkafka goes on trying with what was refused
      const hasty = { ...anonymous, "message.timeout.ms": 3000 }
      yield* Effect.flip(Librdkafka.produce({ brokers, topic, records, config: hasty }))
      const known = { ...anonymous, "ssl.certificate.pem": cert, "ssl.key.pem": key }
      yield* Librdkafka.produce({ brokers, topic, records, config: known })
      expect(texts(yield* java.dump(topic))).toEqual([["k", "v"]])
    }).pipe(Effect.scoped)
  )

  it.live("three nodes: one dies and comes back, one is frozen", () =>
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ nodes: 3 })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      const topic = topicName()
      yield* java.createTopic(topic, { assignments: [[2, 1, 3]] })
      yield* java.produce(topic, [{ key: "k", value: "1" }])

      // Brokers hear of a new leader one after the other, and any of them may be asked.
      const described = Effect.map(java.describeTopic(topic), ({ partitions }) => partitions[0]?.leader ?? -1)
      const leaderIs = (is: (leader: number) => boolean) =>
        described.pipe(Effect.repeat({ until: (leader) => is(leader), schedule: Schedule.spaced("100 millis") }))

      const [first, second] = [cluster.nodes[0], cluster.nodes[1]]
      yield* second.kill
      expect(yield* second.isRunning).toBe(false)
      yield* java.produce(topic, [{ key: "k", value: "2" }])
      yield* leaderIs((leader) => leader !== 2)
      yield* second.start
      yield* java.electLeaders(topic, [0])
      yield* leaderIs((leader) => leader === 2)
      yield* java.reassign(topic, [{ partition: 0, replicas: [2, 3] }])
      yield* first.stop
      expect(yield* liveBrokers(first.adminAddress)).toEqual([])
      yield* first.continue
      expect(texts(yield* java.dump(topic))).toEqual([
        ["k", "1"],
        ["k", "2"]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("what was started is gone with the scope, frozen or not", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const cluster = yield* Scope.provide(KafkaCluster.make(), scope)
      const pid = yield* cluster.nodes[0].pid
      yield* cluster.nodes[0].stop
      yield* Scope.close(scope, Exit.void)
      expect(isAlive(pid)).toBe(false)
      expect(fs.existsSync(cluster.dataDir)).toBe(false)
    })
  )

  it.effect("a broker that does not start says why", () =>
    Effect.gen(function* () {
      const error = yield* KafkaCluster.make({ config: { "log.segment.bytes": "many" } }).pipe(
        Effect.scoped,
        Effect.flip
      )
      expect(error.reason).toBe("start")
      expect(error.message).toContain("log.segment.bytes")
    })
  )

  it.live("an older version runs beside a ZooKeeper that ends with it, and says why it does not start", () =>
    Effect.gen(function* () {
      const version = "2.8.2"
      const scope = yield* Scope.make()
      const { zooKeeper = "" } = yield* Scope.provide(KafkaCluster.make({ version }), scope)
      const [host = "", port = ""] = zooKeeper.split(":")
      expect(yield* accepts({ host, port: Number(port) })).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(yield* accepts({ host, port: Number(port) })).toBe(false)
      for (const [options, reason, message] of [
        [{ version, config: { "log.segment.bytes": "many" } }, "start", "log.segment.bytes"],
        [{ version, listener: "tls" }, "options", "plain listeners only"]
      ] as const) {
        const error = yield* Effect.flip(Effect.scoped(KafkaCluster.make(options)))
        expect(error.reason).toBe(reason)
        expect(error.message).toContain(message)
      }
    })
  )
})

describe("certificates", () => {
  it("are what Node takes for certificates", () => {
    const authority = makeAuthority("ca", 1_790_000_000_000)
    const issued = authority.issue({ name: "broker", hosts: ["localhost", "127.0.0.1"] })
    const ca = new X509Certificate(authority.cert)
    const certificate = new X509Certificate(issued.cert)
    expect(certificate.verify(ca.publicKey)).toBe(true)
    expect(certificate.checkHost("localhost")).toBe("localhost")
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1")
    expect(certificate.checkHost("other")).toBeUndefined()
  })
})

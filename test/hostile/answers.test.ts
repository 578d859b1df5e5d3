/** Answers that are none, too large, too slow, or about what nobody can connect to: over a real socket. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import * as Tls from "node:tls"
import { inspect } from "node:util"
import { KafkaClient } from "../../src/index.ts"
import { makeAuthority } from "../kafka/certificates.ts"
import { Writer } from "../../src/internal/protocol/wire.ts"
import * as FakeBroker from "../support/FakeBroker.ts"
import { eventually } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"

const { bytesOf, frame, Key } = FakeBroker

const clientOf = (broker: FakeBroker.FakeBroker, requestTimeout: Duration.Input = "20 seconds") =>
  KafkaClient.make({ brokers: [`127.0.0.1:${broker.port}`], connectTimeout: "20 seconds", requestTimeout })

const connect = (broker: FakeBroker.FakeBroker, requestTimeout?: Duration.Input) =>
  Effect.flatMap(clientOf(broker, requestTimeout), (client) =>
    client.connect({ nodeId: 0, host: "127.0.0.1", port: broker.port })
  )

const gone = (broker: FakeBroker.FakeBroker) =>
  eventually(
    Effect.sync(() => broker.sockets.size),
    (size) => size === 0
  )

const head = (size: number, correlationId: number) =>
  bytesOf((w) => {
    w.int32(size)
    w.int32(correlationId)
  })

describe("the negotiation of versions", () => {
  /** So many requests of which none follows; 0 stands for no array. */
  const counted = (count: number) => {
    const writer = new Writer(true)
    writer.int16(0)
    writer.unsignedVarint(count)
    writer.int32(0)
    writer.tags()
    return writer.toBuffer()
  }
  const many = Array.from({ length: 12_000 }, (_, key) => [key % 30_000, 0, 1] as const)
  for (const [name, body, reason] of [
    ["2147483646 requests", counted(2_147_483_647), "Protocol"],
    ["4294967294 requests", counted(4_294_967_295), "Protocol"],
    ["no array", counted(0), "Protocol"],
    ["more than its bytes", counted(9), "Protocol"],
    ["84 kB of requests", FakeBroker.apiVersions(many), "Protocol"],
    ["nothing", Buffer.alloc(0), "Protocol"],
    ["an error", bytesOf((w) => w.int16(-1)), "Protocol"],
    [
      "UNSUPPORTED_VERSION, whatever version it is asked in",
      Buffer.concat([bytesOf((w) => w.int16(35)), Buffer.alloc(4)]),
      "UnsupportedVersion"
    ]
  ] as const) {
    it.live(`${name}: ${reason}, at once`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({ [Key.ApiVersions]: ({ answer }) => answer(body) })
        const [millis, error] = yield* timed(Effect.flip(connect(broker)))
        assert.strictEqual(error.reason, reason)
        assert.isBelow(millis, 15_000)
        yield* gone(broker)
      })
    )
  }

  it.live("with a broker that knows no newer version than 2: in that version, as it asks for", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({
        [Key.ApiVersions]: ({ answer, version }) =>
          answer(version > 2 ? bytesOf((w) => w.int16(35)) : FakeBroker.apiVersions(undefined, false))
      })
      const connection = yield* connect(broker)
      assert.deepStrictEqual(
        broker.of(Key.ApiVersions).map(({ version }) => version),
        [3, 2]
      )
      assert.strictEqual(connection.features, undefined)
      assert.strictEqual((yield* connection.request("Metadata", { topics: [] })).brokers.length, 1)
    })
  )
})

describe("an answer that nobody waits for", () => {
  const nobody: ReadonlyArray<readonly [name: string, id: (asked: FakeBroker.Asked) => number]> = [
    ["of a request that was not made", ({ correlationId }) => correlationId + 100],
    ["of an answered one", ({ correlationId }) => correlationId - 1],
    ["of a negative one", () => -1],
    ["of one far off", () => 0x7fff_ffff]
  ]
  for (const [name, id] of nobody) {
    it.live(`${name}: Protocol, and the connection is gone, at once`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [Key.Metadata]: (asked) => asked.socket.write(frame(id(asked), FakeBroker.metadata([])))
        })
        const connection = yield* connect(broker)
        const [millis, errors] = yield* timed(
          Effect.forEach([1, 2, 3], () => Effect.flip(connection.request("Metadata", { topics: [] })), {
            concurrency: "unbounded"
          })
        )
        assert.deepStrictEqual(
          errors.map((error) => error.reason),
          ["Protocol", "Protocol", "Protocol"]
        )
        assert.isFalse(connection.isOpen())
        assert.isBelow(millis, 15_000)
        yield* gone(broker)
      })
    )
  }

  it.live("a second answer to one request, and one without any: the same", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({
        [Key.Metadata]: ({ answer }) => {
          answer(FakeBroker.metadata([]))
          answer(FakeBroker.metadata([]))
        }
      })
      const connection = yield* connect(broker)
      yield* connection.request("Metadata", { topics: [] })
      yield* gone(broker)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: [] }))).reason, "Protocol")

      const idle = yield* FakeBroker.make()
      const unasked = yield* connect(idle)
      for (const socket of idle.sockets) socket.write(frame(77, Buffer.alloc(4)))
      yield* gone(idle)
      assert.strictEqual((yield* Effect.flip(unasked.request("Metadata", { topics: [] }))).reason, "Protocol")
    })
  )

  it.live("its size is not waited for", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({
        [Key.Metadata]: ({ correlationId, socket }) => socket.write(head(200_000_000, correlationId + 1))
      })
      const connection = yield* connect(broker)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: [] }))).reason, "Protocol")
    })
  )

  it.live("answers that come in another order are each one's own", () =>
    Effect.gen(function* () {
      const held: Array<FakeBroker.Asked> = []
      const broker = yield* FakeBroker.make({
        [Key.Metadata]: (asked) => {
          if (held.push(asked) < 3) return
          const sizes = [1, 2, 3]
          for (const one of [2, 0, 1]) {
            held[one].answer(FakeBroker.metadata(Array.from({ length: sizes[one] }, () => ({ host: "a", port: 1 }))))
          }
        }
      })
      const connection = yield* connect(broker)
      const answers = yield* Effect.forEach([1, 2, 3], () => connection.request("Metadata", { topics: [] }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        answers.map(({ brokers }) => brokers.length),
        [1, 2, 3]
      )
    })
  )
})

describe("the deadline of a request", () => {
  it.live("is its own, whatever else arrives on the connection", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({ [Key.DescribeConfigs]: () => {} })
      // The others are to be answered within that.
      const connection = yield* connect(broker, "2 seconds")
      const others = yield* Effect.forkChild(
        Effect.forever(Effect.delay(connection.request("Metadata", { topics: [] }), "20 millis"))
      )
      const [millis, error] = yield* timed(Effect.flip(connection.request("DescribeConfigs", { topic: "t" })))
      assert.deepStrictEqual([error.reason, error.request], ["Timeout", "DescribeConfigs"])
      assert.isBelow(millis, 5_000)
      assert.isAbove(broker.of(Key.Metadata).length, 2)
      assert.strictEqual((yield* Effect.flip(Fiber.join(others))).reason, "Timeout")
      yield* gone(broker)
    })
  )

  it.live("is its own, while a large answer to another one arrives", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({
        [Key.DescribeConfigs]: () => {},
        [Key.Metadata]: ({ correlationId, socket }) => {
          socket.write(head(8_000_000, correlationId))
          const timer = setInterval(() => socket.write(Buffer.alloc(10_000)), 20)
          socket.on("close", () => clearInterval(timer))
        }
      })
      const connection = yield* connect(broker, "2 seconds")
      const large = yield* Effect.forkChild(Effect.flip(connection.request("Metadata", { topics: [] })))
      const [millis, error] = yield* timed(Effect.flip(connection.request("DescribeConfigs", { topic: "t" })))
      assert.deepStrictEqual([error.reason, error.request], ["Timeout", "DescribeConfigs"])
      assert.isBelow(millis, 5_000)
      assert.strictEqual((yield* Fiber.join(large)).reason, "Timeout")
    })
  )

  for (const [name, bytes, everyMillis] of [
    ["a byte at a time", 1, 20],
    ["a kilobyte now and then", 1_000, 400]
  ] as const) {
    it.live(`is not put off by an answer that drips: ${name}`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [Key.Metadata]: ({ correlationId, socket }) => {
            socket.write(head(8_000_000, correlationId))
            const timer = setInterval(() => socket.write(Buffer.alloc(bytes)), everyMillis)
            socket.on("close", () => clearInterval(timer))
          }
        })
        const connection = yield* connect(broker, "500 millis")
        const [millis, error] = yield* timed(Effect.flip(connection.request("Metadata", { topics: [] })))
        assert.deepStrictEqual([error.reason, error.request], ["Timeout", "Metadata"])
        assert.isBelow(millis, 8_000)
        yield* gone(broker)
      })
    )
  }

  it.live("is put off by an answer that takes several times as long, at the rate of a slow network", () =>
    Effect.gen(function* () {
      const brokers = Array.from({ length: 10_000 }, () => ({ host: "a".repeat(100), port: 9092 }))
      const broker = yield* FakeBroker.make({
        [Key.Metadata]: ({ correlationId, socket }) => {
          const bytes = frame(correlationId, FakeBroker.metadata(brokers))
          const piece = Math.ceil(bytes.length / 25)
          const send = (at: number): void => {
            if (at >= bytes.length) return
            socket.write(bytes.subarray(at, at + piece))
            setTimeout(() => send(at + piece), 100)
          }
          send(0)
        }
      })
      const connection = yield* connect(broker, "600 millis")
      const [took, answer] = yield* Effect.timed(connection.request("Metadata", { topics: [] }))
      assert.strictEqual(answer.brokers.length, brokers.length)
      assert.isAbove(Duration.toMillis(took), 1_800)
    })
  )
})

describe("the size of an answer", () => {
  const requests: ReadonlyArray<
    readonly [
      name: string,
      most: number,
      key: number,
      ask: (connection: KafkaClient.BrokerConnection) => Effect.Effect<unknown, { readonly reason: string }>
    ]
  > = [
    ["Metadata", 16 << 20, Key.Metadata, (c) => c.request("Metadata", { topics: ["t"] })],
    [
      "ListOffsets",
      16 << 20,
      Key.ListOffsets,
      (c) => c.request("ListOffsets", { isolation: "read_committed", partitions: [] })
    ],
    ["InitProducerId", 64 << 10, Key.InitProducerId, (c) => c.request("InitProducerId", { transactional: undefined })],
    ["Produce", 16 << 20, Key.Produce, (c) => c.request("Produce", { acks: -1, timeoutMillis: 1, partitions: [] })],
    [
      "CreateTopics",
      4 << 20,
      Key.CreateTopics,
      (c) =>
        c.request("CreateTopics", { topic: "t", partitions: 1, replicationFactor: 1, configs: {}, timeoutMillis: 1 })
    ],
    ["DescribeConfigs", 4 << 20, Key.DescribeConfigs, (c) => c.request("DescribeConfigs", { topic: "t" })],
    [
      "IncrementalAlterConfigs",
      1 << 20,
      Key.IncrementalAlterConfigs,
      (c) => c.request("IncrementalAlterConfigs", { topic: "t", set: {} })
    ],
    [
      "Fetch",
      256 << 20,
      Key.Fetch,
      (c) =>
        c.request("Fetch", {
          isolation: "read_committed",
          maxWaitMillis: 1,
          minBytes: 1,
          maxBytes: 1,
          partitions: []
        })
    ]
  ]
  for (const [name, most, key, ask] of requests) {
    it.live(`${name}: more than ${most} bytes are not taken`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [key]: ({ correlationId, socket }) => socket.write(head(most + 1, correlationId))
        })
        const connection = yield* connect(broker)
        assert.strictEqual((yield* Effect.flip(ask(connection))).reason, "Protocol")

        // one byte less is waited for, as far as it goes
        const waiting = yield* FakeBroker.make({
          [key]: ({ correlationId, socket }) => socket.end(head(most, correlationId))
        })
        const patient = yield* connect(waiting)
        assert.strictEqual((yield* Effect.flip(ask(patient))).reason, "Closed")
      })
    )
  }

  it.live("metadata of more than ten thousand brokers: Protocol, not objects", () =>
    Effect.gen(function* () {
      const one = FakeBroker.metadata([{ host: "a", port: 1 }]).subarray(8, 8 + 13)
      const count = 1_200_000
      const body = Buffer.concat([head(0, count), Buffer.alloc(count * one.length, one), Buffer.alloc(10)])
      const broker = yield* FakeBroker.make({ [Key.Metadata]: ({ answer }) => answer(body) })
      const connection = yield* connect(broker)
      const error = yield* Effect.flip(connection.request("Metadata", { topics: [] }))
      assert.strictEqual(error.reason, "Protocol")
      assert.include(error.message, `array of ${count} at 4`)
    })
  )
})

describe("hosts that brokers advertise", () => {
  for (const [name, host] of [
    ["empty", ""],
    ["of 256 characters", "a".repeat(256)],
    ["of 30,000 characters", "kafka.".repeat(5_000)],
    ["with a line in it", "kafka\nINFO all is well"],
    ["with an escape in it", "kafka\u001b[2J"],
    ["with a NUL in it", "kafka\0.example"],
    ["with a space in it", "kafka 1"],
    ["that turns the direction of writing", "kafka\u202e"],
    ["with a user in it", "user:password@kafka"],
    ["that is a URL", "http://kafka"],
    ["that is a path", "/var/run/kafka.sock"],
    ["with an empty label", "kafka..example"],
    ["with a port in it", "kafka:9092"],
    ["that is an address in brackets", "[::1]"]
  ] as const) {
    it.live(`${name}: Protocol, in one short line`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [Key.Metadata]: ({ answer, port }) =>
            answer(
              FakeBroker.metadata([
                { host: "127.0.0.1", port },
                { host, port }
              ])
            )
        })
        const error = yield* Effect.flip(Effect.flatMap(clientOf(broker), (client) => client.describeTopic("t")))
        assert.strictEqual(error.reason, "Protocol")
        assert.match(error.message, /^[\x20-\x7e…]{1,1000}$/)
      })
    )
  }

  for (const port of [0, -1, 65_536, 0x7fff_ffff]) {
    it.live(`with port ${port}: Protocol`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [Key.Metadata]: ({ answer }) => answer(FakeBroker.metadata([{ host: "kafka", port }]))
        })
        const error = yield* Effect.flip(Effect.flatMap(clientOf(broker), (client) => client.describeTopic("t")))
        assert.strictEqual(error.reason, "Protocol")
      })
    )
  }

  it.live("names with underscores, hyphens and a dot at the end, and addresses: as they are", () =>
    Effect.gen(function* () {
      const hosts = [
        "kafka_1.my_network",
        "kafka-1.example.com.",
        "1-a",
        "-a-",
        "127.0.0.1",
        "::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "2001:db8:0:0:0:0:0:1",
        "xn--kfka-loa.example",
        `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61)
      ]
      const broker = yield* FakeBroker.make({
        [Key.Metadata]: ({ answer }) => answer(FakeBroker.metadata(hosts.map((host) => ({ host, port: 65_535 }))))
      })
      const connection = yield* connect(broker)
      assert.deepStrictEqual(
        (yield* connection.request("Metadata", { topics: [] })).brokers.map(({ host }) => host),
        hosts
      )
    })
  )
})

describe("what brokers say in their answers", () => {
  it.live("is one short line", () =>
    Effect.gen(function* () {
      const words = `no\u001b[2J\r\nERROR ${"x".repeat(30_000)}`
      const broker = yield* FakeBroker.make({
        [Key.CreateTopics]: ({ answer }) =>
          answer(
            bytesOf((w) => {
              w.int32(0)
              w.array(["t"], (topic) => {
                w.string(topic)
                w.int16(44)
                w.string(words)
              })
            })
          )
      })
      const connection = yield* connect(broker)
      const { errorCode, errorMessage } = yield* connection.request("CreateTopics", {
        topic: "t",
        partitions: 1,
        replicationFactor: 1,
        configs: {},
        timeoutMillis: 1
      })
      assert.strictEqual(errorCode, 44)
      assert.match(errorMessage ?? "", /^no\\u001b\[2J\\r\\nERROR x{900,1100}…$/)
    })
  )
})

describe("a certificate with a name of 30,000 characters", () => {
  it.live("is refused in one short line, and its words are not in the cause", () =>
    Effect.gen(function* () {
      const authority = makeAuthority("ours", Date.now())
      const certificate = authority.issue({ name: "broker", hosts: [`${"a".repeat(30_000)}\u202e.example`] })
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => Tls.createServer(certificate)),
        (server) => Effect.sync(() => server.close())
      )
      server.on("tlsClientError", () => {})
      yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
      const { port } = server.address() as AddressInfo
      const client = yield* KafkaClient.make({ brokers: [`127.0.0.1:${port}`], tls: { ca: authority.cert } })
      const error = yield* Effect.flip(Effect.scoped(client.connect({ nodeId: 0, host: "127.0.0.1", port })))
      assert.strictEqual(error.reason, "Tls")
      assert.match(error.message, /^[\x20-\x7e…]{1,2000}$/)
      assert.isBelow(inspect(error, { depth: 10 }).length, 20_000)
    })
  )
})

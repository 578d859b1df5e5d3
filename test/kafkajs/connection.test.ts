/** The guards around kafkajs's connection (docs/kafkajs.md), against a server that misbehaves on purpose. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Fiber, Inspectable, Redacted, Schema, type Scope } from "effect"
import Dns from "node:dns"
import * as Net from "node:net"
import { Worker } from "node:worker_threads"
import { failureOf } from "../support/exits.ts"
import { loggingTo } from "../support/effect/v4/logs.ts"
import { KafkaClient, KafkaError } from "../../src/index.ts"
import * as FakeBroker from "../support/FakeBroker.ts"
import { eventually } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { turns } from "../support/turns.ts"

const API_VERSIONS = 18
const METADATA = 3

interface Request {
  readonly apiKey: number
  readonly correlationId: number
  readonly socket: Net.Socket
}

const frame = (correlationId: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length, 0)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, body])
}

/** All versions of the requests that matter here. */
const apiVersions = (): Buffer => FakeBroker.apiVersions([0, 1, 2, 3, 18, 22].map((key) => [key, 0, 7]))

/** Metadata of version 7: so many brokers, no topics. */
const metadata = (port: number, brokers = 1, name = "127.0.0.1"): Buffer => {
  const host = Buffer.from(name)
  const body = Buffer.alloc(4 + 4 + brokers * (4 + 2 + host.length + 4 + 2) + 2 + 4 + 4)
  let at = body.writeInt32BE(0, 0)
  at = body.writeInt32BE(brokers, at)
  for (let id = 0; id < brokers; id++) {
    at = body.writeInt32BE(id, at)
    at = body.writeInt16BE(host.length, at)
    at += host.copy(body, at)
    at = body.writeInt32BE(port, at)
    at = body.writeInt16BE(-1, at)
  }
  at = body.writeInt16BE(-1, at)
  at = body.writeInt32BE(0, at)
  body.writeInt32BE(0, at)
  return body
}

/** What a server in another thread has come to, and what it may do: places in the memory that both have. */
const [ASKED, ALLOWED, ANSWERED] = [0, 1, 2]

/**
 * A program for a thread that negotiates versions, and answers anything else as metadata, as soon as it may. It tells its
 * port.
 */
const answering = `
  const { parentPort, workerData: state } = require("node:worker_threads")
  const server = require("node:net").createServer((socket) => {
    socket.on("error", () => {})
    socket.on("data", (request) => {
      const isFirst = request.readInt16BE(4) === ${API_VERSIONS}
      const body = Buffer.from(isFirst ? "${apiVersions().toString("hex")}" : "${metadata(9092).toString("hex")}", "hex")
      const head = Buffer.alloc(8)
      head.writeInt32BE(4 + body.length, 0)
      head.writeInt32BE(request.readInt32BE(8), 4)
      if (!isFirst) {
        Atomics.store(state, ${ASKED}, 1)
        Atomics.wait(state, ${ALLOWED}, 0)
      }
      socket.write(Buffer.concat([head, body]), () => {
        if (isFirst) return
        Atomics.store(state, ${ANSWERED}, 1)
        Atomics.notify(state, ${ANSWERED})
      })
    })
  })
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port))
`

interface Server {
  readonly port: number
  readonly sockets: Set<Net.Socket>
  /** Connections that were ever opened. */
  readonly connections: () => number
}

/** Negotiates versions; every other request is for `answer`. */
const serve = (
  answer: (request: Request, port: number) => void,
  onConnection: (socket: Net.Socket) => boolean = () => true
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server & { readonly close: () => void }>((resume) => {
      const sockets = new Set<Net.Socket>()
      let opened = 0
      let port = 0
      const server = Net.createServer((socket) => {
        opened++
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
        if (!onConnection(socket)) {
          // read all the same, or its end would never be seen
          socket.resume()
          return
        }
        let buffered = Buffer.alloc(0)
        socket.on("data", (chunk) => {
          buffered = Buffer.concat([buffered, chunk])
          while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
            const size = buffered.readInt32BE(0)
            const request = { apiKey: buffered.readInt16BE(4), correlationId: buffered.readInt32BE(8), socket }
            buffered = buffered.subarray(4 + size)
            if (request.apiKey === API_VERSIONS) socket.write(frame(request.correlationId, apiVersions()))
            else answer(request, port)
          }
        })
      })
      server.listen(0, "127.0.0.1", () => {
        port = (server.address() as Net.AddressInfo).port
        resume(
          Effect.succeed({
            port,
            sockets,
            connections: () => opened,
            close: () => {
              server.close()
              for (const socket of sockets) socket.destroy()
            }
          })
        )
      })
    }),
    (server) => Effect.sync(server.close)
  )

/** Longer than anything takes here: tests about what is too late have times of their own. */
const options = (port: number): KafkaClient.KafkaClientOptions => ({
  brokers: [`127.0.0.1:${port}`],
  connectTimeout: "1 minute",
  requestTimeout: "1 minute"
})

const broker = (port: number) => ({ nodeId: 0, host: "127.0.0.1", port })

const connect = (port: number, more: Partial<KafkaClient.KafkaClientOptions> = {}) =>
  Effect.flatMap(KafkaClient.make({ ...options(port), ...more }), (client) => client.connect(broker(port)))

/** Timers that kafkajs or a connection armed and that neither fired nor were cleared: the effect runs with their count. */
const watchingTimers = <A, E, R>(f: (pending: () => number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { clearTimeout, setTimeout } = globalThis
      const pending = new Set<unknown>()
      const watched = (run: () => void, millis?: number) => {
        const isTheirs = /\/(internal\/kafkajs|kafkajs\/src)\//.test(new Error().stack ?? "")
        const handle: NodeJS.Timeout = setTimeout(() => {
          pending.delete(handle)
          run()
        }, millis)
        if (isTheirs) pending.add(handle)
        return handle
      }
      globalThis.setTimeout = watched as typeof setTimeout
      globalThis.clearTimeout = (handle) => {
        pending.delete(handle)
        clearTimeout(handle)
      }
      return { clearTimeout, pending, setTimeout }
    }),
    ({ pending }) => f(() => pending.size),
    ({ clearTimeout, setTimeout }) =>
      Effect.sync(() => {
        globalThis.setTimeout = setTimeout
        globalThis.clearTimeout = clearTimeout
      })
  )

const goneSoon = (server: Server) =>
  eventually(
    Effect.sync(() => server.sockets.size),
    (count) => count === 0
  )

const answerMetadata = ({ apiKey, correlationId, socket }: Request, port: number): void => {
  if (apiKey === METADATA) socket.write(frame(correlationId, metadata(port)))
}

describe("connecting", () => {
  it.live("negotiates, answers, and closes its socket at once with the scope", () =>
    Effect.gen(function* () {
      const server = yield* serve(answerMetadata)
      const answer = yield* Effect.scoped(
        Effect.flatMap(connect(server.port), (connection) => connection.request("Metadata", { topics: ["t"] }))
      )
      assert.deepStrictEqual(answer.brokers, [broker(server.port)])
      yield* goneSoon(server)
    })
  )

  it.live("nobody listens: Unreachable", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(serve(() => {}))
      const error = failureOf(yield* Effect.exit(connect(port)))
      assert.strictEqual(error.reason, "Unreachable")
      assert.strictEqual((error as KafkaError.ConnectionError).broker, `127.0.0.1:${port}`)
    })
  )

  /** A name with these addresses, until the scope ends. */
  const naming = (name: string, ...addresses: ReadonlyArray<string>) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const { lookup } = Dns
        const found = addresses.map((address) => ({ address, family: Net.isIP(address) }))
        const named = (host: string, options: Dns.LookupAllOptions, done: (error: null, found: unknown) => void) => {
          if (host === name) process.nextTick(done, null, found)
          else lookup(host, options, done as never)
        }
        Dns.lookup = named as unknown as typeof lookup
        return lookup
      }),
      (lookup) =>
        Effect.sync(() => {
          Dns.lookup = lookup
        })
    )

  for (const tls of [false, true]) {
    it.live(`nobody listens at any of the addresses of a name${tls ? ", with TLS" : ""}: as with one`, () =>
      Effect.gen(function* () {
        const { port } = yield* Effect.scoped(serve(() => {}))
        yield* naming("kafka.test", "127.0.0.2", "127.0.0.3")
        const client = yield* KafkaClient.make({ ...options(port), brokers: [`kafka.test:${port}`], tls })
        const error = yield* Effect.flip(client.describeTopic("t"))
        assert.deepInclude({ ...error, retriable: error.retriable }, { reason: "Unreachable", retriable: true })
        for (const address of ["127.0.0.2", "127.0.0.3"]) {
          assert.include(error.message, `connect ECONNREFUSED ${address}:${port}`)
        }
      })
    )
  }

  it.live("somebody listens at the second address of a name: it is connected to", () =>
    Effect.gen(function* () {
      const server = yield* serve(answerMetadata)
      yield* naming("kafka.test", "127.0.0.2", "127.0.0.1")
      const client = yield* KafkaClient.make({ ...options(server.port), brokers: [`kafka.test:${server.port}`] })
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "NotFound")
    })
  )

  it.live("a peer that accepts and says nothing: Timeout, and the socket is gone", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        () => {},
        () => false
      )
      const exit = yield* Effect.exit(connect(server.port, { connectTimeout: "500 millis" }))
      assert.strictEqual(failureOf(exit).reason, "Timeout")
      yield* goneSoon(server)
    })
  )

  it.live("a peer that closes while we connect: Closed, long before the timeout", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        () => {},
        (socket) => {
          socket.end()
          return false
        }
      )
      const [millis, exit] = yield* timed(Effect.exit(connect(server.port, { connectTimeout: "20 seconds" })))
      assert.strictEqual(failureOf(exit).reason, "Closed")
      assert.isBelow(millis, 10_000)
    })
  )

  for (const [name, bytes] of [
    ["HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["a TLS alert", Buffer.from([0x15, 3, 3, 0, 2, 2, 40])],
    ["a frame of size 0", Buffer.from([0, 0, 0, 0])],
    ["a frame of size 3", Buffer.from([0, 0, 0, 3, 1, 2, 3])],
    ["a frame of negative size", Buffer.from([0xff, 0xff, 0xff, 0xff])]
  ] as const) {
    it.live(`a peer that answers with ${name}: Protocol, and the process lives (K3)`, () =>
      Effect.gen(function* () {
        const server = yield* serve(
          () => {},
          (socket) => {
            socket.write(bytes)
            return false
          }
        )
        assert.strictEqual(failureOf(yield* Effect.exit(connect(server.port))).reason, "Protocol")
        yield* goneSoon(server)
      })
    )
  }

  it.live("interrupted while it connects: nothing is left, no timer either", () =>
    watchingTimers((pending) =>
      Effect.gen(function* () {
        const server = yield* serve(
          () => {},
          () => false
        )
        const fiber = yield* Effect.forkChild(Effect.scoped(connect(server.port, { connectTimeout: "1 minute" })))
        while (server.connections() === 0) yield* Effect.sleep("5 millis")
        yield* Fiber.interrupt(fiber)
        yield* goneSoon(server)
        assert.strictEqual(pending(), 0)
      })
    )
  )

  it.live("interrupted before there is a connection: kafkajs's own timer is not left either", () =>
    watchingTimers((pending) =>
      Effect.gen(function* () {
        const server = yield* serve(answerMetadata)
        // Longer than is waited for below: that it fired is not why it is gone.
        const fiber = yield* Effect.forkChild(Effect.scoped(connect(server.port, { connectTimeout: "1 hour" })))
        for (let i = 0; i < 100 && pending() === 0; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* goneSoon(server)
        // its socket's error event comes a moment later
        yield* eventually(Effect.sync(pending), (count) => count === 0)
      })
    )
  )
})

describe("requests", () => {
  it.live("no answer: Timeout, and the connection is given up (K4)", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => {})
      const connection = yield* connect(server.port, { requestTimeout: "300 millis" })
      assert.isTrue(connection.isOpen())
      const error = yield* Effect.flip(connection.request("Metadata", { topics: ["t"] }))
      assert.strictEqual(error.reason, "Timeout")
      assert.strictEqual(error.request, "Metadata")
      assert.isFalse(connection.isOpen())
      yield* goneSoon(server)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: ["t"] }))).reason, "Timeout")
    })
  )

  it.live("an answer that takes longer than the timeout to arrive is waited for, as long as it does arrive", () =>
    Effect.gen(function* () {
      const requestTimeout = 3_000
      // a byte every 100 ms until the timeout is over, and then the rest
      const server = yield* serve((request, port) => {
        const over = performance.now() + requestTimeout
        const bytes = frame(request.correlationId, metadata(port))
        const send = (at: number): void => {
          const isOver = performance.now() > over
          request.socket.write(isOver ? bytes.subarray(at) : bytes.subarray(at, at + 1))
          if (!isOver) setTimeout(() => send(at + 1), 100)
        }
        send(0)
      })
      const connection = yield* connect(server.port, { requestTimeout })
      assert.strictEqual((yield* connection.request("Metadata", { topics: ["t"] })).brokers.length, 1)
      assert.isTrue(connection.isOpen())
    })
  )

  interface Elsewhere {
    readonly port: number
    readonly wasAsked: () => boolean
    readonly answer: () => void
    /** Returns when it has answered: nothing else runs here meanwhile. */
    readonly awaitAnswer: () => void
    readonly end: () => Promise<unknown>
  }

  /** A server in a thread of its own, which answers while the event loop of this one is held up. */
  const elsewhere = Effect.acquireRelease(
    Effect.callback<Elsewhere>((resume) => {
      const state = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT))
      const worker = new Worker(answering, { eval: true, workerData: state })
      worker.once("message", (port: number) => {
        resume(
          Effect.succeed({
            port,
            wasAsked: () => Atomics.load(state, ASKED) === 1,
            answer: () => {
              Atomics.store(state, ALLOWED, 1)
              Atomics.notify(state, ALLOWED)
            },
            awaitAnswer: () => void Atomics.wait(state, ANSWERED, 0, PATIENCE_MILLIS),
            end: () => worker.terminate()
          })
        )
      })
    }),
    ({ end }) => Effect.promise(end)
  )

  /** Until then, after this was done. In an immediate: timers are looked at before sockets then. */
  const holdUp = (until: number, first: () => void) =>
    Effect.callback<void>((resume) => {
      setImmediate(() => {
        first()
        // Asleep, and not busy: others have the core meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, until - performance.now()))
        resume(Effect.void)
      })
    })

  /** What the server has, when the event loop is held up. */
  const requestElsewhere = (requestTimeout: number) =>
    Effect.gen(function* () {
      const server = yield* elsewhere
      const connection = yield* connect(server.port, { requestTimeout })
      const begin = performance.now()
      const answer = yield* Effect.forkChild(connection.request("Metadata", { topics: ["t"] }))
      yield* eventually(Effect.sync(server.wasAsked), (was) => was)
      return { answer, begin, connection, server }
    })

  const HELD_UP_TIMEOUT = 2_500

  it.live("an answer that is there when the event loop was held up for longer than the timeout is taken", () =>
    Effect.gen(function* () {
      const { answer, begin, connection, server } = yield* requestElsewhere(HELD_UP_TIMEOUT)
      yield* holdUp(begin + HELD_UP_TIMEOUT + 500, () => {
        server.answer()
        server.awaitAnswer()
      })
      assert.strictEqual((yield* Fiber.join(answer)).brokers.length, 1)
      assert.isTrue(connection.isOpen())
    })
  )

  it.live("an answer that comes soon after the event loop was held up for longer than the timeout is taken", () =>
    Effect.gen(function* () {
      const { answer, begin, connection, server } = yield* requestElsewhere(HELD_UP_TIMEOUT)
      // As late as that, it has as long again.
      yield* holdUp(begin + 2 * HELD_UP_TIMEOUT + 100, () => {})
      yield* turns(5)
      server.answer()
      assert.strictEqual((yield* Fiber.join(answer)).brokers.length, 1)
      assert.isTrue(connection.isOpen())
    })
  )

  it.live("an answer that stops in the middle: Timeout", () =>
    Effect.gen(function* () {
      const server = yield* serve((request, port) => {
        request.socket.write(frame(request.correlationId, metadata(port)).subarray(0, 20))
      })
      const connection = yield* connect(server.port, { requestTimeout: "300 millis" })
      const [millis, error] = yield* timed(Effect.flip(connection.request("Metadata", { topics: ["t"] })))
      assert.strictEqual(error.reason, "Timeout")
      assert.isBelow(millis, 1_000)
    })
  )

  it.live("the answer to a request that was interrupted is dropped, and the next one gets its own", () =>
    Effect.gen(function* () {
      const asked: Array<Request> = []
      const server = yield* serve((request, port) => {
        asked.push(request)
        if (asked.length === 1) return
        // of the first: two brokers, the second has one
        request.socket.write(frame(asked[0].correlationId, metadata(port, 2)))
        answerMetadata(request, port)
      })
      const connection = yield* connect(server.port)
      const first = yield* Effect.forkChild(connection.request("Metadata", { topics: ["t"] }))
      while (asked.length === 0) yield* Effect.sleep("5 millis")
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* connection.request("Metadata", { topics: ["t"] })).brokers.length, 1)
      assert.isTrue(connection.isOpen())
    })
  )

  /** A connection with one request that the server has, and whose fiber was interrupted. */
  const interruptedOn = (requestTimeout: Duration.Input) =>
    Effect.gen(function* () {
      const asked: Array<Request> = []
      const server = yield* serve((request) => asked.push(request))
      const connection = yield* connect(server.port, { requestTimeout })
      const fiber = yield* Effect.forkChild(connection.request("Metadata", { topics: ["t"] }))
      while (asked.length === 0) yield* Effect.sleep("5 millis")
      yield* Fiber.interrupt(fiber)
      return { connection, request: asked[0] }
    })

  const downSoon = (connection: { readonly isOpen: () => boolean }) =>
    eventually(Effect.sync(connection.isOpen), (isOpen) => !isOpen)

  it.live("interrupted, and the connection closed: no timer is left", () =>
    watchingTimers((pending) =>
      Effect.gen(function* () {
        const armed = yield* Effect.scoped(
          Effect.map(interruptedOn("1 minute"), ({ connection }) => {
            assert.isTrue(connection.isOpen())
            return pending()
          })
        )
        assert.strictEqual(armed, 1)
        assert.strictEqual(pending(), 0)
      })
    )
  )

  it.live("interrupted, and never answered: the silence takes the connection down all the same", () =>
    Effect.gen(function* () {
      const { connection } = yield* interruptedOn("300 millis")
      yield* downSoon(connection)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: ["t"] }))).reason, "Timeout")
    })
  )

  it.live("interrupted, and answered with garbage: Protocol all the same", () =>
    Effect.gen(function* () {
      const { connection, request } = yield* interruptedOn("1 minute")
      request.socket.write(frame(request.correlationId, Buffer.from([1, 2, 3])))
      yield* downSoon(connection)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: ["t"] }))).reason, "Protocol")
    })
  )

  it.live("half an answer, then a disconnect: Closed, and the next connection is not out of step (K1)", () =>
    Effect.gen(function* () {
      let first = true
      const server = yield* serve((request, port) => {
        if (!first) return answerMetadata(request, port)
        first = false
        request.socket.end(frame(request.correlationId, metadata(port)).subarray(0, 12))
      })
      const client = yield* KafkaClient.make(options(server.port))
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "Closed")
      // answered: by a broker that knows no topic
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "NotFound")
      assert.strictEqual(server.connections(), 2)
    })
  )

  it.live("an answer in single bytes is an answer", () =>
    Effect.gen(function* () {
      const server = yield* serve((request, port) => {
        const bytes = frame(request.correlationId, metadata(port))
        const send = (i: number): void => {
          request.socket.write(bytes.subarray(i, i + 1), () => {
            if (i + 1 < bytes.length) setImmediate(() => send(i + 1))
          })
        }
        send(0)
      })
      const connection = yield* connect(server.port)
      assert.strictEqual((yield* connection.request("Metadata", { topics: [] })).brokers.length, 1)
    })
  )

  it.live("large answers are read whole, whatever pieces they come in, with others right behind them", () =>
    Effect.gen(function* () {
      const sizes = [4_000, 1, 320, 1, 6_000]
      const name = Array.from({ length: 4 }, () => "a".repeat(50)).join(".")
      const asked: Array<Request> = []
      const server = yield* serve((request, port) => {
        asked.push(request)
        if (asked.length % sizes.length !== 0) return
        const last = asked.slice(-sizes.length)
        const bytes = Buffer.concat(last.map((one, i) => frame(one.correlationId, metadata(port, sizes[i], name))))
        const piece = [1_000, 65_536, 70_001, 1_000_003][asked.length / sizes.length - 1]
        const send = (at: number): void => {
          if (at >= bytes.length) return
          request.socket.write(bytes.subarray(at, at + piece), () => setImmediate(() => send(at + piece)))
        }
        send(0)
      })
      const connection = yield* connect(server.port)
      for (let round = 0; round < 4; round++) {
        const answers = yield* Effect.forEach(sizes, () => connection.request("Metadata", { topics: [] }), {
          concurrency: "unbounded"
        })
        answers.forEach(({ brokers }, i) => {
          assert.strictEqual(brokers.length, sizes[i])
          assert.isTrue(
            brokers.every(({ host, nodeId, port }, id) => nodeId === id && host === name && port === server.port)
          )
        })
      }
    })
  )

  it.live("a disconnect in the middle of a large answer: Closed, and the next connection has its own", () =>
    Effect.gen(function* () {
      let first = true
      const server = yield* serve((request, port) => {
        if (!first) return answerMetadata(request, port)
        first = false
        request.socket.end(frame(request.correlationId, metadata(port, 60_000)).subarray(0, 500_000))
      })
      assert.strictEqual(
        (yield* Effect.flip(Effect.flatMap(connect(server.port), (c) => c.request("Metadata", { topics: [] })))).reason,
        "Closed"
      )
      const connection = yield* connect(server.port)
      assert.strictEqual((yield* connection.request("Metadata", { topics: [] })).brokers.length, 1)
    })
  )

  it.live("an answer that is cut short inside its frame: Protocol, typed", () =>
    Effect.gen(function* () {
      const server = yield* serve((request, port) => {
        request.socket.write(frame(request.correlationId, metadata(port).subarray(0, 9)))
      })
      const connection = yield* connect(server.port)
      assert.strictEqual((yield* Effect.flip(connection.request("Metadata", { topics: [] }))).reason, "Protocol")
    })
  )

  it.live("a request that the broker does not have: UnsupportedVersion, and the connection stays", () =>
    Effect.gen(function* () {
      const server = yield* serve(answerMetadata)
      const connection = yield* connect(server.port)
      // not among the versions that this server names
      assert.strictEqual(
        (yield* Effect.flip(connection.request("DescribeConfigs", { topic: "t" }))).reason,
        "UnsupportedVersion"
      )
      assert.isTrue(connection.isOpen())
    })
  )

  it.live("closing does not wait for what is in flight (K20), which fails", () =>
    Effect.gen(function* () {
      let asked = 0
      const server = yield* serve(() => asked++)
      const pending = yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* connect(server.port)
          const fiber = yield* Effect.forkDetach(Effect.flip(connection.request("Metadata", { topics: [] })))
          yield* eventually(
            Effect.sync(() => asked),
            (count) => count === 1
          )
          return fiber
        })
      )
      assert.strictEqual((yield* Fiber.join(pending)).reason, "Closed")
      yield* goneSoon(server)
    })
  )

  it.live("an idle connection does not wake the process (K19)", () =>
    watchingTimers((pending) =>
      Effect.gen(function* () {
        const server = yield* serve(answerMetadata)
        const connection = yield* connect(server.port)
        yield* connection.request("Metadata", { topics: [] })
        assert.strictEqual(pending(), 0)
      })
    )
  )

  it.live("a frozen first broker is passed over, and asked last from then on (K6)", () =>
    Effect.gen(function* () {
      const frozen = yield* serve(
        () => {},
        () => false
      )
      const good = yield* serve(answerMetadata)
      const client = yield* KafkaClient.make({
        ...options(frozen.port),
        // The other one has as long to connect.
        connectTimeout: "5 seconds",
        brokers: [`127.0.0.1:${frozen.port}`, `127.0.0.1:${good.port}`]
      })
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "NotFound")
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "NotFound")
      assert.strictEqual(frozen.connections(), 1)
    })
  )

  it.live("many callers share one connection", () =>
    Effect.gen(function* () {
      const server = yield* serve(answerMetadata)
      const client = yield* KafkaClient.make(options(server.port))
      yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.flip(client.describeTopic("t"))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(server.connections(), 1)
    })
  )

  it.live("a connection that the broker closed while it was idle is replaced without an error", () =>
    Effect.gen(function* () {
      const server = yield* serve(answerMetadata)
      const client = yield* KafkaClient.make(options(server.port))
      yield* Effect.flip(client.describeTopic("t"))
      for (const socket of server.sockets) socket.end()
      yield* goneSoon(server)
      assert.strictEqual((yield* Effect.flip(client.describeTopic("t"))).reason, "NotFound")
    })
  )
})

describe("options", () => {
  const problemsOf = (given: unknown) =>
    Effect.map(Effect.flip(KafkaClient.make(given as KafkaClient.KafkaClientOptions)), (error) =>
      error.problems.map((p) => p.option)
    )

  it.effect("all problems are named at once, without values", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf({ brokers: [] }), ["brokers"])
      assert.deepStrictEqual(
        yield* problemsOf({
          brokers: ["kafka://x", "host", "host:0", "::1:9092"],
          requestTimeout: 0,
          connectTimeout: -1,
          groupId: "mine",
          sasl: { mechanism: "MAGIC" },
          tls: { key: Redacted.make("secret") }
        }),
        [
          "groupId",
          "brokers[0]",
          "brokers[1]",
          "brokers[2]",
          "brokers[3]",
          "tls",
          "tls",
          "sasl.mechanism",
          "connectTimeout",
          "requestTimeout"
        ]
      )
      assert.deepStrictEqual(
        yield* problemsOf({ brokers: ["[::1]:9092", "127.0.0.1:1", "kafka-1.local:65535"], x: 1 }),
        ["x"]
      )
    })
  )

  it.effect("Kerberos is refused by its name", () =>
    Effect.gen(function* () {
      const sasl = { mechanism: "gssapi" } as never
      const error = yield* Effect.flip(Effect.scoped(KafkaClient.make({ brokers: ["127.0.0.1:1"], sasl })))
      assert.include(error.message, "GSSAPI (Kerberos) is not there: it must be one of PLAIN, SCRAM-SHA-256")
    })
  )

  it.effect("certificates and keys that are none are named before anything is sent", () =>
    Effect.gen(function* () {
      const tlsProblems = (tls: KafkaClient.TlsOptions) => problemsOf({ brokers: ["127.0.0.1:1"], tls })
      assert.include(yield* tlsProblems({ ca: "garbage" }), "tls.ca")
      assert.include(yield* tlsProblems({ cert: "garbage", key: Redacted.make("garbage") }), "tls")
    })
  )

  it.live("secrets are in no error, log or inspected client", () =>
    Effect.gen(function* () {
      const secret = "hunter2-very-secret"
      const lines: Array<string> = []
      const server = yield* serve(
        () => {},
        (socket) => {
          socket.write(Buffer.from([0, 0, 0, 0]))
          return false
        }
      )
      const client = yield* KafkaClient.make({
        ...options(server.port),
        sasl: { mechanism: "PLAIN", username: "user", password: Redacted.make(secret) }
      })
      const exit = yield* Effect.exit(client.describeTopic("t")).pipe(
        loggingTo(({ annotations, message }) => lines.push(Inspectable.toStringUnknown([message, annotations])))
      )
      const seen = [
        Inspectable.toStringUnknown(client),
        Inspectable.toStringUnknown(exit),
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        ...lines
      ].join("\n")
      assert.notInclude(seen, secret)
      assert.include(seen, "Protocol")
    })
  )

  it("an error is an Error with a tag, for Schema and for humans", () => {
    const error = new KafkaError.ConnectionError({ reason: "Timeout", broker: "b:1", request: "Fetch" })
    assert.isTrue(Schema.is(Schema.instanceOf(Error))(error))
    assert.include(error.message, "b:1")
  })
})

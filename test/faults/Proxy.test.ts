/** The proxy alone, between a client and a server that speak nothing but frames. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { assert, describe } from "vitest"
import { eventually, test } from "../support/live.ts"
import { Api, make, type Proxy } from "./Proxy.ts"

const request = (api: number, correlationId: number, clientId = "me"): Buffer => {
  const frame = Buffer.alloc(14 + clientId.length)
  frame.writeInt32BE(frame.length - 4, 0)
  frame.writeInt16BE(api, 4)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(clientId.length, 12)
  frame.write(clientId, 14)
  return frame
}

/** Sixteen bytes: size, correlation id, and the same again. */
const answer = (correlationId: number): Buffer => {
  const frame = Buffer.alloc(16)
  frame.writeInt32BE(12, 0)
  for (const at of [4, 8, 12]) frame.writeInt32BE(correlationId, at)
  return frame
}

/** Answers each request, and remembers what it was asked. */
const broker = Effect.acquireRelease(
  Effect.callback<{
    readonly port: number
    readonly asked: Array<number>
    readonly open: Set<Net.Socket>
    end(): void
  }>((resume) => {
    const asked: Array<number> = []
    const open = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      open.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => open.delete(socket))
      let left = Buffer.alloc(0)
      socket.on("data", (chunk) => {
        left = Buffer.concat([left, chunk])
        while (left.length >= 4 && left.length >= 4 + left.readInt32BE(0)) {
          const correlationId = left.readInt32BE(8)
          left = left.subarray(4 + left.readInt32BE(0))
          asked.push(correlationId)
          socket.write(answer(correlationId))
        }
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      resume(Effect.succeed({ port, asked, open, end: () => server.close() }))
    })
  }),
  ({ end, open }) =>
    Effect.sync(() => {
      end()
      for (const socket of open) socket.destroy()
    })
)

interface Peer {
  readonly socket: Net.Socket
  readonly received: () => Buffer
  readonly ended: () => "no" | "end" | "reset"
}

/** Returns when it is connected, or was refused. */
const connect = (proxy: Proxy): Effect.Effect<Peer> =>
  Effect.callback<Peer>((resume) => {
    const socket = Net.connect(proxy.address)
    let received = Buffer.alloc(0)
    let ended: "no" | "end" | "reset" = "no"
    const peer: Peer = { socket, received: () => received, ended: () => ended }
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
    })
    socket.on("error", () => {
      ended = "reset"
    })
    socket.on("close", () => {
      if (ended === "no") ended = "end"
      resume(Effect.succeed(peer))
    })
    socket.on("connect", () => resume(Effect.succeed(peer)))
  })

const setUp = Effect.gen(function* () {
  const server = yield* broker
  const proxy = yield* make({ host: "127.0.0.1", port: server.port })
  return { server, proxy }
})

const has = (peer: Peer, bytes: number) =>
  eventually(Effect.sync(peer.received), (received) => received.length >= bytes)
const hasEnded = (peer: Peer, how: "end" | "reset") => eventually(Effect.sync(peer.ended), (ended) => ended === how)

describe("the proxy", () => {
  test("passes frames on, however they are cut, and counts requests", () =>
    Effect.gen(function* () {
      const { proxy, server } = yield* setUp
      const peer = yield* connect(proxy)
      const bytes = Buffer.concat([request(Api.Fetch, 1), request(Api.Produce, 2), request(Api.Fetch, 3)])
      for (const byte of bytes) peer.socket.write(Buffer.of(byte))
      assert.deepStrictEqual(yield* has(peer, 48), Buffer.concat([answer(1), answer(2), answer(3)]))
      assert.deepStrictEqual(server.asked, [1, 2, 3])
      assert.strictEqual(proxy.requests(Api.Fetch), 2)
      assert.strictEqual(proxy.requests(Api.Fetch, { clientId: "me" }), 2)
      assert.strictEqual(proxy.requests(Api.Fetch, { clientId: "you" }), 0)
      assert.strictEqual(proxy.open(), 1)
      peer.socket.destroy()
      yield* eventually(Effect.sync(proxy.open), (open) => open === 0)
      yield* eventually(
        Effect.sync(() => server.open.size),
        (open) => open === 0
      )
    }))

  test("swallows one answer of a kind, and passes the next", () =>
    Effect.gen(function* () {
      const { proxy, server } = yield* setUp
      const peer = yield* connect(proxy)
      const armed = yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Swallow" } })
      peer.socket.write(Buffer.concat([request(Api.Fetch, 1), request(Api.Produce, 2), request(Api.Produce, 3)]))
      assert.deepStrictEqual(yield* has(peer, 32), Buffer.concat([answer(1), answer(3)]))
      assert.deepStrictEqual(server.asked, [1, 2, 3])
      assert.strictEqual(armed.hits(), 1)
      yield* armed.happened
    }))

  test("cuts in place of an answer, truncates one at a byte, and corrupts one", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Cut" } })
      const cut = yield* connect(proxy)
      cut.socket.write(Buffer.concat([request(Api.Fetch, 1), request(Api.Produce, 2)]))
      yield* hasEnded(cut, "end")
      assert.deepStrictEqual(cut.received(), answer(1))

      yield* proxy.rule({ api: Api.Fetch, fate: { _tag: "Truncate", bytes: () => 5 } })
      const truncated = yield* connect(proxy)
      truncated.socket.write(request(Api.Fetch, 7))
      yield* hasEnded(truncated, "end")
      assert.deepStrictEqual(truncated.received(), answer(7).subarray(0, 5))

      const edit = (frame: Buffer) => {
        if (frame[15] !== 9) return false
        frame[15] = 255
        return true
      }
      const armed = yield* proxy.rule({ api: Api.Fetch, fate: { _tag: "Corrupt", edit } })
      const corrupted = yield* connect(proxy)
      corrupted.socket.write(Buffer.concat([request(Api.Fetch, 8), request(Api.Fetch, 9), request(Api.Fetch, 9)]))
      const received = yield* has(corrupted, 48)
      assert.deepStrictEqual([received[15], received[31], received[47]], [8, 255, 9])
      assert.strictEqual(armed.hits(), 1)
    }))

  test("is about one client only, where one is named", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      const you = yield* connect(proxy)
      const me = yield* connect(proxy)
      you.socket.write(request(Api.Fetch, 1, "you"))
      me.socket.write(request(Api.Fetch, 2))
      yield* has(you, 16)
      yield* has(me, 16)
      yield* proxy.reset({ clientId: "you" })
      yield* hasEnded(you, "reset")
      yield* proxy.banish({ clientId: "you" })
      const again = yield* connect(proxy)
      again.socket.write(request(Api.Fetch, 3, "you"))
      yield* hasEnded(again, "reset")
      me.socket.write(request(Api.Fetch, 4))
      yield* has(me, 32)
      assert.deepStrictEqual([me.ended(), proxy.open()], ["no", 1])
    }))

  for (const [what, hinder] of [
    ["stalled", (proxy: Proxy) => proxy.stall({ clientId: "you" })],
    ["delayed", (proxy: Proxy) => proxy.delay(600_000, { clientId: "you" })],
    ["throttled", (proxy: Proxy) => proxy.throttle(1, { clientId: "you" })],
    ["half-open", (proxy: Proxy) => proxy.halfOpen({ clientId: "you" })],
    [
      "swallowed",
      (proxy: Proxy) => proxy.rule({ api: Api.Fetch, fate: { _tag: "Swallow" }, clientId: "you", times: 1_000 })
    ]
  ] as const) {
    test(`is about one client only, where one is named: ${what}`, () =>
      Effect.gen(function* () {
        const { proxy } = yield* setUp
        const you = yield* connect(proxy)
        const me = yield* connect(proxy)
        you.socket.write(request(Api.Fetch, 1, "you"))
        me.socket.write(request(Api.Fetch, 2))
        yield* has(you, 16)
        yield* has(me, 16)
        yield* hinder(proxy)
        you.socket.write(request(Api.Fetch, 3, "you"))
        me.socket.write(request(Api.Fetch, 4))
        assert.deepStrictEqual(yield* has(me, 32), Buffer.concat([answer(2), answer(4)]))
        assert.deepStrictEqual([you.received(), you.ended()], [answer(1), "no"])
      }))
  }

  test("cuts the connections of one client only, where one is named", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      const you = yield* connect(proxy)
      const me = yield* connect(proxy)
      you.socket.write(request(Api.Fetch, 1, "you"))
      me.socket.write(request(Api.Fetch, 2))
      yield* has(you, 16)
      yield* has(me, 16)
      yield* proxy.cut({ clientId: "you" })
      yield* hasEnded(you, "end")
      me.socket.write(request(Api.Fetch, 3))
      yield* has(me, 32)
      assert.strictEqual(me.ended(), "no")
    }))

  test("a rule counts as often as it says, and is gone with its scope", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      const peer = yield* connect(proxy)
      const twice = yield* Effect.scoped(
        Effect.gen(function* () {
          const twice = yield* proxy.rule({ api: Api.Fetch, fate: { _tag: "Swallow" }, times: 2 })
          yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Swallow" }, times: 1_000 })
          peer.socket.write(
            Buffer.concat([
              ...[1, 2, 3].map((id) => request(Api.Fetch, id)),
              ...[4, 5].map((id) => request(Api.Produce, id)),
              request(Api.Metadata, 6)
            ])
          )
          assert.deepStrictEqual(yield* has(peer, 32), Buffer.concat([answer(3), answer(6)]))
          return twice
        })
      )
      assert.strictEqual(twice.hits(), 2)
      peer.socket.write(request(Api.Produce, 7))
      assert.deepStrictEqual(yield* has(peer, 48), Buffer.concat([answer(3), answer(6), answer(7)]))
    }))

  test("half-open: neither end hears of the other, new connections pass", () =>
    Effect.gen(function* () {
      const { proxy, server } = yield* setUp
      const peer = yield* connect(proxy)
      peer.socket.write(request(Api.Fetch, 1))
      yield* has(peer, 16)
      yield* proxy.halfOpen()
      yield* eventually(
        Effect.sync(() => server.open.size),
        (open) => open === 0
      )
      peer.socket.write(request(Api.Fetch, 2))
      const other = yield* connect(proxy)
      other.socket.write(request(Api.Fetch, 3))
      yield* has(other, 16)
      assert.deepStrictEqual(server.asked, [1, 3])
      assert.deepStrictEqual([peer.ended(), peer.received().length], ["no", 16])
    }))

  test("stalled: silence, and then all of it, also from a client that gave up", () =>
    Effect.gen(function* () {
      const { proxy, server } = yield* setUp
      const early = yield* connect(proxy)
      early.socket.write(request(Api.Fetch, 1))
      yield* has(early, 16)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* proxy.stall()
          early.socket.write(request(Api.Fetch, 2))
          const gone = yield* connect(proxy)
          gone.socket.end(request(Api.Produce, 3))
          yield* eventually(Effect.sync(gone.ended), () => proxy.requests(Api.Produce) === 1)
          gone.socket.destroy()
          yield* eventually(Effect.sync(proxy.open), (open) => open === 1)
          assert.deepStrictEqual(server.asked, [1])
        })
      )
      yield* has(early, 32)
      yield* eventually(
        Effect.sync(() => server.asked.length),
        (count) => count === 3
      )
      yield* eventually(
        Effect.sync(() => server.open.size),
        (open) => open === 1
      )
    }))

  test("refused twice at the same time: until both have ended", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* proxy.refuse
          yield* Effect.scoped(proxy.refuse)
          assert.strictEqual((yield* connect(proxy)).ended(), "reset")
        })
      )
      const late = yield* connect(proxy)
      late.socket.write(request(Api.Fetch, 1))
      yield* has(late, 16)
    }))

  test("refused: nobody listens, until it ends", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      const early = yield* connect(proxy)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* proxy.refuse
          yield* hasEnded(early, "reset")
          assert.strictEqual((yield* connect(proxy)).ended(), "reset")
        })
      )
      const late = yield* connect(proxy)
      late.socket.write(request(Api.Fetch, 1))
      yield* has(late, 16)
    }))

  test("delayed and throttled: late, in order, complete", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp
      const peer = yield* connect(proxy)
      const begin = performance.now()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* proxy.delay(50)
          peer.socket.write(Buffer.concat([request(Api.Fetch, 1), request(Api.Fetch, 2)]))
          assert.deepStrictEqual(yield* has(peer, 32), Buffer.concat([answer(1), answer(2)]))
        })
      )
      assert.isAtLeast(performance.now() - begin, 145)
      // the request takes as long as its answer does, which comes in pieces
      yield* proxy.throttle(160)
      const pieces: Array<number> = []
      peer.socket.on("data", (piece) => pieces.push(piece.length))
      const from = performance.now()
      peer.socket.write(request(Api.Fetch, 3))
      yield* has(peer, 48)
      assert.deepStrictEqual(pieces, [8, 8])
      assert.isAtLeast(performance.now() - from, 190)
    }))

  test("a broker that dies in the middle of an answer: what it had said is passed on", () =>
    Effect.gen(function* () {
      const target = yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((socket) => {
            socket.once("data", () => socket.end(answer(1).subarray(0, 10)))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const proxy = yield* make({ host: "127.0.0.1", port: (target.address() as Net.AddressInfo).port })
      const peer = yield* connect(proxy)
      peer.socket.write(request(Api.Fetch, 1))
      yield* hasEnded(peer, "end")
      assert.deepStrictEqual(peer.received(), answer(1).subarray(0, 10))
    }))

  test("nothing of it is left when its scope ends, in the middle of whatever it does", () =>
    Effect.gen(function* () {
      const server = yield* broker
      const peers = yield* Effect.scoped(
        Effect.gen(function* () {
          const proxy = yield* make({ host: "127.0.0.1", port: server.port })
          const peers = yield* Effect.all([connect(proxy), connect(proxy)])
          yield* proxy.stall({ clientId: "stalled" })
          yield* proxy.delay(10_000, { clientId: "late" })
          peers[0].socket.write(request(Api.Fetch, 1, "stalled"))
          peers[1].socket.write(request(Api.Fetch, 2, "late"))
          yield* eventually(
            Effect.sync(() => proxy.requests(Api.Fetch)),
            (count) => count === 2
          )
          return peers
        })
      )
      for (const peer of peers) yield* eventually(Effect.sync(peer.ended), (ended) => ended !== "no")
      yield* eventually(
        Effect.sync(() => server.open.size),
        (open) => open === 0
      )
    }))
})

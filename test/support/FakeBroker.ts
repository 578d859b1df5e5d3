/**
 * A broker that is made up, over a real socket: it says what a test wants, well-formed or not. It negotiates versions, has
 * all mechanisms of SASL, lets everybody in and knows itself as the only broker, unless it is told otherwise.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as Net from "node:net"
import { Writer } from "../../src/internal/protocol/wire.ts"

export const Key = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  InitProducerId: 22,
  DescribeConfigs: 32,
  SaslAuthenticate: 36,
  IncrementalAlterConfigs: 44
} as const

/** Versions that it has of each: classic encodings. */
const VERSIONS: ReadonlyArray<readonly [key: number, min: number, max: number]> = [
  [Key.Produce, 0, 7],
  [Key.Fetch, 0, 9],
  [Key.ListOffsets, 0, 4],
  [Key.Metadata, 0, 7],
  [Key.SaslHandshake, 0, 1],
  [Key.ApiVersions, 0, 3],
  [Key.CreateTopics, 0, 4],
  [Key.InitProducerId, 0, 1],
  [Key.DescribeConfigs, 0, 1],
  [Key.SaslAuthenticate, 0, 1],
  [Key.IncrementalAlterConfigs, 0, 0]
]

export interface Asked {
  readonly key: number
  readonly version: number
  readonly correlationId: number
  /** What follows the client id. */
  readonly body: Buffer
  readonly socket: Net.Socket
  readonly port: number
  /** Answers it, with the size and the correlation id in front. */
  readonly answer: (body: Buffer) => void
}

export interface FakeBroker {
  readonly port: number
  /** All requests so far. */
  readonly asked: ReadonlyArray<Asked>
  /** Those of one kind. */
  readonly of: (key: number) => ReadonlyArray<Asked>
  readonly sockets: ReadonlySet<Net.Socket>
}

/** An answer's bytes, in the classic encoding. */
export const bytesOf = (write: (writer: Writer) => void): Buffer => {
  const writer = new Writer(false)
  write(writer)
  return writer.toBuffer()
}

export const frame = (correlationId: number, body: Buffer): Buffer =>
  Buffer.concat([
    bytesOf((w) => {
      w.int32(4 + body.length)
      w.int32(correlationId)
    }),
    body
  ])

/** Of version 3, without features; of version 2 where `flexible` is false. */
export const apiVersions = (versions = VERSIONS, flexible = true): Buffer => {
  const writer = new Writer(flexible)
  writer.int16(0)
  writer.array(versions, ([key, min, max]) => {
    writer.int16(key)
    writer.int16(min)
    writer.int16(max)
    writer.tags()
  })
  writer.int32(0)
  writer.tags()
  return writer.toBuffer()
}

export interface ToldBroker {
  readonly host: string
  readonly port: number
}

/** Metadata of version 7, without topics. */
export const metadata = (brokers: ReadonlyArray<ToldBroker>): Buffer =>
  bytesOf((w) => {
    w.int32(0)
    let id = 0
    w.array(brokers, ({ host, port }) => {
      w.int32(id++)
      w.string(host)
      w.int32(port)
      w.nullableString(undefined)
    })
    w.nullableString(undefined)
    w.int32(0)
    w.array([], () => {})
  })

export const handshake = (mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]): Buffer =>
  bytesOf((w) => {
    w.int16(0)
    w.array(mechanisms, (mechanism) => w.string(mechanism))
  })

/** An answer of version 1 to a message of a mechanism. */
export const authenticated = (message: Uint8Array | string = "", sessionMillis: bigint | number = 0): Buffer =>
  bytesOf((w) => {
    w.int16(0)
    w.nullableString(undefined)
    w.bytes(Buffer.from(message))
    w.int64(sessionMillis)
  })

export const refusedLogin = (words: string, code = 58): Buffer =>
  bytesOf((w) => {
    w.int16(code)
    w.string(words)
    w.bytes(Buffer.alloc(0))
    w.int64(0)
  })

/** The message of a mechanism that a client has sent. */
export const messageOf = ({ body }: Asked): Buffer => body.subarray(4, 4 + body.readInt32BE(0))

export type Handler = (asked: Asked) => void

const defaults: Readonly<Record<number, Handler>> = {
  [Key.ApiVersions]: ({ answer }) => answer(apiVersions()),
  [Key.SaslHandshake]: ({ answer }) => answer(handshake()),
  [Key.SaslAuthenticate]: ({ answer }) => answer(authenticated()),
  [Key.Metadata]: ({ answer, port }) => answer(metadata([{ host: "127.0.0.1", port }]))
}

/** Listens until the scope ends. What has no handler, and no default, is never answered. */
export const make = (handlers: Readonly<Record<number, Handler>> = {}): Effect.Effect<FakeBroker, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const sockets = new Set<Net.Socket>()
    let port = 0
    const serve = (socket: Net.Socket): void => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      socket.on("error", () => {})
      let buffered = Buffer.alloc(0)
      socket.on("data", (chunk) => {
        buffered = Buffer.concat([buffered, chunk])
        while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
          const end = 4 + buffered.readInt32BE(0)
          const key = buffered.readInt16BE(4)
          const correlationId = buffered.readInt32BE(8)
          const one: Asked = {
            key,
            version: buffered.readInt16BE(6),
            correlationId,
            body: buffered.subarray(14 + Math.max(0, buffered.readInt16BE(12)), end),
            socket,
            port,
            answer: (body) => socket.write(frame(correlationId, body))
          }
          buffered = buffered.subarray(end)
          asked.push(one)
          const handler = handlers[key] ?? defaults[key]
          handler?.(one)
        }
      })
    }
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => Net.createServer(serve)),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
    port = (server.address() as Net.AddressInfo).port
    return { port, asked, of: (key) => asked.filter((one) => one.key === key), sockets }
  })

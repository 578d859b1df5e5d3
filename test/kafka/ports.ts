import * as Effect from "effect/Effect"
import { randomInt } from "node:crypto"
import { connect, createServer } from "node:net"
import { TestKafkaError } from "./TestKafkaError.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

/** Whether a port of the loopback can be listened on. */
export const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resume(Effect.succeed(true))))
  })

/**
 * Ports of the loopback that nothing listens on. They may be taken a moment later: the caller starts again then.
 *
 * They lie below what systems give to outgoing connections. While a broker is down, a client's connection attempt could
 * otherwise get the broker's own port, and be connected to itself.
 */
export const freePorts = (count: number): Effect.Effect<ReadonlyArray<number>, TestKafkaError> =>
  Effect.gen(function* () {
    const found = new Set<number>()
    for (let tries = 0; tries < 1000 && found.size < count; tries++) {
      const port = randomInt(12_000, 32_000)
      if (yield* isFree(port)) found.add(port)
    }
    if (found.size < count) {
      return yield* new TestKafkaError({ reason: "start", message: "no free ports between 12000 and 32000" })
    }
    return [...found]
  })

/** Whether something accepts connections there. */
export const accepts = ({ host, port }: Address): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port, timeout: 1000 })
    const end = (open: boolean) => () => {
      socket.destroy()
      resume(Effect.succeed(open))
    }
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false))
  })

/**
 * Ids of the brokers that a broker knows to be alive; none if it does not answer. Version 1 of Kafka's Metadata
 * request, about no topic, on a plain listener.
 */
export const liveBrokers = ({ host, port }: Address): Effect.Effect<ReadonlyArray<number>> =>
  Effect.callback<ReadonlyArray<number>>((resume) => {
    const socket = connect({ host, port, timeout: 1000 })
    const end = (ids: ReadonlyArray<number>) => {
      socket.destroy()
      resume(Effect.succeed(ids))
    }
    let received = Buffer.alloc(0)
    socket.once("error", () => end([])).once("timeout", () => end([]))
    socket.once("close", () => end([]))
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return
      // size, correlation id, then the brokers: id, host, port, nullable rack
      const ids: Array<number> = []
      let at = 12
      for (let left = received.readInt32BE(8); left > 0; left--) {
        ids.push(received.readInt32BE(at))
        at += 4
        at += 2 + received.readInt16BE(at) + 4
        at += 2 + Math.max(0, received.readInt16BE(at))
      }
      end(ids)
    })
    // size 14; api key 3, version 1, correlation id 0, null client id, an array of 0 topics
    socket.once("connect", () =>
      socket.write(Buffer.from("0000000e" + "0003" + "0001" + "00000000" + "ffff" + "00000000", "hex"))
    )
  })

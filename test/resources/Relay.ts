/** A TCP relay in front of a broker. It is blind, so that what passes may be TLS, and can hold back what the broker says. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Latch from "effect/Latch"
import { once } from "node:events"
import * as Net from "node:net"
import type { Address } from "../kafka/ports.ts"

export interface Relay {
  readonly address: Address
  /** Connections of clients that are open. */
  readonly open: () => number
  /**
   * So many bytes of a broker's come through, counted from a connection's beginning; the rest does not, until the scope
   * ends. The result waits until something was held back.
   */
  readonly hold: (bytes: number) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  /** Ends the present connections. */
  readonly reset: Effect.Effect<void>
}

/** A client's connection and the broker's. */
class Link {
  private passed = 0
  private readonly held: Array<Buffer> = []
  readonly client: Net.Socket
  private readonly broker: Net.Socket

  constructor(client: Net.Socket, target: Address, limit: () => number, onHeld: () => void) {
    this.client = client
    this.broker = Net.connect(target)
    client.on("data", (chunk: Buffer) => this.broker.write(chunk))
    this.broker.on("data", (chunk: Buffer) => {
      const rest = Math.max(0, limit() - this.passed)
      this.pass(chunk.subarray(0, rest))
      if (chunk.length <= rest) return
      this.held.push(chunk.subarray(rest))
      onHeld()
    })
    for (const socket of [client, this.broker]) {
      socket.on("error", () => {})
      socket.on("close", () => this.destroy())
    }
  }

  private pass(chunk: Buffer): void {
    this.passed += chunk.length
    this.client.write(chunk)
  }

  release(): void {
    for (const chunk of this.held.splice(0)) this.pass(chunk)
  }

  destroy(): void {
    this.client.destroy()
    this.broker.destroy()
  }
}

/** Listens until the scope ends. */
export const make = (target: Address): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.gen(function* () {
    const links = new Set<Link>()
    let limit = Number.POSITIVE_INFINITY
    let onHeld = () => {}
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        Net.createServer((client) => {
          const link = new Link(
            client,
            target,
            () => limit,
            () => onHeld()
          )
          links.add(link)
          client.on("close", () => links.delete(link))
        })
      ),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const link of links) link.destroy()
        })
    )
    yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
    const { port } = server.address() as Net.AddressInfo
    return {
      address: { host: "127.0.0.1", port },
      open: () => links.size,
      hold: (bytes) =>
        Effect.acquireRelease(
          Effect.map(Latch.make(), (held) => {
            limit = bytes
            onHeld = () => held.openUnsafe()
            return held.await
          }),
          () =>
            Effect.sync(() => {
              limit = Number.POSITIVE_INFINITY
              for (const link of links) link.release()
            })
        ),
      reset: Effect.sync(() => {
        for (const { client } of links) client.resetAndDestroy()
      })
    }
  })

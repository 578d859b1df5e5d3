/** What tests on a real Kafka have in common: clients by its addresses, and servers in front of it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { Codec, KafkaClient, KafkaTable } from "../../src/index.ts"

export type Settings = KafkaTable.TableSettings

export const withClient =
  (options: KafkaClient.KafkaClientOptions) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(KafkaClient.make(options), (client) =>
      Effect.provideService(effect, KafkaClient.KafkaClient, client)
    )

/** A table of texts, with a client of its own. */
export const open = (
  client: KafkaClient.KafkaClientOptions,
  topic: string,
  settings: Settings = {}
): Effect.Effect<KafkaTable.KafkaTable<string, string>, KafkaTable.AcquireError, Scope.Scope> =>
  KafkaTable.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(withClient(client))

// ---------------------------------------------------------------------------------------------------------------------
// servers
// ---------------------------------------------------------------------------------------------------------------------

/** A server on a port of its own, closed with the scope. */
export const listening = <S extends Net.Server>(make: () => S) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly address: string; readonly sockets: Set<Net.Socket>; readonly server: S }>((resume) => {
      const server = make()
      const sockets = new Set<Net.Socket>()
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
      })
      server.on("tlsClientError", () => {})
      server.listen(0, "127.0.0.1", () => {
        const address = server.address() as Net.AddressInfo
        resume(Effect.succeed({ address: `127.0.0.1:${address.port}`, sockets, server }))
      })
    }),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )

/** Forwards connections, and counts them: `count` says how many there were so far. */
export const countingProxy = (target: { readonly host: string; readonly port: number }) =>
  Effect.suspend(() => {
    let count = 0
    return Effect.map(
      listening(() =>
        Net.createServer((client) => {
          count++
          const broker = Net.connect(target)
          const end = () => {
            client.destroy()
            broker.destroy()
          }
          client.pipe(broker).pipe(client)
          for (const socket of [client, broker]) socket.on("error", end).on("close", end)
        })
      ),
      ({ address }) => ({ address, count: Effect.sync(() => count) })
    )
  })

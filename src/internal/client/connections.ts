import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { into, settleDeferred } from "../effect/v4/deferred.ts"
import { forkedScope } from "../effect/v4/scopes.ts"
import { type Address, addressOf } from "./address.ts"
import { releasedError } from "./given.ts"

/** A connection that is open, or is being opened. */
interface Entry {
  readonly deferred: Deferred.Deferred<BrokerConnection, ConnectionError>
  readonly scope: Scope.Closeable
  /** The connection once it is open; `undefined` before. */
  connection: BrokerConnection | undefined
}

/** One shared connection per broker, opened on first use and forgotten when it fails. */
export interface SharedConnections {
  /** Runs `f` with the connection to a broker. If `f` fails, the next use opens another one. */
  readonly use: <A>(
    broker: Address,
    f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>
  ) => Effect.Effect<A, ConnectionError>
  /** Whether there is an open connection to this broker already. */
  readonly has: (broker: Address) => boolean
  /** Closes the connection to a broker that is not needed any more, if there is one. */
  readonly drop: (broker: Address) => Effect.Effect<void>
}

/** Makes shared connections, for short requests only: a long poll would hold up all requests that come after it. */
export const makeSharedConnections = (
  connect: (broker: Address) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
): Effect.Effect<SharedConnections, never, Scope.Scope> =>
  Effect.gen(function* () {
    const owner = yield* Effect.scope
    const entries = new Map<string, Entry>()

    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        for (const [key, entry] of entries) settleDeferred(entry.deferred, Exit.fail(releasedError(key)))
      })
    )

    /** Closes a connection, and forgets it. */
    const drop = (key: string, entry: Entry) =>
      Effect.suspend(() => {
        if (entries.get(key) === entry) entries.delete(key)
        return Scope.close(entry.scope, Exit.void)
      })

    /** Connects in a fiber of the owner, as more than one caller may wait for it and any of them may be interrupted. */
    const open = (key: string, broker: Address) =>
      Effect.gen(function* () {
        const scope = yield* forkedScope(owner)
        const entry: Entry = {
          deferred: yield* Deferred.make<BrokerConnection, ConnectionError>(),
          scope,
          connection: undefined
        }
        entries.set(key, entry)
        yield* connect(broker).pipe(
          Scope.provide(scope),
          Effect.tap((connection) =>
            Effect.sync(() => {
              entry.connection = connection
            })
          ),
          Effect.tapError(() => drop(key, entry)),
          into(entry.deferred),
          // A fiber inherits from where it is forked that it cannot be interrupted, which this one has to be.
          Effect.interruptible,
          Effect.forkIn(owner)
        )
        return entry
      }).pipe(Effect.uninterruptible)

    const acquire = (key: string, broker: Address): Effect.Effect<Entry, ConnectionError> =>
      Effect.suspend(() => {
        if (closed) return Effect.fail(releasedError(key))
        const entry = entries.get(key)
        if (entry === undefined) return open(key, broker)
        // Brokers close connections that were idle for long, which is no failure of the next request.
        if (entry.connection?.isOpen() === false) return Effect.andThen(drop(key, entry), acquire(key, broker))
        return Effect.succeed(entry)
      })

    const used = <A>(
      key: string,
      entry: Entry,
      connection: BrokerConnection,
      f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>
    ): Effect.Effect<A, ConnectionError> =>
      Effect.tapError(f(connection), (error) =>
        // That the broker does not have the request is no fault of the connection.
        error.reason === "UnsupportedVersion" ? Effect.void : drop(key, entry)
      )

    return {
      drop: (broker) =>
        Effect.suspend(() => {
          const entry = entries.get(addressOf(broker))
          return entry === undefined ? Effect.void : drop(addressOf(broker), entry)
        }),
      has: (broker) => entries.get(addressOf(broker))?.connection?.isOpen() === true,
      use: (broker, f) =>
        Effect.suspend(() => {
          const key = addressOf(broker)
          const entry = entries.get(key)
          // Mostly the connection is open, and there is nothing to wait for.
          if (entry?.connection?.isOpen() === true) return used(key, entry, entry.connection, f)
          return Effect.flatMap(acquire(key, broker), (entry) =>
            Effect.flatMap(Deferred.await(entry.deferred), (connection) => used(key, entry, connection, f))
          )
        })
    }
  })

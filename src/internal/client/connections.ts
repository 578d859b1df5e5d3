import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { settleDeferred } from "../effect/deferred.ts"
import { type Address, addressOf } from "./address.ts"
import { releasedError } from "./given.ts"

interface Entry {
  readonly deferred: Deferred.Deferred<BrokerConnection, ConnectionError>
  readonly scope: Scope.CloseableScope
  connection: BrokerConnection | undefined
}

/** One shared connection per broker, opened on first use and forgotten when it fails. */
export interface SharedConnections {
  readonly use: <A>(
    broker: Address,
    f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>
  ) => Effect.Effect<A, ConnectionError>
  /** Is there an open connection to this broker already? */
  readonly has: (broker: Address) => boolean
}

/** Connections for short requests: never for a long poll, which would hold up all that come after it. */
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

    const drop = (key: string, entry: Entry) =>
      Effect.suspend(() => {
        if (entries.get(key) === entry) entries.delete(key)
        return Scope.close(entry.scope, Exit.void)
      })

    /** Connects in a fiber of the owner, as more than one caller may wait for it and any of them may be interrupted. */
    const open = (key: string, broker: Address) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(owner, owner.strategy)
        const entry: Entry = {
          deferred: yield* Deferred.make<BrokerConnection, ConnectionError>(),
          scope,
          connection: undefined
        }
        entries.set(key, entry)
        yield* connect(broker).pipe(
          Scope.extend(scope),
          Effect.tap((connection) => {
            entry.connection = connection
          }),
          Effect.tapError(() => drop(key, entry)),
          Effect.intoDeferred(entry.deferred),
          // a fiber that is forked where nothing may interrupt could not be interrupted itself
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
        // a broker closes what was idle for long: not a failure of the next request
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
        // a request that this broker does not have is no fault of the connection
        error.reason === "UnsupportedVersion" ? Effect.void : drop(key, entry)
      )

    return {
      has: (broker) => entries.get(addressOf(broker))?.connection?.isOpen() === true,
      use: (broker, f) =>
        Effect.suspend(() => {
          const key = addressOf(broker)
          const entry = entries.get(key)
          // mostly it is open: nothing to wait for, nor to look up twice
          if (entry?.connection?.isOpen() === true) return used(key, entry, entry.connection, f)
          return Effect.flatMap(acquire(key, broker), (entry) =>
            Effect.flatMap(Deferred.await(entry.deferred), (connection) => used(key, entry, connection, f))
          )
        })
    }
  })

/**
 * The connections that a client gave out. Whoever got one closes it with a scope of their own; the client closes what
 * is left when it is released.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { BrokerConnection } from "../../KafkaClient.ts"
import { ConnectionError } from "../../KafkaError.ts"
import { RELEASED } from "../released.ts"
import { type Address, addressOf } from "./address.ts"

/** The error of a connection whose client was released. */
export const releasedError = (broker: string): ConnectionError =>
  new ConnectionError({ reason: "Closed", broker, request: "connect", detail: RELEASED })

/** Why a driver's connection is closed, from the exit that its scope is closed with. */
export const closingWords = (exit: Exit.Exit<unknown, unknown>): string => {
  const failure = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  return failure instanceof ConnectionError && failure.detail === RELEASED ? RELEASED : "closed by this client"
}

/**
 * Makes a `connect` whose connections are also closed with the present scope: at once, and before all that was acquired
 * earlier.
 */
export const givingOut = <B extends Address>(
  connect: (broker: B) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
): Effect.Effect<(broker: B) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>, never, Scope.Scope> => {
  const given = new Map<Scope.Closeable, string>()
  let released = false
  const close = ([scope, address]: readonly [Scope.Closeable, string]) =>
    Scope.close(scope, Exit.fail(releasedError(address)))
  return Effect.as(
    Effect.addFinalizer(() =>
      Effect.suspend(() => {
        released = true
        return Effect.forEach([...given], close, { discard: true })
      })
    ),
    (broker) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          if (released) return yield* Effect.fail(releasedError(addressOf(broker)))
          const scope = yield* Scope.make()
          given.set(scope, addressOf(broker))
          yield* Effect.addFinalizer((exit) => {
            given.delete(scope)
            return Scope.close(scope, exit)
          })
          return yield* restore(Scope.provide(connect(broker), scope))
        })
      )
  )
}

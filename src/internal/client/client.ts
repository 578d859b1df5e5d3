/** The client service, which knows which brokers to ask, and is derived from any driver's `connect`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Backoff, BrokerConnection, KafkaClient } from "../../KafkaClient.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { type Address, addressOf } from "./address.ts"
import { Asking, errorCodeOf } from "./asking.ts"
import { makeSharedConnections } from "./connections.ts"
import { askCoordinator, makeCoordinator } from "./coordinator.ts"
import { describeTopic, topicsMatching } from "./describing.ts"
import { givingOut } from "./given.ts"
import { KnownBrokers } from "./knownBrokers.ts"
import { listBrokers, listGroups, listOffsets } from "./listing.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaClient")

export const tag: Context.Service<KafkaClient, KafkaClient> = Context.Service<KafkaClient>("effect-ktables/KafkaClient")

/** Derives the service from a driver's one primitive. */
export const make = (driver: {
  readonly bootstrap: ReadonlyArray<Address>
  readonly backoff: Backoff
  readonly connect: (broker: Address) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
}): Effect.Effect<KafkaClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { backoff, bootstrap } = driver
    // Shared connections come from `connect`, too: they are closed like all others, and only then their own scope ends.
    const ownScope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const connect = yield* givingOut(driver.connect)
    const shared = yield* Scope.provide(makeSharedConnections(connect), ownScope)
    const asking = new Asking(new KnownBrokers(bootstrap, shared.has), shared, backoff)
    return {
      [TypeId]: TypeId,
      bootstrap: bootstrap.map(addressOf).join(","),
      backoff,
      connect,
      brokers: listBrokers(asking),
      describeTopic: (topic) => describeTopic(asking, topic),
      topicsMatching: (isWanted) => topicsMatching(asking, isWanted),
      coordinator: (key, type) => makeCoordinator(asking, connect, { key, type }),
      askCoordinator: (key, type, name, request) => askCoordinator(asking, { key, type }, name, request),
      listGroups: (request) => listGroups(asking, request),
      listOffsets: (topic, at) => listOffsets(asking, topic, at),
      initProducerId: asking.any((connection) => connection.request("InitProducerId", { transactional: undefined }), {
        codeOf: errorCodeOf
      }),
      createTopic: (request) => asking.controller((connection) => connection.request("CreateTopics", request)),
      describeConfigs: (topic) =>
        asking.any((connection) => connection.request("DescribeConfigs", { topic }), { codeOf: errorCodeOf }),
      alterConfigs: (request) =>
        asking.controller((connection) => connection.request("IncrementalAlterConfigs", request))
    }
  })

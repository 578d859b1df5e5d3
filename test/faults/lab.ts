/** A cluster whose clients cannot get past the proxies in front of its nodes. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { KafkaClient } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"
import * as Proxy from "./Proxy.ts"

export interface Lab {
  readonly nodes: ReadonlyArray<KafkaCluster.Node>
  /** Of the nodes, in their order. */
  readonly proxies: ReadonlyArray<Proxy.Proxy>
  /** By way of the proxies. */
  readonly brokers: ReadonlyArray<string>
  /** Kafka's own clients, which go past the proxies. */
  readonly java: JavaClient.Service
}

export const make = (
  options: Omit<KafkaCluster.Options, "advertise"> = {}
): Effect.Effect<Lab, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const proxies = new Map<number, Proxy.Proxy>()
    const cluster = yield* KafkaCluster.make({
      ...options,
      advertise: (node) =>
        Effect.map(Proxy.make(node), (proxy) => {
          proxies.set(node.id, proxy)
          return proxy.address
        })
    })
    return {
      nodes: cluster.nodes,
      proxies: cluster.nodes.map(({ id }) => proxies.get(id)!),
      brokers: cluster.brokers,
      java: yield* JavaClient.make(cluster.adminBrokers)
    }
  })

/** Does the same with all proxies. */
export const everywhere = <A, E, R>(
  { proxies }: Lab,
  f: (proxy: Proxy.Proxy) => Effect.Effect<A, E, R>
): Effect.Effect<void, E, R> => Effect.forEach(proxies, f, { discard: true })

/** Notices within two seconds that a broker is silent. */
export const impatient = { requestTimeout: "2 seconds", connectTimeout: "2 seconds" } as const

export type ClientOptions = Omit<KafkaClient.KafkaClientOptions, "brokers">

/** A client of the lab, by the name of `clientId`. */
export const client = (
  lab: Pick<Lab, "brokers">,
  clientId: string,
  options: ClientOptions = {}
): Effect.Effect<KafkaClient.KafkaClient, never, Scope.Scope> =>
  Effect.orDie(KafkaClient.make({ brokers: lab.brokers, clientId, ...impatient, ...options }))

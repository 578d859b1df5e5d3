/** What a broker of the embedded cluster does with each request, and how long it lets a fetch wait. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Call, CallName } from "../../EmbeddedKafka.ts"
import { ConnectionError } from "../../KafkaError.ts"
import type { ApiName, FetchRequest, FetchResponse, Request, Response } from "../../KafkaProtocol.ts"
import type { Cluster } from "./cluster.ts"
import { groupServers } from "./groups/serving.ts"
import { transactionServers } from "./groups/transactionServing.ts"
import * as requests from "./requests.ts"

type Server<N extends ApiName> = (
  cluster: Cluster,
  node: number,
  request: Request<N>,
  clientId: string
) => Effect.Effect<Response<N>>

/** The requests that this broker has. Any other one fails as with an older broker. */
const servers: { readonly [N in ApiName]?: Server<N> } = {
  ...groupServers,
  ...transactionServers,
  CreateTopics: (cluster, _node, request) => Effect.sync(() => requests.createTopics(cluster, request)),
  DescribeConfigs: (cluster, _node, request) => Effect.sync(() => requests.describeConfigs(cluster, request)),
  Fetch: (cluster, node, request) => Effect.suspend(() => fetch(cluster, node, request)),
  FindCoordinator: (cluster, _node, request) => Effect.sync(() => requests.findCoordinator(cluster, request)),
  IncrementalAlterConfigs: (cluster, _node, request) => Effect.sync(() => requests.alterConfigs(cluster, request)),
  ListOffsets: (cluster, node, request) => Effect.sync(() => requests.listOffsets(cluster, node, request)),
  Metadata: (cluster, _node, request) => Effect.sync(() => requests.metadata(cluster, request)),
  Produce: (cluster, node, request) =>
    Effect.map(Clock.currentTimeMillis, (now) => requests.produce(cluster, node, request, now))
}

/** Lets happen what was due for transactions. Mostly there is none. */
const runDue = ({ transactions: { coordinator } }: Cluster): Effect.Effect<void> =>
  coordinator.dueAt === Number.POSITIVE_INFINITY
    ? Effect.void
    : Effect.map(Clock.currentTimeMillis, (now) => coordinator.run(now))

/** Carries a request out, as a broker does with which nothing is wrong. */
export const carryOut = (
  cluster: Cluster,
  { clientId, name, node, request }: Call<CallName>,
  broker: string
): Effect.Effect<unknown, ConnectionError> => {
  if (name === "connect") return Effect.void
  const serve: Server<ApiName> | undefined = servers[name]
  if (serve !== undefined) {
    return Effect.andThen(runDue(cluster), serve(cluster, node, request as Request<ApiName>, clientId))
  }
  const detail = "the embedded Kafka does not have it"
  return Effect.fail(new ConnectionError({ reason: "UnsupportedVersion", broker, request: name, detail }))
}

/**
 * Fetches, and waits until there is enough or the time is up. Only changes of the topics that were asked for wake it.
 */
const fetch = (cluster: Cluster, node: number, request: FetchRequest): Effect.Effect<FetchResponse> => {
  if (requests.isFetchable(cluster, node, request)) return Effect.succeed(requests.fetch(cluster, node, request))
  const wait = (deadline: number): Effect.Effect<FetchResponse> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const topics = requests.topicsOf(cluster, request)
      if (topics.length === 0 || deadline <= now || requests.isFetchable(cluster, node, request)) {
        return Effect.succeed(requests.fetch(cluster, node, request))
      }
      // A transaction that ends because its time is up lets readers go on, too.
      const until = Math.min(deadline, cluster.transactions.coordinator.dueAt)
      const changes = topics.map(({ changed }) => changed.after(changed.version, until - now))
      const change = changes.length === 1 ? changes[0] : Effect.raceAll(changes)
      return Effect.andThen(Effect.andThen(change, runDue(cluster)), wait(deadline))
    })
  return Effect.flatMap(Clock.currentTimeMillis, (now) => wait(now + request.maxWaitMillis))
}

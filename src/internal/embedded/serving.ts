/** Carries requests out: what a broker does with each, and how long it lets a fetch wait. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Call, RequestName, Requests } from "../../EmbeddedKafka.ts"
import type { FetchRequest, FetchResponse } from "../../KafkaClient.ts"
import type { Cluster } from "./cluster.ts"
import * as requests from "./requests.ts"

/** As a broker that nothing is wrong with. */
export const carryOut = <N extends RequestName>(
  cluster: Cluster,
  call: Call<N>
): Effect.Effect<Requests[N]["response"]> => servers[call.name](cluster, call)

const servers: {
  readonly [N in RequestName]: (cluster: Cluster, call: Call<N>) => Effect.Effect<Requests[N]["response"]>
} = {
  connect: () => Effect.void,
  metadata: (cluster, { request }) => Effect.sync(() => requests.metadata(cluster, request)),
  listOffsets: (cluster, { node, request }) => Effect.sync(() => requests.listOffsets(cluster, node, request)),
  fetch: (cluster, { node, request }) => Effect.suspend(() => fetch(cluster, node, request)),
  initProducerId: (cluster) => Effect.sync(() => requests.initProducerId(cluster)),
  produce: (cluster, { node, request }) =>
    Effect.map(Clock.currentTimeMillis, (now) => requests.produce(cluster, node, request, now)),
  createTopic: (cluster, { request }) => Effect.sync(() => requests.createTopic(cluster, request)),
  describeConfigs: (cluster, { request }) => Effect.sync(() => requests.describeConfigs(cluster, request)),
  alterConfigs: (cluster, { request }) => Effect.sync(() => requests.alterConfigs(cluster, request.topic, request.set))
}

/** Waits for what was asked for, woken by changes of that topic only. */
const fetch = (cluster: Cluster, node: number, request: FetchRequest): Effect.Effect<FetchResponse> => {
  if (requests.isFetchable(cluster, node, request)) return Effect.succeed(requests.fetch(cluster, node, request))
  const wait = (deadline: number): Effect.Effect<FetchResponse> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const topic = requests.topicOf(cluster, request.topic)
      if (topic === undefined || deadline <= now || requests.isFetchable(cluster, node, request)) {
        return Effect.succeed(requests.fetch(cluster, node, request))
      }
      return Effect.andThen(topic.changed.after(topic.changed.version, deadline - now), wait(deadline))
    })
  return Effect.flatMap(Clock.currentTimeMillis, (now) => wait(now + request.maxWaitMillis))
}

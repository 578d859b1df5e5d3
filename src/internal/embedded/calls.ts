/** What there is to know of each request: what it is about, and what an answer to a part of it looks like. */
import type { Call, RequestName, Requests } from "../../EmbeddedKafka.ts"
import type { Cluster } from "./cluster.ts"
import * as requests from "./requests.ts"

type Request<N extends RequestName> = Requests[N]["request"]
type Response<N extends RequestName> = Requests[N]["response"]

/** Topics and partitions; `undefined`: whatever they are. */
export interface Part {
  readonly topic: string | undefined
  readonly partition: number | undefined
}

interface Kind<N extends RequestName> {
  /** As Kafka names it. */
  readonly apiName: string
  readonly topicsOf: (request: Request<N>) => ReadonlyArray<string>
  readonly partitionsOf: (request: Request<N>) => ReadonlyArray<number>
  /** The part of a request that is meant, and what is left of it. */
  readonly split: (
    request: Request<N>,
    part: Part
  ) => { readonly meant: Request<N>; readonly rest: Request<N> | undefined }
  /** The answer that all of a request is refused. */
  readonly refuse: (request: Request<N>, code: number, cluster: Cluster) => Response<N>
  readonly merge: (refused: Response<N>, rest: Response<N>) => Response<N>
}

const none = () => []

/** A request that is about one thing: it is refused as a whole, or not at all. */
const undivided = <A, B>() => ({
  partitionsOf: none as (request: A) => ReadonlyArray<number>,
  split: (request: A) => ({ meant: request, rest: undefined }),
  merge: (refused: B) => refused
})

/** A request about partitions of one topic, each of which has an answer of its own. */
const ofPartitions = <
  A extends { readonly partitions: ReadonlyArray<{ readonly partition: number }> },
  B extends { readonly partitions: ReadonlyArray<unknown> }
>(options: {
  readonly of: (request: A, partitions: A["partitions"]) => A
}) => ({
  partitionsOf: (request: A) => request.partitions.map(({ partition }) => partition),
  split: (request: A, { partition }: Part) => {
    if (partition === undefined) return { meant: request, rest: undefined }
    const others = request.partitions.filter((p) => p.partition !== partition)
    return {
      meant: options.of(
        request,
        request.partitions.filter((p) => p.partition === partition)
      ),
      rest: others.length === 0 ? undefined : options.of(request, others)
    }
  },
  merge: (refused: B, rest: B): B => ({ ...rest, partitions: [...refused.partitions, ...rest.partitions] })
})

export const kinds: { readonly [N in RequestName]: Kind<N> } = {
  connect: {
    ...undivided(),
    apiName: "connect",
    topicsOf: none,
    refuse: () => undefined
  },
  metadata: {
    apiName: "Metadata",
    topicsOf: (names) => names,
    partitionsOf: none,
    split: (names, { topic }) => {
      const others = topic === undefined ? [] : names.filter((name) => name !== topic)
      return {
        meant: topic === undefined ? names : names.filter((name) => name === topic),
        rest: others.length === 0 ? undefined : others
      }
    },
    refuse: (names, errorCode, cluster) => ({
      ...requests.metadata(cluster, []),
      topics: names.map((name) => ({ errorCode, name, id: undefined, partitions: [] }))
    }),
    merge: (refused, rest) => ({ ...rest, topics: [...refused.topics, ...rest.topics] })
  },
  listOffsets: {
    ...ofPartitions({ of: (request, partitions) => ({ ...request, partitions }) }),
    apiName: "ListOffsets",
    topicsOf: (request) => [request.topic],
    refuse: (request, errorCode) => ({
      partitions: request.partitions.map(({ partition }) => ({ partition, errorCode, offset: -1, leaderEpoch: -1 }))
    })
  },
  fetch: {
    // an answer that has an error in it does not wait for records
    ...ofPartitions({ of: (request, partitions) => ({ ...request, maxWaitMillis: 0, partitions }) }),
    apiName: "Fetch",
    topicsOf: (request) => [request.topic.name],
    refuse: (request, errorCode) => ({
      errorCode: 0,
      throttleMillis: 0,
      partitions: request.partitions.map(({ partition }) => requests.unread(partition, errorCode))
    })
  },
  initProducerId: {
    ...undivided(),
    apiName: "InitProducerId",
    topicsOf: none,
    refuse: (_, errorCode) => ({ errorCode, producerId: -1n, producerEpoch: -1 })
  },
  produce: {
    ...ofPartitions({ of: (request, partitions) => ({ ...request, partitions }) }),
    apiName: "Produce",
    topicsOf: (request) => [request.topic.name],
    refuse: (request, errorCode) => ({
      throttleMillis: 0,
      partitions: request.partitions.map(({ partition }) => ({
        partition,
        errorCode,
        baseOffset: -1,
        errorMessage: undefined
      }))
    })
  },
  createTopic: {
    ...undivided(),
    apiName: "CreateTopics",
    topicsOf: (request) => [request.topic],
    refuse: (_, errorCode) => ({ errorCode, errorMessage: undefined })
  },
  describeConfigs: {
    ...undivided(),
    apiName: "DescribeConfigs",
    topicsOf: (topic) => [topic],
    refuse: (_, errorCode) => ({ errorCode, errorMessage: undefined, configs: [] })
  },
  alterConfigs: {
    ...undivided(),
    apiName: "IncrementalAlterConfigs",
    topicsOf: (request) => [request.topic],
    refuse: (_, errorCode) => ({ errorCode, errorMessage: undefined })
  }
}

export const kindOf = <N extends RequestName>(call: Call<N>): Kind<N> => kinds[call.name]

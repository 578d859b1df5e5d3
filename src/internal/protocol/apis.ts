/**
 * All requests that a connection takes, by the names that Kafka gives them. A new one is a file of this folder, and its
 * line here: both drivers, faults and interceptors go by this table.
 */
import type { Api } from "./api.ts"
import { createTopics } from "./createTopics.ts"
import { describeConfigs } from "./describeConfigs.ts"
import { fetch } from "./fetch.ts"
import { incrementalAlterConfigs } from "./incrementalAlterConfigs.ts"
import { initProducerId } from "./initProducerId.ts"
import { listOffsets } from "./listOffsets.ts"
import { metadata } from "./metadata.ts"
import { produce } from "./produce.ts"

export const apis = {
  CreateTopics: createTopics,
  DescribeConfigs: describeConfigs,
  Fetch: fetch,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  InitProducerId: initProducerId,
  ListOffsets: listOffsets,
  Metadata: metadata,
  Produce: produce
} as const

/**
 * The names of all requests.
 *
 * @since 0.2.0
 * @category models
 */
export type ApiName = keyof typeof apis

/**
 * What is asked by a request of this name.
 *
 * @since 0.2.0
 * @category models
 */
export type Request<N extends ApiName> = (typeof apis)[N] extends Api<infer Request, infer _Response> ? Request : never

/**
 * What is answered to a request of this name.
 *
 * @since 0.2.0
 * @category models
 */
export type Response<N extends ApiName> =
  (typeof apis)[N] extends Api<infer _Request, infer Response> ? Response : never

/** The table's entry, for code that is about any request. */
export const apiOf = <N extends ApiName>(name: N): Api<Request<N>, Response<N>> =>
  apis[name] as unknown as Api<Request<N>, Response<N>>

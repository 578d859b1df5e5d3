/**
 * All requests that a connection takes, by the names that Kafka gives them. A new one is a file of this folder, and its
 * line here: both drivers, faults and interceptors go by this table.
 */
import type { Api } from "./api.ts"
import { addOffsetsToTxn } from "./addOffsetsToTxn.ts"
import { addPartitionsToTxn } from "./addPartitionsToTxn.ts"
import { consumerGroupDescribe } from "./consumerGroupDescribe.ts"
import { consumerGroupHeartbeat } from "./consumerGroupHeartbeat.ts"
import { createTopics } from "./createTopics.ts"
import { deleteGroups } from "./deleteGroups.ts"
import { describeConfigs } from "./describeConfigs.ts"
import { describeGroups } from "./describeGroups.ts"
import { endTxn } from "./endTxn.ts"
import { fetch } from "./fetch.ts"
import { findCoordinator } from "./findCoordinator.ts"
import { heartbeat } from "./heartbeat.ts"
import { incrementalAlterConfigs } from "./incrementalAlterConfigs.ts"
import { initProducerId } from "./initProducerId.ts"
import { joinGroup } from "./joinGroup.ts"
import { leaveGroup } from "./leaveGroup.ts"
import { listGroups } from "./listGroups.ts"
import { listOffsets } from "./listOffsets.ts"
import { metadata } from "./metadata.ts"
import { offsetCommit } from "./offsetCommit.ts"
import { offsetDelete } from "./offsetDelete.ts"
import { offsetFetch } from "./offsetFetch.ts"
import { produce } from "./produce.ts"
import { syncGroup } from "./syncGroup.ts"
import { txnOffsetCommit } from "./txnOffsetCommit.ts"

export const apis = {
  AddOffsetsToTxn: addOffsetsToTxn,
  AddPartitionsToTxn: addPartitionsToTxn,
  ConsumerGroupDescribe: consumerGroupDescribe,
  ConsumerGroupHeartbeat: consumerGroupHeartbeat,
  CreateTopics: createTopics,
  DeleteGroups: deleteGroups,
  DescribeConfigs: describeConfigs,
  DescribeGroups: describeGroups,
  EndTxn: endTxn,
  Fetch: fetch,
  FindCoordinator: findCoordinator,
  Heartbeat: heartbeat,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  InitProducerId: initProducerId,
  JoinGroup: joinGroup,
  LeaveGroup: leaveGroup,
  ListGroups: listGroups,
  ListOffsets: listOffsets,
  Metadata: metadata,
  OffsetCommit: offsetCommit,
  OffsetDelete: offsetDelete,
  OffsetFetch: offsetFetch,
  Produce: produce,
  SyncGroup: syncGroup,
  TxnOffsetCommit: txnOffsetCommit
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

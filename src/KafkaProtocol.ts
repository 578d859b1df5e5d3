/**
 * Kafka's requests and answers as plain data, under the names that Kafka gives them: what a `BrokerConnection` takes and
 * returns, what a driver sends, and what tests intercept. How they are bytes is the drivers' matter.
 *
 * Error codes in answers are data here, as one answer may speak of many partitions. An answer has only what was asked
 * for; what a broker left out of it is missing.
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { KafkaClient, KafkaProtocol } from "effect-ktables"
 *
 * const leadersOf = (connection: KafkaClient.BrokerConnection, topic: string) =>
 *   Effect.map(connection.request("Metadata", { topics: [topic] }), ({ topics }: KafkaProtocol.MetadataResponse) =>
 *     topics.flatMap(({ partitions }) => partitions.map(({ leader }) => leader))
 *   )
 *
 * export { leadersOf }
 * ```
 *
 * @since 0.2.0
 * @module
 */
export type { AddOffsetsToTxnRequest } from "./internal/protocol/addOffsetsToTxn.ts"
export type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
  TransactionalProducer
} from "./internal/protocol/addPartitionsToTxn.ts"
export type { AdminResponse, TopicPartition, TopicRef, VersionRange } from "./internal/protocol/api.ts"
export type { ApiName, Request, Response } from "./internal/protocol/apis.ts"
export type {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse,
  ConsumerGroupMember
} from "./internal/protocol/consumerGroupDescribe.ts"
export type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  TopicIdPartitions
} from "./internal/protocol/consumerGroupHeartbeat.ts"
export type { CreateTopicsRequest } from "./internal/protocol/createTopics.ts"
export type { DeleteGroupsRequest } from "./internal/protocol/deleteGroups.ts"
export type {
  ConfigEntry,
  DescribeConfigsRequest,
  DescribeConfigsResponse
} from "./internal/protocol/describeConfigs.ts"
export type {
  DescribedMember,
  DescribeGroupsRequest,
  DescribeGroupsResponse
} from "./internal/protocol/describeGroups.ts"
export type { EndTxnRequest, EndTxnResponse } from "./internal/protocol/endTxn.ts"
export type {
  AbortedTransaction,
  FetchedPartition,
  FetchPartition,
  FetchRequest,
  FetchResponse
} from "./internal/protocol/fetch.ts"
export type {
  CoordinatorType,
  FindCoordinatorRequest,
  FindCoordinatorResponse
} from "./internal/protocol/findCoordinator.ts"
export type { CodeResponse, GroupMember } from "./internal/protocol/groupMember.ts"
export type { HeartbeatRequest } from "./internal/protocol/heartbeat.ts"
export type { IncrementalAlterConfigsRequest } from "./internal/protocol/incrementalAlterConfigs.ts"
export type { InitProducerIdRequest, InitProducerIdResponse } from "./internal/protocol/initProducerId.ts"
export type {
  JoinGroupMember,
  JoinGroupProtocol,
  JoinGroupRequest,
  JoinGroupResponse
} from "./internal/protocol/joinGroup.ts"
export type { LeaveGroupRequest } from "./internal/protocol/leaveGroup.ts"
export type { ListedGroup, ListGroupsRequest, ListGroupsResponse } from "./internal/protocol/listGroups.ts"
export type {
  Isolation,
  ListedPartition,
  ListOffsetsPartition,
  ListOffsetsRequest,
  ListOffsetsResponse
} from "./internal/protocol/listOffsets.ts"
export type {
  Broker,
  MetadataRequest,
  MetadataResponse,
  PartitionMetadata,
  TopicMetadata
} from "./internal/protocol/metadata.ts"
export type {
  OffsetCommitPartition,
  OffsetCommitRequest,
  OffsetCommitResponse,
  PartitionCode
} from "./internal/protocol/offsetCommit.ts"
export type { OffsetDeleteRequest, OffsetDeleteResponse } from "./internal/protocol/offsetDelete.ts"
export type { CommittedOffset, OffsetFetchRequest, OffsetFetchResponse } from "./internal/protocol/offsetFetch.ts"
export type {
  ProducedPartition,
  ProducePartition,
  ProduceRequest,
  ProduceResponse,
  RecordError
} from "./internal/protocol/produce.ts"
export type { SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse } from "./internal/protocol/syncGroup.ts"
export type { TransactionVersion, TxnOffsetCommitRequest } from "./internal/protocol/txnOffsetCommit.ts"

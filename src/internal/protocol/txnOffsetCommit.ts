import type { TransactionalProducer } from "./addPartitionsToTxn.ts"
import { type Api, MIB } from "./api.ts"
import type { GroupMember } from "./groupMember.ts"
import {
  type OffsetCommitPartition,
  type OffsetCommitResponse,
  readPartitionCodes,
  refusedPartitions,
  writeCommits
} from "./offsetCommit.ts"
import { ofPartitions } from "./parts.ts"

/**
 * How the cluster does transactions: the level of its feature `transaction.version` that is in force, and 1 where it has
 * none. With 2, each transaction has an epoch of its own, and brokers add partitions and groups to it by themselves.
 *
 * @since 0.4.0
 * @category models
 */
export type TransactionVersion = 1 | 2

/**
 * Commits offsets of a group within a transaction: they count once that is committed. It goes to the group's coordinator.
 *
 * @since 0.4.0
 * @category requests
 */
export interface TxnOffsetCommitRequest extends TransactionalProducer, GroupMember {
  readonly transactionVersion: TransactionVersion
  readonly partitions: ReadonlyArray<OffsetCommitPartition>
}

/** The version in which a broker adds the group to the transaction by itself. */
const ADDS_GROUP = 5

/** Commits offsets within a transaction. From version 3 (Kafka 2.5) on, the member's generation says whether it may. */
export const txnOffsetCommit: Api<TxnOffsetCommitRequest, OffsetCommitResponse> = {
  key: 28,
  name: "TxnOffsetCommit",
  versions: { min: 3, max: ADDS_GROUP },
  minVersion: ({ transactionVersion }) => (transactionVersion === 2 ? ADDS_GROUP : 0),
  maxVersion: ({ transactionVersion }) => (transactionVersion === 2 ? ADDS_GROUP : ADDS_GROUP - 1),
  flexible: () => true,
  maxAnswerBytes: 16 * MIB,
  // transactional_id: string, group_id: string, producer_id: int64, producer_epoch: int16, generation_id: int32,
  // member_id: string, group_instance_id: nullable string, topics
  encode: (_version, request, writer) => {
    writer.string(request.transactionalId)
    writer.string(request.groupId)
    writer.int64(request.producerId)
    writer.int16(request.producerEpoch)
    writer.int32(request.generation)
    writer.string(request.memberId)
    writer.nullableString(request.instanceId)
    writeCommits(request.partitions, writer, { hasLeaderEpoch: true, isById: false })
    writer.tags()
  },
  // throttle_time_ms: int32, topics
  decode: (_version, reader, request) => {
    reader.int32()
    const partitions = readPartitionCodes(request.partitions, reader)
    reader.tags()
    return { partitions }
  },
  parts: ofPartitions<OffsetCommitPartition, TxnOffsetCommitRequest, OffsetCommitResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({ partitions: refusedPartitions(partitions, errorCode) })
  })
}

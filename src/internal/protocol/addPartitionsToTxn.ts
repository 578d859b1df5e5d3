import { type Api, byTopic, MIB, type TopicPartition } from "./api.ts"
import { type PartitionCode, readPartitionCodes, refusedPartitions } from "./offsetCommit.ts"
import { ofPartitions } from "./parts.ts"

/**
 * The producer of a transaction, as it names itself.
 *
 * @since 0.4.0
 * @category models
 */
export interface TransactionalProducer {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
}

/**
 * Adds partitions to a transaction, before anything is produced to them. From transactions of version 2 on, brokers do
 * that by themselves.
 *
 * @since 0.4.0
 * @category requests
 */
export interface AddPartitionsToTxnRequest extends TransactionalProducer {
  readonly partitions: ReadonlyArray<TopicPartition>
}

/**
 * What came of adding partitions to a transaction.
 *
 * @since 0.4.0
 * @category answers
 */
export interface AddPartitionsToTxnResponse {
  /** The partitions of which the coordinator told something. */
  readonly partitions: ReadonlyArray<PartitionCode>
}

/** Adds partitions to a transaction. */
export const addPartitionsToTxn: Api<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse> = {
  key: 24,
  name: "AddPartitionsToTxn",
  // Newer versions are for brokers among themselves.
  versions: { min: 1, max: 3 },
  flexible: (version) => version >= 3,
  maxAnswerBytes: 16 * MIB,
  // transactional_id: string, producer_id: int64, producer_epoch: int16, topics: [name: string, partitions: [int32]]
  encode: (_version, request, writer) => {
    writer.string(request.transactionalId)
    writer.int64(request.producerId)
    writer.int16(request.producerEpoch)
    writer.array(byTopic(request.partitions), ({ partitions, topic }) => {
      writer.string(topic.name)
      writer.int32s(partitions.map(({ partition }) => partition))
      writer.tags()
    })
    writer.tags()
  },
  // throttle_time_ms: int32, results: [name: string, results: [partition_index: int32, error_code: int16]]
  decode: (_version, reader, request) => {
    reader.int32()
    const partitions = readPartitionCodes(request.partitions, reader)
    reader.tags()
    return { partitions }
  },
  parts: ofPartitions<TopicPartition, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({ partitions: refusedPartitions(partitions, errorCode) })
  })
}

import { type Api, byTopic, MIB, type TopicPartition } from "./api.ts"
import { isOfPartition } from "./groupMember.ts"
import { type PartitionCode, readPartitionCodes, refusedPartitions } from "./offsetCommit.ts"
import { ofPartitions } from "./parts.ts"

/**
 * Deletes committed offsets of topics that no member of the group is subscribed to (Kafka 2.4 and later).
 *
 * @since 0.4.0
 * @category requests
 */
export interface OffsetDeleteRequest {
  readonly groupId: string
  readonly partitions: ReadonlyArray<TopicPartition>
}

/**
 * What came of deleting offsets.
 *
 * @since 0.4.0
 * @category answers
 */
export interface OffsetDeleteResponse {
  /** Kafka's error code for the group as a whole, 0 if there is no error. */
  readonly errorCode: number
  /** The partitions of which the coordinator told something. */
  readonly partitions: ReadonlyArray<PartitionCode>
}

const partsOfPartitions = ofPartitions<TopicPartition, OffsetDeleteRequest, OffsetDeleteResponse>({
  of: (request, partitions) => ({ ...request, partitions }),
  refuse: ({ partitions }, errorCode) =>
    isOfPartition(errorCode)
      ? { errorCode: 0, partitions: refusedPartitions(partitions, errorCode) }
      : { errorCode, partitions: [] }
})

/** Deletes committed offsets. */
export const offsetDelete: Api<OffsetDeleteRequest, OffsetDeleteResponse> = {
  key: 47,
  name: "OffsetDelete",
  versions: { min: 0, max: 0 },
  flexible: () => false,
  maxAnswerBytes: 16 * MIB,
  // group_id: string, topics: [name: string, partitions: [partition_index: int32]]
  encode: (_version, request, writer) => {
    writer.string(request.groupId)
    writer.array(byTopic(request.partitions), ({ partitions, topic }) => {
      writer.string(topic.name)
      writer.int32s(partitions.map(({ partition }) => partition))
    })
  },
  // error_code: int16, throttle_time_ms: int32, topics: [name: string, partitions: [partition_index: int32,
  //   error_code: int16]]
  decode: (_version, reader, request) => {
    const errorCode = reader.int16()
    reader.int32()
    return { errorCode, partitions: readPartitionCodes(request.partitions, reader) }
  },
  parts: {
    ...partsOfPartitions,
    // A refusal of the group as a whole leaves nothing of the rest.
    merge: (refused, rest) => (refused.errorCode === 0 ? partsOfPartitions.merge(refused, rest) : refused)
  }
}

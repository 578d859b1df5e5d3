import { type Api, byTopic, MIB, Partitions, type TopicPartition } from "./api.ts"
import { type GroupMember, STATIC_MEMBERS } from "./groupMember.ts"
import { ofPartitions } from "./parts.ts"
import type { Reader, Writer } from "./wire.ts"

/**
 * Commits offsets of a group. The members' generation, or epoch, says whether they may.
 *
 * @since 0.4.0
 * @category requests
 */
export interface OffsetCommitRequest extends GroupMember {
  readonly partitions: ReadonlyArray<OffsetCommitPartition>
}

/**
 * What is committed of one partition.
 *
 * @since 0.4.0
 * @category requests
 */
export interface OffsetCommitPartition extends TopicPartition {
  /** The offset of the next record to be consumed. */
  readonly offset: number
  /** Leader epoch of the last record that was consumed; -1 if it is not known. */
  readonly leaderEpoch: number
  /** A text that is kept with the offset: 4,096 bytes by default. `undefined` for none. */
  readonly metadata: string | undefined
}

/**
 * What came of a commit.
 *
 * @since 0.4.0
 * @category answers
 */
export interface OffsetCommitResponse {
  /** The partitions of which the coordinator told something. */
  readonly partitions: ReadonlyArray<PartitionCode>
}

/**
 * What came of a request about one partition that asks for nothing but to be done.
 *
 * @since 0.4.0
 * @category answers
 */
export interface PartitionCode extends TopicPartition {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
}

// topics: [name: string, partitions: [partition_index: int32, committed_offset: int64, committed_leader_epoch: int32,
//   committed_metadata: nullable string]]
export const writeCommits = (
  partitions: ReadonlyArray<OffsetCommitPartition>,
  writer: Writer,
  hasLeaderEpoch: boolean
): void =>
  writer.array(byTopic(partitions), ({ partitions, topic }) => {
    writer.string(topic.name)
    writer.array(partitions, (p) => {
      writer.int32(p.partition)
      writer.int64(p.offset)
      if (hasLeaderEpoch) writer.int32(p.leaderEpoch)
      writer.nullableString(p.metadata)
      writer.tags()
    })
    writer.tags()
  })

// topics: [name: string, partitions: [partition_index: int32, error_code: int16]]
export const readPartitionCodes = (
  asked: ReadonlyArray<TopicPartition>,
  reader: Reader
): ReadonlyArray<PartitionCode> => {
  const partitions = new Partitions<PartitionCode>(asked)
  reader.array(() => {
    const name = reader.string()
    partitions.take(
      (topic) => topic.name === name,
      (topic) =>
        reader.array(() => {
          const partition = reader.int32()
          const errorCode = reader.int16()
          reader.tags()
          return { topic, partition, errorCode }
        })
    )
    reader.tags()
  })
  return partitions.all
}

/** The answer that refuses each of these partitions. */
export const refusedPartitions = (
  partitions: ReadonlyArray<TopicPartition>,
  errorCode: number
): ReadonlyArray<PartitionCode> => partitions.map(({ partition, topic }) => ({ topic, partition, errorCode }))

/** Commits offsets. */
export const offsetCommit: Api<OffsetCommitRequest, OffsetCommitResponse> = {
  key: 8,
  name: "OffsetCommit",
  // Members of the consumer protocol need version 9. Version 10 goes by topic ids, and is not settled in Kafka 4.1.
  versions: { min: 5, max: 9 },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.OffsetCommit),
  flexible: (version) => version >= 8,
  maxAnswerBytes: 16 * MIB,
  // group_id: string, generation_id_or_member_epoch: int32, member_id: string,
  // group_instance_id: nullable string (v7+), topics (with the leader epoch: v6+)
  encode: (version, request, writer) => {
    writer.string(request.groupId)
    writer.int32(request.generation)
    writer.string(request.memberId)
    if (version >= STATIC_MEMBERS.OffsetCommit) writer.nullableString(request.instanceId)
    writeCommits(request.partitions, writer, version >= 6)
    writer.tags()
  },
  // throttle_time_ms: int32, topics
  decode: (_version, reader, request) => {
    reader.int32()
    const partitions = readPartitionCodes(request.partitions, reader)
    reader.tags()
    return { partitions }
  },
  parts: ofPartitions<OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({ partitions: refusedPartitions(partitions, errorCode) })
  })
}

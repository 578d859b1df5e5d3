import { type Api, byTopic, haveIds, MIB, Partitions, readTopic, type TopicPartition, writeTopic } from "./api.ts"
import { type GroupMember, STATIC_MEMBERS } from "./groupMember.ts"
import { ofPartitions } from "./parts.ts"
import type { Reader, Writer } from "./wire.ts"

/**
 * Commits offsets of a group. The members' generation, or epoch, says whether they may. Topics are named by their ids where
 * all of them have one and the coordinator goes by ids (Kafka 4.2 and later), so that nothing is committed for another topic
 * that has the name by now; else by their names.
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

// topics: [name: string, or topic_id: uuid, partitions: [partition_index: int32, committed_offset: int64,
//   committed_leader_epoch: int32, committed_metadata: nullable string]]
export const writeCommits = (
  partitions: ReadonlyArray<OffsetCommitPartition>,
  writer: Writer,
  { hasLeaderEpoch, isById }: { readonly hasLeaderEpoch: boolean; readonly isById: boolean }
): void =>
  writer.array(byTopic(partitions, isById), ({ partitions, topic }) => {
    writeTopic(writer, topic, isById)
    writer.array(partitions, (p) => {
      writer.int32(p.partition)
      writer.int64(p.offset)
      if (hasLeaderEpoch) writer.int32(p.leaderEpoch)
      writer.nullableString(p.metadata)
      writer.tags()
    })
    writer.tags()
  })

// topics: [name: string, or topic_id: uuid, partitions: [partition_index: int32, error_code: int16]]
export const readPartitionCodes = (
  asked: ReadonlyArray<TopicPartition>,
  reader: Reader,
  isById = false
): ReadonlyArray<PartitionCode> => {
  const partitions = new Partitions<PartitionCode>(asked, isById)
  reader.array(() => {
    partitions.take(readTopic(reader, isById), (topic) =>
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

/** From this version on, topics are named by their ids. */
const COMMIT_BY_ID = 10

/** Commits offsets. */
export const offsetCommit: Api<OffsetCommitRequest, OffsetCommitResponse> = {
  key: 8,
  name: "OffsetCommit",
  // Members of the consumer protocol need version 9.
  versions: { min: 5, max: COMMIT_BY_ID },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.OffsetCommit),
  maxVersion: ({ partitions }) => (haveIds(partitions) ? COMMIT_BY_ID : COMMIT_BY_ID - 1),
  flexible: (version) => version >= 8,
  maxAnswerBytes: 16 * MIB,
  // group_id: string, generation_id_or_member_epoch: int32, member_id: string,
  // group_instance_id: nullable string (v7+), topics (with the leader epoch: v6+; by id: v10)
  encode: (version, request, writer) => {
    writer.string(request.groupId)
    writer.int32(request.generation)
    writer.string(request.memberId)
    if (version >= STATIC_MEMBERS.OffsetCommit) writer.nullableString(request.instanceId)
    writeCommits(request.partitions, writer, { hasLeaderEpoch: version >= 6, isById: version >= COMMIT_BY_ID })
    writer.tags()
  },
  // throttle_time_ms: int32, topics
  decode: (version, reader, request) => {
    reader.int32()
    const partitions = readPartitionCodes(request.partitions, reader, version >= COMMIT_BY_ID)
    reader.tags()
    return { partitions }
  },
  parts: ofPartitions<OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({ partitions: refusedPartitions(partitions, errorCode) })
  })
}

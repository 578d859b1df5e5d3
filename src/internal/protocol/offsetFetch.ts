import {
  type Api,
  byTopic,
  haveIds,
  MIB,
  Partitions,
  readTopic,
  type TopicPartition,
  type TopicRef,
  writeTopic
} from "./api.ts"
import { isOfPartition } from "./groupMember.ts"
import { ofPartitions } from "./parts.ts"
import { ProtocolViolation, type Reader, type Writer } from "./wire.ts"

/**
 * Asks for the committed offsets of one group. Topics are named by their ids where all of them have one and the coordinator
 * goes by ids (Kafka 4.2 and later), else by their names.
 *
 * @since 0.4.0
 * @category requests
 */
export interface OffsetFetchRequest {
  readonly groupId: string
  /**
   * Who asks, of the consumer protocol: the coordinator then refuses an epoch that is not the member's any more (Kafka
   * 3.7 and later). `undefined` for a member of the classic protocol, and for who is no member.
   */
  readonly member: { readonly id: string; readonly epoch: number } | undefined
  /**
   * Whether a partition of which a running transaction commits an offset is refused until that has ended (Kafka 2.5 and
   * later).
   */
  readonly requireStable: boolean
  /** The partitions; `undefined` for all of which the group has committed an offset. */
  readonly partitions: ReadonlyArray<TopicPartition> | undefined
}

/**
 * A group's committed offsets.
 *
 * @since 0.4.0
 * @category answers
 */
export interface OffsetFetchResponse {
  /** Kafka's error code for the group as a whole, 0 if there is no error. */
  readonly errorCode: number
  /** The partitions of which the coordinator told something: one that is missing here has not "none committed". */
  readonly partitions: ReadonlyArray<CommittedOffset>
}

/**
 * The committed offset of one partition.
 *
 * @since 0.4.0
 * @category answers
 */
export interface CommittedOffset extends TopicPartition {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The offset of the next record to be consumed; -1 if none is committed. */
  readonly offset: number
  /** Leader epoch of the last record that was consumed; -1 if it is not known. */
  readonly leaderEpoch: number
  /** The text that was committed with it; `undefined` for none. */
  readonly metadata: string | undefined
}

/** From this version on, offsets are asked for by group. */
const BY_GROUP = 8

/** From this version on, members of the consumer protocol say who they are. */
const BY_MEMBER = 9

/** From this version on, topics are named by their ids. An answer about all topics would have no names, either. */
const BY_ID = 10

// partition_index: int32, committed_offset: int64, committed_leader_epoch: int32, metadata: nullable string,
// error_code: int16
const readPartition = (reader: Reader, topic: TopicRef): CommittedOffset => {
  const partition = reader.int32()
  // Brokers keep whatever was committed. A negative offset is no place to begin at, as if none were committed.
  const offset = Math.max(-1, reader.int64())
  const leaderEpoch = reader.int32()
  const metadata = reader.nullableString()
  const errorCode = reader.int16()
  reader.tags()
  return { topic, partition, errorCode, offset, leaderEpoch, metadata: metadata === "" ? undefined : metadata }
}

/** Reads all partitions of all topics, where it was not said which ones are wanted. */
const readAll = (reader: Reader): ReadonlyArray<CommittedOffset> => {
  const found: Array<CommittedOffset> = []
  const seen = new Map<string, Set<number>>()
  reader.array(() => {
    const topic: TopicRef = { name: reader.string(), id: undefined }
    const numbers = seen.get(topic.name) ?? new Set()
    seen.set(topic.name, numbers)
    for (const one of reader.array(() => readPartition(reader, topic))) {
      if (numbers.has(one.partition)) throw new ProtocolViolation(`partition ${one.partition} answered twice`)
      numbers.add(one.partition)
      found.push(one)
    }
    reader.tags()
  })
  return found
}

// topics: [name: string, or topic_id: uuid, partitions: [partition]]
const readTopics = (
  reader: Reader,
  asked: ReadonlyArray<TopicPartition> | undefined,
  isById: boolean
): ReadonlyArray<CommittedOffset> => {
  if (asked === undefined) return readAll(reader)
  const partitions = new Partitions<CommittedOffset>(asked, isById)
  reader.array(() => {
    partitions.take(readTopic(reader, isById), (topic) => reader.array(() => readPartition(reader, topic)))
    reader.tags()
  })
  return partitions.all
}

// topics: nullable [name: string, or topic_id: uuid, partition_indexes: [int32]]
const writeTopics = (writer: Writer, partitions: ReadonlyArray<TopicPartition> | undefined, isById: boolean): void =>
  writer.nullableArray(partitions && byTopic(partitions, isById), ({ partitions, topic }) => {
    writeTopic(writer, topic, isById)
    writer.int32s(partitions.map(({ partition }) => partition))
    writer.tags()
  })

const listed = ofPartitions<
  TopicPartition,
  OffsetFetchRequest & { readonly partitions: ReadonlyArray<TopicPartition> },
  OffsetFetchResponse
>({
  of: (request, partitions) => ({ ...request, partitions }),
  refuse: ({ partitions }, errorCode) =>
    isOfPartition(errorCode)
      ? {
          errorCode: 0,
          partitions: partitions.map(({ partition, topic }) => ({
            topic,
            partition,
            errorCode,
            offset: -1,
            leaderEpoch: -1,
            metadata: undefined
          }))
        }
      : { errorCode, partitions: [] }
})

/** Asks for committed offsets. */
export const offsetFetch: Api<OffsetFetchRequest, OffsetFetchResponse> = {
  key: 9,
  name: "OffsetFetch",
  versions: { min: 5, max: BY_ID },
  maxVersion: ({ partitions }) => (partitions !== undefined && haveIds(partitions) ? BY_ID : BY_ID - 1),
  flexible: (version) => version >= 6,
  maxAnswerBytes: 64 * MIB,
  // group_id: string (to v7), topics (to v7), groups: [group_id: string, member_id: nullable string (v9+),
  //   member_epoch: int32 (v9+), topics (by id: v10)] (v8+), require_stable: bool (v7+)
  encode: (version, { groupId, member, partitions, requireStable }, writer) => {
    const isById = version >= BY_ID
    if (version < BY_GROUP) {
      writer.string(groupId)
      writeTopics(writer, partitions, isById)
    } else {
      writer.array([groupId], (id) => {
        writer.string(id)
        if (version >= BY_MEMBER) {
          writer.nullableString(member?.id)
          writer.int32(member?.epoch ?? -1)
        }
        writeTopics(writer, partitions, isById)
        writer.tags()
      })
    }
    if (version >= 7) writer.boolean(requireStable)
    writer.tags()
  },
  // throttle_time_ms: int32, topics (to v7), error_code: int16 (to v7),
  // groups: [group_id: string, topics, error_code: int16] (v8+)
  decode: (version, reader, { groupId, partitions: asked }) => {
    const isById = version >= BY_ID
    reader.int32()
    if (version < BY_GROUP) {
      const partitions = readTopics(reader, asked, isById)
      const errorCode = reader.int16()
      reader.tags()
      return { errorCode, partitions }
    }
    const groups = reader.array(() => {
      const id = reader.string()
      const partitions = readTopics(reader, asked, isById)
      const errorCode = reader.int16()
      reader.tags()
      return { id, errorCode, partitions }
    })
    reader.tags()
    if (groups.length !== 1 || groups[0].id !== groupId) {
      throw new ProtocolViolation(`${groups.length} groups answered, and not "${groupId}" alone`)
    }
    const [{ errorCode, partitions }] = groups
    return { errorCode, partitions }
  },
  parts: {
    placesOf: (request) => (isListed(request) ? listed.placesOf(request) : []),
    split: (request, isMeant) =>
      isListed(request) ? listed.split(request, isMeant) : { meant: request, rest: undefined },
    refuse: (request, errorCode) =>
      isListed(request) ? listed.refuse(request, errorCode) : { errorCode, partitions: [] },
    // A refusal of the group as a whole leaves nothing of the rest.
    merge: (refused, rest) => (refused.errorCode === 0 ? listed.merge(refused, rest) : refused)
  }
}

const isListed = (
  request: OffsetFetchRequest
): request is OffsetFetchRequest & { readonly partitions: ReadonlyArray<TopicPartition> } =>
  request.partitions !== undefined

/**
 * What members of a group of consumers tell each other, in the classic protocol: bytes within JoinGroup and SyncGroup
 * that no broker reads. Java's consumer, librdkafka and others write the same, in several versions, each of which only
 * appends to the one before: so bytes that are left are what a newer version has appended, and are no fault. All
 * functions that read throw a `ProtocolViolation`, and nothing else.
 */
import { ProtocolViolation, Reader, Writer } from "./wire.ts"

/** What the members of a group of consumers have in common: `JoinGroupRequest.protocolType`. */
export const CONSUMER_PROTOCOL_TYPE = "consumer"

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: ReadonlyArray<number>
}

/** What a member wants, and what it has. */
export interface Subscription {
  readonly topics: ReadonlyArray<string>
  /** What the member's assignor tells those of others; `undefined` for nothing. */
  readonly userData: Uint8Array | undefined
  /** The partitions that it owns. From version 1 on. */
  readonly ownedPartitions: ReadonlyArray<TopicPartitions>
  /** The generation in which it got them; -1 if it does not say. From version 2 on. */
  readonly generation: number
  /** From version 3 on. */
  readonly rackId: string | undefined
}

/** What the leader gives to a member. */
export interface Assignment {
  readonly partitions: ReadonlyArray<TopicPartitions>
  /** What the leader's assignor tells that of the member; `undefined` for nothing. */
  readonly userData: Uint8Array | undefined
}

/** The newest version of both, of Kafka 3.5 and later. */
const NEWEST = 3

// version: int16
const readVersion = (reader: Reader): number => {
  const version = reader.int16()
  if (version < 0) throw new ProtocolViolation(`version ${version} of the consumer protocol`)
  return version
}

// [topic: string, partitions: [int32]]
const readPartitions = (reader: Reader): ReadonlyArray<TopicPartitions> =>
  reader.array(() => ({ topic: reader.string(), partitions: reader.int32s() }))

const writePartitions = (writer: Writer, partitions: ReadonlyArray<TopicPartitions>): void =>
  writer.array(partitions, ({ partitions, topic }) => {
    writer.string(topic)
    writer.int32s(partitions)
  })

// version, topics: [string], user_data: nullable bytes, owned_partitions (v1+), generation_id: int32 (v2+),
// rack_id: nullable string (v3+)
export const encodeSubscription = (subscription: Subscription, version = NEWEST): Buffer => {
  const writer = new Writer(false)
  writer.int16(version)
  writer.array(subscription.topics, (topic) => writer.string(topic))
  writer.nullableBytes(subscription.userData)
  if (version >= 1) writePartitions(writer, subscription.ownedPartitions)
  if (version >= 2) writer.int32(subscription.generation)
  if (version >= 3) writer.nullableString(subscription.rackId)
  return writer.toBuffer()
}

export const decodeSubscription = (bytes: Buffer): Subscription => {
  const reader = new Reader(bytes, false)
  const version = readVersion(reader)
  const topics = reader.array(() => reader.string())
  const userData = reader.nullableBytes()
  const ownedPartitions = version >= 1 ? readPartitions(reader) : []
  const generation = version >= 2 ? reader.int32() : -1
  const rackId = version >= 3 ? reader.nullableString() : undefined
  return { topics, userData, ownedPartitions, generation, rackId }
}

// version, assigned_partitions, user_data: nullable bytes
export const encodeAssignment = (assignment: Assignment, version = NEWEST): Buffer => {
  const writer = new Writer(false)
  writer.int16(version)
  writePartitions(writer, assignment.partitions)
  writer.nullableBytes(assignment.userData)
  return writer.toBuffer()
}

/** Reads an assignment. A member that the leader left out gets no bytes at all, which assign nothing. */
export const decodeAssignment = (bytes: Buffer): Assignment => {
  if (bytes.length === 0) return { partitions: [], userData: undefined }
  const reader = new Reader(bytes, false)
  readVersion(reader)
  const partitions = readPartitions(reader)
  const userData = reader.nullableBytes()
  return { partitions, userData }
}

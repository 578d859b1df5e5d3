/** What a coordinator answers to who commits offsets, looks at them, or deletes them. */
import type {
  CommittedOffset,
  OffsetCommitPartition,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
  PartitionCode
} from "../../../KafkaProtocol.ts"
import {
  GROUP_ID_NOT_FOUND,
  GROUP_SUBSCRIBED_TO_TOPIC,
  INVALID_GROUP_ID,
  NON_EMPTY_GROUP,
  NONE,
  OFFSET_METADATA_TOO_LARGE,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION
} from "../../protocol/codes.ts"
import * as classic from "./classicRequests.ts"
import { checkEpoch } from "./consumerRequests.ts"
import type { GroupEntry } from "./groupEntry.ts"
import type { GroupStore } from "./groupStore.ts"
import { Offsets } from "./offsets.ts"
import { MAX_OFFSET_METADATA } from "./settings.ts"
import { codeOf, isKnown } from "./topicCatalog.ts"

/** Those of a group that there is not. */
const NO_OFFSETS = new Offsets()

export const offsetCommit = (store: GroupStore, request: OffsetCommitRequest, now: number): OffsetCommitResponse => {
  const { groupId, memberId } = request
  const entry = store.find(groupId, now)
  const refused = refusalOf(entry, request)
  const codes = request.partitions.map((asked) => codeOf(store.catalog, asked))
  const isAny = codes.includes(NONE)
  // Who commits without a generation makes a group that only has offsets.
  const target = refused === undefined && isAny ? (entry ?? store.findOrMake(groupId, now)) : undefined
  const partitions = request.partitions.map((asked, i): PartitionCode => {
    const errorCode = codes[i] === NONE ? (refused ?? codeOfMetadata(asked)) : codes[i]
    if (errorCode === NONE) target?.offsets.commit(asked, now)
    return { topic: asked.topic, partition: asked.partition, errorCode }
  })
  // In the classic protocol a commit tells that its member is there.
  if (target?.group.type === "classic") {
    const member = target.group.members.get(memberId)
    if (member !== undefined) target.group.heard(member, now)
  }
  target?.committed(now)
  store.commits.note(request, partitions, now)
  return { partitions }
}

const refusalOf = (entry: GroupEntry | undefined, request: OffsetCommitRequest): number | undefined => {
  if (entry === undefined) return request.generation < 0 ? undefined : GROUP_ID_NOT_FOUND
  const { group } = entry
  if (group.type === "classic") return classic.checkCommit(group, request, { isTransactional: false })
  return request.generation < 0 && group.isEmpty ? undefined : checkEpoch(group, request.memberId, request.generation)
}

export const codeOfMetadata = ({ metadata = "" }: OffsetCommitPartition): number =>
  metadata.length > MAX_OFFSET_METADATA ? OFFSET_METADATA_TOO_LARGE : NONE

export const offsetFetch = (store: GroupStore, request: OffsetFetchRequest, now: number): OffsetFetchResponse => {
  const { groupId, member, partitions, requireStable } = request
  const entry = store.find(groupId, now)
  if (entry?.group.type === "consumer" && member !== undefined) {
    const errorCode = checkEpoch(entry.group, member.id, member.epoch)
    if (errorCode !== undefined) return { errorCode, partitions: [] }
  }
  const offsets = (entry?.offsets ?? NO_OFFSETS).fetch(partitions, requireStable)
  return { errorCode: NONE, partitions: offsets.map((found) => ofItsTopic(store, found)) }
}

/** What is answered of a partition, unless it was named by the id of a topic that there is not. */
const ofItsTopic = ({ catalog }: GroupStore, found: CommittedOffset): CommittedOffset =>
  found.topic.id === undefined || catalog.topicById(found.topic.id) !== undefined
    ? found
    : { ...found, errorCode: UNKNOWN_TOPIC_ID, offset: -1, leaderEpoch: -1, metadata: undefined }

export const offsetDelete = (store: GroupStore, request: OffsetDeleteRequest, now: number): OffsetDeleteResponse => {
  const { groupId, partitions } = request
  if (groupId === "") return { errorCode: INVALID_GROUP_ID, partitions: [] }
  const entry = store.find(groupId, now)
  if (entry === undefined) return { errorCode: GROUP_ID_NOT_FOUND, partitions: [] }
  const { group, offsets } = entry
  if (group.type === "classic" && !group.isEmpty && !group.isOfConsumers) {
    return { errorCode: NON_EMPTY_GROUP, partitions: [] }
  }
  const deleted = partitions.map((asked): PartitionCode => {
    const { partition, topic } = asked
    if (!isKnown(store.catalog, asked)) return { topic, partition, errorCode: UNKNOWN_TOPIC_OR_PARTITION }
    if (group.isSubscribedTo(topic.name)) return { topic, partition, errorCode: GROUP_SUBSCRIBED_TO_TOPIC }
    offsets.delete(topic.name, partition)
    return { topic, partition, errorCode: NONE }
  })
  entry.changed(now)
  return { errorCode: NONE, partitions: deleted }
}

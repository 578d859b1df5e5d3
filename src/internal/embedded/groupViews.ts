/** Groups as the handle shows them. */
import type { GroupMemberView, GroupOffsetView, GroupView, OwnedPartition } from "../../EmbeddedKafka.ts"
import { decodeAssignment } from "../protocol/consumerProtocol.ts"
import type { Cluster } from "./cluster.ts"
import type { GroupEntry } from "./groups/groupEntry.ts"
import { listOf, type PartitionSet } from "./groups/partitionSets.ts"

export const viewOfGroup = (cluster: Cluster, { group, id, offsets }: GroupEntry): GroupView => ({
  group: id,
  protocol: group.type,
  state: group.state,
  epoch: group.type === "classic" ? group.generation : group.epoch,
  assignor: group.type === "classic" ? group.protocolName : group.isEmpty ? undefined : group.assignor,
  coordinator: cluster.groups.leads.of(id),
  members: membersOf(cluster, group),
  offsets: [...offsets.all()].map(([topic, partition, stored]): GroupOffsetView => {
    const end = cluster.topics.get(topic)?.partitions[partition]?.log.highWatermark ?? 0
    const { committedAt, leaderEpoch, metadata, offset } = stored
    return { topic, partition, offset, leaderEpoch, metadata, committedAt, lag: Math.max(0, end - offset) }
  })
})

const membersOf = (cluster: Cluster, group: GroupEntry["group"]): ReadonlyArray<GroupMemberView> =>
  group.type === "classic"
    ? [...group.members].map(({ assignment, clientId, heardAt, instanceId, memberId }) => ({
        memberId,
        instanceId,
        clientId,
        epoch: group.generation,
        assignment: partitionsIn(assignment),
        heardAt
      }))
    : [...group.members.values()].map(({ assigned, clientId, epoch, heardAt, instanceId, memberId }) => ({
        memberId,
        instanceId,
        clientId,
        epoch,
        assignment: partitionsOf(cluster, assigned),
        heardAt
      }))

/** What a leader has assigned; nothing where its bytes are not those of consumers. */
const partitionsIn = (assignment: Buffer): ReadonlyArray<OwnedPartition> => {
  try {
    return decodeAssignment(assignment).partitions.flatMap(({ partitions, topic }) =>
      partitions.map((partition) => ({ topic, partition }))
    )
  } catch {
    return []
  }
}

const partitionsOf = (cluster: Cluster, set: PartitionSet): ReadonlyArray<OwnedPartition> =>
  listOf(set).flatMap(({ partitions, topicId }) => {
    const topic = cluster.topicById(topicId)
    return topic === undefined ? [] : partitions.map((partition) => ({ topic: topic.name, partition }))
  })

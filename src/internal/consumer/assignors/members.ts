/** What all assignors of the classic protocol are given and give. */
import type { TopicPartitions } from "../../protocol/consumerProtocol.ts"

/** What the leader of a group knows of a member: what the member sent when it joined. */
export interface GroupMember {
  readonly memberId: string
  /** The `group.instance.id` of a static member. */
  readonly instanceId: string | undefined
  readonly topics: ReadonlyArray<string>
  /** The partitions that it says it owns. An eager member owns none when it joins. */
  readonly owned: ReadonlyArray<TopicPartitions>
  /** The generation in which it was given what it owns; -1 if it does not say. */
  readonly generation: number
}

/** How many partitions each topic has. A topic that is missing is not known to exist, and nobody is given any of it. */
export type PartitionCounts = ReadonlyMap<string, number>

/** The partitions of each member, by its id: by topic and partition, both ascending. Every member is in it. */
export type Assignment = ReadonlyMap<string, ReadonlyArray<TopicPartitions>>

/**
 * Decides which member is given which partitions. The steps are to be run in slices, as a large group would hold the
 * event loop. The outcome depends on nothing but the arguments, and not on the order of the members.
 */
export interface Assignor {
  /** The name of the protocol that members vote by. */
  readonly name: string
  /** Whether members keep what they own while they join, and give partitions up in a generation of its own. */
  readonly isCooperative: boolean
  readonly assign: (members: ReadonlyArray<GroupMember>, counts: PartitionCounts) => Generator<void, Assignment>
}

/** How many partitions are assigned between two steps. */
export const PARTITIONS_PER_STEP = 4096

/** The order of members, as in Kafka's own assignors: static ones first, by their instance id, then others by their id. */
export const compareMembers = (a: GroupMember, b: GroupMember): number => {
  if (a.instanceId !== undefined && b.instanceId !== undefined) return compareTexts(a.instanceId, b.instanceId)
  if (a.instanceId !== undefined) return -1
  if (b.instanceId !== undefined) return 1
  return compareTexts(a.memberId, b.memberId)
}

export const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Who is subscribed to each topic that has partitions: the topics by name, and their subscribers in the order given. */
export const subscribersOf = (
  members: ReadonlyArray<GroupMember>,
  counts: PartitionCounts
): ReadonlyArray<{ readonly topic: string; readonly count: number; readonly subscribers: ReadonlyArray<number> }> => {
  const topics = new Map<string, Array<number>>()
  for (let i = 0; i < members.length; i++) {
    for (const topic of new Set(members[i].topics)) {
      const subscribers = topics.get(topic)
      if (subscribers === undefined) topics.set(topic, [i])
      else subscribers.push(i)
    }
  }
  return [...topics.keys()].sort(compareTexts).flatMap((topic) => {
    const count = counts.get(topic) ?? 0
    return count > 0 ? [{ topic, count, subscribers: topics.get(topic)! }] : []
  })
}

/** Gathers an assignment, to which partitions are added by topic and partition, both ascending. */
export class Gathering {
  private readonly given: ReadonlyArray<Array<{ readonly topic: string; readonly partitions: Array<number> }>>

  constructor(private readonly members: ReadonlyArray<GroupMember>) {
    this.given = members.map(() => [])
  }

  /** Gives a partition to the member at `index`. */
  add(index: number, topic: string, partition: number): void {
    const topics = this.given[index]
    const last = topics.at(-1)
    if (last?.topic === topic) last.partitions.push(partition)
    else topics.push({ topic, partitions: [partition] })
  }

  get assignment(): Assignment {
    return new Map(this.members.map(({ memberId }, i) => [memberId, this.given[i]]))
  }
}

/** Sets of partitions of topics, by the topics' ids. None of them is ever changed. */
import type { TopicIdPartitions } from "../../../KafkaProtocol.ts"

export type PartitionSet = ReadonlyMap<string, ReadonlySet<number>>

export const NO_PARTITIONS: PartitionSet = new Map()

export const setOf = (list: ReadonlyArray<TopicIdPartitions>): PartitionSet => {
  const set = new Map<string, Set<number>>()
  for (const { partitions, topicId } of list) {
    const all = set.get(topicId) ?? new Set()
    for (const partition of partitions) all.add(partition)
    if (all.size > 0) set.set(topicId, all)
  }
  return set
}

/** By topic id and partition, both ascending. */
export const listOf = (set: PartitionSet): ReadonlyArray<TopicIdPartitions> =>
  [...set]
    .map(([topicId, partitions]) => ({ topicId, partitions: [...partitions].sort((a, b) => a - b) }))
    .sort((a, b) => (a.topicId < b.topicId ? -1 : 1))

/** Those of a set for which `holds`. */
export const filtered = (set: PartitionSet, holds: (topicId: string, partition: number) => boolean): PartitionSet => {
  const left = new Map<string, ReadonlySet<number>>()
  for (const [topicId, partitions] of set) {
    const some = new Set([...partitions].filter((partition) => holds(topicId, partition)))
    if (some.size > 0) left.set(topicId, some)
  }
  return left
}

export const has = (set: PartitionSet, topicId: string, partition: number): boolean =>
  set.get(topicId)?.has(partition) === true

export const without = (set: PartitionSet, others: PartitionSet): PartitionSet =>
  filtered(set, (topicId, partition) => !has(others, topicId, partition))

export const within = (set: PartitionSet, others: PartitionSet): PartitionSet =>
  filtered(set, (topicId, partition) => has(others, topicId, partition))

export const together = (set: PartitionSet, others: PartitionSet): PartitionSet => {
  const all = new Map(set)
  for (const [topicId, partitions] of others) all.set(topicId, new Set([...(all.get(topicId) ?? []), ...partitions]))
  return all
}

export const isWithin = (set: PartitionSet, others: PartitionSet): boolean => without(set, others).size === 0

export const isSame = (a: PartitionSet, b: PartitionSet): boolean => isWithin(a, b) && isWithin(b, a)
